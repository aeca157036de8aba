"""The command is killed at every place where it matters, and started again: nothing is lost and nothing is doubled."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from daemon.failpoint import NAMES
from tests.chaos import test_kill_back as back
from tests.chaos.wreck import Wreck

ALONE = {"index.told"} | back.SEVERAL
"""What a round without an index, and with one replayer, does not come to."""

NOT_PASSED = {
    "wal": {"bootstrap.slice"} | ALONE,  # only while everything is captured: a test of its own
    "poll": {"capture.read", "capture.confirmed"} | ALONE,  # a sweep has no slot, and reads by its own loop
}
ROUND = {"capture", "bootstrap", "replay"}
"""What a round passes; the other verbs are killed in tests of their own."""
EDITS = 12

NEEDS_A_BROKER = {"kafka.claimed", "kafka.sent", "kafka.committed", "kafka.indexed"}
"""Passed by no round on the embedded log."""

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


def test_every_place_is_crossed_by_a_test() -> None:
    """It is one of a round's, one of a verb's that goes back, or named by another test, whole or by its group."""
    here = Path(__file__)
    crossed = {place.values[1] for place in (*PLACES, *back.PLACES)}
    texts = [path.read_text() for path in here.parents[1].rglob("*.py") if path not in {here, Path(back.__file__)}]
    named = {name for text in texts for name in re.findall(r'"([a-z]+\.(?:[a-z]+)?)(?::\d+)?"', text)}
    crossed |= {name for name in NAMES if {name, f"{name.partition('.')[0]}."} & named}
    assert {name for name in NAMES if name not in crossed} <= NEEDS_A_BROKER


def test_every_place_in_the_code_is_in_the_list() -> None:
    """And every place of the list is in the code: a name that nothing passes would be tested by nobody."""
    top = Path(__file__).parents[2]
    files = [path for folder in ("daemon", "events") for path in (top / folder).rglob("*.py")]
    text = "\n".join(path.read_text() for path in files if path.name != "failpoint.py")
    assert {name for name in NAMES if f'"{name}"' not in text} == set()
    assert set(re.findall(r'\bfailpoint\("([a-z.]+)"\)', text)) <= set(NAMES)
