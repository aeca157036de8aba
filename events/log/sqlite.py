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

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from events.aip.model import Uuid
from events.errors import GapInLog
from events.event import BEGINNING, Event, Position
from events.log import Entry
from events.log import sqlite_file as file
from events.log.chain import Record, damaged, read_record, recorded
from events.log.sqlite_headers import SqliteHeaders
from events.log.sqlite_rows import CHAIN, EVENT, PAYLOAD, bare, entry, rows

PAGE_EVENTS: Final = 500
PAGE_BYTES: Final = 16 * 1024 * 1024
"""A page ends at the event that brings its payloads above this."""


class SqliteLog(SqliteHeaders):
    """A log in one SQLite file; see `events.log.Log`.

    `create` makes the file if there is none. Raises ConfigError for a missing or foreign file, UnknownLogFormat for
    one of another version, GapInLog for a damaged one, StorageUnusable where the disk or the rights are at fault.
    """

    def __init__(self, url: str, create: bool = False) -> None:
        self.path = file.path_of(url)
        if create and self.status() is None:
            file.make(self.path)
        super().__init__(self.path, PAYLOAD)

    def writing(self) -> AbstractContextManager[None]:
        """Nothing more: who captures holds the lock beside the state, and every transaction has the file's own."""
        return nullcontext()

    def append(self, batch: Sequence[Event]) -> list[Position]:
        """One transaction. Raises Locked if another writer holds the log too long, StorageUnusable, ValueError."""
        if not batch:
            return []
        ids = [event.id for event in batch]
        headers, payloads = [], []
        with self.transaction(write=True) as connection:
            end = last = self.end_in(connection)
            chain = self.chain_in(connection, end)
            places = self.known(connection, ids)
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
                self.add(connection, last, {EVENT: headers, PAYLOAD: payloads})
        return [places[identity] for identity in ids]

    def read(
        self, after: Position, limit: int | None = None, *, until: Position | None = None, whole: bool = True
    ) -> Iterator[Entry]:
        """By pages of `PAGE_EVENTS` or about `PAGE_BYTES`. Damage is raised where it is, after what is before it."""
        while limit is None or limit > 0:
            most = PAGE_EVENTS if limit is None else min(limit, PAGE_EVENTS)
            page, reached, fault = self._page(after, most, whole=whole)
            for record in page:
                if until is not None and record.position > until:
                    return
                if record.thinned:
                    continue
                yield Entry(record.position, record.event, 0 if whole else record.size)
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

    def _page(
        self, after: Position, most: int, *, whole: bool = True
    ) -> tuple[list[Record], Position, GapInLog | None]:
        """The next records, none at the end; up to where that is; and the damage that follows, if that is why they are
        no more.
        """
        try:
            return self._page_at_once(after, most, whole=whole)
        except GapInLog as fault:
            if most > 1:  # a torn page of the file: what stands before it can be read all the same
                return self._page(after, most // 2, whole=whole)
            torn = isinstance(fault.__cause__, DBAPIError)
            return [], after, damaged(after + 1, str(fault)) if torn else fault

    def _page_at_once(
        self, after: Position, most: int, *, whole: bool
    ) -> tuple[list[Record], Position, GapInLog | None]:
        """The same in one transaction. Raises GapInLog where the storage does not give a row."""
        page: list[Record] = []
        room = PAGE_BYTES
        with (
            self.transaction() as connection,
            # Closed while its connection is open: a cursor that is given up later complains on standard error.
            closing(self.expected(connection, after, self.end_after(connection, after), most, whole=whole)) as rows,
        ):
            while room > 0:
                try:
                    row = next(rows, None)
                    if row is None:
                        break
                    thinned = row[-1] is not None
                    page.append(read_record(row[: CHAIN + 1], row[CHAIN + 1], thinned=thinned, bare=not whole))
                except GapInLog as fault:
                    return page, after + len(page), fault
                room -= len(page[-1].event.payload)
        return page, after + len(page), None

    def latest(self, uuid: Uuid, at: Position | None = None, *, whole: bool = True) -> Entry | None:
        """By the index (uuid, position)."""
        with self.transaction() as connection:
            upto = self.end_in(connection) if at is None else at
            return _entry(self.one(connection, self.queries(whole=whole).latest, uuid=uuid, at=upto), whole)

    def entries(self, positions: Sequence[Position]) -> Iterator[Entry]:
        """By the key, in pages of `PAGE_EVENTS` or about `PAGE_BYTES`."""
        begin = 0
        while begin < len(positions):
            some = positions[begin : begin + PAGE_EVENTS]
            page: list[Entry] = []
            room = PAGE_BYTES
            with (
                self.transaction() as connection,
                closing(connection.execute(self.queries(whole=True).entries, {"positions": some})) as found,
            ):
                while room > 0 and (row := found.fetchone()) is not None:
                    page.append(entry(row))
                    room -= len(page[-1].event.payload)
            begin = bisect_right(positions, page[-1].position) if page else begin + len(some)
            yield from page
            page.clear()

    def history(self, uuid: Uuid, *, whole: bool = True) -> Iterator[Entry]:
        """One event at a time: an object has few, and each may be large."""
        after = BEGINNING
        while True:
            with self.transaction() as connection:
                found = _entry(self.one(connection, self.queries(whole=whole).next, uuid=uuid, after=after), whole)
            if found is None:
                return
            yield found
            after = found.position


def _entry(row: Row[Any] | None, whole: bool) -> Entry | None:
    return None if row is None else entry(row) if whole else bare(row)
