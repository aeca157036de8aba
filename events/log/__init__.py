"""The log: the port that every back end serves. `events.log.opening` is the only door to them.

Invariants that the contract tests (`tests/events/log/contract.py`) put to every back end:

* When `append` returns, its events are durable. A crash before that leaves any prefix of the batch, never a hole.
* Positions grow strictly; an event whose id is already in the log is not appended again and keeps its position.
* `read` gives every event after a position, in order, without a gap. A hole or a damaged record raises `GapInLog`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, runtime_checkable

from events.aip.model import Kind, Uuid
from events.event import BEGINNING, Event, Position
from events.log.chain import Record


class Entry(NamedTuple):
    """An event with its place in the log. `left_out` is how many bytes its payload has, where that was left out."""

    position: Position
    event: Event
    left_out: int = 0


@runtime_checkable
class Log(Protocol):
    """What a log back end can do. Raises `GapInLog` for holes and damage, `StorageUnusable` where it cannot write.

    What is asked for without `whole`, or is said to have no payload, is told by its header alone, which is proved by
    its own checksum. Payloads are not looked at, nor is whatever keeps them: it may be damaged, or not answer.
    """

    @property
    def identity(self) -> str:
        """A UUID made with the log. A target remembers it beside its position, which means nothing in another log."""
        ...

    def append(self, batch: Sequence[Event]) -> list[Position]:
        """Keep the events, durably; return the position of each (of the first one kept, for a repeated id)."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Be the only one who appends, on whatever machine, while it lasts. Raises Locked that names who is."""
        ...

    def read(
        self, after: Position, limit: int | None = None, *, until: Position | None = None, whole: bool = True
    ) -> Iterator[Entry]:
        """Every event after that position and up to `until`, in order, lazily; at most `limit` of them.

        Events that retention has thinned are left out; so positions need not be consecutive.

        It ends at what was the end of the log when it came there, and holds nothing open while its caller thinks.
        Raises `GapInLog`, also for an `after` beyond the end: the log was cut off, or it is another one.
        """
        ...

    def end(self) -> Position:
        """The position of the last event, 0 for an empty log."""
        ...

    def position(self, *, time: str | None = None, lsn: int | None = None) -> Position:
        """The last position whose commit is at or before that time (UTC, as in `Event`) or LSN; 0 if none is."""
        ...

    def latest(self, uuid: Uuid, at: Position | None = None, *, whole: bool = True) -> Entry | None:
        """The newest event of that object at or before that position (or at all); None if there is none."""
        ...

    def entries(self, positions: Sequence[Position]) -> Iterator[Entry]:
        """The events at those positions, which rise; lazily, some hundred at a time. Those that retention has thinned,
        and positions beyond the end, are left out.
        """
        ...

    def history(self, uuid: Uuid, *, whole: bool = True) -> Iterator[Entry]:
        """All events of that object, in order."""
        ...

    def lookup_handle(self, handle: str) -> Entry | None:
        """The newest event that carries that handle, without its payload; None if there is none."""
        ...

    def heads(self, at: Position | None = None) -> Iterator[tuple[Uuid, Position, str, Kind]]:
        """(uuid, position, digest, kind) of the newest event of every object at or before `at`, sorted by uuid, deleted
        objects left out. Lazily: memory does not grow with the log.
        """
        ...

    def id_at(self, position: Position) -> bytes | None:
        """The id of the event at that position, thinned or not; None if there is none."""
        ...

    def seal(self, at: Position | None = None) -> bytes:
        """A digest in which every event up to that position (to the end if None) has a part."""
        ...

    def standing(self, at: Position | None = None) -> Iterator[Entry]:
        """The same events as of `heads`, without their payloads: what an object is called, what it belongs to. So a
        large repository is walked in seconds.
        """
        ...

    def close(self) -> None:
        """Give back files and connections. Nothing acknowledged depends on it."""
        ...


class Writing(NamedTuple):
    """Who says that it writes into a log, or did last (`released`). `since` is when it began, UTC."""

    holder: str
    since: str
    released: bool


@runtime_checkable
class Leased(Protocol):
    """What a log can do besides that is written into from several machines."""

    def writer(self) -> Writing | None:
        """Who writes; None if nobody ever did, or it was forgotten."""
        ...


class Mark(NamedTuple):
    """A moment that retention keeps as it is. `made` is when it was marked, UTC."""

    name: str
    position: Position
    made: str


class Superseded(NamedTuple):
    """An event after which the same object has another one, at `by`. `size` is that of its payload in bytes."""

    position: Position
    by: Position
    size: int


class Thinned(Protocol):
    """What retention has taken away of a log."""

    def thinned(self, after: Position = BEGINNING, until: Position | None = None) -> int:
        """How many events after that position, up to `until`, were thinned."""
        ...

    def stale(self, at: Position, uuid: Uuid | None = None, *, there: bool = False) -> int:
        """How many objects had their newest event at or before `at` thinned: of those the log no longer knows how they
        were then. With a UUID, of that object alone; with `there`, only of those that were there, and not deleted.
        """
        ...


class Retention(Thinned, Protocol):
    """How old events of a log are taken away. Their places stay, and so does the chain."""

    def superseded(self, until: Position) -> Iterator[Superseded]:
        """Every whole event that an event at or before `until` supersedes; object by object, lazily."""
        ...

    def thin(self, positions: Sequence[Position]) -> int:
        """Take the payloads of those events away, for good; the bytes that they had. The newest event of an object is
        left whole, whoever asks. A kill leaves some of them taken away, and each whole or thinned.
        """
        ...

    def references(self, after: Position = BEGINNING) -> Iterator[tuple[Position, tuple[str, ...]]]:
        """The blobs that each whole event after that position needs."""
        ...

    def marks(self) -> list[Mark]:
        """The moments that are marked, by position. Raises GapInLog if one is damaged or missing."""
        ...

    def mark(self, name: str, position: Position, made: str | None = None) -> None:
        """Mark a moment; once more is no error. `made` is when that was, if not now. Raises ConfigError if another
        moment has that name, GapInLog as `marks`.
        """
        ...

    def unmark(self, name: str) -> None:
        """Give a marked moment up. Raises ConfigError if there is none of that name."""
        ...


class Copying(Protocol):
    """How a log becomes a copy of another one: record by record, with positions, chain and identity. So whoever has
    read the one up to a position can go on with the other.
    """

    def records(self, after: Position) -> Iterator[Record]:
        """Every record after a position, in order and proved, thinned ones too. Raises GapInLog as `Log.read` does."""
        ...

    def adopt(self, identity: str) -> None:
        """Take the identity of the log that is copied; nothing if it has it already. Raises ConfigError if there are
        events in it under another one.
        """
        ...

    def extend(self, records: Sequence[Record]) -> None:
        """Append those records as they are, durably. Raises GapInLog unless they follow the end and are chained."""
        ...
