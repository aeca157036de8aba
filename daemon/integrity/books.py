"""How far a check of the archive has come, and what it found: one SQLite file beside the state.

Invariants:

* A pass goes over the whole log and every content that it needs. It may be done in any number of runs: where one
  stops, the next one goes on, after a kill from the last note on.
* What a note says was looked at is noted with what was found there, in one transaction.
* What an earlier pass found stays until this one has come to its end.
* Everything in it can be found again: whoever loses the file begins anew.

    meta       the pass: its number, where it stands, since when
    damage     what is wrong, by position and fault (position 0: with the log as a whole)
    content    every blob that a whole event needs: in which pass that was seen, its bytes, when it was last read
    affected   the objects that need a damaged content, and from which position to which
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from daemon.small_file import AT_ONCE, Meta, SmallFile
from events.errors import StorageUnusable
from events.event import Position

FORMAT: Final = "1"
HINT: Final = "Remove the file: the check then begins anew."
PAGE: Final = 2000

TABLES: Final = sa.MetaData()
META: Final = Meta(TABLES, FORMAT)
DAMAGE: Final = sa.Table(
    "damage",
    TABLES,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("fault", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("uuid", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("handle", sa.Text),
    sa.Column("commit_time", sa.Text, nullable=False),
    sa.Column("pass", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
CONTENT: Final = sa.Table(
    "content",
    TABLES,
    sa.Column("name", sa.LargeBinary, primary_key=True),
    sa.Column("pass", sa.Integer, nullable=False),
    sa.Column("size", sa.Integer),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("bad", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""`cycle`: in which round over all of them it was last read back; 0: never. `bad`: it was found damaged."""

AFFECTED: Final = sa.Table(
    "affected",
    TABLES,
    sa.Column("content", sa.Text, primary_key=True),
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("handle", sa.Text),
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("last", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)


class Damage(NamedTuple):
    """One thing that is wrong. `content` is the SHA-256 of a blob, where it is one; `uuid` and the others what the
    record claims to be, empty where it says nothing.
    """

    position: Position
    fault: str
    what: str
    content: str = ""
    uuid: str = ""
    kind: str = ""
    handle: str | None = None
    commit_time: str = ""


class Affected(NamedTuple):
    """An object that needs a damaged content, from its event `first` (committed `since`) to its event `last`."""

    content: str
    uuid: str
    kind: str
    handle: str | None
    first: Position
    since: str
    last: Position


class Content(NamedTuple):
    """A blob that is needed; see `CONTENT`."""

    sha256: str
    size: int | None
    cycle: int
    bad: bool


_DAMAGE = [DAMAGE.c[name] for name in Damage._fields]
_AFFECTED = [AFFECTED.c[name] for name in Affected._fields]


class Books:
    """The books in that file, which is made if it is not there. Raises StorageUnusable, Locked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = SmallFile(path, "the book of checks", synced=False, hint=HINT)  # lost, it is looked at again
        self._transaction = self._file.transaction
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with self._transaction() as connection:
                found = META.format(connection)
            if found != FORMAT:
                with self._transaction(write=True) as connection:
                    TABLES.drop_all(connection)
                    META.create(connection)
        except OSError as error:
            raise StorageUnusable(f"the books {path} cannot be made: {error.strerror or error}") from error
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """What was noted under that key."""
        with self._transaction() as connection:
            return META.get(connection, key)

    def number(self, key: str) -> int:
        """The same as a number; 0 if there is none."""
        return int(self.meta(key) or 0)

    def damages(self) -> Iterator[Damage]:
        """Everything that was found, by position, by pages."""
        after = (-1, "", "")
        keys = sa.tuple_(DAMAGE.c.position, DAMAGE.c.fault, DAMAGE.c.content)
        query = sa.select(*_DAMAGE).order_by(DAMAGE.c.position, DAMAGE.c.fault, DAMAGE.c.content).limit(PAGE)
        while True:
            with self._transaction() as connection:
                rows = connection.execute(query.where(keys > sa.tuple_(*after))).all()
            yield from (Damage(*row) for row in rows)
            if len(rows) < PAGE:
                return
            after = (rows[-1][0], rows[-1][1], rows[-1][3])

    def damaged(self) -> int:
        """How many things are wrong."""
        with self._transaction() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(DAMAGE)).scalar_one())

    def affected(self, content: str, most: int = AT_ONCE) -> list[Affected]:
        """The objects that need that content, at most so many."""
        query = sa.select(*_AFFECTED).where(AFFECTED.c.content == content).order_by(AFFECTED.c.first).limit(most)
        with self._transaction() as connection:
            return [Affected(*row) for row in connection.execute(query)]

    def contents(self, after: str, number: int, most: int = PAGE) -> list[Content]:
        """What that pass saw to be needed, by name, after a name."""
        query = (
            sa.select(CONTENT.c.name, CONTENT.c.size, CONTENT.c.cycle, CONTENT.c.bad)
            .where(CONTENT.c.name > bytes.fromhex(after), CONTENT.c["pass"] == number)
            .order_by(CONTENT.c.name)
            .limit(most)
        )
        with self._transaction() as connection:
            return [Content(name.hex(), *rest) for name, *rest in connection.execute(query)]

    def read_in(self, number: int, cycle: int) -> tuple[int, int]:
        """How many contents that pass saw to be needed, and how many of them were read back in that cycle."""
        count = sa.func.count
        query = sa.select(count(), count(sa.case((CONTENT.c.cycle == cycle, 1)))).where(CONTENT.c["pass"] == number)
        with self._transaction() as connection:
            every, read = connection.execute(query).one()
            return int(every), int(read)

    # --- writing --------------------------------------------------------------------------------------------------

    def note(
        self,
        *,
        meta: Mapping[str, str | None] | None = None,
        number: int = 0,
        damages: Sequence[Damage] = (),
        needed: Iterable[str] = (),
        sizes: Mapping[str, int] | None = None,
        read: Iterable[str] = (),
        cycle: int = 0,
        bad: Mapping[str, bool] | None = None,
        affected: Sequence[Affected] = (),
        mended: Iterable[Damage] = (),
    ) -> None:
        """All of that in one transaction. `needed`, `damages` are what pass `number` saw; `read` in that `cycle`;
        `sizes` are what contents should have, `bad` whether they are damaged; `mended` is damage no more.
        """
        with self._transaction(write=True) as connection:
            names = [{"name": bytes.fromhex(name), "pass": number, "cycle": 0, "bad": False} for name in needed]
            if names:
                row = insert(CONTENT)
                same = row.on_conflict_do_update(set_={"pass": number}, where=CONTENT.c["pass"] != number)
                connection.execute(same, names)
            if damages:
                row = insert(DAMAGE)
                fresh = {name: row.excluded[name] for name in ("what", "uuid", "kind", "handle", "commit_time", "pass")}
                values = [{**damage._asdict(), "pass": number} for damage in damages]
                connection.execute(row.on_conflict_do_update(set_=fresh), values)
            _each(connection, "size", sizes or {})
            _each(connection, "cycle", dict.fromkeys(read, cycle))
            _each(connection, "bad", dict(bad or {}))
            if affected:
                row = insert(AFFECTED)
                connection.execute(
                    row.on_conflict_do_update(set_={"last": row.excluded.last}), [one._asdict() for one in affected]
                )
            for one in mended:
                connection.execute(
                    sa.delete(DAMAGE).where(
                        DAMAGE.c.position == one.position, DAMAGE.c.fault == one.fault, DAMAGE.c.content == one.content
                    )
                )
            META.put(connection, meta or {})

    def finish(self, number: int, meta: Mapping[str, str | None]) -> None:
        """The pass has come to its end: what only earlier ones found, or saw to be needed, is no more."""
        with self._transaction(write=True) as connection:
            connection.execute(sa.delete(DAMAGE).where(DAMAGE.c["pass"] != number))
            connection.execute(sa.delete(CONTENT).where(CONTENT.c["pass"] != number))
        self.note(meta=meta)

    def unaffect(self) -> None:
        """Begin the list of affected objects anew."""
        with self._transaction(write=True) as connection:
            connection.execute(sa.delete(AFFECTED))

    def forget(self) -> None:
        """Begin all of it anew."""
        with self._transaction(write=True) as connection:
            for table in TABLES.sorted_tables:
                connection.execute(sa.delete(table))
            META.create(connection)


def _each(connection: sa.Connection, column: str, values: Mapping[str, object]) -> None:
    if values:
        one = sa.update(CONTENT).where(CONTENT.c.name == sa.bindparam("of")).values({column: sa.bindparam("value")})
        connection.execute(one, [{"of": bytes.fromhex(name), "value": value} for name, value in values.items()])
