"""Places in the log as people name them: by number, by LSN, by time, by a name of their own; and where the target is.

Invariant: what reads as a number, an LSN or a time is that. `keep` takes no such thing for a name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from daemon.config import Config
from daemon.parts import reading
from events.aip.model import Uuid
from events.errors import ConfigError
from events.event import Position, lsn_number, lsn_text
from events.instants import text_of
from events.log import Entry, Log
from events.log.opening import retention_of

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AGO: Final = re.compile(
    r"([0-9]+)\s*(?:(s)(?:ec(?:ond)?s?)?|(m)(?:in(?:ute)?s?)?|(h)(?:ours?)?|(d)(?:ays?)?|(w)(?:eeks?)?)\s+ago"
)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LSN: Final = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_NUMBER: Final = re.compile(r"[0-9]+")
MOST: Final = 2**63 - 1
"""The last position and the last LSN that a log can have: SQLite's integers end there."""


class Dated(Protocol):
    """What has positions by time and LSN: a log, or an archive of one."""

    def position(self, *, time: str | None = None, lsn: int | None = None) -> Position:
        """The last position that has it or an earlier one; 0 if there is none."""
        ...


def position_of(log: Dated, text: str) -> Position:
    """The position meant by a number, an LSN, a time (UTC unless it has an offset) or a time ago (`90 min ago`).

    Raises ConfigError.
    """
    if _NUMBER.fullmatch(text):
        if len(text.lstrip("0")) > len(str(MOST)) or int(text) > MOST:
            raise ConfigError(
                f"{text[:40]!r} is no position: no log has one above {MOST:,}", "`aipstream log` lists those there are."
            )
        return int(text)
    if _LSN.fullmatch(text):
        if lsn_number(text) > MOST:
            raise ConfigError(
                f"{text!r} is no LSN of an event: no log has one above {lsn_text(MOST)}",
                "`aipstream log` lists those there are.",
            )
        return log.position(lsn=lsn_number(text))
    try:
        return log.position(time=instant(text))
    except ConfigError as error:
        raise ConfigError(
            f"{text!r} is no position",
            'Write the number of an event, an LSN (16/B374D848), a time (2026-01-31T14:05) or "2h ago".',
        ) from error


class Chosen(NamedTuple):
    """The position that somebody's moment stands for. `notes` has a line if the log ends before that moment."""

    position: Position
    notes: list[str]


def chosen(log: Log, text: str | None) -> Chosen:
    """As `position_of`, or the moment that is kept under that name; but never beyond the end of the log, which is also
    what None stands for. Raises ConfigError, GapInLog if what is kept is damaged.
    """
    end = log.end()
    if text is None:
        return Chosen(end, [])
    try:
        at = position_of(log, text)
    except ConfigError:
        kept = _kept(log, text)
        if kept is None:
            raise
        return Chosen(min(kept, end), [])
    last = next(log.read(end - 1, limit=1, whole=False), None) if end else None
    if at < end or last is None or not _after(text, at, last):
        return Chosen(at, [])
    note = (
        f"{text} is beyond the end of the log, which is taken: position {end:,}, {last.event.commit_time[:19]}Z. "
        "Of anything later it knows nothing."
    )
    return Chosen(end, [note])


def is_moment(text: str) -> bool:
    """Whether it reads as a number, an LSN or a time, be there such a moment or not."""
    if _NUMBER.fullmatch(text) or _LSN.fullmatch(text):
        return True
    try:
        instant(text)
    except ConfigError:
        return False
    return True


def _kept(log: Log, name: str) -> Position | None:
    try:
        retention = retention_of(log)
    except ConfigError:  # in Kafka every moment is kept, and none has a name
        return None
    return next((mark.position for mark in retention.marks() if mark.name == name), None)


def _after(text: str, at: Position, last: Entry) -> bool:
    """Whether the moment is later than the last event of the log."""
    if _NUMBER.fullmatch(text):
        return at > last.position
    if _LSN.fullmatch(text):
        return lsn_number(text) > last.event.lsn
    return instant(text) > last.event.commit_time


def instant(text: str) -> str:
    """The instant meant by a time (UTC unless it has an offset) or a time ago, written as in events.

    Raises ConfigError.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            seconds = int(ago[1]) * _SECONDS[next(filter(None, ago.groups()[1:]))]
            moment = datetime.now(UTC) - timedelta(seconds=seconds)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return text_of(moment)
    except (ValueError, OverflowError) as error:  # the second: before or behind all calendars
        raise ConfigError(f"{text!r} is no time", 'Write 2026-01-31T14:05, or "2h ago".') from error


def uuid_of(log: Log, thing: str) -> Uuid:
    """The object meant by a UUID or by a handle, as the log knows it. Raises ConfigError."""
    if _UUID.fullmatch(thing):
        return thing.lower()
    found = log.lookup_handle(thing.removeprefix("hdl:").removeprefix("http://hdl.handle.net/"))
    if found is None:
        raise ConfigError(f"no event has the handle {thing!r}", "Give the whole handle (123456789/42) or a UUID.")
    return found.event.uuid


def own_position(config: Config, log: Log) -> Position:
    """Up to where that log has been applied to the target; 0 if the target was never prepared. Takes no lock."""
    with reading(config) as books:
        return books.position(log.identity)
