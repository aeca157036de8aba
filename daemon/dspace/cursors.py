"""One way to a cursor, whatever the caller holds: a psycopg2 connection or cursor, or a SQLAlchemy connection.

Invariant: a cursor that was made here is closed here; one that was handed in stays open. Transactions are the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import psycopg2.extensions

if TYPE_CHECKING:
    import sqlalchemy

AnyConnection: TypeAlias = "psycopg2.extensions.connection | psycopg2.extensions.cursor | sqlalchemy.Connection"


@contextmanager
def cursor_of(connection: AnyConnection) -> Iterator[psycopg2.extensions.cursor]:
    """A psycopg2 cursor in the transaction of that connection."""
    if isinstance(connection, psycopg2.extensions.cursor):
        yield connection
        return
    if isinstance(connection, psycopg2.extensions.connection):
        cursor = connection.cursor()
    else:
        connection.exec_driver_sql("select 1")  # begins SQLAlchemy's transaction, so that its commit commits
        raw = connection.connection
        cursor = raw.cursor()  # type: ignore[assignment]
    try:
        yield cursor
    finally:
        cursor.close()
