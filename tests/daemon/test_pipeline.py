"""The daemon outlives its servers, and is ended by what waiting cannot mend."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon import pipeline
from daemon.config import Config
from daemon.config_sections import BlobsSection, LogSection, Run
from daemon.pipeline import Stop, supervise
from daemon.scratch import Cluster
from events.errors import GapInLog, Interrupted, Locked, SourceUnreachable, TargetUnreachable
from tests.daemon.cli.place import Place, eventually, make_templates

CONFIG = Config(log=LogSection(url=""), blobs=BlobsSection(url=""), run=Run(backoff_seconds=0.02))


@pytest.fixture(params=["poll", "wal"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place on a server of its own, which can be stopped, and loses nothing by that."""
    with Cluster(durable=True) as cluster:
        templates = make_templates(cluster, tmp_path / "assetstore", items=10)
        made = Place(cluster, templates, tmp_path / "place", request.param)
        made.good("init")
        made.sql(made.source, "checkpoint")  # a crash sets back the sequences of a database just copied
        yield made
        made.close()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_both_loops_go_on_when_the_server_is_back(place: Place, how: str) -> None:
    """The server is stopped, or crashes, under a running daemon; nobody has to start the daemon again."""
    daemon = place.process("run")
    place.says('"event": "replayed"')
    place.edit(10)
    place.cluster.stop(how)
    eventually(lambda: "again_in_seconds" in place.messages() or "taken up again" in place.messages())
    place.cluster.start()
    place.edit(10, seed=2)
    eventually(lambda: place("verify").code == 0)
    assert daemon.poll() is None
    assert place.stop(daemon) == 0
    place.good("run", "--until-current")
    assert place.differences() == []


class Failing:
    """A loop that raises one error after another, then waits to be stopped."""

    name = "failing"

    def __init__(self, *errors: BaseException, was_up: bool = False) -> None:
        self.errors = list(errors)
        self.runs = 0
        self.was_up = was_up
        self.stop: Stop | None = None

    def run(self, stopped: Callable[[], bool]) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        assert self.stop
        self.stop.now()


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Stop:
    """With short pauses."""
    monkeypatch.setattr(pipeline, "FIRST_PAUSE", 0.01)
    return Stop()


def test_what_passes_is_tried_again(stop: Stop) -> None:
    """Servers that are down, on either end."""
    loop = Failing(SourceUnreachable("x"), TargetUnreachable("y"), SourceUnreachable("z"))
    loop.stop = stop
    supervise(loop, CONFIG, stop)
    assert (loop.runs, stop.error) == (4, None)


@pytest.mark.parametrize("error", [GapInLog("hole"), Locked("other"), RuntimeError("bug"), Interrupted("why")])
def test_what_does_not_pass_ends_the_daemon(stop: Stop, error: BaseException) -> None:
    """With that very error."""
    loop = Failing(error)
    supervise(loop, CONFIG, stop)
    assert (loop.runs, stop.error, stop()) == (1, error, True)


def test_the_lock_of_our_own_lost_connection_is_waited_for(stop: Stop) -> None:
    """The server may not have noticed yet that the connection is gone."""
    loop = Failing(Locked("by ourselves"), was_up=True)
    loop.stop = stop
    supervise(loop, CONFIG, stop)
    assert (loop.runs, stop.error) == (2, None)


def test_a_failure_while_stopping_is_none(stop: Stop) -> None:
    """A server that is shut down together with us is no reason to end badly."""
    stop.now()

    class Late(Failing):
        def run(self, stopped: Callable[[], bool]) -> None:
            raise SourceUnreachable("gone too")

    supervise(Late(), CONFIG, stop)
    assert stop.error is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_may_come_while_the_program_waits_with_a_lock_in_hand(number: signal.Signals) -> None:
    """The handler interrupts the thread that waits at any line, also where that holds the lock of what it waits on."""
    stop = Stop()
    with stop.on_signals():
        with stop._event._cond:  # type: ignore[attr-defined]
            signal.raise_signal(number)
        assert stop.wait()
        for each in (signal.SIGTERM, signal.SIGINT):  # a second one ends it at once
            assert signal.getsignal(each) is signal.SIG_DFL


def test_a_signal_that_another_thread_receives_ends_the_wait() -> None:
    """The kernel may give it to any thread; the one that waits must not need to be woken by it."""
    stop = Stop()
    with stop.on_signals():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            other = threading.Thread(target=_receive, args=(signal.SIGTERM,))
            other.start()
            assert stop.wait(240)
            other.join()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def test_a_loop_that_does_not_end_is_named() -> None:
    """Again and again, until it does."""
    told = threading.Event()
    with capture_logs() as messages:

        def stuck() -> None:
            while len(messages) < 2:
                told.wait(0.01)

        loop = threading.Thread(target=stuck, name="capture")
        loop.start()
        pipeline.await_end([loop], tell=0.02)
    assert not loop.is_alive()
    assert {(each["event"], each["loop"]) for each in messages} == {("stopping.waits", "capture")}


def _receive(number: signal.Signals) -> None:
    time.sleep(0.5)  # the other thread should wait by now; if it does not, the test shows less
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_kill(threading.get_ident(), number)
