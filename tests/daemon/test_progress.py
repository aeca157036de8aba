"""Progress where there is no terminal."""

from __future__ import annotations

import pytest

from daemon import progress as module
from daemon.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test moves."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_short_work_says_nothing(clock: list[float]) -> None:
    """Nothing is shown of what ends within two seconds."""
    lines: list[str] = []
    with Progress("replaying", "events", 10, line=lines.append) as progress:
        for done in range(11):
            progress.to(done)
            clock[0] += 0.1
    assert lines == []


def test_long_work_says_how_far_it_is_every_few_seconds_and_at_its_end(clock: list[float]) -> None:
    """How many, of how many, how fast, and how long still."""
    lines: list[str] = []
    with Progress("replaying", "events", line=lines.append) as progress:
        for second in range(21):
            progress.to(second * 100, 2100, "item")
            clock[0] += 1
    assert lines[0] == "replaying: 200 of 2,100 events, 100/s, 19 s left (item)"
    assert len(lines) == 5
    assert lines[-1].startswith("replaying: 2,000 of 2,100 events")


def test_work_that_fails_has_no_last_line(clock: list[float]) -> None:
    """The error is what is told then."""
    lines: list[str] = []
    progress = Progress("x", "things", line=lines.append)
    progress.to(0)
    clock[0] += 3
    progress.to(1)
    progress.to(2)
    progress.__exit__(RuntimeError, RuntimeError(), None)
    assert len(lines) == 1


def test_where_another_part_of_the_work_begins_the_rate_begins_anew(clock: list[float]) -> None:
    """No rate is below nothing, and without a unit none is named."""
    lines: list[str] = []
    with Progress("repairing", "", line=lines.append) as progress:
        for part, many in (("the log", 1000), ("damage", 100)):
            for second in range(6):
                progress.to(second * many // 10, many, part)
                clock[0] += 1
    assert lines == [
        "repairing: 200 of 1,000, 100/s, 8 s left (the log)",
        "repairing: 10 of 100, 10/s, 9 s left (damage)",
        "repairing: 50 of 100, 8/s, 6 s left (damage)",
    ]
