"""An archive gives back what the log does: any moment of it, imported into a fresh DSpace, is the source as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.sample.edits import EDITS
from daemon.scratch import Cluster
from events.log.opening import open_log
from tests.chaos.wreck import Begun
from tests.daemon.cli.place import Templates
from tests.daemon.export.ocfl.living import valid
from tests.daemon.restore.chronicle import Chronicle
from tests.hunting import examples

Begin = Callable[[int], Chronicle]


@pytest.fixture
def told(cluster: Cluster, begun: Begun, small: Templates, tmp_path: Path) -> Begin:
    """Begins a history of a repository that has been captured once."""
    return lambda seed: Chronicle(cluster, begun, small, tmp_path, "poll", seed)


@pytest.mark.parametrize("seed", range(examples(1)))
def test_an_import_of_a_moment_is_a_restore_of_it(told: Begin, seed: int) -> None:
    """Every kind of edit, in an order drawn by lot, archived in two runs: a moment that is taken of the archive into an
    empty repository, at once or by an empty log and its replay, is the source as it was then, row by row, by the judge
    by which a restore to it is."""
    draw = random.Random(seed)
    edits = draw.sample(sorted(EDITS), len(EDITS))
    with told(seed) as story:
        root = story.folder / "archive"
        moments = []
        for chapter in range(2):
            story.edit_by(edits[chapter::2])
            moments.append(story.note())
            story.good("export", "--ocfl", str(root))
        valid(root)
        for moment, into in zip(moments, ("target", "log"), strict=True):
            story.another_target()
            if into == "log":
                for path in story.folder.glob("log.sqlite*"):
                    path.rename(story.folder / f"old.{path.name}")
                open_log(story.log_url, create=True).close()
            words = ("--at", str(moment.position), "--into", into, "--mode", "replace", "--yes", "--json")
            done = story.good("import", str(root), *words).json
            assert (done["inexact"], done["losses"], done["missing"]) == (0, [], [])
            if into == "log":
                story.good("replay")
            assert story.unlike(moment) == []
