"""Edits of people and groups, of who is in what, and of what people subscribe to."""

from __future__ import annotations

from daemon.sample.cache import CLOSURE, rebuild_group_cache
from daemon.sample.edits.core import Desk, NothingToEdit, edit
from daemon.sample.edits.deletion import delete_group, delete_person
from daemon.sample.texts import FAMILY, GIVEN, words

PEOPLE = "select uuid from eperson"
GROUPS = "select uuid from epersongroup"
FREE_GROUPS = """
    select uuid from epersongroup g where not permanent
        and not exists (select from community where admin = g.uuid)
        and not exists (select from collection where g.uuid in (admin, submitter))
        and not exists (select from cwf_collectionrole where group_id = g.uuid)
        and not exists (select from resourcepolicy where epersongroup_id = g.uuid and action_id in (9, 10))
"""
"""Groups that may be deleted and renamed: no container points at them."""

EXPENDABLE = """
    select uuid from eperson p where uuid not in (select m.eperson_id from epersongroup2eperson m
        join epersongroup g on g.uuid = m.eperson_group_id where g.name = 'Administrator')
"""
"""People who are not administrators."""


def _name(desk: Desk) -> str:
    return f"{words(desk.random, 2)} {desk.random.getrandbits(32):08x}"


@edit(3)
def create_group(desk: Desk) -> str:
    """With a member and a group inside."""
    child = desk.pick(
        f"select uuid from ({GROUPS}) g where uuid not in (select uuid from epersongroup where permanent)"
    )
    uuid = desk.repository.group(_name(desk), [desk.pick(PEOPLE)], [child])
    desk.repository.flush()
    rebuild_group_cache(desk.connection)
    return f"group {uuid} is created"


@edit(2)
def rename_group(desk: Desk) -> str:
    """Another name; what refers to it does so by UUID."""
    uuid = desk.pick(FREE_GROUPS)
    desk.run("update epersongroup set name = %s where uuid = %s", _name(desk), uuid)
    return f"group {uuid} is renamed"


@edit(1)
def remove_group(desk: Desk) -> str:
    """What it was granted anywhere goes with it."""
    uuid = desk.pick(FREE_GROUPS)
    delete_group(desk, uuid)
    return f"group {uuid} is deleted"


@edit(3)
def add_member(desk: Desk) -> str:
    """A person joins a group."""
    group = desk.pick(GROUPS)
    person = desk.pick(
        "select uuid from eperson where uuid not in (select eperson_id from epersongroup2eperson "
        "where eperson_group_id = %s)",
        group,
    )
    desk.run("insert into epersongroup2eperson (eperson_group_id, eperson_id) values (%s, %s)", group, person)
    return f"person {person} joins group {group}"


@edit(2)
def remove_member(desk: Desk) -> str:
    """A person leaves a group."""
    group, person = desk.row(
        "select m.eperson_group_id, m.eperson_id from epersongroup2eperson m join epersongroup g "
        "on g.uuid = m.eperson_group_id where g.name <> 'Administrator' order by 1, 2"
    )
    desk.run("delete from epersongroup2eperson where eperson_group_id = %s and eperson_id = %s", group, person)
    return f"person {person} leaves group {group}"


@edit(2)
def nest_group(desk: Desk) -> str:
    """A group goes into another one, never in a circle."""
    parent, child = desk.row(
        "select p.uuid, c.uuid from epersongroup p cross join epersongroup c where p.uuid <> c.uuid "
        f"and (c.uuid, p.uuid) not in ({CLOSURE}) and (p.uuid, c.uuid) not in (table group2group) "
        "and not c.permanent order by 1, 2 limit 500"
    )
    desk.run("insert into group2group (parent_id, child_id) values (%s, %s)", parent, child)
    rebuild_group_cache(desk.connection)
    return f"group {child} is put into group {parent}"


@edit(1)
def unnest_group(desk: Desk) -> str:
    """A group leaves another one."""
    parent, child = desk.row("select parent_id, child_id from group2group order by 1, 2")
    desk.run("delete from group2group where parent_id = %s and child_id = %s", parent, child)
    rebuild_group_cache(desk.connection)
    return f"group {child} leaves group {parent}"


@edit(3)
def create_person(desk: Desk) -> str:
    """A new account."""
    key = f"{desk.random.getrandbits(40):010x}"
    uuid = desk.repository.person(
        f"new.{key}@example.org",
        desk.random.choice(GIVEN),
        desk.random.choice(FAMILY),
        netid=f"net-{key}" if desk.random.random() < 0.5 else None,
        password=desk.random.random() < 0.5,
    )
    desk.repository.flush()
    return f"person {uuid} is created"


@edit(3)
def edit_person(desk: Desk) -> str:
    """Names, telephone and flags."""
    uuid = desk.pick(PEOPLE)
    desk.set_value(uuid, "eperson.lastname", desk.random.choice(FAMILY))
    desk.set_value(uuid, "eperson.phone", f"+49 30 {desk.random.randrange(10**6)}")
    desk.run("update eperson set self_registered = not self_registered where uuid = %s", uuid)
    return f"person {uuid} is edited"


@edit(2)
def change_email(desk: Desk) -> str:
    """The address that an account is found by."""
    uuid = desk.pick(EXPENDABLE)
    desk.run(
        "update eperson set email = %s where uuid = %s", f"renamed.{desk.random.getrandbits(40):010x}@example.org", uuid
    )
    return f"person {uuid} has another address"


@edit(1)
def swap_emails(desk: Desk) -> str:
    """Two people exchange their addresses and their net ids, in one transaction."""
    first = desk.pick(EXPENDABLE)
    second = desk.pick(f"select uuid from ({EXPENDABLE}) e where uuid <> %s", first)
    (one, one_net), (two, two_net) = (
        desk.all("select email, netid from eperson where uuid = %s", uuid)[0] for uuid in (first, second)
    )
    desk.run("update eperson set email = 'swapping@example.org', netid = 'swapping' where uuid = %s", first)
    desk.run("update eperson set email = %s, netid = %s where uuid = %s", one, one_net, second)
    desk.run("update eperson set email = %s, netid = %s where uuid = %s", two, two_net, first)
    return f"people {first} and {second} exchange addresses"


@edit(1)
def change_password(desk: Desk) -> str:
    """Hash, salt and algorithm together."""
    uuid = desk.pick(EXPENDABLE)
    desk.run(
        "update eperson set password = %s, salt = %s, digest_algorithm = 'SHA-512' where uuid = %s",
        f"{desk.random.getrandbits(512):0128x}",
        f"{desk.random.getrandbits(128):032x}",
        uuid,
    )
    return f"person {uuid} has another password"


@edit(1)
def remove_person(desk: Desk) -> str:
    """An account with its drafts, policies and subscriptions; items forget who submitted them."""
    uuid = desk.pick(
        f"select uuid from ({EXPENDABLE}) e where (select count(*) from eperson) > 5 "
        "and not exists (select from cwf_claimtask where owner_id = e.uuid)"
    )
    delete_person(desk, uuid)
    return f"person {uuid} is deleted"


@edit(4)
def log_in(desk: Desk) -> str:
    """Only `last_active` and `session_salt` change: no content."""
    uuid = desk.pick(PEOPLE)
    desk.run(
        "update eperson set last_active = %s, session_salt = %s where uuid = %s",
        desk.now().replace(tzinfo=None),
        f"{desk.random.getrandbits(128):032x}",
        uuid,
    )
    return f"person {uuid} logs in"


@edit(2)
def subscribe(desk: Desk) -> str:
    """To a collection, daily and weekly."""
    person, subject = desk.pick(PEOPLE), desk.pick("select uuid from collection")
    if desk.value("select true from subscription where eperson_id = %s and dspace_object_id = %s", person, subject):
        raise NothingToEdit
    desk.repository.subscribe(person, subject, desk.random.sample(("D", "W", "M"), 2))
    desk.repository.flush()
    return f"person {person} subscribes to {subject}"


@edit(1)
def change_subscription(desk: Desk) -> str:
    """Another frequency: the parameter's row changes, the subscription's does not."""
    key, old = desk.row("select subscription_parameter_id, value from subscription_parameter order by 1")
    desk.run(
        "update subscription_parameter set value = %s where subscription_parameter_id = %s",
        desk.random.choice(sorted({"D", "W", "M"} - {old})),
        key,
    )
    return f"subscription parameter {key} changes"


@edit(1)
def unsubscribe(desk: Desk) -> str:
    """A subscription ends."""
    (key,) = desk.row("select subscription_id from subscription order by 1")
    desk.run("delete from subscription where subscription_id = %s", key)
    return f"subscription {key} ends"
