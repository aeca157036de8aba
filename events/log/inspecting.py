"""How a log is looked at when it may be damaged: every record with what is wrong with it, and none in silence.

`Log.read` stops at the first damage, as whoever acts on events must. `Inspecting` walks on: it says of each position
what is there, what the checksums and the chain say to it, and of what cannot be trusted at least what it claims to be.

`Mending` puts records right. Invariant: nothing is written that a checksum of the log itself does not prove, and
nothing whole is touched. A payload that is lost is not replaced by another; its event is marked as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from events.aip.model import Uuid
from events.event import Position
from events.log import Mark
from events.log.chain import Record


class Fault(StrEnum):
    """What can be wrong. Those after `TORN` are not of the log itself; whoever checks more than that finds them."""

    GAP = "gap"
    """There is no record at that position."""
    UNREADABLE = "unreadable"
    """The storage does not give the record, or a part of it."""
    HEADER = "header"
    """The record is not what its checksum says."""
    CHAIN = "chain"
    """The record is whole in itself, but not chained to the one before it."""
    PAYLOAD_GONE = "payload-gone"
    """The payload is not there, and retention has not taken it away."""
    PAYLOAD = "payload"
    """The payload is not what its checksum says."""
    THINNED = "thinned"
    """It is marked as thinned, though retention never does that: the newest of its object, or with its payload."""
    INDEX = "index"
    """An index does not find the record."""
    END = "end"
    """The log does not end where it says that it ends."""
    MARK = "mark"
    """A moment that retention has to keep is not the one that was marked, or is gone."""
    TORN = "torn"
    """The storage's own structure is damaged: what can be read is whole, but nothing may be written into it."""

    DOCUMENT = "document"
    """The payload is what was appended, but no AIP of the event's object."""
    CONTENT_GONE = "content-gone"
    """A blob that the event needs is not in the blob store."""
    CONTENT_SIZE = "content-size"
    """The blob has not as many bytes as it should have."""
    CONTENT = "content"
    """The bytes of the blob are not those of its name."""


class Flaw(NamedTuple):
    """One thing that is wrong, in words."""

    fault: Fault
    what: str


class Claimed(NamedTuple):
    """What a record says that it is, whether it can be trusted or not."""

    uuid: str
    kind: str
    handle: str | None
    commit_time: str


class Inspected(NamedTuple):
    """What is at a position.

    record    where the header is proved; its event has the payload if that is proved too
    claimed   what the header says, if there is one
    found     the bytes that lie there as the payload if they are not that of the event, or there is no event
    header    of a record that is not proved the values as they are (`chain.header`), texts that are none as bytes
    """

    position: Position
    record: Record | None
    claimed: Claimed | None = None
    flaws: tuple[Flaw, ...] = ()
    found: bytes | None = None
    header: tuple[Any, ...] | None = None

    @property
    def whole(self) -> bool:
        """Nothing is wrong with it that keeps it from being read."""
        return self.record is not None and not any(flaw.fault is not Fault.INDEX for flaw in self.flaws)


class Extent(NamedTuple):
    """`noted` is the last position by what the log has noted down, `last` that of the last record that is there."""

    noted: Position
    last: Position


class Inspecting(Protocol):
    """Reading a log past its damage. Raises StorageUnusable where nothing can be read at all."""

    def extent(self) -> Extent:
        """How far the log should go, and goes."""
        ...

    def walk(self, after: Position, until: Position | None = None, *, payloads: bool = True) -> Iterator[Inspected]:
        """Every position after that one up to `until` (to the end of either `extent`), in order, lazily.

        Without `payloads` those are not looked at, and the records have none.
        """
        ...

    def later(self, uuid: Uuid, after: Position) -> Iterator[Inspected]:
        """What is there of an object after that position, in order, without payloads."""
        ...

    def overall(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[Flaw]:
        """What is wrong with the log as a whole and with no record alone: its end, its indexes, the structure of its
        file. It cannot go on where it stopped, so it is one piece of work; Interrupted if it was `stopped`.
        """
        ...

    def size(self) -> int:
        """The bytes that `overall` reads: of all that is kept on this machine."""
        ...


class Mending(Protocol):
    """Putting a log right. Each call is one transaction, durable when it returns. Where a record around it is damaged
    that would have to prove it, GapInLog or ChecksumMismatch is raised.
    """

    def put_payload(self, position: Position, payload: bytes) -> None:
        """Put a payload back in its place. Raises ChecksumMismatch unless it is the one that the header names."""
        ...

    def put_records(self, first: Position, records: Iterable[Record]) -> Position:
        """Put records of a copy in their places, from `first` on; the last position. Raises ChecksumMismatch or
        GapInLog, and writes nothing, unless each is proved in itself and all of them by the chain of what stands
        before and after them here. A payload that is whole here stays.
        """
        ...

    def put_chain(self, position: Position) -> None:
        """Write the link of that record anew. Raises ChecksumMismatch unless the next record proves it."""
        ...

    def put_end(self) -> None:
        """Note the end where it is. Raises ChecksumMismatch unless every record behind the noted one is proved."""
        ...

    def keep(self, position: Position) -> None:
        """Take back that an event is marked as thinned. Raises ChecksumMismatch unless its payload is there."""
        ...

    def put_marks(self, known: Sequence[Mark], *, dry_run: bool = False) -> tuple[str, str]:
        """Put the moments right that are to be kept, as far as their checksums prove them, with those `known` from a
        copy: (how, "") if all of them are whole then, ("", why not) else.
        """
        ...

    def lose_marks(self, *, dry_run: bool = False) -> list[str] | None:
        """Give up those that are gone; the names of the others. None, and nothing done, while one is damaged."""
        ...

    def reindex(self) -> None:
        """Make the indexes anew from the records."""
        ...

    def unsound(self) -> str | None:
        """Why nothing may be written into this log though it can be read; None if it may."""
        ...

    def lose(self, positions: Sequence[Position], why: str) -> list[Position]:
        """Mark events whose payloads are damaged as lost: they are read no more, as thinned ones. Those that were.

        An event is only lost if its object has a later one, which is whole; the others are left as they are.
        """
        ...

    def lost(self, after: Position = 0) -> Iterator[tuple[Position, Claimed, str]]:
        """The events that were marked as lost, with why."""
        ...
