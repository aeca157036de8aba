"""A file with the headers of a log's records, and what can be told from them alone.

It is the greater part of the SQLite log, which has the payloads in a table beside them; and of the index of a log whose
payloads are elsewhere, where that table says where each is (`beside`).

Invariants:

* Positions are dense from 1, and `meta.end` is the last of them, moved in the transaction that appends. So a missing
  row is noticed wherever it is missing, at the end too.
* Walks go page by page, each page in one short transaction: no snapshot stays open while a caller thinks.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    bindparam,
    case,
    exists,
    func,
    insert,
    select,
    update,
)

from events.aip.model import Kind, Uuid
from events.errors import ConfigError, GapInLog, StorageUnusable
from events.event import BEGINNING, Position, Type
from events.log import Entry
from events.log import sqlite_file as file
from events.log.chain import COVERED, NO_CHAIN, UNCHAINED, Record, damaged, link, proved, read_record
from events.log.sqlite_rows import CHAIN, EVENT, META, THINNED, bare

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
"""Written so, the order of the texts is the order of the times."""

HEADS_PAGE: Final = 2000
IDS_AT_ONCE: Final = 500

_END: Final = select(
    select(META.c.value).where(META.c.key == "end").scalar_subquery(),
    select(func.max(EVENT.c.position)).scalar_subquery(),
)

KEPT: Final = ~exists().where(THINNED.c.position == EVENT.c.position)
"""Of the events those that retention has left whole."""

_KNOWN: Final = select(EVENT.c.id, EVENT.c.position).where(EVENT.c.id.in_(bindparam("ids", expanding=True)))

_AT: Final = select(EVENT.c.id).where(EVENT.c.position == bindparam("at"))


def _heads(thinned: bool) -> Select[Any]:
    """Walks the index (uuid, position) in its own order and stops at the limit: no sort, no table.

    Where events were thinned, the newest one that is whole; all of them are counted.
    """
    events, newest = EVENT.c.position, func.max(EVENT.c.position)
    found: FromClause = EVENT
    if thinned:
        found = EVENT.outerjoin(THINNED, THINNED.c.position == events)
        newest = func.max(case((THINNED.c.position.is_(None), events)))
    of = (
        select(EVENT.c.uuid.label("of"), newest.label("newest"), func.count().label("events"))
        .select_from(found)
        .where(EVENT.c.uuid > bindparam("after"), events <= bindparam("at"))
        .group_by(EVENT.c.uuid)
        .order_by(EVENT.c.uuid)
        .limit(HEADS_PAGE)
        .subquery()
    )
    return (
        select(of.c.of, of.c.events, of.c.newest, EVENT)
        .select_from(of.outerjoin(EVENT, EVENT.c.position == of.c.newest))
        .order_by(of.c.of)
    )


_HEADS: Final = {thinned: _heads(thinned) for thinned in (False, True)}
_ANY_THINNED: Final = select(exists().where(THINNED.c.position > 0))
_CHAIN: Final = select(EVENT.c.chain).where(EVENT.c.position == bindparam("at"))


class Queries:
    """What is asked of events together with the row beside each, which is outer: one that is gone is damage, and not
    an event less. Columns: those of `event`, then those of `beside` but for the position.
    """

    def __init__(self, beside: Table | None = None) -> None:
        """Without `beside` those of the headers alone."""
        more: list[Column[Any]] = []
        joined: FromClause = EVENT
        if beside is not None:
            more = [column for column in beside.columns if column is not beside.c.position]
            joined = EVENT.outerjoin(beside, beside.c.position == EVENT.c.position)
        whole = select(EVENT, *more).select_from(joined)
        of_uuid = whole.where(EVENT.c.uuid == bindparam("uuid"), KEPT)
        self.latest = of_uuid.where(EVENT.c.position <= bindparam("at")).order_by(EVENT.c.position.desc()).limit(1)
        self.next = of_uuid.where(EVENT.c.position > bindparam("after")).order_by(EVENT.c.position).limit(1)
        those = EVENT.c.position.in_(bindparam("positions", expanding=True))
        self.entries = whole.where(those, KEPT).order_by(EVENT.c.position)
        self.page = (
            select(EVENT, *more, THINNED.c.position)
            .select_from(joined.outerjoin(THINNED, THINNED.c.position == EVENT.c.position))
            .where(EVENT.c.position > bindparam("after"))
            .order_by(EVENT.c.position)
            .limit(bindparam("most"))
        )
        """With a last column that is NULL unless the event was thinned."""


HEADERS: Final = Queries()
_OF_HANDLE: Final = (
    select(EVENT).where(EVENT.c.handle == bindparam("handle"), KEPT).order_by(EVENT.c.position.desc()).limit(1)
)


class SqliteHeaders:
    """The headers in one file that was made before; see the methods of the same names in `events.log.Log`.

    Raises ConfigError for a missing or foreign file, UnknownLogFormat for one of another version, GapInLog for a
    damaged one, StorageUnusable where the disk or the rights are at fault.
    """

    def __init__(self, path: Path, beside: Table) -> None:
        self.path = path
        self._queries = Queries(beside)
        status = self.status()
        if status is None or not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"[log] url: there is no log {self.path}", "`aipstream init` makes it.")
        if status.st_size == 0:
            raise GapInLog(f"the log {self.path} is empty: it was cut off, or is no log")
        self.engine = file.connections(self.path)
        self._pid = os.getpid()
        self._inode = status.st_dev, status.st_ino
        try:
            self.identity = file.identity_of(self.engine, self.path)
            file.use_wal(self.engine, self.path)
        except BaseException:
            self.engine.dispose()
            raise

    def known(self, connection: Connection, ids: Sequence[bytes]) -> dict[bytes, Position]:
        """The positions of those of the events that are there, in a transaction of this file."""
        places: dict[bytes, Position] = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            found = connection.execute(_KNOWN, {"ids": ids[start : start + IDS_AT_ONCE]})
            places.update((identity, position) for identity, position in found)
        return places

    def add(self, connection: Connection, end: Position, rows: dict[Table, list[dict[str, Any]]]) -> None:
        """Append rows of several tables, and with them the new end, in a transaction of this file."""
        for table, values in rows.items():
            if values:
                connection.execute(insert(table), values)
        connection.execute(update(META).where(META.c.key == "end").values(value=str(end)))

    def end_after(self, connection: Connection, after: Position) -> Position:
        """The end, in a transaction of this file. Raises GapInLog if it is before that position."""
        end = self.end_in(connection)
        if not BEGINNING <= after <= end:
            raise GapInLog(
                f"there is no position {after} in the log {self.path}, which ends at {end}: it was cut off or exchanged"
            )
        return end

    def queries(self, *, whole: bool) -> Queries:
        """Those of events with the row beside each, or those of the headers alone."""
        return self._queries if whole else HEADERS

    def expected(
        self, connection: Connection, after: Position, end: Position, most: int, *, whole: bool = True
    ) -> Generator[Row[Any], None, None]:
        """The rows of `Queries.page` after a position, each the next one and chained to the one before it.

        In a transaction of this file. Raises GapInLog where one is not.
        """
        chain: bytes | None = None
        with connection.execute(self.queries(whole=whole).page, {"after": after, "most": most}) as found:
            for position in range(after + 1, min(end, after + most) + 1):
                row = found.fetchone()
                if row is None or row[0] != position:
                    raise GapInLog(f"position {position} is missing in the log {self.path}")
                if chain is not None and link(chain, row[CHAIN - 1]) != row[CHAIN]:
                    raise damaged(position, UNCHAINED)
                yield row
                chain = row[CHAIN]

    def headers(self, after: Position, most: int) -> list[Record]:
        """The next records, none at the end, without their payloads. Raises GapInLog for a hole or a damaged one."""
        with self.transaction() as connection:
            found = self.expected(connection, after, self.end_in(connection), most, whole=False)
            with closing(found) as rows:
                return [read_record(row[: CHAIN + 1], b"", thinned=row[-1] is not None, bare=True) for row in rows]

    def end(self) -> Position:
        """The last position. Raises GapInLog if rows are missing at the end."""
        with self.transaction() as connection:
            return self.end_in(connection)

    def position(self, *, time: str | None = None, lsn: int | None = None) -> Position:
        """By a walk over one index. Raises ValueError unless exactly one is given, and for a time written otherwise."""
        if (time is None) == (lsn is None):
            raise ValueError("position: either a time or an lsn")
        if time is not None and not _TIME.fullmatch(time):
            raise ValueError(f"not a time in UTC as YYYY-MM-DDTHH:MM:SS.ffffffZ: {time!r}")
        wanted = EVENT.c.commit_time <= time if lsn is None else EVENT.c.lsn <= lsn
        with self.transaction() as connection:
            return connection.execute(select(func.max(EVENT.c.position)).where(wanted)).scalar_one() or BEGINNING

    def heads(self, at: Position | None = None) -> Iterator[tuple[Uuid, Position, str, Kind]]:
        """Of `standing`."""
        return ((event.uuid, position, event.digest, event.kind) for position, event, _ in self.standing(at))

    def standing(self, at: Position | None = None) -> Iterator[Entry]:
        """By pages of `HEADS_PAGE` objects, each header proved by its checksum.

        Positions are dense, so the events counted on the way must come to `at`. They are counted in the index that was
        walked, and GapInLog is raised after the last head if they do not: an object whose only event is gone would
        else look like one never seen.
        """
        end = self.end()
        upto = end if at is None else min(at, end)
        after, counted = "", 0
        while True:
            with self.transaction() as connection:
                thinned = bool(connection.execute(_ANY_THINNED).scalar_one())
                page = connection.execute(_HEADS[thinned], {"after": after, "at": upto}).all()
            for uuid, events, newest, *header in page:
                counted += events
                if newest is None:
                    continue
                event = proved(header)
                if event.uuid != uuid:
                    raise damaged(header[0], f"the index has it under {uuid!r}")
                if event.type is not Type.DELETE:
                    yield Entry(header[0], event, header[COVERED - 2])
            if len(page) < HEADS_PAGE:
                break
            after = page[-1][0]
        if counted != upto:
            raise GapInLog(f"the log {self.path} has {upto} positions up to there, but holds {counted} events")

    def lookup_handle(self, handle: str) -> Entry | None:
        """By the index (handle, position)."""
        with self.transaction() as connection:
            row = self.one(connection, _OF_HANDLE, handle=handle)
            return None if row is None else bare(row)

    def id_at(self, position: Position) -> bytes | None:
        """By the key; the header of a thinned event stays."""
        with self.transaction() as connection:
            return connection.execute(_AT, {"at": position}).scalar_one_or_none()

    def seal(self, at: Position | None = None) -> bytes:
        """The chain up to that position (to the end if None): 16 bytes in which every event before it has a part."""
        with self.transaction() as connection:
            return self.chain_in(connection, self.end_in(connection) if at is None else at)

    def close(self) -> None:
        """Close the connections. The last process to do so folds the WAL into the file."""
        if self._pid == os.getpid():
            self.engine.dispose()

    def transaction(self, *, write: bool = False) -> AbstractContextManager[Connection]:
        """One snapshot to read, or one group commit, for the parts of this back end. Raises GapInLog and others."""
        if self._pid != os.getpid():
            # A SQLite connection must not be carried over a fork; the parent goes on with its own.
            self.engine.dispose(close=False)
            self._pid = os.getpid()
        status = self.status()
        if status is None or (status.st_dev, status.st_ino) != self._inode:
            # Our connections are to the old file: what we appended there would be acknowledged and lost.
            raise GapInLog(f"the log {self.path} was removed or exchanged while it was open")
        return file.transaction(self.engine, self.path, write=write)

    def status(self) -> os.stat_result | None:
        """Of the file, if it is there."""
        try:
            return self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnusable(f"the log {self.path} cannot be reached: {error.strerror or error}") from error

    def end_in(self, connection: Connection) -> Position:
        """The last position, in a transaction of this log."""
        noted, last = connection.execute(_END).one()
        last = last or BEGINNING
        if noted != str(last):
            raise GapInLog(f"the log {self.path} should end at position {noted}, but ends at {last}")
        return int(last)

    def chain_in(self, connection: Connection, position: Position) -> bytes:
        """The chain at a position, in a transaction of this log."""
        return connection.execute(_CHAIN, {"at": position}).scalar_one() if position else NO_CHAIN

    def one(self, connection: Connection, query: Select[Any], **values: object) -> Row[Any] | None:
        """The row that one of `Queries` finds."""
        return connection.execute(query, values).first()
