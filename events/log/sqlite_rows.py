"""The tables of the SQLite log, and a record (`events.log.chain`) as a row of them.

The payload stands in a table of its own, so that walks over the headers (`heads`, `position`) stay dense and never
turn over a page of payload, and can still prove each header. It is also what retention takes away: an event that was
thinned keeps its header, and with it its place in the chain, and has a row in `thinned`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

from events.log import Entry
from events.log.chain import COVERED, Record, digest, header, proved, whole

FORMAT: Final = "3"
"""The format that this module writes. Another column, another checksum or another codec is another format."""

TABLES: Final = MetaData()

META: Final = Table(
    "meta",
    TABLES,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""`format`; `identity`, the UUID of the log; `end`, the last position, so that rows cut off the end are missed;
`marks`, the digest over all rows of `mark`, for the same reason.
"""

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
    Column("checksum", LargeBinary, nullable=False),
)
"""Moments that retention has to keep as they are, by the names that people gave them; see `sqlite_marks`."""

MARKS: Final = "marks"
"""The key in `meta`."""


def mark_checksum(name: str, position: object, made: str) -> bytes:
    """What proves a mark; nothing for a position that is no number."""
    return digest(msgspec.json.encode([name, position, made])) if isinstance(position, int) else b""


def marks_digest(checksums: Iterable[bytes]) -> str:
    """What proves that those are all marks there are, in any order."""
    return digest(b"".join(sorted(checksums))).hex()


OF_DAMAGE: Final = MetaData()
"""Tables that a log has only once it was damaged. Readers need not know them."""

LOST: Final = Table(
    "lost",
    OF_DAMAGE,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("found", LargeBinary),
)
"""Events that damage has taken away: when that was noted, why, and the bytes that were there."""

HOLE: Final = Table(
    "hole",
    OF_DAMAGE,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("uuid", Text),
    Column("kind", Text),
    Column("handle", Text),
    Column("commit_time", Text),
)
"""Records that were missing when the file was rebuilt: what indexes still said of them, which nothing proves."""

CHAIN: Final = len(EVENT.columns) - 1
"""The index of `chain` in a row of all columns of `event`, which are a header; that of `checksum` is one less."""

_COLUMNS: Final = tuple(column.name for column in EVENT.columns)


def rows(record: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row of `event`, and the row of `payload`."""
    return (
        dict(zip(_COLUMNS, header(record), strict=True)),
        {"position": record.position, "payload": record.event.payload},
    )


def entry(row: Sequence[Any]) -> Entry:
    """The event of a row of all columns of `event` followed by `payload`. Raises GapInLog for a damaged one."""
    return Entry(row[0], whole(row[:-1], row[-1]))


def bare(row: Sequence[Any]) -> Entry:
    """The event of a row that begins with all columns of `event`, without its payload. Raises GapInLog."""
    fields = row[: CHAIN + 1]
    return Entry(row[0], proved(fields), fields[COVERED - 2])
