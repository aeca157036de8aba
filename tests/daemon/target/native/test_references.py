"""References to what is not there: owners are asked for, others are left out, told, and completed later."""

from __future__ import annotations

import msgspec
import pytest

from daemon.target.native import missing_parents
from events.aip.model import Aip, Kind, Member
from events.errors import UnknownField
from tests.daemon.target.native.conftest import MakePair
from tests.daemon.target.native.pair import Pair

NOBODY = "99999999-2222-4333-8444-555555555555"


def kinds(pair: Pair, *wanted: Kind) -> list[Aip]:
    state = pair.state()
    return pair.read([uuid for uuid, (kind, _) in state.items() if kind in wanted], state)


def test_owners_are_missing_unless_they_are_there_or_come_along(make_pair: MakePair) -> None:
    """An item without its collection, and everything below a community that lacks its parent; the rest may go on."""
    pair = make_pair()
    everything = kinds(pair, *Kind)
    assert missing_parents(pair.target, everything) == {}
    items = [aip for aip in everything if aip.kind is Kind.ITEM]
    owners = {aip.uuid: {aip.items[0].owning_collection} for aip in items if aip.items[0].owning_collection}
    assert missing_parents(pair.target, items) == owners
    tops = {aip.uuid for aip in everything if aip.kind is Kind.COMMUNITY and not aip.parents}
    torn = [aip for aip in everything if aip.uuid not in tops]
    missing = missing_parents(pair.target, torn)
    below = [aip for aip in torn if aip.kind in (Kind.COMMUNITY, Kind.COLLECTION)]
    assert {aip.uuid for aip in below} <= missing.keys()
    assert all(missing[uuid] == owners[uuid] for uuid in owners)


def test_a_second_parent_that_is_there_is_enough(make_pair: MakePair) -> None:
    """A collection that lists two communities is written if one of them is there, and the other one is told."""
    pair = make_pair()
    everything = kinds(pair, *Kind)
    pair.write(everything)
    collection = pair.one("SELECT uuid FROM collection ORDER BY uuid LIMIT 1")
    collection.parents.append(Member(collection.uuid, NOBODY))
    assert missing_parents(pair.target, [collection]) == {}
    assert pair.write([collection]).missing == {collection.uuid: {NOBODY}}


def test_soft_references_are_left_out_told_and_completed(make_pair: MakePair) -> None:
    """Containers and items are written without people and groups, and again after these have come: now whole."""
    pair = make_pair()
    pair.write(kinds(pair, Kind.REGISTRY, Kind.SITE))
    objects = kinds(pair, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)
    written = pair.write(objects)
    people = {aip.uuid for aip in kinds(pair, Kind.PERSON, Kind.GROUP)}
    assert written.missing
    assert set().union(*written.missing.values()) <= people
    policies = "SELECT count(*) FROM resourcepolicy WHERE dspace_object IN (SELECT uuid FROM item)"
    assert pair.sql(policies, end="target") == [(0,)]
    pair.write(kinds(pair, Kind.PERSON, Kind.GROUP))
    again = pair.write([aip for aip in objects if aip.uuid in written.missing])
    assert again.missing == {}
    pair.write(kinds(pair, Kind.SITE, Kind.TOMBSTONE))
    assert pair.unequal(pair.state()) == {}
    assert pair.differences() == []


def test_an_unknown_field_or_type_is_an_error_of_its_object(pair: Pair) -> None:
    """Nothing is written, and the error says which objects of the batch it is about."""
    item = pair.one("SELECT uuid FROM item WHERE in_archive ORDER BY uuid LIMIT 1")
    related = pair.one("SELECT left_id FROM relationship ORDER BY id LIMIT 1")
    rows = pair.touched()
    item.values[0] = msgspec.structs.replace(item.values[0], field="no.such.field")
    related.relations[0] = msgspec.structs.replace(related.relations[0], leftward="isNothingOf")
    with pytest.raises(UnknownField, match=r"no\.such\.field") as caught:
        pair.write([item, related])
    assert caught.value.objects == {item.uuid, related.uuid}
    pair.target.rollback()
    assert pair.touched() == rows


def test_the_later_end_decides_about_a_relationship(pair: Pair) -> None:
    """Both ends are in the batch and only one still lists the relationship: the one that comes later is right."""
    left, right = pair.sql("SELECT left_id, right_id FROM relationship ORDER BY id LIMIT 1")[0]
    a, b = pair.one("SELECT %s::uuid", left), pair.one("SELECT %s::uuid", right)
    count = "SELECT count(*) FROM relationship WHERE left_id = %s AND right_id = %s"

    def without(aip: Aip, other: Aip) -> Aip:
        kept = [row for row in aip.relations if other.uuid not in (row.left, row.right)]
        return msgspec.structs.replace(aip, relations=kept)

    pair.write([a, without(b, a)])
    assert pair.sql(count, left, right, end="target") == [(0,)]
    pair.write([without(b, a), a])
    assert pair.sql(count, left, right, end="target") == [(1,)]
    pair.write([without(a, b), b])
    assert pair.sql(count, left, right, end="target") == [(1,)]
    pair.write([without(a, b)])
    assert pair.sql(count, left, right, end="target") == [(0,)]
    pair.write([b])
    assert pair.differences() == []


def test_a_relationship_with_somebodys_draft_is_left_alone(pair: Pair) -> None:
    """An item that is being submitted on the target is out of scope, and so is what relates to it."""
    ((number, left, right),) = pair.sql(
        "SELECT id, left_id, right_id FROM relationship ORDER BY id LIMIT 1", end="target"
    )
    pair.sql(
        "INSERT INTO workspaceitem (workspace_item_id, item_id, multiple_titles, published_before, multiple_files) "
        "VALUES (nextval('workspaceitem_seq'), %s, false, false, false)", right, end="target",
    )  # fmt: skip
    item = pair.one("SELECT %s::uuid", left)
    pair.write([msgspec.structs.replace(item, relations=[])])
    assert pair.sql("SELECT count(*) FROM relationship WHERE id = %s", number, end="target") == [(1,)]


def test_a_history_grows_as_its_members_come(make_pair: MakePair) -> None:
    """Members that are not there are left out and told; each that comes joins the same history."""
    pair = make_pair()
    pair.write(kinds(pair, *(kind for kind in Kind if kind not in (Kind.ITEM, Kind.TOMBSTONE))))
    items = {aip.uuid: aip for aip in kinds(pair, Kind.ITEM)}
    members = max((aip.versions for aip in items.values()), key=lambda rows: len([row for row in rows if row.item]))
    first, *others = [row.item for row in members if row.item]
    written = pair.write([items[first]])
    assert set(others) <= written.missing[first]
    for uuid in others:
        pair.write([items[uuid]])
    found = pair.sql("SELECT versionhistory_id, count(*) FROM versionitem GROUP BY 1", end="target")
    assert [count for _, count in found] == [len(members)]


def test_an_item_that_leaves_its_history_takes_its_row_along(pair: Pair) -> None:
    """It lists no versions any more; the others' list, earlier in the batch, does not bring it back."""
    ((number, one, other),) = pair.sql(
        "SELECT a.versionhistory_id, a.item_id, b.item_id FROM versionitem a "
        "JOIN versionitem b USING (versionhistory_id) JOIN item i ON i.uuid = b.item_id "
        "WHERE a.item_id <> b.item_id AND i.in_archive ORDER BY 1, 2 LIMIT 1"
    )
    a, b = pair.one("SELECT %s::uuid", one), pair.one("SELECT %s::uuid", other)
    pair.write([a, msgspec.structs.replace(b, versions=[])])
    assert pair.sql("SELECT count(*) FROM versionitem WHERE item_id = %s", other, end="target") == [(0,)]
    assert pair.sql("SELECT count(*) FROM versionitem WHERE item_id = %s", one, end="target") == [(1,)]
    assert number is not None
