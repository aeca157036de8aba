"""Edits of whole items: made, deleted, made again, withdrawn, moved, mapped, and submissions on their way."""

from __future__ import annotations

from daemon.sample.edits.core import ARCHIVED, LIVE, Desk, NothingToEdit, edit
from daemon.sample.edits.deletion import delete_item
from daemon.sample.leftovers import draft
from daemon.sample.records import record, small_files
from daemon.sample.vocabulary import CANONICAL_PREFIX, ITEM, READ, WITHDRAWN_READ

COLLECTIONS = "select uuid from collection"
PEOPLE = "select uuid from eperson"
SINGLE = """
    select i.uuid from item i where i.in_archive
        and i.uuid not in (select item_id from versionitem where item_id is not null)
"""
DRAFTS = """
    select w.item_id as uuid from workspaceitem w
    where w.item_id not in (select item_id from versionitem where item_id is not null)
"""


def _make(desk: Desk, collection: str, uuid: str | None = None, handle: str | None = "") -> str:
    """An archived item with two files, in one transaction."""
    moment = desk.now()
    made = desk.repository.item(
        collection,
        record(desk.random, moment, 15),
        small_files(desk.random, desk.repository.files, 2),
        submitter=desk.pick(PEOPLE),
        modified=moment,
        uuid=uuid,
        handle=handle,
    )
    desk.repository.flush()
    return made.uuid


@edit(10)
def create_item(desk: Desk) -> str:
    """A new item."""
    return f"item {_make(desk, desk.pick(COLLECTIONS))} is created"


@edit(4)
def remove_item(desk: Desk) -> str:
    """An item of no version history is deleted: its handle becomes a tombstone."""
    item = desk.pick(SINGLE)
    collection = desk.value("select owning_collection from item where uuid = %s", item)
    handle = desk.value("select handle from handle where resource_id = %s order by handle_id", item)
    delete_item(desk, item)
    if handle:
        desk.deleted.append((item, handle, str(collection)))
    return f"item {item} is deleted"


@edit(2)
def recreate_item(desk: Desk) -> str:
    """An item that was deleted comes back with its UUID and its handle."""
    if not desk.deleted:
        remove_item(desk)
        desk.connection.commit()
    if not desk.deleted:
        raise NothingToEdit
    item, handle, collection = desk.deleted.pop(desk.random.randrange(len(desk.deleted)))
    if not desk.value("select true from collection where uuid = %s", collection):
        collection = desk.pick(COLLECTIONS)
    if desk.value("select true from handle where handle = %s and resource_id is not null", handle):
        raise NothingToEdit
    _make(desk, collection, item, None)
    desk.run("update handle set resource_id = %s where handle = %s", item, handle)
    desk.set_value(item, "dc.identifier.uri", CANONICAL_PREFIX + handle)
    return f"item {item} is made again at {handle}"


@edit(1)
def create_and_delete(desk: Desk) -> str:
    """An item that is gone before its transaction ends; the tombstone of its handle stays."""
    item = _make(desk, desk.pick(COLLECTIONS))
    delete_item(desk, item)
    return f"item {item} is created and deleted at once"


def _turn_policies(desk: Desk, item: str, old: int, new: int) -> None:
    desk.run(
        "update resourcepolicy set action_id = %s where action_id = %s and dspace_object in (select %s::uuid "
        "union all select bundle_id from item2bundle where item_id = %s union all select p.bitstream_id "
        "from item2bundle l join bundle2bitstream p using (bundle_id) where l.item_id = %s)",
        new,
        old,
        item,
        item,
        item,
    )


@edit(3)
def withdraw(desk: Desk) -> str:
    """READ turns into WITHDRAWN_READ on the item and on all that is in it."""
    item = desk.pick(ARCHIVED)
    desk.run("update item set in_archive = false, withdrawn = true where uuid = %s", item)
    _turn_policies(desk, item, READ, WITHDRAWN_READ)
    desk.add_value(item, "dc.description.provenance", f"Item withdrawn on {desk.now():%Y-%m-%dT%H:%M:%SZ}", "en")
    desk.touch(item)
    return f"item {item} is withdrawn"


@edit(2)
def reinstate(desk: Desk) -> str:
    """A withdrawn item comes back, and with it its policies."""
    item = desk.pick("select uuid from item where withdrawn")
    desk.run("update item set in_archive = true, withdrawn = false where uuid = %s", item)
    _turn_policies(desk, item, WITHDRAWN_READ, READ)
    desk.add_value(item, "dc.description.provenance", f"Item reinstated on {desk.now():%Y-%m-%dT%H:%M:%SZ}", "en")
    desk.touch(item)
    return f"item {item} is reinstated"


@edit(3)
def move_item(desk: Desk) -> str:
    """Another owning collection."""
    item = desk.pick(ARCHIVED)
    old = desk.value("select owning_collection from item where uuid = %s", item)
    new = desk.pick("select uuid from collection where uuid <> %s", old)
    desk.run("delete from collection2item where item_id = %s and collection_id in (%s, %s)", item, old, new)
    desk.run("insert into collection2item (collection_id, item_id) values (%s, %s)", new, item)
    desk.run("update item set owning_collection = %s where uuid = %s", new, item)
    desk.touch(item)
    return f"item {item} is moved from {old} to {new}"


@edit(3)
def map_item(desk: Desk) -> str:
    """An item shows in a further collection; its stamp does not move."""
    item = desk.pick(ARCHIVED)
    collection = desk.pick(
        "select uuid from collection where uuid not in (select collection_id from collection2item where item_id = %s)",
        item,
    )
    desk.run("insert into collection2item (collection_id, item_id) values (%s, %s)", collection, item)
    return f"item {item} is mapped into {collection}, unstamped"


@edit(2)
def unmap_item(desk: Desk) -> str:
    """An item shows in a further collection no more; its stamp does not move."""
    collection, item = desk.row(
        "select c.collection_id, c.item_id from collection2item c join item i "
        "on i.uuid = c.item_id where c.collection_id <> i.owning_collection order by 2, 1"
    )
    desk.run("delete from collection2item where collection_id = %s and item_id = %s", collection, item)
    return f"item {item} is unmapped from {collection}, unstamped"


@edit(3)
def toggle_discoverable(desk: Desk) -> str:
    """An item is listed, or is not any more."""
    item = desk.pick(LIVE)
    desk.run("update item set discoverable = not discoverable where uuid = %s", item)
    desk.touch(item)
    return f"item {item} is listed or is not"


@edit(2)
def change_submitter(desk: Desk) -> str:
    """Another person submitted it."""
    item = desk.pick(LIVE)
    person = desk.pick(
        "select p.uuid from eperson p, item i where i.uuid = %s and p.uuid is distinct from i.submitter_id", item
    )
    desk.run("update item set submitter_id = %s where uuid = %s", person, item)
    desk.touch(item)
    return f"item {item} was submitted by {person}"


@edit(2)
def touch_item(desk: Desk) -> str:
    """Only the stamp moves, as a curation task may leave it."""
    item = desk.pick(LIVE)
    desk.touch(item)
    return f"item {item} is stamped"


@edit(3)
def create_draft(desk: Desk) -> str:
    """A submission begins: no content yet."""
    made = draft(desk.repository, desk.pick(COLLECTIONS), desk.pick(PEOPLE), "A submission")
    desk.repository.flush()
    return f"draft {made.uuid} is begun"


@edit(2)
def edit_draft(desk: Desk) -> str:
    """A submission goes on: no content yet."""
    item = desk.pick(DRAFTS)
    desk.set_value(item, "dc.title", "A submission with a better title")
    desk.touch(item)
    return f"draft {item} is edited"


@edit(3)
def install_draft(desk: Desk) -> str:
    """A submission is archived: it gets a handle, a collection, dates and the policies of its collection."""
    item = desk.pick(DRAFTS)
    collection = desk.value("delete from workspaceitem where item_id = %s returning collection_id", item)
    desk.run("delete from supervision_orders where item_id = %s", item)
    handle = desk.repository.handle(item, ITEM)
    desk.repository.flush()
    desk.run("delete from resourcepolicy where dspace_object = %s", item)
    desk.run(
        "delete from resourcepolicy where dspace_object in (select bundle_id from item2bundle where item_id = %s "
        "union all select p.bitstream_id from item2bundle l join bundle2bitstream p using (bundle_id) "
        "where l.item_id = %s)",
        item,
        item,
    )
    parts = desk.all(
        "select bundle_id, 1 from item2bundle where item_id = %s union all select p.bitstream_id, 0 "
        "from item2bundle l join bundle2bitstream p using (bundle_id) where l.item_id = %s "
        "order by 1",
        item,
        item,
    )
    for part, kind in [(item, ITEM), *parts]:
        desk.add_policy(part, kind, READ, desk.repository.anonymous, rptype="TYPE_INHERITED")
    stamp = f"{desk.now():%Y-%m-%dT%H:%M:%SZ}"
    for field in ("dc.date.accessioned", "dc.date.available"):
        desk.set_value(item, field, stamp)
    desk.set_value(item, "dc.identifier.uri", CANONICAL_PREFIX + handle)
    desk.run("insert into collection2item (collection_id, item_id) values (%s, %s)", collection, item)
    desk.run("update item set in_archive = true, owning_collection = %s where uuid = %s", collection, item)
    desk.touch(item)
    return f"draft {item} is archived at {handle}"


@edit(2)
def discard_draft(desk: Desk) -> str:
    """A submission is given up: it was never content."""
    item = desk.pick(DRAFTS)
    delete_item(desk, item)
    return f"draft {item} is discarded"
