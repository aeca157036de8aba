"""Which moments are kept, and which events no kept moment needs. Pure: times and positions in, positions out.

Invariant: an event is needed at every position from its own up to that of the next event of the same object. It may
be thinned if no kept moment lies there. Nothing else decides, so the newest event of an object is always needed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from events.errors import ConfigError
from events.event import Position
from events.log import Superseded

_AGE: Final = re.compile(r"(\d+)\s*(h|d|w|m|y)")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24, "m": 31 * 24, "y": 366 * 24}

FOREVER: Final = timedelta.max


def age(text: str, where: str) -> timedelta:
    """The span meant by `12h`, `30d`, `8w`, `6m` (of 31 days), `10y`, `forever`. Raises ConfigError naming `where`."""
    if text == "forever":
        return FOREVER
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{where}: {text!r} is no age", "Write 12h, 30d, 8w, 6m, 10y or forever.")
    try:
        return timedelta(hours=int(found[1]) * _HOURS[found[2]])
    except OverflowError as error:
        raise ConfigError(f"{where}: {text!r} is too long", "Write forever.") from error


class Policy(NamedTuple):
    """How long what is kept, counted back from now: every event, then the state at each full hour, day and month."""

    every: timedelta
    hourly: timedelta
    daily: timedelta
    monthly: timedelta


def moments(policy: Policy, now: datetime, first: datetime) -> list[datetime]:
    """The moments in UTC, oldest first, whose state is kept, from before the time in which every event is.

    `first` is when the log begins: nothing is to be kept before it.
    """
    whole = _back(now, policy.every, first)
    kept: set[datetime] = {whole}
    for span, step in ((policy.hourly, _hour), (policy.daily, _day), (policy.monthly, _month)):
        begin = _back(now, span, first)
        moment = step(whole)
        while moment >= begin:
            kept.add(moment)
            moment = step(moment - timedelta(microseconds=1))
    return sorted(kept)


def _back(now: datetime, span: timedelta, first: datetime) -> datetime:
    return first if span >= now - first else now - span


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> datetime:
    return _hour(moment).replace(hour=0)


def _month(moment: datetime) -> datetime:
    return _day(moment).replace(day=1)


def thinnable(superseded: Iterable[Superseded], kept: Sequence[Position]) -> Iterator[Superseded]:
    """The events that no moment at one of those positions (sorted) needs."""
    for event in superseded:
        index = bisect_left(kept, event.position)
        if index == len(kept) or kept[index] >= event.by:
            yield event
