"""A dsn that leads nowhere, or is none."""

from __future__ import annotations

import pytest

from daemon.scratch import free_port
from tests.daemon.cli.place import Place


def nowhere() -> str:
    return f"postgresql://dspace@127.0.0.1:{free_port()}/dspace"


@pytest.mark.parametrize("verb", [("run", "--until-current"), ("snapshot",), ("verify",)])
def test_a_source_that_does_not_answer_is_exit_code_6(place: Place, verb: tuple[str, ...]) -> None:
    """The message names the end and the dsn, the hint says what to look at."""
    place.configure(source=nowhere())
    done = place(*verb)
    assert done.code == 6
    assert "[source] postgresql://dspace@127.0.0.1" in done.err
    assert "Check [source] dsn" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("verb", [("replay",), ("sequences",), ("run", "--until-current")])
def test_a_target_that_does_not_answer_is_exit_code_7(place: Place, verb: tuple[str, ...]) -> None:
    """What was captured before stays captured."""
    place.configure(target=nowhere())
    done = place(*verb)
    assert done.code == 7
    assert "[target] postgresql://dspace@127.0.0.1" in done.err


def test_a_dsn_that_is_none_is_exit_code_2(place: Place) -> None:
    """Nothing is tried with it."""
    place.configure(source="this is no dsn")
    done = place("run", "--until-current")
    assert done.code == 2
    assert "[source] dsn" in done.err


def test_status_tells_what_it_can_reach(replicated: Place) -> None:
    """A target that is down hides neither the log nor the source."""
    replicated.configure(target=nowhere())
    told = replicated.good("status", "--json").json
    assert told["log"]["end"] > 0
    assert told["capture"]["parked"] == 0
    assert "127.0.0.1" in told["replay"]["error"]


def test_the_daemon_waits_for_a_source_that_is_down(place: Place) -> None:
    """A server that does not answer is tried again, and the daemon can be stopped while it waits."""
    place.configure(source=nowhere())
    daemon = place.process("run")
    place.says("again_in_seconds")
    assert daemon.poll() is None
    assert place.stop(daemon) == 0
