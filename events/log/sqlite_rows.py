"""The tables of the SQLite log, and an event as a row of them.

Invariant: a row that `entry` accepts is, byte for byte, what `rows` made. `checksum` covers every column of `event`,
the position included, and through `payload_checksum` the payload; so a flipped bit, a row moved to another position,
or a payload under another event is found when it is read.

Every event is a link of a chain: `chain` is the digest of the chain before it and of its `checksum`. So an event that
was replaced together with its checksum is found too, as long as one later link is known from elsewhere.

The payload stands in a table of its own, so that walks over the headers (`heads`, `position`) stay dense and never
turn over a page of payload, and can still prove each header. It is also what retention takes away: an event that was
thinned keeps its header, and with it its place in the chain, and has a row in `thinned`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

from events.aip.model import Kind
from events.errors import GapInLog
from events.event import Event, Position, Type
from events.log import Entry

FORMAT: Final = "2"
"""The format that this module writes. Another column, another checksum or another codec is another format."""

TABLES: Final = MetaData()

META: Final = Table(
    "meta",
    TABLES,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""`format`; `identity`, the UUID of the log; `end`, the last position, so that rows cut off the end are missed."""

EVENT: Final = Table(
    "event",
    TABLES,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("lsn", Integer, nullable=False),
    Column("uuid", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("commit_time", Text, nullable=False),
    Column("xid", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("handle", Text),
    Column("parents", Text, nullable=False),
    Column("blobs", Text, nullable=False),
    Column("payload_size", Integer, nullable=False),
    Column("payload_checksum", LargeBinary, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

Index("event_of_uuid", EVENT.c.uuid, EVENT.c.position)
Index("event_at_lsn", EVENT.c.lsn, EVENT.c.position)
Index("event_at_time", EVENT.c.commit_time, EVENT.c.position)
Index("event_of_handle", EVENT.c.handle, EVENT.c.position, sqlite_where=EVENT.c.handle.is_not(None))

PAYLOAD: Final = Table(
    "payload",
    TABLES,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)

THINNED: Final = Table(
    "thinned",
    TABLES,
    Column("position", Integer, primary_key=True, autoincrement=False),
)
"""Events whose payload retention took away: they are read no more, but still counted and chained."""

MARK: Final = Table(
    "mark",
    TABLES,
    Column("name", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("made", Text, nullable=False),
)
"""Moments that retention has to keep as they are, by the names that people gave them."""

CHAIN: Final = len(EVENT.columns) - 1
"""The index of `chain` in a row of all columns of `event`; that of `checksum` is one less."""

NO_CHAIN: Final = bytes(16)
"""What the first event is chained to."""

LARGEST_INTEGER: Final = 2**63 - 1
"""What SQLite can hold. An LSN counts bytes of WAL, so a source is far from it."""


def rows(position: Position, event: Event, chain: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row of `event`, chained to the one before it, and the row of `payload`.

    Raises ValueError for an lsn or xid outside of 0 to 2^63-1.
    """
    for name, number in (("lsn", event.lsn), ("xid", event.xid)):
        if not 0 <= number <= LARGEST_INTEGER:
            raise ValueError(f"{name} {number} of the event of {event.uuid} is outside of 0 to {LARGEST_INTEGER}")
    header: dict[str, Any] = {
        "position": position,
        "id": event.id,
        "source": event.source,
        "lsn": event.lsn,
        "uuid": event.uuid,
        "kind": event.kind.value,
        "type": event.type.value,
        "commit_time": event.commit_time,
        "xid": event.xid,
        "digest": event.digest,
        "handle": event.handle,
        "parents": msgspec.json.encode(event.parents).decode(),
        "blobs": msgspec.json.encode(event.blobs).decode(),
        "payload_size": len(event.payload),
        "payload_checksum": _digest(event.payload),
    }
    header["checksum"] = _digest(msgspec.json.encode(list(header.values())))
    header["chain"] = link(chain, header["checksum"])
    return header, {"position": position, "payload": event.payload}


def entry(row: Sequence[Any]) -> Entry:
    """The event of a row of all columns of `event` followed by `payload`. Raises GapInLog for a damaged one."""
    header, payload = row[:-1], row[-1]
    event = proved(header)
    if not isinstance(payload, bytes) or len(payload) != header[13] or _digest(payload) != header[14]:
        raise damaged(header[0], "its payload is missing or is not what its checksum says")
    return Entry(header[0], msgspec.structs.replace(event, payload=payload))


def proved(header: Sequence[Any]) -> Event:
    """The event, without its payload, of a row of all columns of `event`. Raises GapInLog for a damaged one."""
    *covered, checksum, _ = header
    position, identity, source, lsn, uuid, kind, type_, commit_time, xid, digest, handle, parents, blobs, _, _ = covered
    try:
        if _digest(msgspec.json.encode(covered)) != checksum:
            raise damaged(position, "its checksum differs")
        event = Event(
            source=source,
            lsn=lsn,
            uuid=uuid,
            kind=Kind(kind),
            type=Type(type_),
            commit_time=commit_time,
            xid=xid,
            digest=digest,
            handle=handle,
            parents=_NAMES.decode(parents),
            blobs=_NAMES.decode(blobs),
        )
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise damaged(position, f"it cannot be decoded ({error})") from error
    if event.id != identity:
        raise damaged(position, "its id is not that of its (source, lsn, uuid)")
    return event


def link(before: bytes, checksum: bytes) -> bytes:
    """The chain after an event with that checksum."""
    return _digest(before + checksum)


def damaged(position: object, what: str) -> GapInLog:
    """The error for a record that is there and cannot be trusted."""
    return GapInLog(f"the log is damaged at position {position}: {what}")


_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
