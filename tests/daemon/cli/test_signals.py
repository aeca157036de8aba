"""SIGTERM, Ctrl-C and SIGKILL."""

from __future__ import annotations

import contextlib
import signal

import pytest

from daemon import failpoint
from daemon.capture_loop import CAPTURED, CaptureLoop
from daemon.config import load
from daemon.parts import state_of
from daemon.pipeline import Stop, supervise
from daemon.source.poll import FINISHED
from tests.daemon.cli.place import Place


@pytest.mark.parametrize("place", ["poll", "wal"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_after_its_batches(place: Place, number: signal.Signals) -> None:
    """Exit code 0, the locks are free, and nothing is left half done."""
    daemon = place.process("run")
    place.says('"event": "replayed"')
    assert place.stop(daemon, number) == 0
    assert '"event": "stopped"' in place.messages()
    assert place.good("status", "--json").json["capture"]["process"] is None
    place.good("run", "--until-current")
    assert place.differences() == []


@pytest.mark.parametrize("place", ["wal"], indirect=True)
def test_a_daemon_that_is_killed_is_started_again(place: Place) -> None:
    """No lock is left, nothing is lost, nothing is doubled."""
    daemon = place.process("run")
    place.says('"event": "replayed"')
    place.edit(20)
    place.stop(daemon, signal.SIGKILL)
    place.edit(20, seed=2)
    place.good("run", "--until-current")
    assert place.differences() == []


def test_a_sweep_does_not_hold_up_the_end(replicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends between two slices, which is no error, and is not noted as one that came to its end."""
    config, stop = load(replicated.path), Stop()
    with contextlib.closing(state_of(config)) as state:
        before = [state.meta(key) for key in (FINISHED, CAPTURED)]
        replicated.sql(replicated.source, "update metadatavalue set text_value = text_value || '!'")
        passed = []

        def slice_done(name: str) -> None:
            if name == "bootstrap.slice":
                passed.append(name)
                stop.now()

        monkeypatch.setattr(failpoint, "hit", slice_done)
        supervise(CaptureLoop(config, lambda: None), config, stop)
        assert (len(passed), stop.error) == (1, None)
        assert [state.meta(key) for key in (FINISHED, CAPTURED)] == before
    monkeypatch.undo()
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
