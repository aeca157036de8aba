"""Moments as people write them: what is meant by each, and what is refused in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.positions import MOST, instant, position_of
from events.errors import ConfigError
from events.event import lsn_number
from events.instants import text_of


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
