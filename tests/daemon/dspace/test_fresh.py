"""A fresh repository has what DSpace needs to start, and no two have the same ids."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class

from daemon.dspace.fresh import Installed, install
from daemon.dspace.sequences import advance
from daemon.dspace.tables import VERSIONS
from daemon.scratch import Cluster
from tests.daemon.dspace.schemas import ours

FIELDS = """
    SELECT short_id || '.' || element || coalesce('.' || qualifier, ''), metadata_field_id
      FROM metadatafieldregistry JOIN metadataschemaregistry USING (metadata_schema_id)
"""


def _rows(connection: Connection, question: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()


@pytest.fixture(params=list(VERSIONS))
def fresh(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[tuple[Connection, Installed, str]]:
    """A connection to a freshly installed repository of each version."""
    version: str = request.param
    connection = psycopg2.connect(ours(cluster, f"fresh_{version}", version))
    installed = install(connection, version, admin_email="Root@Example.ORG", prefix="20.500.1")
    connection.commit()
    yield connection, installed, version
    connection.close()
    cluster.drop(f"fresh_{version}")


def test_a_fresh_repository_has_what_every_dspace_has(fresh: tuple[Connection, Installed, str]) -> None:
    """One site with its handle and policy, two permanent groups, an administrator, filled registries."""
    connection, installed, version = fresh
    assert _rows(connection, "SELECT uuid::text FROM site") == [(installed.site,)]
    assert _rows(connection, "SELECT handle, resource_type_id, resource_id::text FROM handle") == [
        ("20.500.1/0", 5, installed.site)]
    assert _rows(connection, "SELECT action_id, epersongroup_id::text, dspace_object::text FROM resourcepolicy") == [
        (0, installed.anonymous, installed.site)]
    assert dict(_rows(connection, "SELECT name, permanent FROM epersongroup")) == {  # type: ignore[arg-type]
        "Anonymous": True, "Administrator": True}
    assert _rows(connection, "SELECT email, digest_algorithm FROM eperson") == [("root@example.org", "SHA-512")]
    assert _rows(connection, "SELECT eperson_group_id::text, eperson_id::text FROM epersongroup2eperson") == [
        (installed.administrators, installed.admin)]
    fields = {name for name, _ in _rows(connection, FIELDS)}
    assert len(fields) > 250
    assert {"dc.title", "dc.identifier.uri", "dspace.entity.type", "eperson.firstname"} <= fields
    assert ("dspace.customurl" in fields) == (version == "10")
    formats = {row[0] for row in _rows(connection, "SELECT short_description FROM bitstreamformatregistry")}
    assert {"Unknown", "License", "CC License", "Adobe PDF"} <= formats
    assert len(_rows(connection, "SELECT 1 FROM checksum_results")) == 9
    newest = _rows(connection, "SELECT version FROM schema_version ORDER BY installed_rank DESC LIMIT 1")
    assert str(newest[0][0]).startswith(version)
    assert advance(connection, dry_run=True) == []


def test_two_installations_share_names_and_no_ids(cluster: Cluster) -> None:
    """With another shuffle the same fields and formats have other ids, and every UUID is another."""
    fields, formats, spines = [], [], []
    for number in (0, 7):
        name = f"fresh_shuffled_{number}"
        connection = psycopg2.connect(ours(cluster, name, "9"))
        install(connection, "9", shuffle=number)
        fields.append(dict(_rows(connection, FIELDS)))  # type: ignore[arg-type]
        formats.append(dict(_rows(  # type: ignore[arg-type]
            connection, "SELECT short_description, bitstream_format_id FROM bitstreamformatregistry")))
        spines.append({row[0] for row in _rows(connection, "SELECT uuid FROM dspaceobject")})
        connection.close()
        cluster.drop(name)
    for first, second in (fields, formats):
        assert first.keys() == second.keys()
        assert sum(first[name] != second[name] for name in first) > len(first) * 0.8
    assert not spines[0] & spines[1]


def test_a_site_can_be_given_its_uuid(cluster: Cluster) -> None:
    """The site keeps the UUID that was asked for, in lower case."""
    connection = psycopg2.connect(ours(cluster, "fresh_site", "10"))
    asked = "0A000000-0000-4000-8000-00000000000B"
    assert install(connection, "10", site=asked).site == asked.lower()
    assert _rows(connection, "SELECT uuid::text FROM site") == [(asked.lower(),)]
    connection.close()
    cluster.drop("fresh_site")
