"""The generated repository: of every kind of content, sound, repeatable, on every version."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg2
import pytest

from daemon.dspace.tables import VERSIONS
from daemon.sample.generator import generate
from daemon.sample.invariants import check_invariants
from daemon.scratch import Cluster
from tests.comparator import differences
from tests.daemon.sample.conftest import Copies, installed

KINDS = {
    "withdrawn items": "select count(*) from item where withdrawn",
    "private items": "select count(*) from item where in_archive and not discoverable",
    "mapped items": "select count(*) - count(distinct item_id) from collection2item",
    "superseded versions": """select count(*) from item i join versionitem v on v.item_id = i.uuid
        where not i.in_archive and not i.withdrawn and i.uuid not in (select item_id from workspaceitem)""",
    "version stubs": "select count(*) from versionitem where item_id is null",
    "empty histories": """select count(*) from versionhistory where versionhistory_id not in
        (select versionhistory_id from versionitem)""",
    "shared files": """select count(*) from (select internal_id from bitstream group by 1
        having count(*) > 1) shared""",
    "zero bytes": "select count(*) from bitstream where size_bytes = 0",
    "registered files": "select count(*) from bitstream where internal_id like '-R%'",
    "deleted bitstreams": "select count(*) from bitstream where deleted",
    "bitstreams in two bundles": """select count(*) from (select bitstream_id from bundle2bitstream group by 1
        having count(*) > 1) twice""",
    "primary bitstreams": "select count(*) from bundle where primary_bitstream_id is not null",
    "embargoes": "select count(*) from resourcepolicy where start_date is not null and resource_type_id = 0",
    "orphan policies": "select count(*) from resourcepolicy where dspace_object is null",
    "tombstones": "select count(*) from handle where resource_id is null",
    "several handles": """select count(*) from (select resource_id from handle group by 1 having count(*) > 1) many""",
    "versioned handles": r"select count(*) from handle where handle ~ '\.\d+$'",
    "DOIs of nothing": "select count(*) from doi where dspace_object is null",
    "relationships": "select count(*) from relationship where latest_version_status = 2",
    "name variants": "select count(*) from relationship where leftward_value is not null",
    "harvested items": "select count(*) from harvested_item",
    "harvest settings": "select count(*) from harvested_collection",
    "subscriptions": "select count(*) from subscription_parameter",
    "collections of two communities": "select count(*) - count(distinct collection_id) from community2collection",
    "template items": "select count(*) from collection where template_item_id is not null",
    "logos": "select count(*) from community where logo_bitstream_id is not null",
    "workflow roles": "select count(*) from cwf_collectionrole",
    "nested groups": "select count(*) from group2groupcache",
    "people without passwords": "select count(*) from eperson where password is null",
    "legacy ids": "select count(*) from item where item_id is not null",
    "drafts": "select count(*) from workspaceitem",
    "supervised drafts": "select count(*) from supervision_orders",
    "pooled tasks": "select count(*) from cwf_pooltask",
    "claimed tasks": "select count(*) from cwf_claimtask",
    "job output": "select count(*) from process2bitstream",
    "requests": "select count(*) from requestitem",
    "registrations": "select count(*) from registrationdata",
    "long texts": "select count(*) from metadatavalue where length(text_value) >= 100000",
    "texts that are NULL": "select count(*) from metadatavalue where text_value is null",
    "languages that are empty": "select count(*) from metadatavalue where text_lang = ''",
    "wild languages": "select count(*) from metadatavalue where text_lang = '*'",
    "next lines": "select count(*) from metadatavalue where text_value like '%' || chr(133) || '%'",
    "authorities": "select count(*) from metadatavalue where authority is not null and confidence = 600",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_has(kind: str, generated: Copies) -> None:
    """Every kind of content and of leftover is there at least once."""
    connection = psycopg2.connect(generated.dsn)
    with connection.cursor() as cursor:
        cursor.execute(KINDS[kind])
        (count,) = cursor.fetchone() or (0,)
    connection.close()
    assert count > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sample_is_sound_on_every_version(version: str, cluster: Cluster, tmp_path: Path) -> None:
    """The rows keep to every rule, and every file is there, from DSpace 7.6 to 10."""
    connection = psycopg2.connect(installed(cluster, version))
    generate(connection, tmp_path, items=12, seed=3)
    broken = check_invariants(connection, tmp_path)
    connection.close()
    assert broken == []


def test_a_seed_gives_the_same_repository_again(cluster: Cluster, tmp_path: Path) -> None:
    """Two generations over copies of one installation are equal in all content, drafts and passwords."""
    first = installed(cluster, "9")
    second = cluster.create(f"{first.rsplit('/', 1)[1]}_again", template=first.rsplit("/", 1)[1])
    stores = [tmp_path / "first", tmp_path / "second"]
    for dsn, store in zip((first, second), stores, strict=True):
        connection = psycopg2.connect(dsn)
        generate(connection, store, items=12, seed=5)
        connection.close()
    assert (
        differences(
            first, second, source_assetstore=stores[0], target_assetstore=stores[1], passwords=True, drafts=True
        )
        == []
    )


def test_files_have_the_size_and_the_md5_that_their_rows_promise(generated: Copies) -> None:
    """Files lie where DSpace looks for them, with the bytes that the rows describe."""
    connection = psycopg2.connect(generated.dsn)
    with connection.cursor() as cursor:
        cursor.execute("select internal_id, checksum, size_bytes from bitstream where internal_id not like '-R%'")
        rows = cursor.fetchall()
    connection.close()
    assert len(rows) > 80
    for internal_id, md5, size in rows:
        content = (
            generated.assetstore / internal_id[:2] / internal_id[2:4] / internal_id[4:6] / internal_id
        ).read_bytes()
        assert (hashlib.md5(content).hexdigest(), len(content)) == (md5, size)


def test_a_plain_item_has_as_many_values_and_files_as_asked(cluster: Cluster, tmp_path: Path) -> None:
    """Without `rich` there are only plain items, of exactly the size that was asked for."""
    connection = psycopg2.connect(installed(cluster, "9"))
    summary = generate(connection, tmp_path, items=7, seed=1, files_per_item=3, values_per_item=13, rich=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from metadatavalue where dspace_object_id in (select uuid from item) "
            "group by dspace_object_id"
        )
        values = cursor.fetchall()
        cursor.execute("select count(*) from item2bundle join bundle2bitstream using (bundle_id) group by item_id")
        files = cursor.fetchall()
    connection.close()
    assert values == [(13,)] * 7
    assert files == [(3,)] * 7
    assert (summary.items, summary.files, summary.rows["item"]) == (7, 21, 7)
