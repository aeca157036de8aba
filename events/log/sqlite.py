"""The embedded log: one SQLite file, nothing to run.

Invariants:

* Positions are dense from 1, and `meta.end` is the last of them, moved in the transaction that appends. So a missing
  row is noticed wherever it is missing, at the end too.
* One `append` is one transaction, synced before it returns (group commit): a crash keeps all of a batch or none.
* A reader takes a page in one short transaction and then lets go of the file. A consumer may take an hour over an
  event: no snapshot stays open, so the WAL can be folded in, and memory holds one page.

Any number of processes and threads may read while one appends; several that append take turns.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import (
    Connection,
    FromClause,
    Row,
    Select,
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
from events.event import BEGINNING, Event, Position, Type
from events.log import Entry
from events.log import sqlite_file as file
from events.log.chain import NO_CHAIN, UNCHAINED, Record, damaged, link, proved, read_record, recorded
from events.log.sqlite_rows import CHAIN, EVENT, META, PAYLOAD, THINNED, entry, rows

PAGE_EVENTS: Final = 500
PAGE_BYTES: Final = 16 * 1024 * 1024
"""A page ends at the event that brings its payloads above this."""

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

_WHOLE: Final = select(EVENT, PAYLOAD.c.payload).select_from(
    EVENT.outerjoin(PAYLOAD, PAYLOAD.c.position == EVENT.c.position)
)
"""Outer, so that an event whose payload is gone is damage, and not a row less."""

_PAGE: Final = (
    select(EVENT, PAYLOAD.c.payload, THINNED.c.position)
    .select_from(
        EVENT.outerjoin(PAYLOAD, PAYLOAD.c.position == EVENT.c.position).outerjoin(
            THINNED, THINNED.c.position == EVENT.c.position
        )
    )
    .where(EVENT.c.position > bindparam("after"))
    .order_by(EVENT.c.position)
    .limit(bindparam("most"))
)

_KNOWN: Final = select(EVENT.c.id, EVENT.c.position).where(EVENT.c.id.in_(bindparam("ids", expanding=True)))

_OF_UUID: Final = _WHOLE.where(EVENT.c.uuid == bindparam("uuid"), KEPT)
_LATEST: Final = _OF_UUID.where(EVENT.c.position <= bindparam("at")).order_by(EVENT.c.position.desc()).limit(1)
_NEXT: Final = _OF_UUID.where(EVENT.c.position > bindparam("after")).order_by(EVENT.c.position).limit(1)
_NAMED: Final = _WHOLE.where(EVENT.c.handle == bindparam("handle"), KEPT)
_OF_HANDLE: Final = _NAMED.order_by(EVENT.c.position.desc()).limit(1)
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


class SqliteLog:
    """A log in one SQLite file; see `events.log.Log`.

    `create` makes the file if there is none. Raises ConfigError for a missing or foreign file, UnknownLogFormat for
    one of another version, GapInLog for a damaged one, StorageUnusable where the disk or the rights are at fault.
    """

    def __init__(self, url: str, create: bool = False) -> None:
        self.path = file.path_of(url)
        if create and self._status() is None:
            file.make(self.path)
        status = self._status()
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

    def append(self, batch: Sequence[Event]) -> list[Position]:
        """One transaction. Raises Locked if another writer holds the log too long, StorageUnusable, ValueError."""
        if not batch:
            return []
        ids = [event.id for event in batch]
        headers, payloads = [], []
        with self.transaction(write=True) as connection:
            end = last = self.end_in(connection)
            chain = self.chain_in(connection, end)
            places: dict[bytes, Position] = {}
            for start in range(0, len(ids), IDS_AT_ONCE):
                found = connection.execute(_KNOWN, {"ids": ids[start : start + IDS_AT_ONCE]})
                places.update((identity, position) for identity, position in found)
            for identity, event in zip(ids, batch, strict=True):
                if identity not in places:
                    last += 1
                    places[identity] = last
                    record = recorded(last, event, chain)
                    chain = record.chain
                    header, payload = rows(record)
                    headers.append(header)
                    payloads.append(payload)
            if last > end:
                connection.execute(insert(EVENT), headers)
                connection.execute(insert(PAYLOAD), payloads)
                connection.execute(update(META).where(META.c.key == "end").values(value=str(last)))
        return [places[identity] for identity in ids]

    def read(self, after: Position, limit: int | None = None, *, until: Position | None = None) -> Iterator[Entry]:
        """By pages of `PAGE_EVENTS` or about `PAGE_BYTES`. Damage is raised where it is, after what is before it."""
        while limit is None or limit > 0:
            page, reached, fault = self._page(after, PAGE_EVENTS if limit is None else min(limit, PAGE_EVENTS))
            for record in page:
                if until is not None and record.position > until:
                    return
                if record.thinned:
                    continue
                yield Entry(record.position, record.event)
                limit = None if limit is None else limit - 1
                if limit == 0:
                    return
            if fault is not None and (until is None or reached < until):
                raise fault
            if reached == after or (until is not None and reached >= until):
                return
            after = reached
            page.clear()

    def records(self, after: Position) -> Iterator[Record]:
        """Every record after a position, thinned ones too, by the same pages; see `events.log.Copying`."""
        while True:
            page, reached, fault = self._page(after, PAGE_EVENTS)
            yield from page
            if fault is not None:
                raise fault
            if reached == after:
                return
            after = reached
            page.clear()

    def _page(self, after: Position, most: int) -> tuple[list[Record], Position, GapInLog | None]:
        """The next records, none at the end; up to where that is; and the damage that follows, if that is why they are
        no more.
        """
        page: list[Record] = []
        room, chain = PAGE_BYTES, None
        with self.transaction() as connection:
            end = self.end_in(connection)
            if not BEGINNING <= after <= end:
                raise GapInLog(
                    f"there is no position {after} in the log {self.path}, which ends at {end}: "
                    "it was cut off or exchanged"
                )
            expected = after + 1
            with connection.execute(_PAGE, {"after": after, "most": most}) as found:
                while expected <= min(end, after + most) and room > 0:
                    try:
                        row = self._expected(found.fetchone(), expected, chain)
                        chain = row[CHAIN]
                        page.append(read_record(row[: CHAIN + 1], row[CHAIN + 1], thinned=row[-1] is not None))
                    except GapInLog as fault:
                        return page, expected - 1, fault
                    room -= len(page[-1].event.payload)
                    expected += 1
        return page, expected - 1, None

    def _expected(self, row: Row[Any] | None, position: Position, chain: bytes | None) -> Row[Any]:
        if row is None or row[0] != position:
            raise GapInLog(f"position {position} is missing in the log {self.path}")
        if chain is not None and link(chain, row[CHAIN - 1]) != row[CHAIN]:
            raise damaged(position, UNCHAINED)
        return row

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

    def latest(self, uuid: Uuid, at: Position | None = None) -> Entry | None:
        """By the index (uuid, position)."""
        with self.transaction() as connection:
            upto = self.end_in(connection) if at is None else at
            return self._one(connection, _LATEST, uuid=uuid, at=upto)

    def history(self, uuid: Uuid) -> Iterator[Entry]:
        """One event at a time: an object has few, and each may be large."""
        after = BEGINNING
        while True:
            with self.transaction() as connection:
                found = self._one(connection, _NEXT, uuid=uuid, after=after)
            if found is None:
                return
            yield found
            after = found.position

    def lookup_handle(self, handle: str) -> Entry | None:
        """By the index (handle, position)."""
        with self.transaction() as connection:
            return self._one(connection, _OF_HANDLE, handle=handle)

    def heads(self, at: Position | None = None) -> Iterator[tuple[Uuid, Position, str, Kind]]:
        """Of `standing`."""
        return ((event.uuid, position, event.digest, event.kind) for position, event in self.standing(at))

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
                    yield Entry(header[0], event)
            if len(page) < HEADS_PAGE:
                break
            after = page[-1][0]
        if counted != upto:
            raise GapInLog(f"the log {self.path} has {upto} positions up to there, but holds {counted} events")

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
        status = self._status()
        if status is None or (status.st_dev, status.st_ino) != self._inode:
            # Our connections are to the old file: what we appended there would be acknowledged and lost.
            raise GapInLog(f"the log {self.path} was removed or exchanged while it was open")
        return file.transaction(self.engine, self.path, write=write)

    def _status(self) -> os.stat_result | None:
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

    def _one(self, connection: Connection, query: Select[Any], **values: object) -> Entry | None:
        row = connection.execute(query, values).first()
        return None if row is None else entry(row)
