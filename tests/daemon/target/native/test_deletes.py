"""Objects that the source deleted go as DSpace deletes them, whatever points at them on the target."""

from __future__ import annotations

import pytest

from daemon.target import ledger
from events.aip.model import Kind
from tests.daemon.target.native.conftest import MakePair
from tests.daemon.target.native.pair import Pair

NOBODY = "99999999-2222-4333-8444-555555555555"

POINTERS = """
INSERT INTO requestitem (requestitem_id, token, allfiles, accept_request, item_id)
  VALUES (nextval('requestitem_seq'), 't1', true, false, %(item)s);
INSERT INTO orcid_queue (id, owner_id, entity_id) VALUES (nextval('orcid_queue_id_seq'), %(item)s, %(item)s);
INSERT INTO orcid_history (id, owner_id, entity_id) VALUES (nextval('orcid_history_id_seq'), %(other)s, %(item)s);
INSERT INTO orcid_token (id, eperson_id, profile_item_id, access_token)
  VALUES (nextval('orcid_token_id_seq'), %(person)s, %(item)s, 'x');
INSERT INTO workspaceitem (workspace_item_id, item_id, collection_id, multiple_titles, published_before, multiple_files)
  VALUES (nextval('workspaceitem_seq'), %(item)s, %(collection)s, false, false, false);
INSERT INTO cwf_workflowitem
    (workflowitem_id, item_id, collection_id, multiple_titles, published_before, multiple_files)
  VALUES (77000, %(item)s, %(collection)s, false, false, false);
INSERT INTO cwf_claimtask (workflowitem_id, owner_id, workflow_id) VALUES (77000, %(person)s, 'w');
INSERT INTO cwf_pooltask (workflowitem_id, eperson_id, group_id) VALUES (77000, %(person)s, %(group)s);
INSERT INTO cwf_in_progress_user (workflowitem_id, user_id, finished) VALUES (77000, %(person)s, false);
INSERT INTO cwf_workflowitemrole (workflowitem_id, group_id, eperson_id, role_id)
  VALUES (77000, %(group)s, %(person)s, 'r');
INSERT INTO supervision_orders (id, item_id, eperson_group_id)
  VALUES (nextval('supervision_orders_seq'), %(item)s, %(group)s);
INSERT INTO subscription (subscription_id, eperson_id, dspace_object_id, type)
  VALUES (nextval('subscription_seq'), %(person)s, %(collection)s, 'content');
INSERT INTO harvested_item (id, item_id, oai_id) VALUES (nextval('harvested_item_seq'), %(item)s, 'oai:1');
INSERT INTO doi (doi_id, doi, resource_type_id, status, dspace_object)
  VALUES (nextval('doi_seq'), 'doi:10.9/gone', 2, 3, %(item)s);
INSERT INTO process (process_id, user_id, creation_time, script)
  VALUES (nextval('process_id_seq'), %(person)s, now(), 's');
"""


@pytest.mark.parametrize("version", ["7.6", "8", "9", "10"])
def test_everything_goes_whatever_points_at_it(make_pair: MakePair, version: str) -> None:
    """Item, collection, group and person are deleted in one batch although every table that may holds on to them."""
    pair = make_pair(version, version)
    state = pair.state()
    pair.write(pair.read(state, state))
    (item, collection, handle), *_ = pair.sql(
        "SELECT i.uuid::text, i.owning_collection::text, h.handle FROM item i JOIN handle h ON h.resource_id = i.uuid "
        "WHERE i.in_archive AND NOT EXISTS (SELECT FROM versionitem v WHERE v.item_id = i.uuid) ORDER BY i.uuid"
    )
    (other,), *_ = pair.sql("SELECT uuid::text FROM item WHERE owning_collection <> %s ORDER BY uuid", collection)
    (person,), *_ = pair.sql("SELECT submitter_id::text FROM item WHERE uuid = %s", item)
    (group,), *_ = pair.sql("SELECT submitter::text FROM collection WHERE submitter IS NOT NULL ORDER BY uuid")
    names = {"item": item, "other": other, "person": person, "group": group, "collection": collection}
    with pair.target.cursor() as cursor:
        cursor.execute(POINTERS, names)
        if version != "7.6":
            cursor.execute(
                "INSERT INTO qaevent_processed (qaevent_id, eperson_uuid, item_uuid) "
                "VALUES ('q', %(person)s, %(item)s)",
                names,
            )
    pair.target.commit()
    kinds = {Kind.ITEM: item, Kind.COLLECTION: collection, Kind.GROUP: group, Kind.PERSON: person}
    written = pair.write([], list(kinds.items()))
    assert written.groups_changed
    for table in ("item", "collection", "epersongroup", "eperson", "dspaceobject"):
        found = pair.sql(f"SELECT uuid FROM {table} WHERE uuid = ANY (%s::uuid[])", list(kinds.values()), end="target")
        assert found == [], table
    tombstone = "SELECT resource_id, resource_type_id FROM handle WHERE handle = %s"
    assert pair.sql(tombstone, handle, end="target") == [(None, 2)]
    doi = "SELECT dspace_object, status FROM doi WHERE doi = 'doi:10.9/gone'"
    assert pair.sql(doi, end="target") == [(None, 8)]
    assert pair.sql("SELECT count(*) FROM item WHERE owning_collection = %s", collection, end="target") == [(0,)]
    rows = pair.touched()
    assert pair.write([], list(kinds.items())).touched == {}
    assert pair.touched() == rows


def history(pair: Pair) -> tuple[int, list[str]]:
    """A history on the target with two items or more: its id, and the items by version number."""
    ((number, items),) = pair.sql(
        "SELECT versionhistory_id, array_agg(item_id::text ORDER BY version_number) FROM versionitem v "
        "WHERE item_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1 AND bool_and(NOT EXISTS (SELECT FROM item i "
        "WHERE i.uuid = v.item_id AND i.withdrawn)) ORDER BY 1 LIMIT 1",
        end="target",
    )
    return number, items


def test_deleting_versions_leaves_stubs_and_brings_the_one_before_back(pair: Pair) -> None:
    """The newest version goes: its row is a numbered stub and the one before is archived. The last one takes all."""
    number, items = history(pair)
    *older, newest = items
    pair.write([], [(Kind.ITEM, newest)])
    stub = pair.sql(
        "SELECT version_number, version_date, version_summary, eperson_id FROM versionitem "
        "WHERE versionhistory_id = %s AND item_id IS NULL ORDER BY version_number DESC LIMIT 1", number, end="target",
    )  # fmt: skip
    assert stub[0][0] is not None
    assert stub[0][1:] == (None, None, None)
    assert pair.sql("SELECT in_archive FROM item WHERE uuid = %s", older[-1], end="target") == [(True,)]
    pair.write([], [(Kind.ITEM, uuid) for uuid in older])
    assert pair.sql("SELECT count(*) FROM versionitem WHERE versionhistory_id = %s", number, end="target") == [(0,)]


def test_what_every_repository_needs_is_never_deleted(pair: Pair) -> None:
    """The site, Anonymous, Administrator and registries survive a delete; what is not there is no error."""
    alias = ledger.aliases(pair.target)
    rows = pair.touched()
    deletes = [(Kind(kind), source) for source in alias for kind in ("group", "site", "registry")]
    deletes += [(kind, NOBODY) for kind in Kind]
    assert pair.write([], deletes).touched == {}
    assert pair.touched() == rows
    assert ledger.aliases(pair.target) == alias


def test_a_deleted_person_is_forgotten_as_an_alias(pair: Pair) -> None:
    """Somebody who was recognised by address goes, and with them the memory of who they were."""
    ((admin,),) = pair.sql("SELECT uuid::text FROM eperson WHERE email = 'admin@example.org'")
    pair.write([], [(Kind.PERSON, admin)])
    assert admin not in ledger.aliases(pair.target)
    assert pair.sql("SELECT count(*) FROM eperson WHERE email = 'admin@example.org'", end="target") == [(0,)]


def test_items_of_a_deleted_collection_may_come_back_elsewhere(pair: Pair) -> None:
    """The collection goes and its items move in the same batch: they stand in the other collection."""
    before = pair.state()
    (old, new), *_ = pair.sql(
        "SELECT a.uuid::text, b.uuid::text FROM collection a, collection b WHERE a.uuid <> b.uuid "
        "AND EXISTS (SELECT FROM item i WHERE i.owning_collection = a.uuid) ORDER BY 1, 2"
    )
    moved = pair.sql("SELECT uuid::text FROM item WHERE owning_collection = %s ORDER BY uuid", old)
    pair.sql("UPDATE item SET owning_collection = %s WHERE owning_collection = %s", new, old)
    pair.sql(
        "UPDATE collection2item t SET collection_id = %s WHERE collection_id = %s AND NOT EXISTS "
        "(SELECT FROM collection2item o WHERE o.item_id = t.item_id AND o.collection_id = %s)", new, old, new,
    )  # fmt: skip
    pair.sql("DELETE FROM collection2item WHERE collection_id = %s", old)
    after = pair.state()
    puts, _ = pair.changes(before, after)
    pair.write(puts, [(Kind.COLLECTION, old)])
    assert {row[0] for row in moved} <= {
        row[0] for row in pair.sql("SELECT uuid::text FROM item WHERE owning_collection = %s", new, end="target")
    }
    assert pair.sql("SELECT count(*) FROM collection WHERE uuid = %s", old, end="target") == [(0,)]
