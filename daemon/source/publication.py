"""What the source's database must be told before its changes can be followed: the publication and replica identities.

Invariants:

* The publication names exactly the content tables, never all tables: a table without a replica identity in it
  (`most_recent_checksum`) would make DSpace's own updates fail.
* Each table whose deletes would tell no owner gets REPLICA IDENTITY FULL before the publication is made, and both
  before the slot: what the WAL lacks from that time cannot be added later.
* Nothing is done that is done already, and every statement can be printed instead, for whoever owns the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg2
import psycopg2.errors
from psycopg2 import sql

from daemon.dspace.connect import Connection, connect
from daemon.source.touches import FULL, RULES
from events.errors import PreconditionError, without_password

PUBLICATION: Final = "aipstream"

_TABLES: Final = """
    SELECT c.relname, n.nspname, c.relreplident = 'f', pg_has_role(c.relowner, 'USAGE'),
           has_table_privilege(c.oid, 'SELECT'), pg_get_userbyid(c.relowner)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid IN (SELECT to_regclass(quote_ident(t)) FROM unnest(%s::text[]) t) AND c.relkind IN ('r', 'p')
    ORDER BY c.relname"""
"""Reads the catalogue: the content tables that this version of DSpace has, found as DSpace finds them."""

_PUBLISHED: Final = """
    SELECT p.puballtables, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
           ARRAY(SELECT c.relname::text FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
                 WHERE r.prpubid = p.oid), pg_has_role(p.pubowner, 'USAGE')
    FROM pg_publication p WHERE p.pubname = %s"""

_MARK: Final = """
    SELECT concat_ws(' ', p.oid, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
      (SELECT md5(string_agg(r.oid::text, ' ' ORDER BY r.oid)) FROM pg_publication_rel r WHERE r.prpubid = p.oid),
      (SELECT md5(string_agg(c.oid::text || c.relreplident::text, ' ' ORDER BY c.oid)) FROM pg_class c
       WHERE c.oid IN (SELECT to_regclass(quote_ident(t)) FROM unnest(%s::text[]) t)))
    FROM pg_publication p WHERE p.pubname = %s"""

_LOCK_WAIT: Final = "3s"
"""ALTER TABLE waits behind every open transaction of that table, and all others wait behind it: not for long."""


class Table(NamedTuple):
    """A content table of this database, and what the account may do with it."""

    name: str
    schema: str
    full: bool
    owned: bool
    readable: bool
    owner: str


class Published(NamedTuple):
    """The publication as it is."""

    all_tables: bool
    all_changes: bool
    tables: frozenset[str]
    owned: bool


def tables(connection: Connection) -> list[Table]:
    """The content tables that are there."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, (sorted(RULES),))
        return [Table(*row) for row in cursor.fetchall()]


def published(connection: Connection, publication: str) -> Published | None:
    """The publication, None if there is none of that name."""
    with connection.cursor() as cursor:
        cursor.execute(_PUBLISHED, (publication,))
        row = cursor.fetchone()
    return Published(row[0], row[1], frozenset(row[2]), row[3]) if row else None


def mark(connection: Connection, publication: str = PUBLICATION) -> str | None:
    """What the publication and the replica identities are, as a value to compare; None if there is no publication.

    A table that was taken out and put in again has another mark: what was changed in between is in no stream.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MARK, (sorted(FULL), publication))
        row = cursor.fetchone()
    connection.rollback()
    return row[0] if row else None


def missing(connection: Connection, publication: str = PUBLICATION) -> list[str]:
    """The statements that are still to be run, in order; none if the database is prepared.

    Raises PreconditionError for a publication of that name that covers all tables.
    """
    here = tables(connection)
    wanted = [sql.Identifier(table.schema, table.name) for table in here]
    statements = [
        sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(sql.Identifier(table.schema, table.name))
        for table in here
        if table.name in FULL and not table.full
    ]
    now, name = published(connection, publication), sql.Identifier(publication)
    if now is None:
        statements.append(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(name, sql.SQL(", ").join(wanted)))
    elif now.all_tables:
        raise PreconditionError(
            f"the publication {publication} is FOR ALL TABLES, which makes DSpace's checksum checker fail",
            f'Drop it (DROP PUBLICATION "{publication}"), or configure another name.',
        )
    else:
        if now.tables != {table.name for table in here}:
            statements.append(sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(name, sql.SQL(", ").join(wanted)))
        if not now.all_changes:
            statements.append(
                sql.SQL("ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate')").format(name)
            )
    return [statement.as_string(connection) for statement in statements]


def prepare(dsn: str, publication: str = PUBLICATION, *, dry_run: bool = False) -> list[str]:
    """Make what is missing, and return the statements that did (`dry_run`: that would).

    Each statement is a transaction of its own and can be repeated. Raises PreconditionError if the account may not, or
    if a table stays in use; its hint has the statements.
    """
    connection = connect(dsn, "source", readonly=False)
    try:
        statements = missing(connection, publication)
        connection.rollback()
        if not dry_run:
            _run(connection, dsn, statements)
        return statements
    finally:
        connection.close()


def unprepare(dsn: str, publication: str = PUBLICATION) -> list[str]:
    """Undo `prepare`: drop the publication, set the replica identities back. The slot must be gone before."""
    connection = connect(dsn, "source", readonly=False)
    try:
        statements = (
            [sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(publication))]
            if published(connection, publication)
            else []
        )
        back = sql.SQL("ALTER TABLE {} REPLICA IDENTITY DEFAULT")
        statements += [
            back.format(sql.Identifier(table.schema, table.name))
            for table in tables(connection)
            if table.name in FULL and table.full
        ]
        texts = [statement.as_string(connection) for statement in statements]
        connection.rollback()
        _run(connection, dsn, texts)
        return texts
    finally:
        connection.close()


def _run(connection: Connection, dsn: str, statements: Sequence[str]) -> None:
    for done, statement in enumerate(statements):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", (_LOCK_WAIT,))
                cursor.execute(statement)
            connection.commit()
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.LockNotAvailable) as error:
            connection.rollback()
            busy = isinstance(error, psycopg2.errors.LockNotAvailable)
            raise PreconditionError(
                f"{without_password(dsn)}: {str(error).strip()}: {statement}",
                "A long transaction holds the table; repeat this when it has ended."
                if busy
                else "Let the owner of the database run these, then repeat this:\n"
                + ";\n".join(statements[done:])
                + ";",
            ) from error
