"""SIGTERM, Ctrl-C and SIGKILL."""

from __future__ import annotations

import signal

import pytest

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
