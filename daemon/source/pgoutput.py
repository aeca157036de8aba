"""The messages of PostgreSQL's own output plugin `pgoutput`, protocol version 1, as values. No I/O.

Invariant: a `Decoder` reads one stream from its start. A row message only carries the number of its table; the
`Relation` that describes it came earlier in the same stream, and again whenever the table changed since.

Only the columns that are asked for are cut out of a row; the text of a long value is stepped over, never copied.
Source of the format: PostgreSQL documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Literal, NamedTuple, TypeAlias

from events.errors import AipstreamError
from events.instants import text_of


class MalformedMessage(AipstreamError):
    """A replication message that is not of the protocol. The connection cannot be trusted from there on."""

    hint = "The stream is read again from the last confirmed position; if this repeats, report the server's version."


class Unchanged(Enum):
    """What stands for a TOASTed value that the update did not change: the server does not send it."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED

Cell: TypeAlias = bytes | Unchanged | None
"""A column's value as the server prints it, in the connection's encoding (UTF-8); None for NULL."""
Image: TypeAlias = Sequence[Cell]
"""The wanted columns of a row, in the order in which they were asked for; None for one that the table lacks."""


class Begin(NamedTuple):
    """A transaction starts. `lsn` is where its commit record starts; `commit_time` in µs since 2000-01-01 UTC."""

    lsn: int
    commit_time: int
    xid: int


class Commit(NamedTuple):
    """A transaction ends. `end` is the position after its commit record: confirming it confirms the transaction."""

    lsn: int
    end: int
    commit_time: int


class Relation(NamedTuple):
    """A table. `identity` is its replica identity: `d`efault, `f`ull, `i`ndex or `n`othing.

    `places` has for each column of the table where its value goes in an `Image`, -1 for nowhere; `width` is the length
    of the image; `last` the index of the last column that is wanted.
    """

    number: int
    schema: str
    name: str
    identity: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    places: tuple[int, ...]
    width: int
    last: int


class Change(NamedTuple):
    """A row that was inserted, updated or deleted.

    `old` is None for an insert and for an update that tells nothing of the old row. `whole` is true if `old` holds all
    columns (replica identity FULL) and not only those of the key.
    """

    op: Literal["insert", "update", "delete"]
    relation: Relation
    old: Image | None
    new: Image | None
    whole: bool


class Truncate(NamedTuple):
    """Tables that were emptied in one statement."""

    relations: tuple[Relation, ...]
    cascade: bool
    restart_identity: bool


class LogicalMessage(NamedTuple):
    """What `pg_logical_emit_message` wrote."""

    transactional: bool
    lsn: int
    prefix: str
    content: bytes


class Origin(NamedTuple):
    """The transaction came from another server by replication."""

    lsn: int
    name: str


class DataType(NamedTuple):
    """A column's type that is not built in."""

    number: int
    schema: str
    name: str


Message: TypeAlias = Begin | Commit | Relation | Change | Truncate | LogicalMessage | Origin | DataType

_BEGIN: Final = struct.Struct("!qqi")
_COMMIT: Final = struct.Struct("!Bqqq")
_LONG: Final = struct.Struct("!q")
_INT: Final = struct.Struct("!I")
_COUNT: Final = struct.Struct("!h")
_MESSAGE: Final = struct.Struct("!Bq")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_TEXT, _BINARY, _NULL, _TOAST = b"tbnu"
_NEW, _OLD, _KEY = b"NOK"


def instant(commit_time: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ` of a commit time in µs since 2000-01-01 UTC."""
    return text_of(_EPOCH + timedelta(microseconds=commit_time))


class Decoder:
    """Turns the payloads of one stream into messages. `wanted` names the columns of each table that matter.

    A table that `wanted` does not name keeps no column; without `wanted` every column of every table is kept.
    """

    def __init__(self, wanted: Mapping[str, Sequence[str]] | None = None) -> None:
        self._wanted = wanted
        self._relations: dict[int, Relation] = {}

    def decode(self, payload: bytes) -> Message:
        """The message of one payload. Raises MalformedMessage for what is cut off, unknown or of an unknown table."""
        try:
            return self._decode(payload)
        except (IndexError, struct.error, UnicodeDecodeError, ValueError, OverflowError) as error:
            raise MalformedMessage(
                f"replication message of {len(payload)} bytes, first {payload[:1]!r}: {error}"
            ) from error

    def _decode(self, payload: bytes) -> Message:
        match payload[:1]:
            case b"I":
                relation = self._relation(payload, 1)
                new, _ = _image(payload, _marked(payload, 5, _NEW), relation)
                return Change("insert", relation, None, new, False)
            case b"U":
                return self._update(payload)
            case b"D":
                relation = self._relation(payload, 1)
                old, _ = _image(payload, _marked(payload, 5, _OLD, _KEY), relation)
                return Change("delete", relation, old, None, payload[5] == _OLD)
            case b"B":
                lsn, commit_time, xid = _BEGIN.unpack_from(payload, 1)
                return Begin(lsn, commit_time, xid & 0xFFFFFFFF)
            case b"C":
                return Commit(*_COMMIT.unpack_from(payload, 1)[1:])
            case b"R":
                relation = self._described(payload)
                self._relations[relation.number] = relation
                return relation
            case b"T":
                return self._truncate(payload)
            case b"M":
                return _message(payload)
            case b"O":
                return Origin(_LONG.unpack_from(payload, 1)[0], _string(payload, 9)[0])
            case b"Y":
                schema, at = _string(payload, 5)
                return DataType(_INT.unpack_from(payload, 1)[0], schema, _string(payload, at)[0])
        raise ValueError("unknown kind of message")

    def _relation(self, payload: bytes, at: int) -> Relation:
        number = _INT.unpack_from(payload, at)[0]
        relation = self._relations.get(number)
        if relation is None:
            raise ValueError(f"no table {number} was described")
        return relation

    def _update(self, payload: bytes) -> Change:
        relation = self._relation(payload, 1)
        at, mark, old = 6, payload[5], None
        if mark in (_OLD, _KEY):
            old, at = _image(payload, at, relation, to_end=True)
            at = _marked(payload, at, _NEW)
        else:
            _marked(payload, 5, _NEW)
        new, _ = _image(payload, at, relation)
        return Change("update", relation, old, new, mark == _OLD)

    def _truncate(self, payload: bytes) -> Truncate:
        count, flags = _INT.unpack_from(payload, 1)[0], payload[5]
        relations = tuple(self._relation(payload, 6 + 4 * index) for index in range(count))
        return Truncate(relations, bool(flags & 1), bool(flags & 2))

    def _described(self, payload: bytes) -> Relation:
        number = _INT.unpack_from(payload, 1)[0]
        schema, at = _string(payload, 5)
        name, at = _string(payload, at)
        identity, count, at = chr(payload[at]), _COUNT.unpack_from(payload, at + 1)[0], at + 3
        columns, key = [], []
        for _ in range(count):
            flags = payload[at]
            column, at = _string(payload, at + 1)
            at += 8  # the type and its modifier: values are taken as text
            columns.append(column)
            if flags & 1:
                key.append(column)
        if at > len(payload):
            raise ValueError("cut off")
        wanted = list(columns) if self._wanted is None else list(self._wanted.get(name, ()))
        places = tuple(wanted.index(column) if column in wanted else -1 for column in columns)
        last = max((index for index, place in enumerate(places) if place >= 0), default=-1)
        return Relation(number, schema, name, identity, tuple(columns), tuple(key), places, len(wanted), last)


def _marked(payload: bytes, at: int, *marks: int) -> int:
    """The offset after the mark at `at`, which must be one of these."""
    if payload[at] not in marks:
        raise ValueError(f"unexpected row mark {payload[at]:#x}")
    return at + 1


def _string(payload: bytes, at: int) -> tuple[str, int]:
    end = payload.index(0, at)
    return payload[at:end].decode(), end + 1


def _message(payload: bytes) -> LogicalMessage:
    flags, lsn = _MESSAGE.unpack_from(payload, 1)
    prefix, at = _string(payload, 10)
    size = _INT.unpack_from(payload, at)[0]
    content = payload[at + 4 : at + 4 + size]
    if len(content) != size:
        raise ValueError("cut off")
    return LogicalMessage(bool(flags & 1), lsn, prefix, content)


def _image(payload: bytes, at: int, relation: Relation, *, to_end: bool = False) -> tuple[Image, int]:
    """The wanted columns of the row that starts at `at`, and the offset after what was read of it.

    `to_end`: read the whole row, for another one follows. This is the loop in which a capture spends its time.
    """
    count = _COUNT.unpack_from(payload, at)[0]
    places = relation.places
    if count != len(places):
        raise ValueError(f"{relation.name}: row of {count} columns, table of {len(places)}")
    at += 2
    values: list[Cell] = [None] * relation.width
    for place in places if to_end else places[: relation.last + 1]:
        mark = payload[at]
        if mark == _TEXT or mark == _BINARY:  # noqa: SIM109 -- no tuple in this loop
            start = at + 5
            at = start + _INT.unpack_from(payload, at + 1)[0]
            if place >= 0:
                values[place] = payload[start:at]
        else:
            at += 1
            if mark == _TOAST:
                if place >= 0:
                    values[place] = UNCHANGED
            elif mark != _NULL:
                raise ValueError(f"unknown column mark {mark:#x}")
    if at > len(payload):
        raise ValueError("cut off")
    return values, at
