"""Records and payloads of a log put right from what proves itself: the log's own remains, and a copy of it.

Invariant: whatever is tried, `Mending` lets only that through which checksum and chain prove; so a wrong guess costs a
look, and no record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.errors import AipstreamError, ChecksumMismatch, GapInLog
from events.event import BEGINNING, Position
from events.log.chain import Record, digest
from events.log.inspecting import Fault, Inspected, Inspecting, Mending

OF_RECORDS = {Fault.GAP, Fault.UNREADABLE, Fault.HEADER, Fault.CHAIN}
OF_PAYLOADS = {Fault.PAYLOAD, Fault.PAYLOAD_GONE, Fault.THINNED}


def at(inspecting: Inspecting, position: Position) -> Inspected | None:
    """What is at a position."""
    return next(iter(inspecting.walk(position - 1, position)), None)


def faults(found: Inspected | None) -> set[Fault]:
    """What is wrong with it."""
    return {flaw.fault for flaw in found.flaws} if found else {Fault.GAP}


def runs(positions: Sequence[Position]) -> Iterator[tuple[Position, Position]]:
    """Sorted positions as ranges, each from its first to its last."""
    first = last = None
    for position in positions:
        if first is None or last is None or position != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = position
        last = position
    if first is not None and last is not None:
        yield first, last


def relink(mending: Mending, position: Position, *, dry_run: bool) -> tuple[str, str]:
    """(how, "") if the link of that record could be written anew, ("", why not) else."""
    if dry_run:
        return "by the next record, if that proves it", ""
    try:
        mending.put_chain(position)
    except (ChecksumMismatch, GapInLog) as error:
        return "", str(error)
    return "by the next record, which proves it", ""


def from_copy(mending: Mending, copy: Inspecting, first: Position, last: Position, *, dry_run: bool) -> tuple[str, str]:
    """The records from one position to another out of a copy: (how, "") or ("", why not)."""
    try:
        if dry_run:
            count = sum(1 for _ in _whole(copy, first, last))
            return (
                ("from the copy, if its chain is that of the log", "") if count else ("", "the copy has none of them")
            )
        mending.put_records(first, _whole(copy, first, last))
    except (ChecksumMismatch, GapInLog) as error:
        return "", str(error)
    return "from the copy", ""


def _whole(copy: Inspecting, first: Position, last: Position) -> Iterator[Record]:
    for found in copy.walk(first - 1, last):
        if not found.whole or found.record is None:
            raise ChecksumMismatch(f"position {found.position} of the copy is damaged or missing itself")
        yield found.record


class Payloads:
    """Looks for the payload of an event within the log and a copy of it. `strays` are other damaged positions: two
    payloads may have changed places.
    """

    def __init__(self, inspecting: Inspecting, copy: Inspecting | None, strays: Sequence[Position]) -> None:
        self.inspecting, self.copy = inspecting, copy
        self._strays: dict[bytes, Position] = {}
        for position in strays:
            found = at(inspecting, position)
            if found is not None and found.found is not None:
                self._strays[digest(found.found)] = position

    def __call__(self, damaged: Inspected) -> tuple[bytes, str] | None:
        """The payload that the header of that record names and where it was; None if it is nowhere."""
        record = damaged.record
        if record is None:
            return None
        if record.size == 0:
            return b"", "it is empty"
        if damaged.found is not None and digest(damaged.found) == record.payload_checksum:
            return damaged.found, "it is there, but not as it should be"
        stray = self._strays.get(record.payload_checksum)
        if stray is not None:
            found = at(self.inspecting, stray)
            if found is not None and found.found is not None:
                return found.found, f"it stood at position {stray}"
        for other in self.inspecting.later(record.event.uuid, BEGINNING):
            same = other.record
            if same and same.payload_checksum == record.payload_checksum and other.position != record.position:
                whole = at(self.inspecting, other.position)
                if whole is not None and whole.whole and whole.record and not whole.record.thinned:
                    return whole.record.event.payload, f"the same state is at position {other.position}"
        if self.copy is not None:
            try:
                there = at(self.copy, record.position)
            except AipstreamError:
                return None
            if there and there.whole and there.record and there.record.payload_checksum == record.payload_checksum:
                return (there.record.event.payload, "the copy has it") if not there.record.thinned else None
        return None
