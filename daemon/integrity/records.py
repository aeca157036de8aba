"""Records and payloads of a log put right from what proves itself: the log's own remains, and a copy of it.

Invariant: whatever is tried, `Mending` lets only that through which checksum and chain prove; so a wrong guess costs a
look, and no record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.errors import AipstreamError, ChecksumMismatch, GapInLog
from events.event import BEGINNING, Position
from events.log.chain import NO_CHAIN, Record, digest
from events.log.inspecting import Fault, Inspected, Inspecting, Mending
from events.log.one_bit import payload_before, record_before

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


def one_bit(inspecting: Inspecting, mending: Mending, found: Inspected | None, *, dry_run: bool) -> tuple[str, str]:
    """The record without the bit that has flipped in its header: (how, "") or ("", why not)."""
    if found is None or found.header is None:
        return "", ""
    chain = NO_CHAIN
    if found.position > 1:
        before = at(inspecting, found.position - 1)
        if before is None or before.record is None:
            return "", ""
        chain = before.record.chain
    record = record_before(found.header, found.found, chain)
    if record is None:
        return "", ""
    if not dry_run:
        try:
            mending.put_records(found.position, [record])
        except (ChecksumMismatch, GapInLog) as error:
            return "", str(error)
    return "one bit of its header had flipped, or its checksum was damaged: its checksum or chain prove what it was", ""


def from_copy(mending: Mending, copy: Inspecting, first: Position, last: Position, *, dry_run: bool) -> tuple[str, str]:
    """The records from one position to another out of a copy: (how, "") or ("", why not).

    If what is around them does not prove them, its neighbours are taken as well: beside a hole, a link that is damaged
    too is not seen to be.
    """
    why = ""
    for beside in (0, 1):
        begin, end = max(first - beside, BEGINNING + 1), last + beside
        try:
            if dry_run:
                count = sum(1 for _ in records_of(copy, first, last))
                how = "from the copy, if its chain is that of the log"
                return (how, "") if count else ("", "the copy has none of them")
            mending.put_records(begin, records_of(copy, begin, end))
        except (ChecksumMismatch, GapInLog) as error:
            why = why or str(error)
        else:
            return "from the copy", ""
    return "", why


def records_of(copy: Inspecting, first: Position, last: Position) -> Iterator[Record]:
    """The records of a copy. Raises ChecksumMismatch at the first that is not whole."""
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
                there = None
            of_copy = there.record if there and there.whole else None
            if of_copy and not of_copy.thinned and of_copy.payload_checksum == record.payload_checksum:
                return of_copy.event.payload, "the copy has it"
        if damaged.found is not None and len(damaged.found) == record.size:
            before = payload_before(damaged.found, record.payload_checksum)
            if before is not None:
                return before, "one bit of it had flipped, as its checksum proves"
        return None
