"""Old events taken out of a SQLite log, and the moments that must stay.

Invariants:

* An event is thinned in one transaction: its row in `thinned` and the end of its payload. So it is whole or thinned.
* The newest event of an object is never thinned; the statement that thins makes sure of it, not its caller.
* Walks go page by page along an index, each page in a transaction of its own: they hold up nobody and need no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import bindparam, delete, exists, func, insert, select, tuple_

from events.aip.model import Uuid
from events.event import BEGINNING, Position
from events.log import Mark, Superseded
from events.log import sqlite_file as file
from events.log.chain import proved
from events.log.sqlite import SqliteLog
from events.log.sqlite_headers import KEPT, SqliteHeaders
from events.log.sqlite_marks import SqliteMarks
from events.log.sqlite_rows import EVENT, PAYLOAD, THINNED

AT_ONCE: Final = 500
PAGE: Final = 5000

_LATER: Final = EVENT.alias("later")
_THINNABLE: Final = select(EVENT.c.position, EVENT.c.payload_size).where(
    EVENT.c.position.in_(bindparam("positions", expanding=True)),
    KEPT,
    exists().where(_LATER.c.uuid == EVENT.c.uuid, _LATER.c.position > EVENT.c.position),
)
_TAKE_AWAY: Final = delete(PAYLOAD).where(PAYLOAD.c.position.in_(bindparam("positions", expanding=True)))
_COUNT: Final = (
    select(func.count())
    .select_from(THINNED)
    .where(THINNED.c.position > bindparam("after"), THINNED.c.position <= bindparam("until"))
)
_STALE: Final = (
    select(func.count())
    .select_from(THINNED.join(EVENT, EVENT.c.position == THINNED.c.position))
    .where(
        THINNED.c.position <= bindparam("at"),
        EVENT.c.payload_size >= bindparam("least"),
        ~exists().where(
            _LATER.c.uuid == EVENT.c.uuid, _LATER.c.position > EVENT.c.position, _LATER.c.position <= bindparam("at")
        ),
    )
)
_STALE_ONE: Final = (
    select(func.count())
    .select_from(THINNED.join(EVENT, EVENT.c.position == THINNED.c.position))
    .where(
        EVENT.c.payload_size >= bindparam("least"),
        THINNED.c.position
        == select(func.max(_LATER.c.position))
        .where(_LATER.c.uuid == bindparam("uuid"), _LATER.c.position <= bindparam("at"))
        .scalar_subquery(),
    )
)
_WALK: Final = (
    select(EVENT.c.uuid, EVENT.c.position, EVENT.c.payload_size)
    .where(
        tuple_(EVENT.c.uuid, EVENT.c.position) > tuple_(bindparam("uuid"), bindparam("after")),
        EVENT.c.position <= bindparam("until"),
        KEPT,
    )
    .order_by(EVENT.c.uuid, EVENT.c.position)
    .limit(PAGE)
)
_WHOLE: Final = select(EVENT).where(EVENT.c.position > bindparam("after"), KEPT).order_by(EVENT.c.position).limit(PAGE)


class SqliteThinned:
    """What was thinned of a log whose headers are in such a file; see `events.log.Thinned`. Raises what that raises."""

    def __init__(self, headers: SqliteHeaders) -> None:
        self.headers = headers

    def thinned(self, after: Position = BEGINNING, until: Position | None = None) -> int:
        """By the key of `thinned`."""
        upto = self.headers.end() if until is None else until
        with self.headers.transaction() as connection:
            return int(connection.execute(_COUNT, {"after": after, "until": upto}).scalar_one())

    def stale(self, at: Position, uuid: Uuid | None = None, *, there: bool = False) -> int:
        """By the key of `thinned` and the index (uuid, position). A delete has no payload."""
        asked = {"at": at, "least": int(there)}
        with self.headers.transaction() as connection:
            if uuid is not None:
                return int(connection.execute(_STALE_ONE, {**asked, "uuid": uuid}).scalar_one())
            return int(connection.execute(_STALE, asked).scalar_one())


class SqliteRetention(SqliteThinned):
    """See `events.log.Retention`. Raises what the log raises."""

    def __init__(self, log: SqliteLog) -> None:
        super().__init__(log)
        self.log = log
        self._marks = SqliteMarks(log)

    def superseded(self, until: Position) -> Iterator[Superseded]:
        """Along the index (uuid, position)."""
        uuid, position, size = "", BEGINNING, 0
        while True:
            with self.log.transaction() as connection:
                page = connection.execute(_WALK, {"uuid": uuid, "after": position, "until": until}).all()
            for row in page:
                if row[0] == uuid:
                    yield Superseded(position, row[1], size)
                uuid, position, size = row
            if len(page) < PAGE:
                return

    def thin(self, positions: Sequence[Position]) -> int:
        """In transactions of `AT_ONCE` events; then the room is given back."""
        freed = 0
        for start in range(0, len(positions), AT_ONCE):
            some = {"positions": list(positions[start : start + AT_ONCE])}
            with self.log.transaction(write=True) as connection:
                found = connection.execute(_THINNABLE, some).all()
                if found:
                    connection.execute(insert(THINNED), [{"position": row[0]} for row in found])
                    connection.execute(_TAKE_AWAY, {"positions": [row[0] for row in found]})
                freed += sum(row[1] for row in found)
        if freed:
            file.shrink(self.log.engine, self.log.path)
        return freed

    def references(self, after: Position = BEGINNING) -> Iterator[tuple[Position, tuple[str, ...]]]:
        """From the headers, each proved."""
        while True:
            with self.log.transaction() as connection:
                page = connection.execute(_WHOLE, {"after": after}).all()
            for row in page:
                yield row[0], proved(row).blobs
                after = row[0]
            if len(page) < PAGE:
                return

    def marks(self) -> list[Mark]:
        """By position. Raises GapInLog unless they are proved."""
        return self._marks.all()

    def mark(self, name: str, position: Position, made: str | None = None) -> None:
        """Raises ConfigError if another moment has that name."""
        self._marks.put(name, position, made)

    def unmark(self, name: str) -> None:
        """Raises ConfigError if there is none of that name."""
        self._marks.remove(name)
