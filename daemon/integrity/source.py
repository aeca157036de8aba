"""What the source still knows of damaged events: the very state, byte for byte, or else the object as it is now.

Invariants:

* A state is put back only if what the source gives is, encoded again, the payload that the event's checksum names.
* An event is marked as lost only after a later event of its object is in the log, and whole. If the source has the
  object, that is a new capture of it; if it has it no more, its deletion.
* A new capture has an LSN of its own, also where the source has written nothing since the damaged event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

from daemon.config import Config
from daemon.dspace import fingerprint, version
from daemon.dspace.connect import connect, meaning
from daemon.dspace.facets import Options
from daemon.hold import hold
from daemon.parts import Capturing, lock_path, state_of
from daemon.source import Touched
from daemon.source.emitter import PUT_ORDER, Pending, instant, snapshot_of
from daemon.source.state import Known, State
from events.aip.model import Kind, Uuid
from events.event import BEGINNING, Event, Type
from events.log import Log
from events.log.chain import Record, digest
from events.log.inspecting import Inspecting

AT_ONCE: Final = 50
DAMAGED: Final = "damaged"
"""What the state remembers as the digest of an object that is to be captured anew: no object ever has it."""


def standing(config: Config, records: Sequence[Record]) -> dict[Uuid, str]:
    """The digests of those events' objects as they are at the source now. Raises SourceUnreachable and others."""
    source = config.need_source()
    found: dict[Uuid, str] = {}
    with meaning("source", source.dsn), closing(connect(source.dsn, "source")) as connection:
        security = version.probe(connection).has_security_level
        connection.rollback()
        options = Options(security, False, config.people.passwords, source.drafts)
        for kind in {record.event.kind for record in records}:
            uuids = sorted({record.event.uuid for record in records if record.event.kind is kind})
            for start in range(0, len(uuids), AT_ONCE):
                found.update(fingerprint.digests(connection, kind, uuids[start : start + AT_ONCE], options))
    return found


def payload_again(parts: Capturing, record: Record) -> bytes | None:
    """The payload of that event made again, if its object still stands like that and gives the same bytes."""
    event, capture, emitter = record.event, parts.emitter.capture, parts.emitter
    with snapshot_of(emitter.connection()) as connection:
        digests = fingerprint.digests(connection, event.kind, [event.uuid], emitter.options)
        if not event.digest or digests.get(event.uuid) != event.digest:
            return None
        touched = {event.uuid: Touched(event.kind, event.uuid, event.lsn, event.commit_time)}
        captured = capture(connection, event.kind, {event.uuid: event.digest}, touched)
    parts.blobs.flush()
    for again in captured.events:
        if digest(again.payload) == record.payload_checksum:
            return again.payload
    return None


def capture_anew(parts: Capturing, newest: Sequence[Record], told: Callable[[Uuid, str], None]) -> None:
    """An event of each of those objects as it is now, or of its being gone. `told` hears of one that was parked."""
    order = {kind: place for place, kind in enumerate((*PUT_ORDER, Kind.TOMBSTONE))}
    records = sorted(newest, key=lambda record: (order[record.event.kind], record.position))
    for start in range(0, len(records), AT_ONCE):
        some = records[start : start + AT_ONCE]
        parts.state.remember(known=[Known(one.event.kind, one.event.uuid, DAMAGED) for one in some])
        with snapshot_of(parts.emitter.connection()) as connection:
            lsn, time = instant(connection)
            # Ends of commits are multiples of eight: an LSN just behind one is no other event's.
            lsn = max(lsn, *(one.event.lsn + 1 for one in some))
            there: dict[Uuid, str] = {}
            for kind in {one.event.kind for one in some}:
                uuids = [one.event.uuid for one in some if one.event.kind is kind]
                there.update(fingerprint.digests(connection, kind, uuids, parts.emitter.options))
            kept = [Touched(one.event.kind, one.event.uuid, lsn, time) for one in some if one.event.uuid in there]
            parts.emitter.emit(kept, connection)
        gone = [one.event for one in reversed(some) if one.event.uuid not in there]
        parts.emitter.commit(Pending(events=[_deletion(event, lsn, time) for event in gone]))
        for waiting in parts.state.parked([one.event.uuid for one in some]):
            told(waiting.uuid, f"it could not be captured: {waiting.error}: {waiting.reason}")


def _deletion(event: Event, lsn: int, time: str) -> Event:
    """Made here: the emitter would ask the log for the object's last event, which is damaged."""
    return Event(
        source=event.source,
        lsn=lsn,
        uuid=event.uuid,
        kind=event.kind,
        type=Type.DELETE,
        commit_time=time,
        handle=event.handle,
    )


def caught_up(config: Config, log: Log, inspecting: Inspecting) -> None:
    """Bring the state to what the log's headers say, where reading the events would stop at a damaged payload.

    Raises Locked while somebody captures.
    """
    with hold(lock_path(config)), closing(state_of(config)) as state:
        if state.meta("log") != log.identity:
            return
        seen, end = int(state.meta("log_position") or BEGINNING), log.end()
        if not seen < end:
            return
        for found in inspecting.walk(seen, end, payloads=False):
            if not found.whole or found.record is None:
                return  # the capture will say what is wrong
            _remember(state, found.record.event, found.position)


def _remember(state: State, event: Event, position: int) -> None:
    known = Known(event.kind, event.uuid, None if event.type is Type.DELETE else event.digest)
    state.remember(known=[known], cleared=[event.uuid], meta={"log_position": str(position)})
