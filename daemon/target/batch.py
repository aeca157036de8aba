"""A batch of events, decided: what each of them asks of this target. Pure but for the readers it is given.

Invariants:

* Of several events of one object only the last counts (events are state).
* An event at or before the position that the ledger holds for its object is old and asks nothing: older never
  overwrites newer, so a log can be replayed from any earlier position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NamedTuple

import events.aip
from daemon.target.ledger import Parked, Standing
from events.aip.model import KIND_ORDER, Aip, Kind, Uuid
from events.aip.parts import need_distinct
from events.errors import AipstreamError, InvalidAip
from events.event import Event, Position, Type, decompress
from events.log import Entry

OnDrift = Literal["overwrite", "skip", "park"]


class Put(NamedTuple):
    """An object to be made as the event says."""

    position: Position
    event: Event
    aip: Aip


class Drifted(NamedTuple):
    """An object that somebody edited on the target behind our back."""

    uuid: Uuid
    kind: Kind
    handle: str | None


class Decided(NamedTuple):
    """What a batch comes to. `broken` are events whose payload cannot be read."""

    puts: list[Put]
    deletes: list[Entry]
    old: int
    broken: list[Parked]


def parked(entry: Entry, error: Exception, needs: Sequence[Uuid] = ()) -> Parked:
    """The event put aside for that reason."""
    reason = str(error).strip().split("\n")[0] if not isinstance(error, AipstreamError) else str(error)
    return Parked(
        entry.event.uuid, entry.event.kind, entry.position, type(error).__name__, reason[:2000], tuple(sorted(needs))
    )


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """The last event of every object, in the order of the log."""
    last = {entry.event.uuid: entry for entry in entries}
    return sorted(last.values(), key=lambda entry: entry.position)


def is_old(entry: Entry, standing: Standing | None) -> bool:
    """Whether the target stands at that event or at a later one of the same object."""
    return standing is not None and standing.position >= entry.position


Ahead = Mapping[Position, Aip | Exception]
"""Payloads decoded beforehand: the object, or the error of reading it, by position."""


def decode_ahead(entries: Sequence[Entry]) -> Ahead:
    """Decode what a batch of those entries will need. May run in a thread while the batch before is written."""
    found: dict[Position, Aip | Exception] = {}
    for entry in newest(entries):
        if entry.event.type is Type.PUT:
            try:
                found[entry.position] = decode(entry.event)
            except (ValueError, InvalidAip) as error:
                found[entry.position] = error
    return found


def decoded(runs: Iterable[Sequence[Entry]]) -> Iterator[tuple[Sequence[Entry], Ahead]]:
    """Each run with its payloads, decoded in a thread while the caller is at the one before."""
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        waiting: tuple[Sequence[Entry], Future[Ahead]] | None = None
        for run in runs:
            before, waiting = waiting, (run, pool.submit(decode_ahead, run))
            if before:
                yield before[0], before[1].result()
        if waiting:
            yield waiting[0], waiting[1].result()


def decide(
    entries: Sequence[Entry], standings: Mapping[Uuid, Standing], ahead: Ahead, *, again: bool = False
) -> Decided:
    """What those events (one an object) ask for. `again`: also those that the ledger says are applied."""
    puts: list[Put] = []
    deletes: list[Entry] = []
    broken: list[Parked] = []
    old = 0
    for entry in entries:
        if not again and is_old(entry, standings.get(entry.event.uuid)):
            old += 1
        elif entry.event.type is Type.DELETE:
            deletes.append(entry)
        else:
            read = ahead[entry.position] if entry.position in ahead else decode_ahead([entry])[entry.position]
            if isinstance(read, Exception):
                broken.append(parked(entry, read))
            else:
                puts.append(Put(entry.position, entry.event, read))
    deletes.sort(key=lambda entry: -KIND_ORDER[entry.event.kind])
    return Decided(puts, deletes, old, broken)


def decode(event: Event) -> Aip:
    """The object in an event's payload. Raises InvalidAip if it is damaged, speaks of another object, or of two parts
    that share a UUID.
    """
    aip = events.aip.read(decompress(event.payload))
    if aip.uuid != event.uuid or aip.kind != event.kind:
        raise InvalidAip(f"the payload is of {aip.kind} {aip.uuid}, its event of {event.kind} {event.uuid}")
    need_distinct(aip)
    return aip
