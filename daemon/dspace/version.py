"""Which DSpace a database belongs to, found in its catalogue.

Invariant: nothing is inferred from Flyway's version numbers. Migrations that were numbered before one that had already
run may have been skipped, so two databases of one version can differ; only what is there counts (dspace-database §7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

from daemon.dspace.coverage import ENTRIES, Place
from daemon.dspace.cursors import AnyConnection, cursor_of
from events.errors import NotDSpace


@dataclass(frozen=True, slots=True)
class Repository:
    """A DSpace database as its catalogue shows it.

    `family` is "7.6", "8", "9" or "10"; `site` the site's UUID in lower case; `prefix` the prefix of the site's
    handle (`20.500.12345`), None if the site has no handle; `tables` the tables of DSpace's own database schema
    `schema`; `server_version` is PostgreSQL's number, 150018 for 15.18.
    """

    database: str
    schema: str
    family: str
    has_security_level: bool
    has_pgcrypto: bool
    tables: frozenset[str]
    site: str
    prefix: str | None
    encoding: str
    server_version: int


SERVER: Final = """
    SELECT current_database(), current_schema(), pg_encoding_to_char(encoding),
           current_setting('server_version_num')::int,
           EXISTS (SELECT FROM pg_extension WHERE extname = 'pgcrypto')
      FROM pg_database WHERE datname = current_database()
"""

# What the account may not read is in pg_attribute all the same; information_schema would leave it out.
COLUMNS: Final = """
    SELECT pg_class.relname, pg_attribute.attname, pg_attribute.atttypid::regtype::text
      FROM pg_class JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
     WHERE pg_class.relnamespace = current_schema()::regnamespace AND pg_class.relkind IN ('r', 'p')
       AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped
"""

SITES: Final = "SELECT uuid::text FROM site LIMIT 2"

PREFIX: Final = """
    SELECT regexp_replace(handle, '/0$', '') FROM handle
     WHERE resource_id = %(site)s::uuid AND handle LIKE '%%/0' ORDER BY handle_id LIMIT 1
"""

# The release that first had each, oldest first.
MILESTONES: Final = (
    ("item", "uuid", "6.0"),
    ("dspaceobject", "uuid", "6.0"),
    ("entity_type", "label", "7.0"),
    ("eperson", "session_salt", "7.0"),
    ("relationship", "latest_version_status", "7.3"),
    ("orcid_token", "id", "7.3"),
    ("supervision_orders", "item_id", "7.5"),
    ("subscription", "dspace_object_id", "7.5"),
)

# Any of these makes a database look like some DSpace at all.
SPINE: Final = frozenset({"item", "bitstream", "metadatavalue", "handle", "resourcepolicy", "eperson"})

# Varchar until 7.5.
TEXT_SINCE_7_6: Final = ("process", "parameters")


def probe(connection: AnyConnection) -> Repository:
    """Look at the catalogue of the database that is connected to, in the caller's transaction; writes nothing.

    Raises NotDSpace, naming the database and what is missing, for an empty or foreign database, a DSpace older than
    7.6, a database that is not in UTF-8, and one with no site or several.
    """
    with cursor_of(connection) as cursor:
        cursor.execute(SERVER)
        database, schema, encoding, server_version, has_pgcrypto = _one(cursor)
        if schema is None:
            _refuse(database, "its search path leads to no schema")
        if encoding != "UTF8":
            _refuse(database, f"its encoding is {encoding}, and DSpace needs UTF8")
        cursor.execute(COLUMNS)
        columns = {(table, column): kind for table, column, kind in cursor.fetchall()}
        tables = frozenset(table for table, _ in columns)
        _require(database, schema, columns, tables)
        site = _site(cursor, database)
        cursor.execute(PREFIX, {"site": site})
        prefix = cursor.fetchone()
    return Repository(
        database=database,
        schema=schema,
        family=_family(columns, tables),
        has_security_level=("metadatavalue", "security_level") in columns,
        has_pgcrypto=has_pgcrypto,
        tables=tables,
        site=site,
        prefix=prefix[0] if prefix else None,
        encoding=encoding,
        server_version=server_version,
    )


def _one(cursor: Cursor) -> tuple[str, str | None, str, int, bool]:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 -- the database that is connected to is in pg_database
    return row


def _family(columns: dict[tuple[str, str], str], tables: frozenset[str]) -> str:
    if ("metadatavalue", "security_level") in columns:
        return "10"
    if "registrationdata_metadata" in tables or ("requestitem", "access_token") in columns:
        return "9"
    if tables & {"notifyservice", "ldn_message", "qaevent_processed"}:
        return "8"
    return "7.6"


def _require(database: str, schema: str, columns: dict[tuple[str, str], str], tables: frozenset[str]) -> None:
    if not tables:
        _refuse(database, f"its schema {schema} holds no table at all")
    if not tables & SPINE:
        _refuse(database, f"its schema {schema} has none of DSpace's tables (item, metadatavalue, handle, ...)")
    for table, column, release in MILESTONES:
        if (table, column) not in columns:
            _refuse(database, f"{_missing(table, column, tables)}, which DSpace has since {release}; "
                              "older ones than 7.6 are not supported")
    if columns.get(TEXT_SINCE_7_6) == "character varying":
        _refuse(database, "process.parameters is not text, as it is since DSpace 7.6; older ones are not supported")
    # Version 7 stands for 7.6: what came later is not required.
    for entry in ENTRIES:
        if entry.place is not Place.OPERATIONAL and entry.since == 7 and (entry.table, entry.column) not in columns:
            _refuse(database, _missing(entry.table, entry.column, tables))


def _missing(table: str, column: str, tables: frozenset[str]) -> str:
    return f"column {table}.{column} is missing" if table in tables else f"table {table} is missing"


def _site(cursor: Cursor, database: str) -> str:
    cursor.execute(SITES)
    found = [row[0] for row in cursor.fetchall()]
    if not found:
        _refuse(database, "table site is empty, so DSpace was never started on it", "Run `dspace database migrate`.")
    if len(found) > 1:
        _refuse(database, "table site has several rows, and DSpace works with exactly one",
                "Remove the site that the handle <prefix>/0 does not name.")
    site: str = found[0]
    return site


def _refuse(database: str, why: str, hint: str | None = None) -> NoReturn:
    raise NotDSpace(f"database {database} is not one of a supported DSpace: {why}", hint)
