"""Our tables are DSpace's tables: column by column, key by key, sequence by sequence, on every version."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
import sqlalchemy as sa

from daemon.dspace.sequences import SEQUENCES
from daemon.dspace.tables import VERSIONS, content_tables, create_schema, tables
from daemon.scratch import Cluster
from tests.daemon.dspace.schemas import HAS_DUMPS, ours, real

COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), attidentity
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
      LEFT JOIN pg_attrdef ON adrelid = pg_class.oid AND adnum = attnum
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
"""
ORDER = """
    SELECT relname, string_agg(attname, ',' ORDER BY attnum)
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped GROUP BY 1
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype, conname, pg_get_constraintdef(oid), condeferrable
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'"
SEQUENCES_OF = """
    SELECT sequencename, data_type::text, start_value, min_value, max_value, increment_by, cycle, cache_size,
           (SELECT refobjid::regclass::text || '.' || refobjsubid FROM pg_depend
             WHERE objid = sequencename::regclass AND deptype = 'a')
      FROM pg_sequences WHERE schemaname = 'public'
"""
FUNCTIONS = """
    SELECT proname, pg_get_functiondef(oid) FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND probin IS NULL
"""
OTHERS = """
    SELECT 'extension', extname FROM pg_extension UNION ALL
    SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal UNION ALL
    SELECT 'view', viewname FROM pg_views WHERE schemaname = 'public'
"""
FLYWAY = "schema_version"


def _catalogue(dsn: str, question: str) -> set[tuple[object, ...]]:
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return {row for row in cursor.fetchall() if row[0] != FLYWAY}
    finally:
        connection.close()


@pytest.fixture(scope="module", params=list(VERSIONS))
def pair(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """The DSNs of a real and of our own empty repository of one version."""
    if not HAS_DUMPS:
        pytest.skip("the dumps of real schemas are not beside this checkout")
    version: str = request.param
    names = (f"tables_real_{version}", f"tables_ours_{version}")
    yield real(cluster, names[0], version), ours(cluster, names[1], version)
    for name in names:
        cluster.drop(name)


@pytest.mark.parametrize(
    "question", [COLUMNS, ORDER, CONSTRAINTS, INDEXES, SEQUENCES_OF, FUNCTIONS, OTHERS],
    ids=["columns", "order", "constraints", "indexes", "sequences", "functions", "others"],
)
def test_our_schema_is_the_one_that_dspace_makes(pair: tuple[str, str], question: str) -> None:
    """Every row of the catalogue of a migrated database stands in ours too, and no other."""
    theirs, own = (_catalogue(dsn, question) for dsn in pair)
    assert theirs
    assert own - theirs == set()
    assert theirs - own == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_schema_can_be_made_through_sqlalchemy(cluster: Cluster, version: str) -> None:
    """A SQLAlchemy connection will do, its commit commits, and reflection finds what the metadata says."""
    name = f"tables_sa_{version}"
    engine = sa.create_engine(cluster.create(name).replace("postgresql:", "postgresql+psycopg2:"))
    with engine.connect() as connection:
        create_schema(connection, version)
        connection.commit()
    found = sa.inspect(engine).get_table_names()
    engine.dispose()
    assert set(found) == set(tables(version).tables)
    assert FLYWAY in found
    cluster.drop(name)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_drawn_column_exists_and_every_sequence_is_listed_once(version: str) -> None:
    """The list of sequences names columns of the tables of each version, and defaults draw from that very list."""
    schema = tables(version)
    drawn = {one.sequence: one for one in SEQUENCES if one.since <= VERSIONS[version]}
    assert len({one.sequence for one in SEQUENCES}) == len(SEQUENCES)
    for one in drawn.values():
        assert one.column is None or one.column in schema.tables[one.table].columns
    for table in schema.tables.values():
        for column in table.columns:
            default = str(getattr(column.server_default, "arg", ""))
            if default.startswith("nextval("):
                one = drawn[default.split("'")[1]]
                assert (one.table, one.column) == (table.name, column.name)


def test_content_is_apart_from_operation() -> None:
    """Jobs, checks and tokens are not among the content tables; items and policies are."""
    content = content_tables("10")
    assert {"item", "metadatavalue", "resourcepolicy", "handle", "cwf_collectionrole"} <= content
    assert not {"process", "most_recent_checksum", "orcid_token", "schema_version", "requestitem"} & content


def test_only_security_level_differs_between_the_content_tables() -> None:
    """From 7.6 to 10 the content tables have the same columns, but for the security level of metadata values."""
    def columns(version: str) -> set[tuple[str, str]]:
        schema = tables(version)
        return {(name, column.name) for name in content_tables(version) for column in schema.tables[name].columns}

    assert columns("7.6") == columns("8") == columns("9")
    assert columns("10") - columns("9") == {("metadatavalue", "security_level")}
    assert columns("9") <= columns("10")
