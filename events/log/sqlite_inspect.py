"""A SQLite log looked through past its damage.

Invariant: every position from 1 to the end is told once, whatever is wrong with it. Where a page of rows cannot be read
at one go (a torn page of the file, a text that is none), each row of it is read alone, so that damage costs no
neighbour.

The chain is held from record to record. Where a link does not fit, both sides are followed: if the next record is
chained to what the link should have been, the link alone is damaged, and is told once.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import LargeBinary, bindparam, case, cast, exists, func, select, text
from sqlalchemy.exc import DBAPIError

from events.aip.model import Uuid
from events.errors import AipstreamError, ConfigError, GapInLog, Interrupted, StorageUnusable
from events.event import BEGINNING, Event, Position
from events.log import sqlite_file as file
from events.log.chain import COVERED, NO_CHAIN, UNCHAINED, Record, digest, link, proved
from events.log.inspecting import Claimed, Extent, Fault, Flaw, Inspected
from events.log.sqlite import PAGE_BYTES
from events.log.sqlite_headers import SqliteHeaders
from events.log.sqlite_marks import SqliteMarks
from events.log.sqlite_rows import EVENT, HOLE, META, PAYLOAD, THINNED

PAGE: Final = 500
ALONE: Final = 50
"""Rows that are read one by one where their page could not be read at one go; then the next page is tried."""

INDEXES: Final = {
    "event_of_uuid": ("uuid",),
    "event_at_lsn": ("lsn",),
    "event_at_time": ("commit_time",),
    "event_of_handle": ("handle",),
    "sqlite_autoindex_event_1": ("id",),
}
"""The columns by which each index of `event` finds a row."""

_COLUMNS: Final = [column.name for column in EVENT.columns]

_LATER: Final = EVENT.alias("later")
_SUPERSEDED: Final = exists().where(_LATER.c.uuid == EVENT.c.uuid, _LATER.c.position > EVENT.c.position)

_STANDING: Final = case((THINNED.c.position.is_not(None), _SUPERSEDED))
"""Of a thinned event whether its object has a later one; NULL of all others."""

_HEADERS: Final = select(EVENT, THINNED.c.position, _STANDING).select_from(
    EVENT.outerjoin(THINNED, THINNED.c.position == EVENT.c.position)
)
_ROWS: Final = select(EVENT, THINNED.c.position, _STANDING, PAYLOAD.c.payload).select_from(
    EVENT.outerjoin(PAYLOAD, PAYLOAD.c.position == EVENT.c.position).outerjoin(
        THINNED, THINNED.c.position == EVENT.c.position
    )
)
_AFTER: Final = {
    payloads: rows.where(EVENT.c.position > bindparam("after"), EVENT.c.position <= bindparam("until")).order_by(
        EVENT.c.position
    )
    for payloads, rows in ((False, _HEADERS), (True, _ROWS))
}
_OF_UUID: Final = (
    _HEADERS.where(EVENT.c.uuid == bindparam("uuid"), EVENT.c.position > bindparam("after"))
    .order_by(EVENT.c.position)
    .limit(100)
)
_BYTES: Final = select(
    *(cast(column, LargeBinary) if str(column.type) == "TEXT" else column for column in EVENT.columns)
).where(EVENT.c.position == bindparam("at"))
"""A row whose texts may be none."""

_IS_THINNED: Final = select(THINNED.c.position).where(THINNED.c.position == bindparam("at"))
_PAYLOAD: Final = select(cast(PAYLOAD.c.payload, LargeBinary), func.typeof(PAYLOAD.c.payload)).where(
    PAYLOAD.c.position == bindparam("at")
)
_HOLE: Final = select(HOLE.c.uuid, HOLE.c.kind, HOLE.c.handle, HOLE.c.commit_time).where(
    HOLE.c.position == bindparam("at")
)
_CHAIN: Final = select(EVENT.c.chain).where(EVENT.c.position == bindparam("at"))


def _missed(index: str, columns: tuple[str, ...]) -> str:
    same = " AND ".join(f"x.{name} = e.{name}" for name in (*columns, "position"))
    some = "AND e.handle IS NOT NULL" if columns == ("handle",) else ""
    return (
        f"SELECT e.position FROM event AS e NOT INDEXED WHERE e.position > :after AND e.position <= :until {some} "
        f"AND NOT EXISTS (SELECT 1 FROM event AS x INDEXED BY {index} WHERE {same})"
    )


_MISSED: Final = {index: text(_missed(index, columns)) for index, columns in INDEXES.items()}


class _Row(NamedTuple):
    """What was read of a position. `header` None: there is no row. A `payload` that is no BLOB is a bytearray."""

    position: Position
    header: tuple[Any, ...] | None
    thinned: bool = False
    superseded: bool = True
    payload: object = None
    flaws: tuple[Flaw, ...] = ()
    said: Claimed | None = None
    """What is said of a record that is not there."""


class SqliteInspecting:
    """See `events.log.inspecting.Inspecting`. Headers alone may be those of any log that keeps them so."""

    def __init__(self, log: SqliteHeaders) -> None:
        self.log = log

    def extent(self) -> Extent:
        """From `meta` and from the rows."""
        with self.log.transaction() as connection:
            noted = connection.execute(select(META.c.value).where(META.c.key == "end")).scalar_one_or_none()
            last = connection.execute(select(func.max(EVENT.c.position))).scalar_one() or BEGINNING
        try:
            return Extent(int(noted or 0), last)
        except ValueError:
            return Extent(BEGINNING, last)

    def walk(self, after: Position, until: Position | None = None, *, payloads: bool = True) -> Iterator[Inspected]:
        """By pages of `PAGE` rows, or about `PAGE_BYTES`; each page in a short transaction of its own."""
        upto = max(self.extent()) if until is None else until
        chains = self._chains(after)
        while after < upto:
            most = min(after + PAGE, upto)
            for row in self._page(after, most, payloads):
                found, chains = _inspected(row, chains, payloads)
                after = row.position
                yield found

    def later(self, uuid: Uuid, after: Position) -> Iterator[Inspected]:
        """Along the index (uuid, position); by rows that cannot be read it passes."""
        while True:
            try:
                with self.log.transaction() as connection:
                    page = connection.execute(_OF_UUID, {"uuid": uuid, "after": after}).all()
            except GapInLog:
                return
            for *header, thinned, standing in page:
                row = _Row(header[0], tuple(header), thinned is not None, standing != 0)
                yield _inspected(row, (), payloads=False)[0]
                after = header[0]
            if not page:
                return

    def size(self) -> int:
        """Of the file, with what is still in its WAL."""
        with self.log.transaction() as connection:
            asked = ("PRAGMA page_count", "PRAGMA page_size")
            return math.prod(connection.exec_driver_sql(pragma).scalar_one() for pragma in asked)

    def overall(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[Flaw]:
        """The end, entries of indexes that belong to no row, and the pages of the file."""
        noted, last = self.extent()
        if noted != last:
            yield Flaw(Fault.END, f"it notes {noted} as its last position, but the last record is at {last}")
        try:
            for what in SqliteMarks(self.log).flaws():
                yield Flaw(Fault.MARK, what)
        except GapInLog as error:
            yield Flaw(Fault.MARK, f"the moments that are to be kept cannot be read: {error}")
        for index in INDEXES:
            if stopped():
                raise _stopped()
            some = "WHERE handle IS NOT NULL" if index == "event_of_handle" else ""
            try:
                with self.log.transaction() as connection:
                    rows = connection.execute(text(f"SELECT count(*) FROM event NOT INDEXED {some}")).scalar_one()
                    of = connection.execute(text(f"SELECT count(*) FROM event INDEXED BY {index} {some}")).scalar_one()
            except GapInLog as error:
                yield Flaw(Fault.INDEX, f"the index {index} or the records cannot be counted: {error}")
                continue
            if rows != of:
                yield Flaw(Fault.INDEX, f"the index {index} has {of} entries for {rows} records")
        if (why := torn(self.log, stopped)) is not None:
            yield Flaw(Fault.TORN, why)

    def _chains(self, position: Position) -> tuple[bytes, ...]:
        """What the record after that position may be chained to; nothing if that is not known."""
        if position == BEGINNING:
            return (NO_CHAIN,)
        try:
            with self.log.transaction() as connection:
                chain = connection.execute(_CHAIN, {"at": position}).scalar_one_or_none()
        except (GapInLog, StorageUnusable):
            return ()
        return (chain,) if isinstance(chain, bytes) else ()

    def _page(self, after: Position, until: Position, payloads: bool) -> list[_Row]:
        """The rows of those positions, at least one, each position once."""
        found: dict[Position, _Row] = {}
        room, reached = PAGE_BYTES, until
        try:
            with self.log.transaction() as connection:
                with connection.execute(_AFTER[payloads], {"after": after, "until": until}) as rows:
                    for row in rows:
                        header, (thinned, standing), payload = row[:17], row[17:19], row[19] if payloads else None
                        if not isinstance(header[0], int):
                            continue
                        found[header[0]] = _Row(header[0], tuple(header), thinned is not None, standing != 0, payload)
                        room -= len(payload) if isinstance(payload, bytes) else 0
                        if room <= 0:
                            reached = header[0]
                            break
                missed: dict[Position, list[Flaw]] = {}
                for index, query in _MISSED.items():
                    for (position,) in connection.execute(query, {"after": after, "until": reached}):
                        flaw = Flaw(Fault.INDEX, f"the index {index} does not find it")
                        missed.setdefault(position, []).append(flaw)
        except (GapInLog, StorageUnusable):
            return [self._single(position, payloads) for position in range(after + 1, min(until, after + ALONE) + 1)]
        for position, flaws in missed.items():
            if position in found:
                found[position] = found[position]._replace(flaws=tuple(flaws))
        gone = [position for position in range(after + 1, reached + 1) if position not in found]
        found.update((position, self._single(position, payloads)) for position in gone)
        return [found[position] for position in sorted(found)]

    def _single(self, position: Position, payloads: bool) -> _Row:
        """One position read alone, column by column where it must be."""
        flaws: list[Flaw] = []
        header: tuple[Any, ...] | None = None
        payload: object = None
        superseded = True

        def tried(query: Any, what: str) -> Any:  # noqa: ANN401 - a row of any query, or none
            try:
                with self.log.transaction() as connection:
                    return connection.execute(query, {"at": position}).first()
            except (GapInLog, StorageUnusable) as error:
                flaws.append(Flaw(Fault.UNREADABLE, f"{what} cannot be read: {_cause(error)}"))
                return None

        row = tried(_BYTES, "its header")
        if row is not None:
            header = tuple(map(_readable, row, _COLUMNS))
        for index, query in _MISSED.items() if row is not None else ():
            with suppress(GapInLog, StorageUnusable), self.log.transaction() as connection:
                if connection.execute(query, {"after": position - 1, "until": position}).first():
                    flaws.append(Flaw(Fault.INDEX, f"the index {index} does not find it"))
        thinned = tried(_IS_THINNED, "whether it was thinned") is not None
        if thinned and header is not None:
            superseded = any(True for _ in self.later(header[4], position))
        if payloads:
            one = tried(_PAYLOAD, "its payload")
            if one is not None:
                payload = one[0] if one[1] == "blob" else bytearray(one[0] or b"")
        said = self._said(position) if header is None else None
        return _Row(position, header, thinned, superseded, payload, tuple(flaws), said)

    def _said(self, position: Position) -> Claimed | None:
        """What was noted of a record when it was found to be missing, if it was."""
        with suppress(GapInLog, StorageUnusable, ConfigError), self.log.transaction() as connection:
            row = connection.execute(_HOLE, {"at": position}).first()
            return Claimed(row[0] or "", row[1] or "", row[2], row[3] or "") if row else None
        return None


def _inspected(row: _Row, chains: tuple[bytes, ...], payloads: bool) -> tuple[Inspected, tuple[bytes, ...]]:
    """What a row comes to, and what the next one may be chained to."""
    flaws = list(row.flaws)
    found = bytes(row.payload) if isinstance(row.payload, bytes | bytearray) else None
    if row.header is None:
        if not flaws:
            flaws.append(Flaw(Fault.GAP, "there is no record"))
        return Inspected(row.position, None, row.said, tuple(flaws), found), ()
    header = row.header
    checksum, chain = header[COVERED], header[COVERED + 1]
    event: Event | None = None
    try:
        event = proved(header)
    except GapInLog as error:
        flaws.append(Flaw(Fault.HEADER, _cause(error)))
    following: tuple[bytes, ...] = (chain,) if isinstance(chain, bytes) else ()
    if chains and isinstance(checksum, bytes):
        expected = [link(before, checksum) for before in chains]
        if chain not in expected:
            flaws.append(Flaw(Fault.CHAIN, UNCHAINED))
            following = (*following, expected[0])
    handle = None if header[10] is None else _text(header[10])
    claimed = Claimed(_text(header[4]), _text(header[5]), handle, _text(header[7]))
    if event is None:
        return Inspected(row.position, None, claimed, tuple(flaws), found, header), following
    size, payload_checksum = header[COVERED - 2], header[COVERED - 1]
    if row.thinned:
        if found is not None or not row.superseded:
            why = "its payload is there" if found is not None else "it is the newest event of its object"
            flaws.append(Flaw(Fault.THINNED, f"it is marked as thinned, but {why}"))
    elif payloads:
        if row.payload is None:
            if not any(flaw.fault is Fault.UNREADABLE for flaw in flaws):
                flaws.append(Flaw(Fault.PAYLOAD_GONE, "its payload is missing"))
        elif found is None or row.payload is not found or len(found) != size or digest(found) != payload_checksum:
            flaws.append(Flaw(Fault.PAYLOAD, "its payload is not what its checksum says"))
        else:
            event, found = msgspec.structs.replace(event, payload=found), None
    record = Record(row.position, event, size, payload_checksum, checksum, chain, row.thinned)
    return Inspected(row.position, record, claimed, tuple(flaws), found), following


_ROWS_ONLY: Final = ("NULL value in ", "row ", "non-unique entry", "wrong # of entries")
"""What SQLite says of rows and indexes, and not of the pages that they stand in."""


STEPS: Final = 100_000
"""Of SQLite's machine, after which it asks whether to go on."""


def torn(log: SqliteHeaders, stopped: Callable[[], bool] = lambda: False) -> str | None:
    """What SQLite finds wrong with the structure of the file, without its indexes; None if it is sound.

    It reads the whole file in one snapshot, for only so can it tell a page that is used twice from one that has moved.
    Also pages that no row stands in are looked at: those that only a writer needs. Raises Interrupted if it was
    `stopped`; older versions of SQLite ask that only when they have been through the pages and come to the rows.
    """
    if stopped():
        raise _stopped()
    try:
        with closing(log.engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
            driver: sqlite3.Connection = raw.driver_connection  # type: ignore[assignment]  # there is one: it is open
            driver.set_progress_handler(stopped, STEPS)
            try:
                said = [row[0] for row in cursor.execute("PRAGMA quick_check(20)").fetchall()]
            finally:
                driver.set_progress_handler(None, 0)
    except DBAPIError as error:
        return str(file.meaning(error.orig, log.path))
    except Exception as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise _stopped() from error
        return str(file.meaning(error, log.path))  # the driver's own errors, which SQLAlchemy has not wrapped here
    lines = [line for some in said for line in some.splitlines() if line != "ok" and not line.startswith("***")]
    found = [line for line in lines if not line.startswith(_ROWS_ONLY) and not any(name in line for name in INDEXES)]
    return f"the file {log.path} is torn: {found[0]}" if found else None


def _stopped() -> Interrupted:
    return Interrupted("stopped while the file of the log was looked through")


def _readable(value: Any, column: str) -> Any:  # noqa: ANN401 - of any column
    if isinstance(value, bytes) and column not in {"id", "payload_checksum", "checksum", "chain"}:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else repr(value)


def _cause(error: AipstreamError) -> str:
    """What is wrong, without where: that is told beside it."""
    return str(error).partition(": ")[2] or str(error)
