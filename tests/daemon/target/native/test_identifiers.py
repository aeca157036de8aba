"""Handles, DOIs and tombstones: bound, moved, ordered, released, and never taken from the site."""

from __future__ import annotations

import msgspec

from events.aip.model import Aip, Doi, HandleRow, Kind, derived_uuid
from events.aip.registry_rows import Tombstone
from tests.daemon.target.native.pair import Pair

ITEMS = "SELECT uuid FROM item WHERE in_archive ORDER BY uuid OFFSET %s LIMIT 1"


def of(pair: Pair, aip: Aip) -> list[str]:
    """The handles of an object on the target, the preferred one first."""
    return [
        row[0]
        for row in pair.sql(
            "SELECT handle FROM handle WHERE resource_id = %s ORDER BY handle_id", aip.uuid, end="target"
        )
    ]


def with_handles(aip: Aip, *handles: str) -> Aip:
    rows = [HandleRow(aip.uuid, handle, rank) for rank, handle in enumerate(handles)]
    return msgspec.structs.replace(aip, handles=rows)


def tombstone(handle: str, type_: int = 2) -> Aip:
    key = f"handle/{handle}"
    row = Tombstone("handle", handle, type_)
    return Aip(kind=Kind.TOMBSTONE, uuid=derived_uuid(key), key=key, tombstone=row)


def test_the_order_of_handles_is_that_of_their_ranks(pair: Pair) -> None:
    """Handles are added, exchanged and put in front of older ones; the lowest id is the preferred one."""
    item = pair.one(ITEMS, 0)
    own = of(pair, item)
    for handles in (["x/1", *own], ["x/2", "x/1", *own], [*own, "x/1", "x/2"], ["x/1", "x/3"]):
        pair.write([with_handles(item, *handles)])
        assert of(pair, item) == handles
        rows = pair.touched()
        pair.write([with_handles(item, *handles)])
        assert pair.touched() == rows
    released = pair.sql("SELECT resource_id, resource_type_id FROM handle WHERE handle = %s", own[0], end="target")
    assert released == [(None, 2)]


def test_a_handle_moves_from_one_object_to_another(pair: Pair) -> None:
    """Both in one batch, in either order, and when only the new holder is in it."""
    a, b = pair.one(ITEMS, 0), pair.one(ITEMS, 1)
    mine, yours = of(pair, a)[0], of(pair, b)[0]
    pair.write([with_handles(a, yours), with_handles(b, mine)])
    assert (of(pair, a), of(pair, b)) == ([yours], [mine])
    pair.write([with_handles(a, yours, mine)])
    assert of(pair, b) == []
    assert set(of(pair, a)) == {yours, mine}


def test_a_tombstone_is_made_and_bound_again(pair: Pair) -> None:
    """An identifier of nothing stands with its type; an object that lists it takes the same row."""
    item = pair.one(ITEMS, 0)
    pair.write([tombstone("x/gone", 3)])
    row = "SELECT handle_id, resource_id::text, resource_type_id FROM handle WHERE handle = 'x/gone'"
    ((number, *rest),) = pair.sql(row, end="target")
    assert rest == [None, 3]
    pair.write([with_handles(item, *of(pair, item), "x/gone"), tombstone("x/gone", 3)])
    assert pair.sql(row, end="target") == [(number, item.uuid, 2)]
    pair.write([], [(Kind.TOMBSTONE, derived_uuid("handle/x/gone"))])
    assert pair.sql(row, end="target") == [(number, item.uuid, 2)]
    pair.write([tombstone("x/gone", 2)])
    assert pair.sql(row, end="target") == [(number, None, 2)]
    pair.write([], [(Kind.TOMBSTONE, derived_uuid("handle/x/gone"))])
    assert pair.sql(row, end="target") == []


def test_the_handle_of_the_site_stays_with_the_site(pair: Pair) -> None:
    """Neither an object nor a tombstone of the source can have it; the object's claim is told as a loss."""
    site = pair.sql("SELECT handle, resource_id::text, xmin::text FROM handle WHERE resource_type_id = 5", end="target")
    item = pair.one(ITEMS, 0)
    written = pair.write([with_handles(item, *of(pair, item), site[0][0]), tombstone(site[0][0], 5)])
    assert [(loss.uuid, loss.code) for loss in written.losses] == [(item.uuid, "site-handle")]
    assert (
        pair.sql("SELECT handle, resource_id::text, xmin::text FROM handle WHERE resource_type_id = 5", end="target")
        == site
    )
    state = pair.state()
    pair.write(pair.read([uuid for uuid, (kind, _) in state.items() if kind is Kind.SITE], state))
    assert pair.sql("SELECT count(*) FROM handle WHERE resource_type_id = 5", end="target") == [(1,)]


def test_dois_are_bound_changed_and_released(pair: Pair) -> None:
    """A DOI changes its status, moves to another object, and is left without one."""
    a, b = pair.one(ITEMS, 0), pair.one(ITEMS, 1)
    row = "SELECT dspace_object::text, status FROM doi WHERE doi = 'doi:10.1/x'"
    for holder, dois, expected in (
        (a, [Doi(a.uuid, "doi:10.1/x", 1)], (a.uuid, 1)),
        (a, [Doi(a.uuid, "doi:10.1/x", 3)], (a.uuid, 3)),
        (b, [Doi(b.uuid, "doi:10.1/x", 3)], (b.uuid, 3)),
        (b, [], (None, 3)),
    ):
        pair.write([msgspec.structs.replace(holder, dois=dois)])
        assert pair.sql(row, end="target") == [expected]
