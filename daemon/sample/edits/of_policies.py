"""Edits of resource policies: only those on the item itself move `last_modified`; embargoes on files do not."""

from __future__ import annotations

from daemon.sample.edits.core import FILES, LIVE, Desk, edit
from daemon.sample.vocabulary import ADD, BITSTREAM, BUNDLE, COLLECTION, COMMUNITY, ITEM, READ, WITHDRAWN_READ, WRITE

GROUPS = "select uuid from epersongroup"
PEOPLE = "select uuid from eperson"


def _reading(desk: Desk, item: str) -> int:
    return WITHDRAWN_READ if desk.value("select withdrawn from item where uuid = %s", item) else READ


@edit(5)
def embargo_file(desk: Desk) -> str:
    """A bitstream can be read from a day on: its READ policies are replaced. No stamp moves."""
    file = desk.pick(FILES)
    (item,) = desk.row(
        "select l.item_id from bundle2bitstream p join item2bundle l using (bundle_id) "
        "where p.bitstream_id = %s order by 1",
        file,
    )
    desk.run("delete from resourcepolicy where dspace_object = %s", file)
    desk.add_policy(
        file,
        BITSTREAM,
        _reading(desk, item),
        desk.repository.anonymous,
        start=f"203{desk.random.randrange(10)}-03-01",
        name="embargo",
        rptype="TYPE_CUSTOM",
        description="until publication",
    )
    return f"bitstream {file} is under embargo, unstamped"


@edit(3)
def lift_embargo(desk: Desk) -> str:
    """The dates of a bitstream's policy go."""
    file = desk.pick(
        f"select uuid from ({FILES}) f where exists (select from resourcepolicy r "
        "where r.dspace_object = f.uuid and r.start_date is not null)"
    )
    desk.run("update resourcepolicy set start_date = null, rpname = null where dspace_object = %s", file)
    return f"the embargo of bitstream {file} is lifted, unstamped"


@edit(4)
def grant_on_item(desk: Desk) -> str:
    """A policy on an item, with every column that there is."""
    item, group = desk.pick(LIVE), desk.pick(GROUPS)
    desk.add_policy(
        item,
        ITEM,
        WRITE,
        group,
        start="2024-01-01",
        end="2034-12-31",
        name="editing",
        rptype="TYPE_CUSTOM",
        description="for the duration\nof the project",
    )
    desk.touch(item)
    return f"group {group} may write item {item}"


@edit(3)
def grant_to_person(desk: Desk) -> str:
    """A policy for a person on an item."""
    item, person = desk.pick(LIVE), desk.pick(PEOPLE)
    desk.add_policy(item, ITEM, _reading(desk, item), None, person, rptype="TYPE_SUBMISSION")
    desk.touch(item)
    return f"person {person} may read item {item}"


@edit(3)
def revoke_on_item(desk: Desk) -> str:
    """All policies of an item go."""
    item = desk.pick(
        f"select uuid from ({LIVE}) l where exists (select from resourcepolicy r where r.dspace_object = l.uuid)"
    )
    desk.run("delete from resourcepolicy where dspace_object = %s", item)
    desk.touch(item)
    return f"nobody may read item {item}"


@edit(3)
def change_bundle_policies(desk: Desk) -> str:
    """Policies of a bundle: no stamp moves and DSpace has no event for it."""
    bundle = desk.pick(f"select bundle_id as uuid from item2bundle where item_id in ({LIVE})")
    desk.run(
        "update resourcepolicy set rpname = %s, end_date = %s where dspace_object = %s", "bundle", "2040-01-31", bundle
    )
    desk.add_policy(bundle, BUNDLE, ADD, desk.pick(GROUPS))
    return f"policies of bundle {bundle} change, unstamped"


@edit(2)
def grant_on_container(desk: Desk) -> str:
    """Policies of a community and of a collection."""
    group = desk.pick(GROUPS)
    desk.add_policy(desk.pick("select uuid from community"), COMMUNITY, ADD, group)
    desk.add_policy(desk.pick("select uuid from collection"), COLLECTION, WRITE, group, description="editors")
    return f"group {group} may add to a community and write a collection"


@edit(2)
def revoke_on_container(desk: Desk) -> str:
    """A policy of a collection that is neither a default nor a role's."""
    (key, collection) = desk.row(
        "select policy_id, dspace_object from resourcepolicy where resource_type_id = 3 "
        "and (action_id = 1 or eperson_id is not null) order by 1"
    )
    desk.run("delete from resourcepolicy where policy_id = %s", key)
    return f"a policy of collection {collection} is revoked"


@edit(1)
def restrict_defaults(desk: Desk) -> str:
    """Who may read what comes into a collection: all, or administrators."""
    collection = desk.pick("select uuid from collection")
    desk.run(
        "update resourcepolicy p set epersongroup_id = g.uuid from epersongroup g "
        "where g.name in ('Anonymous', 'Administrator') and g.uuid is distinct from p.epersongroup_id "
        "and p.dspace_object = %s and p.action_id in (9, 10)",
        collection,
    )
    return f"collection {collection} has other defaults"
