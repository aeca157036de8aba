"""The verbs that go back are killed at every place that they pass, and simply run again: as if never killed."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from daemon.failpoint import NAMES
from daemon.scratch import Cluster
from events.blobs.local import LocalBlobs
from events.log.opening import open_log, retention_of
from tests.chaos.wreck import Begun, Wreck
from tests.comparator import differences

NOTHING_LONG = {f"AIPSTREAM_RETENTION_{key}": "0h" for key in ("ALL", "HOURLY", "DAILY", "MONTHLY")}

SEVERAL = {"replay.begun", "replay.shared"}
"""Passed where several processes replay; these verbs write by one."""

VERBS: dict[str, tuple[set[str], set[str]]] = {
    "restore": ({"restore", "replay"}, SEVERAL),
    "over-backup": ({"restore", "replay"}, SEVERAL),
    "undo": ({"restore", "replay"}, SEVERAL),
    "prune": ({"prune"}, set()),
    "keep": ({"keep"}, set()),
}
"""Which groups of places a verb passes, and which of them not."""

PLACES = [
    pytest.param(verb, name, id=f"{verb}-{name}")
    for verb, (groups, without) in VERBS.items()
    for name in NAMES
    if name.partition(".")[0] in groups and name not in without
]


class Travelled(NamedTuple):
    """A place that was replicated, edited and replicated again. `then` is (a copy, and its name, of) the source at
    position `at`, between.
    """

    begun: Begun
    at: int
    template: str
    then: str
    files: Path


@pytest.fixture(scope="module")
def travelled(cluster: Cluster, begun: Begun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Travelled]:
    """What every test here begins with a copy of."""
    wreck = Wreck(cluster, begun.templates, tmp_path_factory.mktemp("travelled"))
    wreck.take_over(begun)
    wreck.edit(15, 1)
    wreck.good("snapshot")
    at = len(wreck.entries())
    name = f"then_{wreck.name}"
    then = cluster.create(name, f"s_{wreck.name}")
    shutil.copytree(wreck.source_store, wreck.folder / "then", copy_function=os.link)
    wreck.edit(25, 2)
    wreck.good("run", "--until-current")
    templates = begun.templates._replace(
        source=f"s_{wreck.name}", target=f"t_{wreck.name}", assetstore=wreck.source_store
    )
    yield Travelled(Begun(templates, wreck.folder), at, name, then, wreck.folder / "then")
    cluster.drop(name)
    wreck.close()


@pytest.fixture
def back(cluster: Cluster, travelled: Travelled, tmp_path: Path) -> Iterator[Wreck]:
    """Such a copy."""
    wreck = Wreck(cluster, travelled.begun.templates, tmp_path)
    wreck.take_over(travelled.begun)
    yield wreck
    wreck.close()


def over_a_backup(back: Wreck, travelled: Travelled) -> None:
    """The target is now the source of an earlier moment, without some of its files."""
    back.cluster.drop(f"t_{back.name}")
    back.target = back.cluster.create(f"t_{back.name}", travelled.template)
    shutil.rmtree(back.target_store)
    shutil.copytree(travelled.files, back.target_store)
    for path in sorted(path for path in back.target_store.rglob("*") if path.is_file())[::4]:
        path.unlink()


def nobodys(back: Wreck) -> None:
    """A content that no event needs."""
    blobs = LocalBlobs.from_url(f"file://{back.folder}/blobs")
    blobs.put(io.BytesIO(b"nobody's"))
    blobs.flush()


def unlike(back: Wreck, travelled: Travelled) -> list[str]:
    return differences(
        travelled.then, back.target, source_assetstore=travelled.files, target_assetstore=back.target_store
    )


def words(verb: str, travelled: Travelled) -> tuple[str, ...]:
    at = str(travelled.at)
    return {
        "restore": ("restore", "--at", at, "--yes"),
        "over-backup": ("replay", "--over-backup"),
        "undo": ("undo", "--between", at, "999999", "--yes"),
        "prune": ("prune",),
        "keep": ("keep", "before"),
    }[verb]


@pytest.mark.parametrize(("verb", "place"), PLACES)
def test_a_verb_that_goes_back_is_run_again(
    back: Wreck, travelled: Travelled, monkeypatch: pytest.MonkeyPatch, verb: str, place: str
) -> None:
    """Killed by SIGKILL in the middle of it; the same command again ends with what it should have brought about."""
    for key, value in NOTHING_LONG.items():
        monkeypatch.setenv(key, value)
    if verb == "over-backup":
        over_a_backup(back, travelled)
    if verb == "prune":
        back.good("keep", "then", "--at", str(travelled.at))
        nobodys(back)
    killed = back.command(*words(verb, travelled), AIPSTREAM_FAILPOINT=place)
    assert killed.code == -signal.SIGKILL, killed
    back.fine(*words(verb, travelled))
    if verb in {"restore", "undo"}:  # to undo all that came after a moment brings that moment back
        assert back.half_written() == []
        assert unlike(back, travelled) == []
        assert back.parked() == []
    elif verb == "keep":
        assert [mark["name"] for mark in back.good("keep", "--json").json["marks"]] == ["before"]
    elif verb == "prune":
        again = back.good("prune", "--json").json
        assert (again["thinned"], again["aside"]) == (0, 0)
        with closing(open_log(back.log_url)) as log:
            assert retention_of(log).thinned() > 0
            assert retention_of(log).stale(travelled.at) == 0
        back.good("restore", "--at", str(travelled.at), "--yes")
        assert unlike(back, travelled) == []
    back.good("replay")
    if verb != "undo":
        back.assert_equal()
