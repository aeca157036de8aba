"""Moments as people write them: what is meant by each, and what is refused in words."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.positions import MOST, chosen, instant, is_moment, position_of
from events.errors import ConfigError
from events.event import lsn_number
from events.instants import text_of
from events.log.opening import open_log, retention_of
from tests.events.samples import event


class Asked:
    """What has no event, and tells what it was asked for."""

    def position(self, *, time: str | None = None, lsn: int | None = None) -> int:
        self.asked = time if lsn is None else lsn
        return 0


@pytest.mark.parametrize("year", [1, 12, 987, 1999, 9999])
def test_instants_of_all_years_have_one_length(year: int) -> None:
    """Texts are sorted as their instants are, and can be read again."""
    moment = datetime(year, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert text_of(moment) == f"{year:04}-02-03T04:05:06.000007Z"
    assert datetime.fromisoformat(text_of(moment)) == moment
    assert instant(f"{year:04}-02-03T04:05:06.000007") == text_of(moment)


@pytest.mark.parametrize(
    "text",
    [
        "FFFFFFFF/FFFFFFFF",
        "80000000/0",
        str(MOST + 1),
        "99999999999999999999",
        "9" * 5000,
        "٣",
        "１２",
        "³",
        "٣h ago",
        "-1",
        "0001-01-01T00:00+14:00",
        "9" * 5000 + "h ago",
    ],
)
def test_what_no_log_can_have_is_refused(text: str) -> None:
    """Numbers that no database could hold, and digits of which it is not plain what they count."""
    with pytest.raises(ConfigError, match=r"is no (position|LSN)"):
        position_of(Asked(), text)


def test_the_last_position_and_the_last_lsn_are_taken() -> None:
    """What is refused begins right behind them."""
    log = Asked()
    assert position_of(log, f"000{MOST}") == MOST
    position_of(log, "7FFFFFFF/FFFFFFFF")
    assert log.asked == MOST == lsn_number("7FFFFFFF/FFFFFFFF")


def test_a_kept_moment_is_named(tmp_path: Path) -> None:
    """By its name, and never beyond the end of the log; a name that nobody gave is told as before."""
    with closing(open_log(f"sqlite:///{tmp_path}/log.sqlite", create=True)) as log:
        log.append([event(lsn, lsn) for lsn in range(1, 6)])
        retention_of(log).mark("before the upgrade", 3)
        retention_of(log).mark("late", 99)
        retention_of(log).mark("2", 4)
        assert chosen(log, "before the upgrade") == (3, [])
        assert chosen(log, "late") == (5, [])
        assert chosen(log, "2") == (2, []), "what reads as a position is one"
        with pytest.raises(ConfigError, match="'after it' is no position"):
            chosen(log, "after it")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        *((text, True) for text in ("7", "99999999999999999999", "16/B374D848", "2026-01-31", "2h ago")),
        *((text, False) for text in ("before", "on 2026-01-31", "٣")),
    ],
)
def test_what_reads_as_a_moment_is_no_name(text: str, moment: bool) -> None:
    """So that no two things can be meant by one text."""
    assert is_moment(text) is moment
