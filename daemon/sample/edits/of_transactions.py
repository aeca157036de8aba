"""Edits whose point is their transaction: a large one, one that is rolled back, one with savepoints."""

from __future__ import annotations

from daemon.sample.edits.core import LIVE, Desk, edit
from daemon.sample.edits.of_items import create_item, remove_item
from daemon.sample.edits.of_metadata import add_values, replace_title
from daemon.sample.texts import words

LARGE = 500
"""Items that one transaction edits."""


@edit(1)
def large_transaction(desk: Desk) -> str:
    """A batch edit: a field of 500 items is replaced, and all are stamped."""
    items = [
        row[0]
        for row in desk.all(
            f"select uuid from ({LIVE}) l order by md5(uuid::text || %s) limit %s", str(desk.random.random()), LARGE
        )
    ]
    key = desk.repository.registries.field("dc.rights")
    desk.run(
        "delete from metadatavalue where metadata_field_id = %s and dspace_object_id = any(%s::uuid[])", key, items
    )
    desk.run(
        "insert into metadatavalue (metadata_value_id, dspace_object_id, metadata_field_id, text_value, "
        "text_lang, place, confidence) select nextval('metadatavalue_seq'), u, %s, %s, 'en', 0, -1 "
        "from unnest(%s::uuid[]) u",
        key,
        words(desk.random, 6),
        items,
    )
    desk.run("update item set last_modified = %s where uuid = any(%s::uuid[])", desk.now(), items)
    return f"{len(items)} items are edited at once"


@edit(2)
def rolled_back(desk: Desk) -> str:
    """An item is made and another edited, and all of it is undone: nothing has happened."""
    create_item(desk)
    replace_title(desk)
    desk.connection.rollback()
    desk.repository.abandon()
    return "a transaction is rolled back"


@edit(2)
def savepoint_rolled_back(desk: Desk) -> str:
    """An edit stays, a deletion after it is undone, a further edit stays."""
    first = add_values(desk)
    remembered = list(desk.deleted)
    desk.run("savepoint before_deletion")
    remove_item(desk)
    desk.run("rollback to savepoint before_deletion")
    desk.deleted[:] = remembered
    desk.run("savepoint of_a_kept_edit")
    second = replace_title(desk)
    desk.run("release savepoint of_a_kept_edit")
    return f"{first}; a deletion is undone; {second}"


@edit(2)
def several_at_once(desk: Desk) -> str:
    """One transaction that edits one item repeatedly and makes another."""
    return "; ".join(act(desk) for act in (replace_title, add_values, create_item, replace_title))
