"""What the search index has still to be told of a target behind its packager: a table of its books.

DSpace's own packager tells the index of what it commits; where Solr did not answer then, only its log says so. So what
was loaded is told once more, by the means of `[index]`.

Invariant: what is due is noted with the objects, in one transaction of the books, and struck off only when it was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from daemon.hold import hold
from daemon.index.port import Pending, Row, Standing
from daemon.target.packager.books import REINDEX, Books, make_due
from events.aip.model import Kind

LOCK: Final = "index.lock"
"""One at a time tells the index of a target."""


class PackagerDue:
    """`daemon.index.port.Due` over the books in that work folder. Raises Locked if somebody else tells it."""

    def __init__(self, work: Path, *, alone: bool = True) -> None:
        self._work = work
        self._known: Books | None = None
        self._open = ExitStack()
        if alone:
            self._open.enter_context(hold(work / LOCK, "is telling this target's index"))

    @property
    def _books(self) -> Books | None:
        """The books, as soon as a replay has made them."""
        if self._known is None and Books.there(self._work):
            self._known = Books(self._work)
            self._open.callback(self._known.close)
        return self._known

    def add(self, rows: Sequence[Row]) -> None:
        """See the port."""
        if self._books:
            with self._books.transaction(write=True) as connection:
                make_due(connection, [
                    {"uuid": row.uuid, "kind": row.kind.value, "handle": row.handle, "deleted": row.act == "gone",
                     "below": row.below, "owner": row.collection} for row in rows
                ])  # fmt: skip

    def standing(self) -> Standing:
        """See the port."""
        query = sa.select(sa.func.count(), sa.func.min(REINDEX.c.since), sa.func.max(REINDEX.c.touched))
        rows = self._ask(query)
        if not rows or not rows[0][0]:
            return Standing(0)
        due, since, touched = rows[0]
        return Standing(due, since, _ago(since), _ago(touched))

    def pending(self, most: int) -> Pending:
        """See the port. How many items a collection holds is not known without its database."""
        query = sa.select(REINDEX).order_by(REINDEX.c.since, REINDEX.c.uuid).limit(most + 1)
        rows = [
            Row(row.uuid, Kind(row.kind), row.handle, row.touched, "gone" if row.deleted else "index", row.below)
            for row in self._ask(query)
        ]
        return Pending(rows[:most], len(rows) > most)

    def strike(self, rows: Sequence[Row]) -> int:
        """See the port."""
        struck = 0
        if self._books:
            with self._books.transaction(write=True) as connection:
                for row in rows:
                    mine = sa.and_(REINDEX.c.uuid == row.uuid, REINDEX.c.touched == row.touched)
                    struck += connection.execute(sa.delete(REINDEX).where(mine)).rowcount
                    again = sa.update(REINDEX).where(REINDEX.c.uuid == row.uuid)
                    connection.execute(again.values(since=REINDEX.c.touched))
        return struck

    def mark(self) -> int:
        """See the port."""
        if not self._books:
            return 0
        with self._books.transaction(write=True) as connection:
            return int(connection.execute(sa.update(REINDEX).values(marked=REINDEX.c.touched)).rowcount)

    def strike_marked(self) -> int:
        """See the port."""
        if not self._books:
            return 0
        with self._books.transaction(write=True) as connection:
            return int(connection.execute(sa.delete(REINDEX).where(REINDEX.c.marked == REINDEX.c.touched)).rowcount)

    def close(self) -> None:
        """Give the file, and with it the lock, back."""
        self._open.close()

    def _ask(self, query: sa.Executable) -> Sequence[Any]:
        if not self._books:
            return []
        with self._books.transaction() as connection:
            return connection.execute(query).all()


def _ago(instant: str) -> float:
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds())
