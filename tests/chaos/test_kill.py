"""The command is killed at every place where it matters, and started again: nothing is lost and nothing is doubled."""

from __future__ import annotations

import signal

import pytest

from daemon.failpoint import NAMES
from tests.chaos.wreck import Wreck

NOT_PASSED = {
    "wal": {"bootstrap.slice", "index.told"},  # only while everything is captured: a test of its own
    "poll": {"capture.read", "capture.confirmed", "index.told"},  # a sweep has no slot, and reads by its own loop
}
ROUND = {"capture", "bootstrap", "replay"}
"""What a round passes; the other verbs are killed in tests of their own."""
EDITS = 12

PLACES = [
    pytest.param(mode, name, id=f"{mode}-{name}")
    for mode in ("wal", "poll")
    for name in (*NAMES, "replay.written:2", "replay.committed:3")
    if name not in NOT_PASSED[mode] and name.partition(".")[0] in ROUND
]


@pytest.mark.parametrize(("wreck", "place"), PLACES, indirect=["wreck"])
def test_a_round_that_is_killed_is_made_up_for_by_the_next(replicated: Wreck, place: str) -> None:
    """Killed in the middle of pending edits; the same command again ends with both equal, and says everything once."""
    replicated.configure(more="batch = 4")
    replicated.edit(EDITS)
    killed = replicated.command("run", "--until-current", AIPSTREAM_FAILPOINT=place)
    assert killed.code == -signal.SIGKILL, killed
    replicated.fine("run", "--until-current")
    replicated.assert_converged()


BEGINNINGS = [
    ("wal", "bootstrap.slice:3"),
    ("wal", "replay.files"),
    ("poll", "bootstrap.slice"),
    ("poll", "capture.appended"),
    ("poll", "replay.committed"),
]


@pytest.mark.parametrize(("wreck", "place"), BEGINNINGS, indirect=["wreck"])
def test_a_beginning_that_is_killed_goes_on(wreck: Wreck, place: str) -> None:
    """Killed while everything is captured or replayed for the first time, and edited before it goes on."""
    killed = wreck.command("run", "--until-current", AIPSTREAM_FAILPOINT=place)
    assert killed.code == -signal.SIGKILL, killed
    wreck.edit(EDITS)
    wreck.fine("run", "--until-current")
    wreck.assert_converged()
