"""Several replayers end as one does: row by row, whatever was edited, whoever was killed, however many there were."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from daemon import failpoint, replayer
from daemon.scratch import Cluster
from daemon.target import ledger
from daemon.target.parallel.target import ParallelTarget
from events.errors import ProcessEnded
from tests.daemon.pair import Pair
from tests.daemon.target.parallel.pair import Replayed


@pytest.fixture
def pair(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A rich repository, captured in `wal` mode, so that the log has every step of it."""
    made = Pair(cluster, tmp_path / "pair", "9", items=40, seed=getattr(request, "param", 1), mode="wal")
    yield made
    made.close()


def edited(pair: Pair, times: int, at_once: int = 40) -> None:
    """So many random edits, captured in parts."""
    for done in range(0, times, at_once):
        for _ in range(min(at_once, times - done)):
            pair.editor.step()
        pair.capture()


@pytest.mark.parametrize("pair", [101, 102, 103], indirect=True)
def test_four_replayers_end_as_one_does(
    pair: Pair, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the beginning, with hundreds of random edits in the log; windows of two dozen events, so there are many."""
    pair.bootstrap()
    edited(pair, 240)
    divided: list[str] = []
    monkeypatch.setattr(failpoint, "hit", divided.append)
    for replayers in (1, 4):
        with closing(Replayed(pair, cluster, tmp_path)) as made:
            divided.clear()
            done = made.replay(replayers, batch=6)
            assert divided.count("replay.shared") > 4 if replayers > 1 else "replay.shared" not in divided
            assert made.differences() == [], replayers
            with closing(made.target(1)) as target:
                assert target.parked() == []
                assert target.begun() == 0
                assert ledger.overdue(target.connection) == []
            assert done.differing == []
            assert [each for each in done.drifted if each] == []
            again = made.replay(replayers)
            assert (again.written, again.deleted) == (0, 0)


def test_the_number_of_replayers_may_change_at_any_moment(pair: Pair, cluster: Cluster, tmp_path: Path) -> None:
    """Also while the log grows, and with batches of other sizes."""
    pair.bootstrap()
    with closing(Replayed(pair, cluster, tmp_path)) as made:
        for number, (replayers, batch) in enumerate([(3, 10), (1, 7), (4, 30), (2, 5)]):
            edited(pair, 60)
            made.replay(replayers, batch=batch, until=None if number == 3 else pair.log.end() - 5)
        assert made.differences() == []


class Crash(BaseException):
    """The first process is killed: nothing after this place is done by it."""


PLACES = [
    "replay.begun",
    "replay.begun:2",
    "replay.committed:2",
    "replay.shared",
    "replay.shared:2",
    "replay.recorded:3",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("then", [1, 2, 4])
def test_a_window_that_was_begun_is_ended_by_whoever_goes_on(
    pair: Pair, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, then: int
) -> None:
    """With one replayer or several, smaller batches, and a log that has grown meanwhile; it was noted where it ends."""
    pair.bootstrap()
    edited(pair, 80)
    with closing(Replayed(pair, cluster, tmp_path)) as made:
        name, _, times = place.partition(":")
        left = [int(times or 1)]

        def trap(passed: str) -> None:
            if passed == name:
                left[0] -= 1
                if not left[0]:
                    raise Crash

        monkeypatch.setattr(failpoint, "hit", trap)
        with pytest.raises(Crash):
            made.replay(4, batch=25)
        monkeypatch.setattr(failpoint, "hit", None)
        edited(pair, 20)
        made.replay(then, batch=4)
        assert made.differences() == []


def test_a_worker_that_is_killed_is_replaced(
    pair: Pair, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the beginning of each window, by SIGKILL; what it was asked is asked of the next."""
    pair.bootstrap()
    edited(pair, 80)
    with closing(Replayed(pair, cluster, tmp_path)) as made, closing(made.target(3)) as target:
        assert isinstance(target, ParallelTarget)
        killed = []

        def kill(passed: str) -> None:
            if passed == "replay.begun":
                killed.append(target.crew.pids[len(killed) % 3])
                os.kill(killed[-1], signal.SIGKILL)

        monkeypatch.setattr(failpoint, "hit", kill)
        replayer.replay(target, pair.log, batch=20)
        replayer.finish(target)
        assert len(killed) > 2
        assert made.differences() == []


def test_workers_that_die_again_and_again_end_the_replay(
    pair: Pair, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error of its own; the next replay goes on from there."""
    pair.bootstrap()
    with closing(Replayed(pair, cluster, tmp_path)) as made:
        monkeypatch.setenv("AIPSTREAM_FAILPOINT", "replay.written")  # in the workers: this process has read it before
        with pytest.raises(ProcessEnded, match="ended from outside"):
            made.replay(3)
        monkeypatch.delenv("AIPSTREAM_FAILPOINT")
        made.free()
        made.replay(3)
        assert made.differences() == []


def test_a_ledger_of_format_2_is_changed_when_it_is_opened(pair: Pair, cluster: Cluster, tmp_path: Path) -> None:
    """And goes on where it was."""
    pair.bootstrap()
    with closing(Replayed(pair, cluster, tmp_path)) as made:
        made.replay(1)
        with closing(psycopg2.connect(made.dsn)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("drop table aipstream.window; update aipstream.format set version = 2")
        edited(pair, 20)
        made.free()
        made.replay(3)
        assert made.differences() == []
