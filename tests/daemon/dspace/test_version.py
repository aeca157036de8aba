"""Which DSpace a database belongs to is read from its catalogue; what is none is refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
import sqlalchemy as sa
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class

from daemon.dspace.fresh import install
from daemon.dspace.tables import VERSIONS
from daemon.dspace.version import probe
from daemon.scratch import Cluster
from events.errors import NotDSpace
from tests.conftest import SHARED
from tests.daemon.dspace.schemas import HAS_DUMPS, load, ours, real


@pytest.fixture
def fresh(cluster: Cluster) -> Iterator[Connection]:
    """A transaction on a fresh repository of DSpace 9."""
    connection = psycopg2.connect(ours(cluster, "version_fresh", "9"))
    install(connection, "9", prefix="20.500.12345", site="11111111-2222-4333-8444-555555555555")
    connection.commit()
    yield connection
    connection.close()
    cluster.drop("version_fresh")


def _run(connection: Connection, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_told_from_the_others(cluster: Cluster, version: str) -> None:
    """Real schemas and our own are recognised alike, by columns and tables."""
    for number in range(2 if HAS_DUMPS else 1):
        name = f"version_{version}_{number}"
        connection = psycopg2.connect((ours, real)[number](cluster, name, version))
        if number == 0:
            install(connection, version)
        else:
            load(cluster.dsn(name), SHARED / "data" / "seed.sql")
        found = probe(connection)
        assert found.family == version
        assert found.database == name
        assert found.has_security_level == (version == "10")
        assert found.has_pgcrypto
        assert ("ldn_message" in found.tables) == (version != "7.6")
        assert (found.encoding, found.schema, found.prefix) == ("UTF8", "public", "123456789")
        assert found.server_version > 130000
        connection.close()
        cluster.drop(name)


def test_the_site_and_its_prefix_are_found(fresh: Connection) -> None:
    """The prefix is that of the site's handle, dots and all; a cursor and a SQLAlchemy connection will do as well."""
    found = probe(fresh)
    assert (found.site, found.prefix) == ("11111111-2222-4333-8444-555555555555", "20.500.12345")
    with fresh.cursor() as cursor:
        assert probe(cursor) == found
        cursor.execute("SELECT 1")
    engine = sa.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(fresh.dsn))
    with engine.connect() as connection:
        assert probe(connection) == found
    engine.dispose()


def test_a_site_without_a_handle_has_no_prefix(fresh: Connection) -> None:
    """Nothing is guessed from the handles of other objects."""
    _run(fresh, "UPDATE handle SET resource_id = NULL")
    assert probe(fresh).prefix is None


def test_a_migration_that_was_skipped_does_not_matter(fresh: Connection) -> None:
    """The version is in the catalogue, not in Flyway's history, and a missing constraint is no other version."""
    _run(fresh, "DROP TABLE schema_version", "ALTER TABLE workspaceitem DROP CONSTRAINT unique_item_id",
         "ALTER TABLE resourcepolicy DROP CONSTRAINT resourcepolicy_eperson_and_epersongroup_not_nullobject_chk")
    assert probe(fresh).family == "9"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP TABLE supervision_orders", "table supervision_orders is missing, which DSpace has since 7.5"),
        ("ALTER TABLE subscription DROP COLUMN dspace_object_id", "column subscription.dspace_object_id is missing"),
        ("ALTER TABLE relationship DROP COLUMN latest_version_status", "since 7.3"),
        ("DROP TABLE relationship, relationship_type, entity_type", "table entity_type is missing"),
        ("ALTER TABLE item RENAME COLUMN uuid TO id", "column item.uuid is missing, which DSpace has since 6.0"),
        ("ALTER TABLE process ALTER COLUMN parameters TYPE varchar(512)", "process.parameters"),
        ("ALTER TABLE metadatavalue DROP COLUMN place", "column metadatavalue.place is missing"),
        ("DROP TABLE cwf_collectionrole", "table cwf_collectionrole is missing"),
        ("WITH one AS (INSERT INTO dspaceobject VALUES (gen_random_uuid()) RETURNING uuid) "  # noqa: ISC004
         "INSERT INTO site SELECT uuid FROM one", "several rows"),
        ("DELETE FROM site", "table site is empty"),
    ],
)
def test_what_is_missing_is_named(fresh: Connection, change: str, named: str) -> None:
    """An older DSpace, a damaged one, and one with no site or two are refused with the place and the database."""
    _run(fresh, change)
    with pytest.raises(NotDSpace) as refused:
        probe(fresh)
    assert named in str(refused.value)
    assert "database version_fresh" in str(refused.value)


def test_an_empty_and_a_foreign_database_are_refused(cluster: Cluster) -> None:
    """No table at all is told from tables of something else."""
    connection = psycopg2.connect(cluster.create("version_none"))
    with pytest.raises(NotDSpace, match=r"version_none .* no table at all"):
        probe(connection)
    _run(connection, "CREATE TABLE orders (id integer)")
    with pytest.raises(NotDSpace, match="none of DSpace's tables"):
        probe(connection)
    connection.close()
    cluster.drop("version_none")


def test_a_database_in_another_encoding_is_refused(cluster: Cluster) -> None:
    """DSpace needs UTF-8; anything else would lose letters on the way."""
    connection = psycopg2.connect(cluster.dsn("postgres"))
    connection.autocommit = True
    _run(connection, "CREATE DATABASE version_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    connection.close()
    latin = psycopg2.connect(cluster.dsn("version_latin"))
    with pytest.raises(NotDSpace, match="LATIN1"):
        probe(latin)
    latin.close()
    cluster.drop("version_latin")
