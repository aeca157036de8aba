"""Edits of communities and collections, of their role groups and templates."""

from __future__ import annotations

from daemon.sample.edits.core import Desk, NothingToEdit, edit
from daemon.sample.edits.deletion import delete_collection, delete_community, delete_group, delete_object
from daemon.sample.texts import MULTILINGUAL, words
from daemon.sample.vocabulary import ADD, ADMIN, COLLECTION, COMMUNITY, Text

COMMUNITIES = "select uuid from community"
COLLECTIONS = "select uuid from collection"
PEOPLE = "select uuid from eperson"
SMALL = """
    select c.uuid from collection c where (select count(*) from (select from collection2item x
        where x.collection_id = c.uuid limit 60) few) < 60
"""
"""Collections that are deleted without emptying the whole sample."""


@edit(2)
def create_community(desk: Desk) -> str:
    """Under another one, or at the top."""
    parent = desk.pick(COMMUNITIES) if desk.random.random() < 0.7 else None
    uuid = desk.repository.community(
        words(desk.random, 3),
        parent,
        logo=desk.random.random() < 0.5,
        people=[desk.pick(PEOPLE)] if desk.random.random() < 0.5 else None,
    )
    desk.repository.flush()
    return f"community {uuid} is created"


@edit(3)
def create_collection(desk: Desk) -> str:
    """With all that it can have."""
    made = desk.repository.collection(
        words(desk.random, 3),
        [desk.pick(COMMUNITIES)],
        logo=True,
        submitters=[desk.pick(PEOPLE)],
        admins=[],
        reviewers=[desk.pick(PEOPLE)],
        template=[Text("dc.publisher", words(desk.random, 2), "en")],
    )
    desk.repository.flush()
    return f"collection {made.uuid} is created"


@edit(3)
def edit_community(desk: Desk) -> str:
    """Name and texts, one of them twice."""
    uuid = desk.pick(COMMUNITIES)
    lang, text = desk.random.choice(MULTILINGUAL)
    desk.set_value(uuid, "dc.title", text, lang)
    desk.add_value(uuid, "dc.description.abstract", words(desk.random, 12))
    return f"community {uuid} is edited"


@edit(3)
def edit_collection(desk: Desk) -> str:
    """Name, licence and the type of its entities."""
    uuid = desk.pick(COLLECTIONS)
    desk.set_value(uuid, "dc.title", words(desk.random, 4))
    desk.set_value(uuid, "dc.rights.license", words(desk.random, 30))
    desk.repository.registries.entity_type("Publication")
    desk.set_value(uuid, "dspace.entity.type", "Publication")
    return f"collection {uuid} is edited"


@edit(1)
def remove_community(desk: Desk) -> str:
    """A community with its logo and its administrators; one of few items, for the sample's sake."""
    uuid = desk.pick(
        f"select uuid from community c where not exists (select from community2collection p "
        f"where p.community_id = c.uuid and p.collection_id not in ({SMALL})) and not exists "
        "(select from community2community p where p.parent_comm_id = c.uuid)"
        " and (select count(*) from community) > 2"
    )
    delete_community(desk, uuid)
    return f"community {uuid} is deleted"


@edit(1)
def remove_collection(desk: Desk) -> str:
    """A collection with its items; one of few items, for the sample's sake."""
    uuid = desk.pick(f"select uuid from ({SMALL}) s where (select count(*) from collection) > 2")
    delete_collection(desk, uuid)
    return f"collection {uuid} is deleted"


@edit(2)
def move_collection(desk: Desk) -> str:
    """A collection goes to another community."""
    uuid = desk.pick(COLLECTIONS)
    new = desk.pick(
        "select uuid from community where uuid not in (select community_id from community2collection "
        "where collection_id = %s)",
        uuid,
    )
    desk.run("delete from community2collection where collection_id = %s", uuid)
    desk.run("insert into community2collection (community_id, collection_id) values (%s, %s)", new, uuid)
    return f"collection {uuid} is moved to community {new}"


@edit(1)
def add_parent(desk: Desk) -> str:
    """A collection is in one community more."""
    uuid = desk.pick(COLLECTIONS)
    new = desk.pick(
        "select uuid from community where uuid not in (select community_id from community2collection "
        "where collection_id = %s)",
        uuid,
    )
    desk.run("insert into community2collection (community_id, collection_id) values (%s, %s)", new, uuid)
    return f"collection {uuid} is in community {new} as well"


@edit(1)
def move_community(desk: Desk) -> str:
    """A community goes under another one that is not below it, or to the top."""
    uuid = desk.pick(COMMUNITIES)
    old = desk.value("delete from community2community where child_comm_id = %s returning parent_comm_id", uuid)
    new = None
    if old is None or desk.random.random() < 0.5:
        new = desk.pick(
            "with recursive below (uuid) as (select %s::uuid union select l.child_comm_id from below "
            "join community2community l on l.parent_comm_id = below.uuid) select uuid from community "
            "where uuid not in (table below) and uuid is distinct from %s",
            uuid,
            old,
        )
        desk.run("insert into community2community (parent_comm_id, child_comm_id) values (%s, %s)", new, uuid)
    return f"community {uuid} is moved to {new or 'the top'}"


@edit(3)
def edit_template(desk: Desk) -> str:
    """The template item of a collection is made, or has another value."""
    uuid = desk.pick(COLLECTIONS)
    template = desk.value("select template_item_id from collection where uuid = %s", uuid)
    if template is None:
        template = desk.repository.template([])
        desk.repository.flush()
        desk.run("update collection set template_item_id = %s where uuid = %s", template, uuid)
    desk.add_value(template, "dc.rights", words(desk.random, 4), "en")
    desk.touch(template)
    return f"the template of collection {uuid} is edited"


@edit(1)
def remove_template(desk: Desk) -> str:
    """A collection loses its template item."""
    uuid, template = desk.row(
        "select uuid, template_item_id from collection where template_item_id is not null order by 1"
    )
    desk.run("update collection set template_item_id = null where uuid = %s", uuid)
    delete_object(desk, "item", template)
    return f"collection {uuid} has no template any more"


@edit(2)
def create_role_group(desk: Desk) -> str:
    """Administrators of a community, or submitters of a collection, come into being with their policy."""
    table, column, suffix, kind, action = desk.random.choice(
        (
            ("community", "admin", "ADMIN", COMMUNITY, ADMIN),
            ("collection", "admin", "ADMIN", COLLECTION, ADMIN),
            ("collection", "submitter", "SUBMIT", COLLECTION, ADD),
        )
    )
    uuid = desk.pick(f"select uuid from {table} where {column} is null")
    group = desk.repository.group(f"{table.upper()}_{uuid}_{suffix}", [desk.pick(PEOPLE)])
    desk.repository.flush()
    desk.run(f"update {table} set {column} = %s where uuid = %s", group, uuid)
    desk.add_policy(uuid, kind, action, group)
    return f"{table} {uuid} has the group {group}"


@edit(1)
def remove_role_group(desk: Desk) -> str:
    """The submitters' group of a collection is deleted."""
    uuid, group = desk.row("select uuid, submitter from collection where submitter is not null order by 1")
    desk.run("update collection set submitter = null where uuid = %s", uuid)
    delete_group(desk, group)
    return f"collection {uuid} has no submitters any more"


@edit(1)
def create_workflow_role(desk: Desk) -> str:
    """A collection gets people for a step of its workflow."""
    role = desk.random.choice(("reviewer", "editor", "finaleditor"))
    uuid = desk.pick(
        "select uuid from collection where uuid not in (select collection_id from cwf_collectionrole "
        "where role_id = %s)",
        role,
    )
    name = f"COLLECTION_{uuid}_WORKFLOW_ROLE_{role}"
    if desk.value("select true from epersongroup where name = %s", name):
        raise NothingToEdit
    group = desk.repository.group(name, [desk.pick(PEOPLE)])
    desk.repository.rows.add("cwf_collectionrole", role, uuid, group)
    desk.repository.flush()
    desk.add_policy(uuid, COLLECTION, ADD, group)
    return f"collection {uuid} has the role {role}"


@edit(1)
def remove_workflow_role(desk: Desk) -> str:
    """A step of a collection's workflow loses its people and their group."""
    key, group = desk.row("select collectionrole_id, group_id from cwf_collectionrole order by 1")
    desk.run("delete from cwf_collectionrole where collectionrole_id = %s", key)
    delete_group(desk, group)
    return f"the workflow role of group {group} is deleted"


@edit(2)
def edit_harvest_settings(desk: Desk) -> str:
    """A collection is harvested from somewhere, or from somewhere else, or not any more."""
    uuid = desk.pick(COLLECTIONS)
    if desk.value("select true from harvested_collection where collection_id = %s", uuid):
        if desk.random.random() < 0.3:
            desk.run("delete from harvested_collection where collection_id = %s", uuid)
            return f"collection {uuid} is not harvested any more"
        desk.run(
            "update harvested_collection set oai_set_id = %s, last_harvested = %s where collection_id = %s",
            words(desk.random, 1),
            desk.now(),
            uuid,
        )
    else:
        desk.repository.rows.add(
            "harvested_collection", uuid, 1, "https://oai.example.org/other", "set:1", "qdc", 0, None, None, None
        )
        desk.repository.flush()
    return f"collection {uuid} has other harvest settings"


@edit(1)
def harvest_runs(desk: Desk) -> str:
    """Only the momentary state of a harvest changes: no content."""
    (key,) = desk.row("select id from harvested_collection order by 1")
    desk.run(
        "update harvested_collection set harvest_status = 1, harvest_message = 'Running', "
        "harvest_start_time = %s where id = %s",
        desk.now(),
        key,
    )
    return f"harvest {key} is running"
