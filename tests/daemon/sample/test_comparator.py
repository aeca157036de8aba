"""The judge is judged: an equal copy has no difference, and each of many small changes is found and named."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from daemon.scratch import Cluster
from tests.comparator import differences, row_versions
from tests.daemon.sample.conftest import Copies, installed

LIVE = "select uuid from item where in_archive"
SOME_FILE = """select bitstream_id from bundle2bitstream join item2bundle using (bundle_id)
    join item on item.uuid = item2bundle.item_id where item.in_archive order by 1 limit 1"""
ONE = {
    "a value's text": (
        "metadatavalue",
        (
            f"update metadatavalue set text_value = text_value || ' ' where "
            f"metadata_value_id = (select min(metadata_value_id) from metadatavalue "
            f"where dspace_object_id in ({LIVE}))"
        ),
    ),
    "an empty language instead of none": (
        "metadatavalue",
        (
            "update metadatavalue set text_lang = '' where metadata_value_id = (select "
            f"min(metadata_value_id) from metadatavalue where text_lang is null and dspace_object_id in ({LIVE}))"
        ),
    ),
    "a place": (
        "metadatavalue",
        (
            "update metadatavalue set place = place + 1 where metadata_value_id = (select "
            f"min(metadata_value_id) from metadatavalue where dspace_object_id in ({LIVE}))"
        ),
    ),
    "an authority": (
        "metadatavalue",
        (
            "update metadatavalue set authority = 'x' where metadata_value_id = (select "
            f"min(metadata_value_id) from metadatavalue where dspace_object_id in ({LIVE}))"
        ),
    ),
    "a confidence": (
        "metadatavalue",
        (
            "update metadatavalue set confidence = 0 where metadata_value_id = (select "
            f"min(metadata_value_id) from metadatavalue where dspace_object_id in ({LIVE}))"
        ),
    ),
    "a doubled value": (
        "metadatavalue",
        (
            "insert into metadatavalue (metadata_field_id, text_value, text_lang, place, "
            "confidence, dspace_object_id) select metadata_field_id, text_value, text_lang, place, "
            f"confidence, dspace_object_id from metadatavalue where dspace_object_id in ({LIVE}) limit 1"
        ),
    ),
    "a value of a bundle": (
        "metadatavalue",
        (
            "delete from metadatavalue where dspace_object_id = (select bundle_id "
            f"from item2bundle where item_id in ({LIVE}) order by 1 limit 1)"
        ),
    ),
    "an embargo date": (
        "resourcepolicy",
        ("update resourcepolicy set start_date = start_date + 1 where start_date is not null"),
    ),
    "a policy's description": (
        "resourcepolicy",
        ("update resourcepolicy set rpdescription = 'else' where rpdescription = ''"),
    ),
    "a policy of a bitstream": ("resourcepolicy", f"delete from resourcepolicy where dspace_object = ({SOME_FILE})"),
    "a policy twice": (
        "resourcepolicy",
        (
            "insert into resourcepolicy (policy_id, dspace_object, resource_type_id, "
            "action_id, epersongroup_id) select nextval('resourcepolicy_seq'), dspace_object, "
            "resource_type_id, action_id, epersongroup_id from resourcepolicy "
            f"where dspace_object in ({LIVE}) limit 1"
        ),
    ),
    "a policy of the site": (
        "resourcepolicy",
        ("delete from resourcepolicy where resource_type_id = 5 and action_id = 1"),
    ),
    "the order of handles": (
        "handle",
        (
            "update handle set handle_id = handle_id + 1000000 where handle_id = (select "
            "min(handle_id) from handle where resource_id in (select resource_id from handle group "
            "by 1 having count(*) > 1))"
        ),
    ),
    "a lost tombstone": (
        "handle",
        ("delete from handle where handle_id = (select min(handle_id) from handle where resource_id is null)"),
    ),
    "a tombstone's type": (
        "handle",
        ("update handle set resource_type_id = 3 where resource_id is null and resource_type_id = 2"),
    ),
    "a DOI's status": ("doi", "update doi set status = 3 where status = 4"),
    "a DOI of nothing": ("doi", "delete from doi where dspace_object is null"),
    "a stamp": (
        "item",
        (
            f"update item set last_modified = last_modified + interval '1 microsecond' where uuid = "
            f"(select uuid from ({LIVE}) l order by 1 limit 1)"
        ),
    ),
    "a flag": ("item", "update item set discoverable = true where not discoverable"),
    "a submitter": ("item", "update item set submitter_id = null where submitter_id is not null and in_archive"),
    "a template's value": (
        "metadatavalue",
        ("delete from metadatavalue where dspace_object_id in (select template_item_id from collection)"),
    ),
    "a mapping": (
        "collection2item",
        (
            "delete from collection2item c using item i where i.uuid = c.item_id "
            "and c.collection_id <> i.owning_collection"
        ),
    ),
    "a primary bitstream": ("bundle", "update bundle set primary_bitstream_id = null"),
    "the order of bitstreams": (
        "bundle2bitstream",
        (
            "update bundle2bitstream set bitstream_order = case "
            "bitstream_order when 0 then 1 else 0 end where bitstream_order < 2 and bundle_id in "
            "(select bundle_id from bundle2bitstream where bitstream_order = 1)"
        ),
    ),
    "a sequence id": ("bitstream", f"update bitstream set sequence_id = 77 where uuid = ({SOME_FILE})"),
    "a format": (
        "bitstream",
        (
            "update bitstream set bitstream_format_id = (select bitstream_format_id from "
            "bitstreamformatregistry where short_description = 'Unknown') where bitstream_format_id = (select "
            "bitstream_format_id from bitstreamformatregistry where short_description = 'License')"
        ),
    ),
    "a logo": ("community", "update community set logo_bitstream_id = null"),
    "a collection's second community": (
        "community2collection",
        (
            "delete from community2collection where ctid in "
            "(select max(ctid) from community2collection group by collection_id "
            "having count(*) > 1)"
        ),
    ),
    "a parent community": ("community2community", "delete from community2community"),
    "a workflow role": ("cwf_collectionrole", "delete from cwf_collectionrole where role_id = 'finaleditor'"),
    "harvest settings": ("harvested_collection", "update harvested_collection set oai_set_id = 'other'"),
    "a harvested item": ("harvested_item", "delete from harvested_item"),
    "a subscription's frequency": ("subscription", "update subscription_parameter set value = 'Y' where value = 'M'"),
    "a relationship's place": ("relationship", "update relationship set left_place = left_place + 1"),
    "a name variant": ("relationship", "update relationship set leftward_value = null"),
    "a relationship's status": ("relationship", "update relationship set latest_version_status = 0"),
    "a version's number": ("versionhistory", "update versionitem set version_number = 9 where version_number = 4"),
    "a version stub": ("versionhistory", "delete from versionitem where item_id is null"),
    "a history that fell apart": (
        "versionhistory",
        (
            "with fresh as (insert into versionhistory values (nextval('versionhistory_seq')) returning "
            "versionhistory_id) update versionitem set versionhistory_id = (select versionhistory_id from fresh) "
            "where version_number = 3"
        ),
    ),
    "a member": ("epersongroup2eperson", "delete from epersongroup2eperson"),
    "a nesting": ("group2group", "delete from group2group"),
    "the group cache": ("group2groupcache", "delete from group2groupcache"),
    "a group's name": ("epersongroup", "update epersongroup set name = 'Others' where name = 'Readers'"),
    "a net id": ("eperson", "update eperson set netid = 'other' where netid = 'shib-0001'"),
    "a person's name": (
        "metadatavalue",
        ("delete from metadatavalue where dspace_object_id in (select uuid from eperson)"),
    ),
    "a schema": (
        "metadataschemaregistry",
        ("update metadataschemaregistry set namespace = 'urn:other' where short_id = 'thesis'"),
    ),
    "a file that is shared no more": (
        "internal_id",
        (
            "update bitstream set internal_id = internal_id || '0' where uuid in (select max(uuid::text)"
            "::uuid from bitstream where not deleted group by internal_id having count(*) > 1)"
        ),
    ),
    "a file that is not there": ("file", f"update bitstream set internal_id = '1234567890' where uuid = ({SOME_FILE})"),
}


def _change(dsn: str, *statements: str) -> None:
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            assert cursor.rowcount, f"changed nothing: {statement}"
    connection.close()


def _compare(sample: Copies, target: str, store: Path | None = None, **options: bool) -> list[str]:
    return differences(
        sample.dsn, target, source_assetstore=sample.assetstore, target_assetstore=store or sample.assetstore, **options
    )


def test_a_copy_has_no_difference(sample: Copies) -> None:
    """Not even with passwords and drafts."""
    target = sample.copy()
    assert _compare(sample, target) == []
    assert _compare(sample, target, passwords=True, drafts=True) == []


@pytest.mark.parametrize("change", ONE)
def test_a_change_is_found(change: str, sample: Copies) -> None:
    """It is told under the name of its table, whichever end it happened on."""
    title, statement = ONE[change]
    target = sample.copy()
    _change(target, statement)
    found = _compare(sample, target)
    assert [line for line in found if line.startswith(f"{title}: ")], found
    assert differences(
        target, sample.dsn, source_assetstore=sample.assetstore, target_assetstore=sample.assetstore
    ) != [] or title in ("group2groupcache", "file")


def test_a_changed_byte_is_found(sample: Copies, tmp_path: Path) -> None:
    """A file of the right size with a flipped bit, and one that is cut short."""
    store = tmp_path / "store"
    shutil.copytree(sample.assetstore, store)
    connection = psycopg2.connect(sample.dsn)
    with connection.cursor() as cursor:
        cursor.execute(f"select internal_id from bitstream where uuid = ({SOME_FILE})")
        ((internal_id,),) = cursor.fetchall()
    connection.close()
    path = store / internal_id[:2] / internal_id[2:4] / internal_id[4:6] / internal_id
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    target = sample.copy()
    found = _compare(sample, target, store)
    assert found
    assert all(line.startswith("file: ") and internal_id in line for line in found)
    path.write_bytes(content[:-1])
    assert len(_compare(sample, target, store)) == len(found)


NO_DIFFERENCE = {
    "other integer ids": (
        "update metadatavalue set metadata_value_id = metadata_value_id + 10000000",
        "update resourcepolicy set policy_id = policy_id + 10000000",
        "update versionitem set versionitem_id = versionitem_id + 500",
        "update handle set handle_id = handle_id + 700000",
    ),
    "a login": ("update eperson set last_active = now(), session_salt = 'x'",),
    "a password": ("update eperson set password = 'x', salt = 'y'",),
    "lost drafts": (
        "delete from supervision_orders",
        ("delete from workspaceitem where item_id not in (select item_id from versionitem where item_id is not null)"),
    ),
    "lost tasks": ("delete from cwf_pooltask", "delete from cwf_claimtask"),
    "lost leftovers": (
        "delete from requestitem",
        "delete from registrationdata",
        "delete from process2bitstream",
        "delete from resourcepolicy where dspace_object is null",
        ("delete from metadatavalue where dspace_object_id in (select uuid from bitstream where deleted)"),
    ),
    "a harvest that runs": ("update harvested_collection set harvest_status = 1, harvest_start_time = now()",),
    "an empty history": ("insert into versionhistory values (nextval('versionhistory_seq'))",),
    "a further format": (
        (
            "insert into bitstreamformatregistry values (nextval('bitstreamformatregistry_seq'), 'a/b', "
            "'Further', null, 0, false)"
        ),
    ),
    "the site's handle": ("update handle set handle = '987654321/0' where resource_type_id = 5",),
}


@pytest.mark.parametrize("change", NO_DIFFERENCE)
def test_what_is_no_content_is_not_told(change: str, sample: Copies) -> None:
    """Integer ids, leftovers and momentary states may differ."""
    target = sample.copy()
    _change(target, *NO_DIFFERENCE[change])
    assert _compare(sample, target) == []


def test_passwords_and_drafts_count_when_asked_for(sample: Copies) -> None:
    """What is left out by default is compared by option."""
    target = sample.copy()
    _change(
        target,
        "update eperson set password = 'x' where password is not null",
        "update workspaceitem set stage_reached = 5",
    )
    found = _compare(sample, target, passwords=True, drafts=True)
    assert {line.split(":")[0] for line in found} == {"eperson", "workspaceitem"}


LOCAL = """
    insert into dspaceobject values ('{person}'), ('{group}');
    insert into eperson (uuid, email, require_certificate, self_registered)
        values ('{person}', 'local@x', false, false);
    insert into epersongroup (uuid, name, permanent) values ('{group}', 'Local', false);
    insert into epersongroup2eperson select uuid, '{person}' from epersongroup where name = 'Administrator';
    insert into epersongroup2eperson values ('{group}', '{person}');
    insert into metadatavalue (dspace_object_id, metadata_field_id, text_value, place, confidence)
        values ('{person}', 1, 'Local', 0, -1)
"""


def test_people_and_groups_of_the_target_alone_are_its_own_business(sample: Copies) -> None:
    """But not what they are granted in the repository's content, nor the source's people when they are missing."""
    target = sample.copy()
    person, group = uuid4(), uuid4()
    _change(target, LOCAL.format(person=person, group=group))
    assert _compare(sample, target) == []
    assert (
        differences(target, sample.dsn, source_assetstore=sample.assetstore, target_assetstore=sample.assetstore) != []
    )
    _change(
        target,
        "insert into resourcepolicy (policy_id, dspace_object, resource_type_id, action_id, eperson_id) "
        f"select nextval('resourcepolicy_seq'), uuid, 2, 0, '{person}' from ({LIVE}) l limit 1",
    )
    assert len(_compare(sample, target)) == 1


def test_two_fresh_installations_are_one_repository(cluster: Cluster, tmp_path: Path) -> None:
    """Site, permanent groups and the administrator have other UUIDs, and stand for each other."""
    one, two = installed(cluster, "9"), installed(cluster, "9")
    assert differences(one, two, source_assetstore=tmp_path, target_assetstore=tmp_path) == []


def test_a_touched_row_has_another_version(sample: Copies) -> None:
    """An update that changes nothing is still seen, in its own table only; reading leaves all as it was."""
    target = sample.copy()
    before = row_versions(target)
    assert row_versions(target) == before
    _change(
        target,
        "update collection2item set item_id = item_id where item_id = (select min(item_id::text)::uuid "
        "from collection2item)",
    )
    after = row_versions(target)
    assert {table for table in after if after[table] != before[table]} == {"collection2item"}
