"""The whole history of one object, event by event, and what became of each on the target.

Invariant: every event of the object is told, also one that changed nothing and one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import events.aip
from daemon.history.changes import changes
from daemon.target.ledger import Parked
from events.aip.model import Aip, Kind, Uuid
from events.errors import InvalidAip
from events.event import Event, Position, Type, decompress, lsn_text
from events.log import Log
from events.log.opening import thinned_of


class Step(NamedTuple):
    """One event of an object: when, and what changed by it. `target` says what became of it there.

    `thinned`: the event just before was thinned, so these changes are those of several events.
    """

    position: Position
    commit_time: str
    lsn: str
    xid: int
    source: str
    type: Type
    kind: Kind
    handle: str | None
    changes: list[str]
    target: str
    thinned: bool = False


def document(event: Event) -> Aip | None:
    """The object as the event has it, None for a delete. Raises InvalidAip, ValueError for a damaged payload."""
    return events.aip.read(decompress(event.payload)) if event.type is Type.PUT else None


def steps(log: Log, uuid: Uuid, applied: Position | None = None, parked: Parked | None = None) -> Iterator[Step]:
    """The events of that object in order.

    `applied` is the target's position and `parked` what it has put aside of the object; None if there is no target.
    """
    before: Aip | None = None
    retention = thinned_of(log)
    for position, event, _ in log.history(uuid):
        try:
            now = document(event)
            told = changes(before, now) or ["nothing changed"]
            before = now
        except (InvalidAip, ValueError) as error:
            told = [f"the document of this event cannot be read: {error}"]
        yield Step(
            position, event.commit_time, lsn_text(event.lsn), event.xid, event.source, event.type, event.kind,
            event.handle, told, _became(position, applied, parked), bool(retention.stale(position - 1, uuid)),
        )  # fmt: skip


def _became(position: Position, applied: Position | None, parked: Parked | None) -> str:
    if applied is None:
        return ""
    if parked is not None and position == parked.position:
        return f"parked: {parked.reason}"
    return "applied" if position <= applied else "not yet applied"
