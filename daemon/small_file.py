"""A small SQLite file of our own beside the log: its connections, its transactions, and what its errors mean.

Invariants: a transaction that reads sees one moment and holds up nobody; one that writes has its lock from its first
statement on, so it never fails half-way because of another writer. Any number of processes read, those that write take
turns. No message holds a bound value. A file is made for its owner and group alone, as the log is, and says in which
format it is from its first transaction on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from events.errors import AipstreamError, Locked, StorageUnusable

AT_ONCE: Final = 500
"""Values of one statement: SQLite has a limit, and memory too."""

BUSY_SECONDS: Final = 30.0
"""How long a writer waits for another one."""

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")


class SmallFile:
    """The file at that path. `what` it is called in messages ("the state"), `hint` what to do if it cannot be used.

    `synced`: a commit outlives a power cut, not only the process. Transactions raise Locked, `damaged` for a file that
    cannot be read as what it should be, and StorageUnusable.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        *,
        synced: bool = True,
        damaged: type[AipstreamError] = StorageUnusable,
        hint: str | None = None,
    ) -> None:
        self.path = path
        self._what, self._damaged, self._hint = what, damaged, hint
        self._engine = _connections(path, "FULL" if synced else "NORMAL")

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sa.Connection]:
        """One transaction; what raises within it undoes it."""
        try:
            with self._engine.connect().execution_options(write=write) as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise self._meaning(error.orig) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _meaning(self, error: object) -> AipstreamError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(_BUSY):
            return Locked(f"{self._what} {self.path} was locked by another process for {BUSY_SECONDS:.0f} s")
        if name.startswith(_DAMAGED) or "no such" in str(error):
            return self._damaged(f"{self._what} {self.path} is damaged: {error}", self._hint)
        return StorageUnusable(f"{self._what} {self.path} cannot be used: {error} ({name})", self._hint)


class Meta:
    """The table `meta` of such a file: what stands in it once, by a key, its format among that."""

    def __init__(self, tables: sa.MetaData, form: str) -> None:
        self.table = sa.Table(
            "meta", tables, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
        )
        self._tables, self._format = tables, form

    def create(self, connection: sa.Connection) -> None:
        """Make the tables of the file that are not there, and note its format."""
        self._tables.create_all(connection)
        connection.execute(insert(self.table).on_conflict_do_nothing(), {"key": "format", "value": self._format})

    def format(self, connection: sa.Connection) -> str | None:
        """The format that the file was made in; `""` if it does not say, None if it is not made yet."""
        if not sa.inspect(connection).has_table(self.table.name):
            return None
        return self.get(connection, "format") or ""

    def get(self, connection: sa.Connection, key: str) -> str | None:
        """What stands under that key."""
        column = self.table.c
        return connection.execute(sa.select(column.value).where(column.key == key)).scalar_one_or_none()

    def put(self, connection: sa.Connection, values: Mapping[str, str | None]) -> None:
        """Note those; of a None, that there is nothing."""
        for key, value in values.items():
            if value is None:
                connection.execute(sa.delete(self.table).where(self.table.c.key == key))
            else:
                row = insert(self.table).values(key=key, value=value)
                connection.execute(row.on_conflict_do_update(set_={"value": value}))


def _connections(path: Path, synchronous: str) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        max_overflow=-1,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @sa.event.listens_for(engine, "do_connect")
    def connecting(*_: object) -> None:
        # Only one that is new: to close another would give up the locks that this process has on it. Where it cannot
        # be made, SQLite says why.
        with suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640))

    @sa.event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own transactions begin late; ours begin with BEGIN, below
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
