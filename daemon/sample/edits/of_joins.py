"""Edits of what joins items: versions and relationships."""

from __future__ import annotations

from daemon.sample.edits.core import LIVE, Desk, NothingToEdit, edit
from daemon.sample.edits.deletion import delete_item, settle_relationships
from daemon.sample.texts import words
from daemon.sample.vocabulary import BUNDLE, CANONICAL_PREFIX, ITEM

NOT_IN_HISTORY_WITH_DRAFT = """
    select i.uuid from item i where i.in_archive and not exists (
        select from versionitem mine join versionitem other using (versionhistory_id)
        where mine.item_id = i.uuid and (other.item_id in (select item_id from workspaceitem)
            or other.item_id in (select item_id from cwf_workflowitem)))
    and exists (select from handle h where h.resource_id = i.uuid)
"""

COPIED_VALUES = """
    insert into metadatavalue (metadata_value_id, dspace_object_id, metadata_field_id, text_value, text_lang, place,
        authority, confidence)
    select nextval('metadatavalue_seq'), %s, metadata_field_id, text_value, text_lang, place, authority, confidence
    from (select * from metadatavalue where dspace_object_id = %s and metadata_field_id <> all (%s)
        order by metadata_value_id) v
"""

ENTITY = f"""
    select v.dspace_object_id as uuid from metadatavalue v join metadatafieldregistry f using (metadata_field_id)
    join metadataschemaregistry s using (metadata_schema_id)
    where s.short_id = 'dspace' and f.element = 'entity' and f.qualifier = 'type' and v.text_value = %s
        and v.dspace_object_id in ({LIVE})
"""

ENDS = {
    "isAuthorOfPublication": ("Publication", "Person"),
    "isOrgUnitOfPerson": ("Person", "OrgUnit"),
    "isProjectOfPublication": ("Publication", "Project"),
    "isReferencedBy": ("Publication", "Publication"),
}


def _clone_bundles(desk: Desk, old: str, new: str) -> None:
    """Bundles and bitstreams with new UUIDs; the files are shared by their `internal_id`."""
    clones: dict[str, str] = {}
    for bundle, primary in desk.all(
        "select b.uuid, b.primary_bitstream_id from item2bundle l "
        "join bundle b on b.uuid = l.bundle_id where l.item_id = %s order by 1",
        old,
    ):
        copy = desk.repository.uuid()
        held = desk.all(
            "select bitstream_id from bundle2bitstream where bundle_id = %s order by bitstream_order", bundle
        )
        for (file,) in held:
            if file not in clones:
                clones[file] = desk.repository.uuid()
                desk.repository.flush()
                desk.run(
                    "insert into bitstream (uuid, bitstream_format_id, checksum, checksum_algorithm, internal_id, "
                    "deleted, store_number, sequence_id, size_bytes) select %s, bitstream_format_id, checksum, "
                    "checksum_algorithm, internal_id, false, store_number, sequence_id, size_bytes "
                    "from bitstream where uuid = %s",
                    clones[file],
                    file,
                )
                desk.run(COPIED_VALUES, clones[file], file, [])
                desk.copy_policies(file, clones[file], 0)
        desk.repository.rows.add("bundle", copy, clones.get(primary), None)
        desk.repository.rows.add("item2bundle", new, copy)
        desk.repository.flush()
        desk.place(copy, [(clones[file], None) for (file,) in held])
        desk.run(COPIED_VALUES, copy, bundle, [])
        desk.copy_policies(bundle, copy, BUNDLE)


@edit(4)
def new_version(desk: Desk) -> str:
    """A further version is archived: the item before it leaves the archive, relationships are copied."""
    old = desk.pick(NOT_IN_HISTORY_WITH_DRAFT)
    submitter, collection = desk.all("select submitter_id, owning_collection from item where uuid = %s", old)[0]
    history = desk.value("select versionhistory_id from versionitem where item_id = %s", old)
    if history is None:
        history = desk.repository.history([(1, old, str(desk.now()), None, submitter)])
        desk.repository.flush()
    number = desk.value("select max(version_number) + 1 from versionitem where versionhistory_id = %s", history)
    base = desk.value("select handle from handle where resource_id = %s order by handle_id", old)
    prefix, suffix = base.split("/", 1)
    stem, dot, last = suffix.rpartition(".")
    handle = f"{prefix}/{stem if dot and last.isdigit() else suffix}.{number}"
    if desk.value("select true from handle where handle = %s", handle):
        raise NothingToEdit
    new, moment = desk.repository.uuid(), desk.now()
    desk.repository.rows.add("item", new, True, False, True, str(moment), submitter, collection, None)
    desk.repository.rows.add("collection2item", collection, new)
    desk.repository.rows.add("versionitem", history, number, new, str(moment), words(desk.random, 5), submitter)
    desk.repository.handle(new, ITEM, handle)
    desk.repository.flush()
    desk.run("update item set in_archive = false where uuid = %s", old)
    desk.touch(old)
    fresh = ("dc.date.accessioned", "dc.date.available", "dc.identifier.uri", "dc.description.provenance")
    desk.run(COPIED_VALUES, new, old, [desk.repository.registries.field(field) for field in fresh])
    for field in fresh[:2]:
        desk.set_value(new, field, f"{moment:%Y-%m-%dT%H:%M:%SZ}")
    desk.set_value(new, "dc.identifier.uri", CANONICAL_PREFIX + handle)
    desk.copy_policies(old, new, ITEM)
    _clone_bundles(desk, old, new)
    for end in ("left_id", "right_id"):
        ends = "%s::uuid, type_id, right_id" if end == "left_id" else "left_id, type_id, %s::uuid"
        desk.run(
            "insert into relationship (id, left_id, type_id, right_id, left_place, right_place, leftward_value, "
            f"rightward_value, latest_version_status) select nextval('relationship_id_seq'), {ends}, left_place, "
            f"right_place, leftward_value, rightward_value, 0 from relationship where {end} = %s",
            new,
            old,
        )
    settle_relationships(desk, old)
    settle_relationships(desk, new)
    return f"item {new} is version {number} of {old}"


@edit(2)
def delete_newest_version(desk: Desk) -> str:
    """The newest version is deleted: the one before is archived again, a numbered stub stays."""
    item = desk.pick(
        "select v.item_id as uuid from versionitem v join item i on i.uuid = v.item_id "
        "where i.in_archive and v.version_number > 1"
    )
    delete_item(desk, item)
    return f"item {item}, the newest of its versions, is deleted"


@edit(1)
def delete_old_version(desk: Desk) -> str:
    """A superseded version is deleted: a numbered stub stays."""
    item = desk.pick(
        f"select l.uuid from ({LIVE}) l join item i using (uuid) where not i.in_archive and not i.withdrawn"
    )
    delete_item(desk, item)
    return f"item {item}, an old version, is deleted"


@edit(1)
def edit_version_summary(desk: Desk) -> str:
    """The reason for a version is put into other words."""
    (key,) = desk.row(f"select versionitem_id from versionitem where item_id in ({LIVE}) order by 1")
    desk.run("update versionitem set version_summary = %s where versionitem_id = %s", words(desk.random, 6), key)
    return f"version {key} has another summary"


@edit(4)
def relate_items(desk: Desk) -> str:
    """Two entities are related, at the end on both sides; both are stamped."""
    leftward = desk.random.choice(sorted(ENDS))
    kinds = ENDS[leftward]
    left = desk.pick(ENTITY, kinds[0])
    right = desk.pick(ENTITY, kinds[1])
    key = desk.repository.registries.relationship_type(leftward)
    if left == right or desk.value(
        "select true from relationship where left_id = %s and type_id = %s and right_id = %s", left, key, right
    ):
        raise NothingToEdit
    places = desk.all(
        "select (select coalesce(max(left_place) + 1, 0) from relationship where left_id = %s "
        "and type_id = %s), (select coalesce(max(right_place) + 1, 0) from relationship "
        "where right_id = %s and type_id = %s)",
        left,
        key,
        right,
        key,
    )[0]
    desk.repository.relate(left, leftward, right, places)
    desk.repository.flush()
    settle_relationships(desk, left)
    desk.touch(left, right)
    return f"items {left} and {right} are related"


def _relationship(desk: Desk) -> tuple[int, str, str]:
    key, left, right = desk.row(
        f"select id, left_id, right_id from relationship where left_id in ({LIVE}) and right_id in ({LIVE}) order by 1"
    )
    return int(key), str(left), str(right)


@edit(2)
def unrelate_items(desk: Desk) -> str:
    """A relationship ends; both items are stamped."""
    key, left, right = _relationship(desk)
    desk.run("delete from relationship where id = %s", key)
    desk.touch(left, right)
    return f"items {left} and {right} are not related any more"


@edit(2)
def move_relationship(desk: Desk) -> str:
    """A relationship changes its place on both sides."""
    key, left, right = _relationship(desk)
    desk.run("update relationship set left_place = left_place + 3, right_place = right_place + 5 where id = %s", key)
    desk.touch(left, right)
    return f"the relationship of {left} and {right} has another place"


@edit(2)
def name_variant(desk: Desk) -> str:
    """The name by which one end is known at the other; no stamp moves."""
    key, left, right = _relationship(desk)
    desk.run(
        "update relationship set leftward_value = %s, rightward_value = null where id = %s", words(desk.random, 2), key
    )
    return f"{right} has another name at {left}, unstamped"
