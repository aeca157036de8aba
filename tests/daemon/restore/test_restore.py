"""A repository brought to the state that it had at another moment, row by row."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from daemon.restore.apply import carry_out
from daemon.restore.plan import Plan, plan
from daemon.scratch import Cluster, postgres_programs
from daemon.target.applied import Applied
from daemon.target.replay import NativeTarget
from events.event import Position
from tests.comparator import differences
from tests.daemon.pair import Pair, repository


class Recorded(NamedTuple):
    """The source as it was at a position of the log: a copy of its database and of its files."""

    position: Position
    dsn: str
    files: Path


def copied(cluster: Cluster, pair: Pair, folder: Path, name: str) -> Recorded:
    """The source as it is now, everything of it captured."""
    pair.capture()
    dsn = cluster.create(name)
    dumped = subprocess.run(
        [str(postgres_programs() / "pg_dump"), "--no-owner", pair.source_dsn], check=True, capture_output=True
    )
    words = [str(postgres_programs() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", dsn]
    subprocess.run(words, input=dumped.stdout, check=True, stdout=subprocess.DEVNULL)
    shutil.copytree(pair.source_store, folder / name)
    return Recorded(pair.log.end(), dsn, folder / name)


@pytest.fixture
def story(
    cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Pair, list[Recorded]]]:
    """A repository that was edited, with a copy of it at three moments; the replica stands at the last.

    Each test has edits of its own, the same in every run unless SEED is set.
    """
    seed = int(os.environ.get("SEED") or random.Random(request.node.name).randrange(10**6))
    print("seed", seed)
    pair = Pair(cluster, tmp_path, "9", items=20, seed=seed)
    try:
        recorded = []
        for number in range(3):
            for _ in range(12 if number else 0):
                pair.editor.step()
            recorded.append(copied(cluster, pair, tmp_path, f"recorded_{tmp_path.name[-8:]}_{number}"))
        pair.replay()
        yield pair, recorded
    finally:
        pair.close()


def restore(target: NativeTarget, at: Position, *, stand: bool = True) -> tuple[Plan, Applied]:
    made = plan(target.connection, target.log, at, target.options)
    target.connection.rollback()
    done = carry_out(target, made, stand=stand)
    target.finish()
    return made, done


def same(recorded: Recorded, target_dsn: str, target_store: Path) -> list[str]:
    return differences(recorded.dsn, target_dsn, source_assetstore=recorded.files, target_assetstore=target_store)


def test_a_replica_goes_back_to_any_moment_and_forward_again(story: tuple[Pair, list[Recorded]]) -> None:
    """Each recorded moment, back and forth, equals its copy; a second restore has nothing to do; and a replay brings
    the replica to the present again."""
    pair, recorded = story
    for number in (0, 2, 1):
        moment = recorded[number]
        restore(pair.target, moment.position)
        assert pair.target.parked() == []
        assert same(moment, pair.target_dsn, pair.target_store) == []
        assert pair.target.position() == moment.position
        assert restore(pair.target, moment.position)[0].steps == []
    pair.replay()
    assert pair.differences() == []


def test_an_empty_target_takes_any_moment(cluster: Cluster, tmp_path: Path, story: tuple[Pair, list[Recorded]]) -> None:
    """A freshly installed repository that nothing was replayed into."""
    pair, recorded = story
    dsn, store = repository(cluster, tmp_path / "empty", "9", shuffle=3, admin="c@example.org")
    target = NativeTarget(dsn, store, pair.blobs, pair.log)
    try:
        restore(target, recorded[1].position)
        assert target.parked() == []
        assert same(recorded[1], dsn, store) == []
    finally:
        target.close()


@pytest.mark.parametrize("place", ["restore.rewound", "restore.applied:2", "replay.written", "replay.files"])
def test_killed_anywhere_it_can_simply_be_run_again(story: tuple[Pair, list[Recorded]], place: str) -> None:
    """The process dies in the middle; another one does the same restore and ends where it should."""
    pair, recorded = story
    pair.target.close()
    code = (
        "import sys\nfrom pathlib import Path\nfrom daemon.target.replay import NativeTarget\n"
        "from events.blobs import open_blobs\nfrom events.log.opening import open_log\n"
        "from tests.daemon.restore.test_restore import restore\nimport daemon.restore.apply as apply\n"
        "apply.AT_ONCE = 5\n"
        "target = NativeTarget(sys.argv[1], Path(sys.argv[2]), open_blobs(sys.argv[3]), open_log(sys.argv[4]))\n"
        "restore(target, int(sys.argv[5]))\n"
    )
    words = [
        "python", "-c", code, pair.target_dsn, str(pair.target_store), f"file://{pair.folder}/blobs",
        f"sqlite:///{pair.folder}/log.sqlite", str(recorded[0].position),
    ]  # fmt: skip
    import sys

    words[0] = sys.executable
    killed = subprocess.run(words, env={**os.environ, "AIPSTREAM_FAILPOINT": place}, check=False)
    assert killed.returncode == -9
    restore(pair.target, recorded[0].position)
    assert pair.target.parked() == []
    assert same(recorded[0], pair.target_dsn, pair.target_store) == []
