"""Deleting as DSpace deletes: what goes, what stays as a tombstone, and what changes elsewhere.

Invariant: after each function the rules of `daemon.sample.invariants` hold. Source: reference section 3.
"""

from __future__ import annotations

from daemon.sample.cache import rebuild_group_cache
from daemon.sample.edits.core import Desk


def delete_object(desk: Desk, table: str, uuid: str) -> None:
    """The row of the type, then the parent row: its metadata and its policies go by cascade."""
    desk.run(f"delete from {table} where uuid = %s", uuid)
    desk.run("delete from dspaceobject where uuid = %s", uuid)


def delete_bitstream(desk: Desk, bitstream: str) -> None:
    """As `DELETE /bitstreams/x` does: links and policies go, the row, its metadata and its file stay."""
    desk.run("update bundle set primary_bitstream_id = null where primary_bitstream_id = %s", bitstream)
    bundles = desk.all("delete from bundle2bitstream where bitstream_id = %s returning bundle_id", bitstream)
    desk.run("delete from requestitem where bitstream_id = %s", bitstream)
    desk.run("delete from resourcepolicy where dspace_object = %s", bitstream)
    desk.run("update bitstream set deleted = true where uuid = %s", bitstream)
    for (bundle,) in bundles:
        desk.renumber(bundle)


def delete_bundle(desk: Desk, bundle: str) -> None:
    """A bundle; a bitstream that is in another bundle too is only taken out."""
    desk.run("update bundle set primary_bitstream_id = null where uuid = %s", bundle)
    held = desk.all("delete from bundle2bitstream where bundle_id = %s returning bitstream_id", bundle)
    for (bitstream,) in held:
        if not desk.value("select true from bundle2bitstream where bitstream_id = %s", bitstream):
            delete_bitstream(desk, bitstream)
    desk.run("delete from item2bundle where bundle_id = %s", bundle)
    delete_object(desk, "bundle", bundle)


def delete_subscriptions(desk: Desk, subject: str) -> None:
    """Subscriptions to an object; their parameters go by cascade."""
    desk.run("delete from subscription where dspace_object_id = %s", subject)


def release_handles(desk: Desk, subject: str) -> None:
    """Handles become tombstones: they keep their type and lose their object."""
    desk.run("update handle set resource_id = null where resource_id = %s", subject)


def delete_item(desk: Desk, item: str) -> None:
    """An item of any state. The version before the newest one is archived again."""
    _leave_history(desk, item)
    release_handles(desk, item)
    desk.run("update doi set dspace_object = null, status = 8 where dspace_object = %s", item)
    others = desk.all(
        "delete from relationship where left_id = %s or right_id = %s returning left_id, right_id", item, item
    )
    desk.touch(*sorted({end for pair in others for end in pair} - {item}))
    for task in ("cwf_workflowitemrole", "cwf_claimtask", "cwf_pooltask", "cwf_in_progress_user"):
        desk.run(
            f"delete from {task} where workflowitem_id in "
            "(select workflowitem_id from cwf_workflowitem where item_id = %s)",
            item,
        )
    for table in ("cwf_workflowitem", "workspaceitem", "requestitem", "harvested_item", "supervision_orders"):
        desk.run(f"delete from {table} where item_id = %s", item)
    delete_subscriptions(desk, item)
    for (bundle,) in desk.all("select bundle_id from item2bundle where item_id = %s order by 1", item):
        delete_bundle(desk, bundle)
    desk.run("delete from collection2item where item_id = %s", item)
    delete_object(desk, "item", item)


def _leave_history(desk: Desk, item: str) -> None:
    """The version becomes a numbered stub; the last of a history takes all stubs with it and leaves the history."""
    found = desk.all("select versionhistory_id, version_number from versionitem where item_id = %s", item)
    for history, number in found:
        desk.run(
            "update versionitem set item_id = null, version_date = null, version_summary = null, "
            "eperson_id = null where item_id = %s",
            item,
        )
        left = desk.all(
            "select v.item_id, v.version_number, i.withdrawn from versionitem v "
            "join item i on i.uuid = v.item_id where v.versionhistory_id = %s "
            "and v.item_id not in (select item_id from workspaceitem) "
            "and v.item_id not in (select item_id from cwf_workflowitem) order by 2",
            history,
        )
        if not desk.value("select true from versionitem where versionhistory_id = %s and item_id is not null", history):
            desk.run("delete from versionitem where versionhistory_id = %s", history)
        elif left and left[-1][1] < number and not left[-1][2]:
            desk.run("update item set in_archive = true where uuid = %s and not in_archive", left[-1][0])
            desk.touch(left[-1][0])
            settle_relationships(desk, left[-1][0])


def settle_relationships(desk: Desk, item: str) -> None:
    """Set `latest_version_status` of an item's relationships by which ends are archived or withdrawn."""
    desk.run(
        "update relationship r set latest_version_status = "
        "case when a.latest and b.latest then 0 when a.latest then 1 when b.latest then 2 "
        "else r.latest_version_status end "
        "from (select uuid, in_archive or withdrawn as latest from item) a, "
        "(select uuid, in_archive or withdrawn as latest from item) b "
        "where a.uuid = r.left_id and b.uuid = r.right_id and %s in (r.left_id, r.right_id)",
        item,
    )


def delete_collection(desk: Desk, collection: str) -> None:
    """A collection with all that it owns. The groups of workflow roles survive as ordinary groups."""
    owned = desk.all(
        "select i.uuid from item i left join versionitem v on v.item_id = i.uuid "
        "where i.owning_collection = %s or i.uuid in (select item_id from workspaceitem "
        "where collection_id = %s union select item_id from cwf_workflowitem where collection_id = %s) "
        "order by v.version_number, 1",
        collection,
        collection,
        collection,
    )
    for (item,) in owned:
        delete_item(desk, item)
    desk.run("delete from collection2item where collection_id = %s", collection)
    desk.run("delete from harvested_collection where collection_id = %s", collection)
    desk.run("delete from cwf_collectionrole where collection_id = %s", collection)
    delete_subscriptions(desk, collection)
    release_handles(desk, collection)
    template, logo, submit, admin = desk.all(
        "select template_item_id, logo_bitstream_id, submitter, admin from collection where uuid = %s", collection
    )[0]
    desk.run("delete from community2collection where collection_id = %s", collection)
    delete_object(desk, "collection", collection)
    if template:
        delete_object(desk, "item", template)
    if logo:
        delete_bitstream(desk, logo)
    for group in filter(None, (submit, admin)):
        delete_group(desk, group)


def delete_community(desk: Desk, community: str) -> None:
    """A community with its sub-communities, and with those collections that are in no other community."""
    for (child,) in desk.all(
        "select child_comm_id from community2community where parent_comm_id = %s order by 1", community
    ):
        delete_community(desk, child)
    for (collection,) in desk.all(
        "delete from community2collection where community_id = %s returning collection_id", community
    ):
        if not desk.value("select true from community2collection where collection_id = %s", collection):
            delete_collection(desk, collection)
    desk.run("delete from community2community where child_comm_id = %s", community)
    delete_subscriptions(desk, community)
    release_handles(desk, community)
    logo, admin = desk.all("select logo_bitstream_id, admin from community where uuid = %s", community)[0]
    delete_object(desk, "community", community)
    if logo:
        delete_bitstream(desk, logo)
    if admin:
        delete_group(desk, admin)


def delete_group(desk: Desk, group: str) -> None:
    """A group that no community, collection or role points at. What it was granted goes, without a stamp anywhere."""
    desk.run("delete from epersongroup2eperson where eperson_group_id = %s", group)
    desk.run("delete from group2groupcache")
    desk.run("delete from group2group where parent_id = %s or child_id = %s", group, group)
    for table in (
        "resourcepolicy where epersongroup_id",
        "cwf_pooltask where group_id",
        "cwf_workflowitemrole where group_id",
    ):
        desk.run(f"delete from {table} = %s", group)
    delete_object(desk, "epersongroup", group)
    rebuild_group_cache(desk.connection)


def delete_person(desk: Desk, person: str) -> None:
    """A person, with drafts, tasks and subscriptions; items and versions forget who it was."""
    for (item,) in desk.all(
        "select w.item_id from workspaceitem w join item i on i.uuid = w.item_id where i.submitter_id = %s order by 1",
        person,
    ):
        delete_item(desk, item)
    for (item,) in desk.all("update item set submitter_id = null where submitter_id = %s returning uuid", person):
        desk.touch(item)
    desk.run("update versionitem set eperson_id = null where eperson_id = %s", person)
    for where in (
        "epersongroup2eperson where eperson_id",
        "resourcepolicy where eperson_id",
        "subscription where eperson_id",
        "cwf_claimtask where owner_id",
        "cwf_pooltask where eperson_id",
        "cwf_workflowitemrole where eperson_id",
        "cwf_in_progress_user where user_id",
    ):
        desk.run(f"delete from {where} = %s", person)
    delete_object(desk, "eperson", person)
