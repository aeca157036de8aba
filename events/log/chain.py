"""The chain: what proves an event in its place, the same in every back end.

Invariants:

* `checksum` covers every field of an event and its position, and through `payload_checksum` the payload; so a flipped
  bit, an event moved to another position, or a payload under another event is found when it is read.
* Every event is a link: `chain` is the digest of the chain before it and of its `checksum`. So an event that was
  replaced together with its checksum is found too, as long as one later link is known from elsewhere.
* Nothing of it depends on where the event is kept. A copy in another back end has the same chain, so two logs that
  agree in their last link agree in every event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from events.aip.model import Kind
from events.errors import GapInLog
from events.event import Event, Position, Type

NO_CHAIN: Final = bytes(16)
"""What the first event is chained to."""

LARGEST_INTEGER: Final = 2**63 - 1
"""What every back end can hold. An LSN counts bytes of WAL, so a source is far from it."""

COVERED: Final = 15
"""Fields that a checksum covers; a header is those, the checksum and the chain."""


class Record(NamedTuple):
    """An event in its place with what proves it.

    size, payload_checksum  of the payload as it was appended; so both are there when the payload was taken away
    checksum, chain         16 bytes each, see above
    thinned                 retention took the payload away: that of `event` is empty, whatever `size` says
    """

    position: Position
    event: Event
    size: int
    payload_checksum: bytes
    checksum: bytes
    chain: bytes
    thinned: bool = False


def recorded(position: Position, event: Event, before: bytes) -> Record:
    """The event as a new record at that position, chained to the one before it.

    Raises ValueError for an lsn or xid outside of 0 to 2^63-1.
    """
    for name, number in (("lsn", event.lsn), ("xid", event.xid)):
        if not 0 <= number <= LARGEST_INTEGER:
            raise ValueError(f"{name} {number} of the event of {event.uuid} is outside of 0 to {LARGEST_INTEGER}")
    payload = digest(event.payload)
    checksum = _checksum(covered(position, event, len(event.payload), payload))
    return Record(position, event, len(event.payload), payload, checksum, link(before, checksum))


def covered(position: Position, event: Event, size: int, payload_checksum: bytes) -> list[Any]:
    """The fields under the checksum, in their order: plain integers, texts, bytes and None."""
    return [
        position,
        event.id,
        event.source,
        event.lsn,
        event.uuid,
        event.kind.value,
        event.type.value,
        event.commit_time,
        event.xid,
        event.digest,
        event.handle,
        msgspec.json.encode(event.parents).decode(),
        msgspec.json.encode(event.blobs).decode(),
        size,
        payload_checksum,
    ]


def header(record: Record) -> list[Any]:
    """What is under the checksum, then checksum and chain: all of a record but its payload."""
    fields = covered(record.position, record.event, record.size, record.payload_checksum)
    return [*fields, record.checksum, record.chain]


def proved(fields: Sequence[Any]) -> Event:
    """The event, without its payload, of a header. Raises GapInLog if it is damaged."""
    *under, checksum, _ = fields
    position, identity, source, lsn, uuid, kind, type_, commit_time, xid, digest_, handle, parents, blobs, _, _ = under
    try:
        if _checksum(under) != checksum:
            raise damaged(position, "its checksum differs")
        event = Event(
            source=source,
            lsn=lsn,
            uuid=uuid,
            kind=Kind(kind),
            type=Type(type_),
            commit_time=commit_time,
            xid=xid,
            digest=digest_,
            handle=handle,
            parents=_NAMES.decode(parents),
            blobs=_NAMES.decode(blobs),
        )
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise damaged(position, f"it cannot be decoded ({error})") from error
    if event.id != identity:
        raise damaged(position, "its id is not that of its (source, lsn, uuid)")
    return event


def whole(fields: Sequence[Any], payload: object) -> Event:
    """The event of a header and its payload. Raises GapInLog if either is damaged."""
    event = proved(fields)
    size, checksum = fields[COVERED - 2], fields[COVERED - 1]
    if not isinstance(payload, bytes) or len(payload) != size or digest(payload) != checksum:
        raise damaged(fields[0], "its payload is missing or is not what its checksum says")
    return msgspec.structs.replace(event, payload=payload)


def read_record(fields: Sequence[Any], payload: object, *, thinned: bool = False, bare: bool = False) -> Record:
    """The record of a header and its payload, which is not looked at where it was thinned, or where a `bare` one is
    wanted. Raises GapInLog.
    """
    event = proved(fields) if thinned or bare else whole(fields, payload)
    size, payload_checksum, checksum, chain = fields[COVERED - 2 :]
    return Record(fields[0], event, size, payload_checksum, checksum, chain, thinned)


def follows(record: Record, before: bytes, expected: Position) -> None:
    """Raise GapInLog unless that record is the next one, is what its checksums say, and is chained to the last one."""
    if record.position != expected:
        raise GapInLog(f"position {expected} is missing: the next record is that of position {record.position}")
    read_record(header(record), record.event.payload, thinned=record.thinned)
    if link(before, record.checksum) != record.chain:
        raise damaged(record.position, UNCHAINED)


UNCHAINED: Final = "it is not chained to the one before it"


def link(before: bytes, checksum: bytes) -> bytes:
    """The chain after an event with that checksum."""
    return digest(before + checksum)


def damaged(position: object, what: str) -> GapInLog:
    """The error for a record that is there and cannot be trusted."""
    return GapInLog(f"the log is damaged at position {position}: {what}")


def digest(content: bytes) -> bytes:
    """BLAKE2b, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


def _checksum(under: Sequence[Any]) -> bytes:
    return digest(msgspec.json.encode(list(under)))


_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])
