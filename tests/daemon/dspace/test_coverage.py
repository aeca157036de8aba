"""No column of any version of DSpace is forgotten, and what is called content is really read."""

from __future__ import annotations

import re

import psycopg2
import pytest

from daemon.dspace import facets
from daemon.dspace.coverage import COLUMNS, ENTRIES, LEFT_OUT, Place, describe, unlisted, unmapped
from daemon.dspace.tables import VERSIONS, content_tables
from daemon.scratch import Cluster
from events.aip import model
from tests.daemon.dspace.schemas import HAS_DUMPS, ours, real


def _columns(cluster: Cluster, version: str) -> set[tuple[str, str]]:
    """All columns of a version: of a real schema if there is one, with Flyway's table from ours."""
    found: set[tuple[str, str]] = set()
    for number, make in enumerate([ours, real] if HAS_DUMPS else [ours]):
        name = f"coverage_{version}_{number}"
        connection = psycopg2.connect(make(cluster, name, version))
        with connection.cursor() as cursor:
            cursor.execute(COLUMNS)
            found |= {(table, column) for table, column in cursor.fetchall()}
        connection.close()
        cluster.drop(name)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_column_of_every_version_is_listed_and_no_other(cluster: Cluster, version: str) -> None:
    """A column that DSpace has and the list has not fails, and so does one that the list has and DSpace has not."""
    present = _columns(cluster, version)
    assert unlisted(present) == []
    assert {(entry.table, entry.column) for entry in ENTRIES if entry.since <= VERSIONS[version]} - present == set()
    assert {(entry.table, entry.column) for entry in ENTRIES if entry.since > VERSIONS[version]} & present == set()


def test_a_column_that_nobody_thought_of_is_named(cluster: Cluster) -> None:
    """A database with one more column, and one more table, is told from a known one by name."""
    connection = psycopg2.connect(ours(cluster, "coverage_extra", "10"))
    assert unmapped(connection) == []
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE item ADD COLUMN moon_phase integer; CREATE TABLE plugin (setting text)")
    assert unmapped(connection) == [
        "item.moon_phase: this column is listed neither as content nor as operational",
        "plugin.setting: its table is listed neither as content nor as operational",
    ]
    connection.close()
    cluster.drop("coverage_extra")


def test_every_column_is_listed_once() -> None:
    """No column stands in two places."""
    keys = [(entry.table, entry.column) for entry in ENTRIES]
    assert len(keys) == len(set(keys))


def test_content_names_fields_that_exist() -> None:
    """`ItemRow.in_archive` is a field of a row class of the model, and content has kinds, and nothing else has."""
    for entry in ENTRIES:
        assert (entry.place is Place.CONTENT) == bool(entry.kinds) == bool(entry.rows), entry
        for name in entry.rows:
            row, field = name.split(".")
            assert field in getattr(model, row).__struct_fields__, name


def test_what_is_called_content_is_in_the_facets_of_its_kinds() -> None:
    """For each kind that a column belongs to, the SELECT of one of its row classes names the table and the column."""
    for entry in ENTRIES:
        rows = {name.split(".")[0] for name in entry.rows}
        for kind in entry.kinds:
            # What makes a row a tombstone is that it has no object, so there the column is a condition.
            rows_here = rows | {"Tombstone"} if kind is model.Kind.TOMBSTONE else rows
            sql = "\n".join(facet.sql for facet in facets.FACETS[kind] if facet.row.__name__ in rows_here)
            assert sql, (kind, entry)
            # Registries and bundle contents are reached through the CTEs around the facet.
            sql += facets.query(kind, sql, facets.Options(security=True), some=False)
            assert re.search(rf"\b{entry.table}\b", sql), (kind, entry)
            assert re.search(rf"\b{entry.column}\b", sql), (kind, entry)


def test_every_field_of_the_facets_comes_from_a_listed_column() -> None:
    """No facet carries a field that no column is said to be behind, but for those that are computed."""
    computed = {"HandleRow.rank", "Stored.uuid", "Stored.sha256", "Tombstone.scheme", "Tombstone.type",
                "WorkflowTask.task"}
    carried = {f"{facet.row.__name__}.{name}" for several in facets.FACETS.values() for facet in several
               for name in facets.columns(facet)}
    behind = {name for entry in ENTRIES for name in entry.rows}
    assert carried - behind == computed
    assert behind - carried == set()


def test_tables_of_content_and_of_operation_are_the_ones_of_the_schema() -> None:
    """A table with content in it is defined among the content tables, an operational one is not."""
    content = {entry.table for entry in ENTRIES if entry.place is not Place.OPERATIONAL}
    assert content == content_tables("10")
    assert {table for left in LEFT_OUT for table in left.tables} <= content


def test_what_is_operational_says_why() -> None:
    """The list can be printed, and each line of it says something."""
    lines = describe()
    assert len(lines) == len(ENTRIES)
    assert all(table and column and place and meaning for table, column, place, _, meaning in lines)
    assert ("eperson", "salt", "content", "person", "PersonRow.salt (if people.passwords is on)") in lines


def test_decisions_that_others_rely_on() -> None:
    """The places of the columns that the replay and the documents take for granted."""
    place = {f"{entry.table}.{entry.column}": entry for entry in ENTRIES}
    for name in ("eperson.last_active", "eperson.session_salt", "harvested_collection.harvest_status",
                 "most_recent_checksum.result", "orcid_token.access_token", "schema_version.version"):
        assert place[name].place is Place.OPERATIONAL, name
    for name in ("resourcepolicy.resource_type_id", "handle.resource_type_id", "group2groupcache.parent_id",
                 "metadatavalue.metadata_value_id", "resourcepolicy.policy_id", "handle.handle_id",
                 "bitstream.deleted"):
        assert place[name].place is Place.DERIVED, name
    for table in ("workspaceitem", "cwf_workflowitem", "cwf_pooltask", "supervision_orders"):
        assert {entry.option for entry in ENTRIES if entry.table == table and entry.kinds} == {"source.drafts"}
    assert place["cwf_collectionrole.group_id"].option is None
    assert place["eperson.password"].option == "people.passwords"
