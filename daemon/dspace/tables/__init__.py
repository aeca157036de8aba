"""The tables of DSpace 7.6, 8, 9 and 10, written down as SQLAlchemy Core, one noun a file.

Invariant: `create_schema` makes what DSpace's own migrations make of an empty database: the same tables, columns,
types, defaults, keys, delete rules, indexes and sequences, and the function `getnextid`. The tests hold it against
schemas that real migrations left behind. A name is spelt here as DSpace spells it (`collecion2item_item` too).

The tables are for building scratch repositories and for asking what a version has. A repository that is being read
or written is asked itself (`daemon.dspace.version.probe`), for databases of one version differ in what they skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateSequence, CreateTable

from daemon.dspace.cursors import AnyConnection, cursor_of
from daemon.dspace.sequences import SEQUENCES
from daemon.dspace.tables import (
    authorization,
    entities,
    formats,
    harvesting,
    identifiers,
    metadata,
    objects,
    operational,
    structure,
    submission,
    subscriptions,
    versioning,
)
from daemon.dspace.tables.words import NAMING, Definer

VERSIONS: Final[Mapping[str, int]] = {"7.6": 7, "8": 8, "9": 9, "10": 10}
"""The families of versions, and the number by which the definitions compare them."""

CONTENT: Final = (
    objects, structure, metadata, identifiers, authorization, formats, entities, versioning, harvesting, submission,
    subscriptions,
)  # fmt: skip

# An account may lack the right to create extensions. DSpace needs pgcrypto, these tables do not: gen_random_uuid() is
# PostgreSQL's own since 13.
PGCRYPTO: Final = """
    DO $$ BEGIN
        CREATE EXTENSION IF NOT EXISTS pgcrypto;
    EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
        RAISE NOTICE 'pgcrypto was not created: %', SQLERRM;
    END $$
"""

GETNEXTID: Final = """
    CREATE FUNCTION getnextid(character varying) RETURNS integer LANGUAGE sql
    AS $_$SELECT CAST (nextval($1 || '_seq') AS INTEGER) AS RESULT;$_$
"""


@cache
def tables(version: str) -> sa.MetaData:
    """All tables and sequences of that family of versions: "7.6", "8", "9" or "10" (KeyError for another one).

    The result is shared between callers: do not change it.
    """
    return _defined(version)


def _defined(version: str) -> sa.MetaData:
    result = sa.MetaData(naming_convention=NAMING)
    number = VERSIONS[version]
    for drawn in SEQUENCES:
        if number >= drawn.since:
            sa.Sequence(drawn.sequence, metadata=result)
    define = Definer(result, number)
    for noun in (*CONTENT, operational):
        noun.define(define)
    return result


def content_tables(version: str) -> frozenset[str]:
    """The names of the tables that are not operational."""
    names = sa.MetaData()
    define = Definer(names, VERSIONS[version])
    for noun in CONTENT:
        noun.define(define)
    return frozenset(names.tables)


def _unique_by_its_key(table: sa.Table) -> list[sa.UniqueConstraint]:
    key = list(table.primary_key.columns)
    constraints = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    return sorted((one for one in constraints if list(one.columns) == key), key=lambda one: str(one.name))


@cache
def statements(version: str) -> tuple[str, ...]:
    """The DDL of an empty repository, in an order in which it can be carried out."""
    schema = _defined(version)  # not the shared one, for isolating a constraint below changes its table
    # The dialect's type is not exported with annotations.
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    ddl = [PGCRYPTO, GETNEXTID]
    ddl += [str(CreateSequence(sa.Sequence(drawn.sequence)).compile(dialect=dialect))
            for drawn in SEQUENCES if VERSIONS[version] >= drawn.since]
    for table in schema.sorted_tables:
        # CREATE TABLE would fold a unique constraint that says no more than the primary key into that key.
        twice = [AddConstraint(one, isolate_from_table=True) for one in _unique_by_its_key(table)]
        ddl.append(str(CreateTable(table).compile(dialect=dialect)))
        ddl += [str(add.compile(dialect=dialect)) for add in twice]
        ddl += [str(CreateIndex(index).compile(dialect=dialect))
                for index in sorted(table.indexes, key=lambda index: str(index.name))]
    ddl.append("ALTER SEQUENCE checksum_history_check_id_seq OWNED BY checksum_history.check_id")
    return tuple(ddl)


def create_schema(connection: AnyConnection, version: str) -> None:
    """Make the tables of that version in an empty database, in the caller's transaction. The caller commits."""
    with cursor_of(connection) as cursor:
        cursor.execute(";\n".join(statements(version)))
