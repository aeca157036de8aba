"""Each change of the source makes exactly those objects due whose documents in the index it changes."""

from __future__ import annotations

import psycopg2
import pytest

from daemon.index.port import Row
from tests.daemon.index.site import Site

ARCHIVED = """select uuid::text from item where in_archive
    and not exists (select from versionitem v where v.item_id = uuid) order by uuid"""
TITLE = """update metadatavalue set text_value = text_value || '!'
    where dspace_object_id = %s and metadata_field_id in (
      select metadata_field_id from metadatafieldregistry where element = 'title' and qualifier is null)"""


def states(rows: dict[str, Row]) -> dict[str, tuple[str, bool]]:
    """What is to be done with each, and whether with all below it."""
    return {uuid: (row.act, row.below) for uuid, row in rows.items()}


def test_nothing_is_due_when_nothing_changed(site: Site) -> None:
    """Neither by a replay of nothing, nor by one of the whole log once more."""
    assert site.replicate() == {}
    site.replay(after=0)
    assert site.pending().rows == []


def test_everything_is_due_after_the_first_replay(cluster, tmp_path) -> None:
    """Every container, every item that has a document, and the registries of fields: nothing else."""
    site = Site(cluster, tmp_path, items=10)
    try:
        rows = {row.uuid: row for row in site.pending().rows}
        shown = site.sql("""
            select uuid::text, 'item' from item i where in_archive or withdrawn
              or exists (select from versionitem v where v.item_id = i.uuid)
              and not exists (select from workspaceitem w where w.item_id = i.uuid)
            union all select uuid::text, 'collection' from collection union all
            select uuid::text, 'community' from community""")
        assert {(uuid, row.kind.value) for uuid, row in rows.items() if row.kind != "registry"} == set(shown)
        assert {row.kind.value for row in rows.values()} >= {"registry", "item"}
        assert {row.act for row in rows.values()} == {"index"}
        assert not any(row.below for row in rows.values() if row.kind == "item")
    finally:
        site.close()


def test_an_item_whose_title_changed_is_due_alone(site: Site) -> None:
    """With its handle and the collection that owns it."""
    item = site.one(ARCHIVED)
    (row,) = site.after(TITLE, item).values()
    assert (row.uuid, row.act, row.below) == (item, "index", False)
    assert row.handle == site.one("select handle from handle where resource_id = %s", item)
    assert row.collection == site.one("select owning_collection from item where uuid = %s", item)


def test_a_right_on_an_item_makes_it_due_though_its_date_stands(site: Site) -> None:
    """`read` is made from the policies; `last_modified`, by which DSpace itself looks, does not move."""
    item = site.one(ARCHIVED)
    rows = site.after("update resourcepolicy set start_date = '2039-01-01' where dspace_object = %s", item)
    assert states(rows) == {item: ("index", False)}


@pytest.mark.parametrize("edit", ["create_item", "withdraw", "reinstate", "map_item", "unmap_item", "move_item",
                                  "toggle_discoverable", "embargo_file"])
def test_an_edit_of_an_item_makes_that_item_due(site: Site, edit: str) -> None:
    """One edit, one row; and one for each far end of its relationships and each other version of it, if its coming or
    going changed those: which version is the latest stands in the documents of all.
    """
    rows = site.done(edit)
    assert {(row.kind.value, row.act) for row in rows.values()} == {("item", "index")}
    if len(rows) > 1:
        related = site.sql(
            "select left_id::text, right_id::text from relationship where left_id = any (%s::uuid[]) "
            "and right_id = any (%s::uuid[]) union all select one.item_id::text, other.item_id::text "
            "from versionitem one join versionitem other using (versionhistory_id) where one.item_id <> other.item_id "
            "and one.item_id = any (%s::uuid[]) and other.item_id = any (%s::uuid[])",
            *[list(rows)] * 4,
        )
        assert set(rows) == {uuid for pair in related for uuid in pair}


def test_a_deleted_item_is_due_to_be_cleaned_away(site: Site) -> None:
    """By its UUID; it has no row in the repository any more."""
    before = {uuid for (uuid,) in site.sql("select uuid::text from item where in_archive")}
    rows = site.done("remove_item")
    gone = before - {uuid for (uuid,) in site.sql("select uuid::text from item where in_archive")}
    assert {uuid for uuid, row in rows.items() if row.act == "gone"} == gone
    assert len(gone) == 1


@pytest.mark.parametrize("table", ["community", "collection"])
def test_a_container_whose_name_changed_is_due_alone(site: Site, table: str) -> None:
    """What lies below it holds its UUID, not its name."""
    container = site.one(f"select uuid from {table} order by uuid")
    rows = site.after("insert into metadatavalue (metadata_value_id, dspace_object_id, metadata_field_id, text_value,"
                      " place) select nextval('metadatavalue_seq'), %s, metadata_field_id, 'x', 77 from"
                      " metadatafieldregistry where element = 'rights' and qualifier is null limit 1", container)
    assert states(rows) == {container: ("index", False)}


@pytest.mark.parametrize("edit", ["move_collection", "move_community", "add_parent"])
def test_a_container_that_moved_is_due_with_all_below_it(site: Site, edit: str) -> None:
    """The communities of an item stand in its own document."""
    rows = site.done(edit)
    assert [row.below for row in rows.values() if row.kind != "item"].count(True) == 1
    assert all(row.act == "index" for row in rows.values())


def test_administrators_of_a_container_make_all_below_it_due(site: Site) -> None:
    """Who may administrate a community is written into every document below it; other rights on it are not."""
    community = site.one("select uuid from community order by uuid")
    grant = """insert into resourcepolicy (policy_id, dspace_object, resource_type_id, action_id, epersongroup_id)
        select nextval('resourcepolicy_seq'), %s, 4, {}, uuid from epersongroup where name = 'Administrator'"""
    assert states(site.after(grant.format(11), community)) == {community: ("index", True)}
    assert states(site.after(grant.format(1), community)) == {community: ("index", False)}


def test_people_and_groups_make_nothing_due(site: Site) -> None:
    """Documents hold their UUIDs only; who belongs to whom is asked for when somebody searches."""
    for edit in ("create_group", "rename_group", "add_member", "remove_member", "create_person", "edit_person",
                 "change_email"):
        assert site.done(edit) == {}, edit


def test_a_relationship_makes_both_ends_due(site: Site) -> None:
    """Each shows metadata of the other one."""
    before = set(site.sql("select left_id::text, right_id::text from relationship"))
    rows = site.done("relate_items")
    ((left, right),) = set(site.sql("select left_id::text, right_id::text from relationship")) - before
    assert {left, right} <= set(rows)
    assert all(row.act == "index" for row in rows.values())


def test_the_end_of_a_relationship_makes_both_ends_due(site: Site) -> None:
    """Also the one whose own event finds it as it should be already."""
    left, right = site.sql("select left_id::text, right_id::text from relationship where exists (select from item i"
                           " where i.uuid = left_id and in_archive) and exists (select from item i where"
                           " i.uuid = right_id and in_archive) order by id limit 1")[0]
    rows = site.after("delete from relationship where left_id = %s and right_id = %s", left, right)
    assert set(rows) == {left, right}


def test_a_new_version_makes_the_older_ones_due(site: Site) -> None:
    """Which version is the latest stands in the document of each."""
    before = {uuid for (uuid,) in site.sql("select item_id::text from versionitem where item_id is not null")}
    rows = site.done("new_version")
    history = site.one("select versionhistory_id from versionitem order by versionitem_id desc limit 1")
    members = {uuid for (uuid,) in site.sql("select item_id::text from versionitem where versionhistory_id = %s"
                                            " and item_id is not null", history)}
    assert members <= set(rows)
    assert members - before
    assert {rows[uuid].act for uuid in members} == {"index"}


def test_a_deleted_version_makes_its_predecessor_due(site: Site) -> None:
    """Which is the latest again."""
    site.done("new_version")
    rows = site.done("delete_newest_version")
    assert sorted(row.act for row in rows.values())[0] == "gone"
    assert [row for row in rows.values() if row.act == "index"]


def test_a_collection_that_leaves_one_of_two_communities_is_due_with_its_items(site: Site) -> None:
    """All that it holds says something else of where it is."""
    ((parent, collection), *_) = site.sql(
        "select community_id::text, collection_id::text from community2collection order by 2"
    )
    other = site.one("select uuid from community where uuid <> %s order by uuid", parent)
    site.after("insert into community2collection (collection_id, community_id) select %s, %s where not exists"
               " (select from community2collection where collection_id = %s and community_id = %s)",
               collection, other, collection, other)
    rows = site.after("delete from community2collection where collection_id = %s and community_id = %s",
                      collection, parent)
    assert rows[collection].below


def test_a_new_field_of_metadata_is_due(site: Site) -> None:
    """It has a document of its own, from which the form for editing metadata proposes names."""
    rows = site.after("insert into metadatafieldregistry (metadata_field_id, metadata_schema_id, element, qualifier)"
                      " select nextval('metadatafieldregistry_seq'), metadata_schema_id, 'invented', null from"
                      " metadataschemaregistry where short_id = 'dc'")
    assert [(row.kind.value, row.act) for row in rows.values()] == [("registry", "index")]


def test_a_format_is_not_due(site: Site) -> None:
    """The registry of formats is in no index."""
    rows = site.after("update bitstreamformatregistry set description = 'x' where short_description = 'Adobe PDF'")
    assert rows == {}


def test_many_random_edits_leave_nothing_out(site: Site) -> None:
    """After every edit whatever reads otherwise on the target is due: each document is asked for before and after."""
    after = site_documents(site)
    for _ in range(60):
        before = after
        site.editor.step()
        rows = site.replicate()
        after = site_documents(site)
        changed = {uuid for uuid in before.keys() | after.keys() if before.get(uuid) != after.get(uuid)}
        covered = set(rows)
        for uuid, row in rows.items():
            if row.below:
                covered |= descendants(site, uuid)
        assert changed <= covered, (changed - covered)
        gone = {uuid for uuid in changed if uuid not in after}
        assert {uuid for uuid, row in rows.items() if row.act in ("gone", "remove")} == gone


def site_documents(site: Site) -> dict[str, dict[str, str]]:
    """By hand, what DSpace would put into the documents of items and containers on the target."""
    with psycopg2.connect(site.target_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("set jit = off")
        cursor.execute(DOCUMENTS)
        found: dict[str, dict[str, str]] = {}
        for uuid, facet, said in cursor.fetchall():
            found.setdefault(uuid, {})[facet] = said
    connection.close()
    return found


def descendants(site: Site, container: str) -> set[str]:
    """Everything below a container on the target."""
    with psycopg2.connect(site.target_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("""
            with recursive c(uuid) as (
              select %s::uuid union select child_comm_id from community2community n join c on c.uuid = parent_comm_id),
            k(uuid) as (select uuid from c union select collection_id from community2collection n join c
              on c.uuid = n.community_id)
            select uuid::text from k union select item_id::text from collection2item n join k on k.uuid = collection_id
            """, [container])
        found = {uuid for (uuid,) in cursor.fetchall()}
    connection.close()
    return found


DOCUMENTS = """
with recursive up(collection, community) as (
  select collection_id, community_id from community2collection
  union select u.collection, n.parent_comm_id from up u join community2community n on n.child_comm_id = u.community),
over(uuid, community) as (
  select child_comm_id, parent_comm_id from community2community
  union select o.uuid, n.parent_comm_id from over o join community2community n on n.child_comm_id = o.community),
place(uuid, container) as (
  select i.item_id, i.collection_id from collection2item i
  union select i.item_id, u.community from collection2item i join up u on u.collection = i.collection_id
  union select collection, community from up union select uuid, community from over),
admins(uuid, who) as (
  select uuid, admin from collection where admin is not null
  union select uuid, admin from community where admin is not null
  union select dspace_object, coalesce(epersongroup_id, eperson_id) from resourcepolicy where action_id = 11),
shown(uuid) as (
  select uuid from item i where in_archive or withdrawn
    or exists (select from versionitem v where v.item_id = i.uuid)
  union all select uuid from collection union all select uuid from community),
facet(uuid, name, said) as (
  select uuid, 'place', container::text from place
  union all select a.uuid, 'admin', who::text from admins a
  union select p.uuid, 'admin', who::text from place p join admins a on a.uuid = p.container
  union all select dspace_object, 'right', (action_id, epersongroup_id is not null, start_date)::text
    from resourcepolicy where action_id in (0, 1, 3)
  union all select dspace_object_id, 'value', (metadata_field_id, place, text_value, text_lang, authority)::text
    from metadatavalue
  union all select uuid, 'state', (in_archive, withdrawn, discoverable)::text from item
  union all select left_id, 'relation', r::text from relationship r
  union all select right_id, 'relation', r::text from relationship r
  union all select v.item_id, 'latest', (v.version_number = (select max(version_number) from versionitem o
    join item x on x.uuid = o.item_id where o.versionhistory_id = v.versionhistory_id))::text from versionitem v)
select uuid::text, name, string_agg(said, ',' order by said) from facet where uuid in (select uuid from shown)
group by 1, 2"""
"""Containers, administrators, rights, metadata, state, relationships, and whether it is the latest version."""
