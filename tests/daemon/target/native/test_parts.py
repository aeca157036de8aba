"""Bundles, bitstreams, logos and template items: what is listed stands, what is not goes as DSpace lets it go."""

from __future__ import annotations

import msgspec
import pytest

from daemon.target.native import write
from events.aip.model import Aip, Placed
from events.errors import BlobMissing, InvalidAip
from tests.daemon.target.native.pair import Pair

TWO_FILES = """
SELECT ib.item_id FROM item2bundle ib JOIN bundle2bitstream bb USING (bundle_id) JOIN item i ON i.uuid = ib.item_id
WHERE i.in_archive GROUP BY ib.item_id, ib.bundle_id HAVING count(*) = 2 ORDER BY ib.item_id LIMIT 1"""


def without_bitstream(aip: Aip, uuid: str) -> Aip:
    """As DSpace leaves an item when a file is deleted."""
    return msgspec.structs.replace(
        aip,
        bitstreams=[row for row in aip.bitstreams if row.uuid != uuid],
        stored=[row for row in aip.stored if row.uuid != uuid],
        placed=[
            Placed(row.bundle, row.bitstream, rank, row.order_legacy)
            for rank, row in enumerate(sorted(aip.placed, key=lambda row: (row.bundle, row.order)))
            if row.bitstream != uuid
        ],
        values=[row for row in aip.values if row.subject != uuid],
        policies=[row for row in aip.policies if row.subject != uuid],
        bundles=[msgspec.structs.replace(row, primary=None) for row in aip.bundles],
    )


def test_a_file_that_is_no_longer_listed_is_marked_deleted(pair: Pair) -> None:
    """Row, metadata and dspaceobject stay for `cleanup`; links, policies and requests for a copy go."""
    item = pair.one(TWO_FILES)
    bundle = next(b for b in item.bundles if sum(p.bundle == b.uuid for p in item.placed) == 2)
    gone = next(row.bitstream for row in item.placed if row.bundle == bundle.uuid)
    pair.sql(
        "INSERT INTO requestitem (requestitem_id, token, allfiles, accept_request, bitstream_id, item_id) "
        "VALUES (nextval('requestitem_seq'), 't', false, false, %s, %s)", gone, item.uuid, end="target"
    )  # fmt: skip
    pair.sql("UPDATE bundle SET primary_bitstream_id = %s WHERE uuid = %s", gone, bundle.uuid, end="target")
    names = pair.sql("SELECT count(*) FROM metadatavalue WHERE dspace_object_id = %s", gone, end="target")
    pair.write([without_bitstream(item, gone)])
    found = pair.sql(
        """SELECT b.deleted, (SELECT count(*) FROM bundle2bitstream x WHERE x.bitstream_id = b.uuid),
             (SELECT count(*) FROM resourcepolicy x WHERE x.dspace_object = b.uuid),
             (SELECT count(*) FROM requestitem x WHERE x.bitstream_id = b.uuid),
             (SELECT count(*) FROM bundle x WHERE x.primary_bitstream_id = b.uuid),
             (SELECT count(*) FROM metadatavalue x WHERE x.dspace_object_id = b.uuid)
           FROM bitstream b WHERE b.uuid = %s""", gone, end="target",
    )  # fmt: skip
    assert found == [(True, 0, 0, 0, 0, names[0][0])]
    assert names[0][0] > 0
    pair.write([item])
    assert pair.differences() == []


def test_a_bundle_that_another_item_holds_stays(pair: Pair) -> None:
    """A shared bundle loses only the link; the last link takes it and marks its files deleted."""
    item = pair.one(TWO_FILES)
    other = pair.one("SELECT uuid FROM item WHERE in_archive AND uuid <> %s ORDER BY uuid LIMIT 1", item.uuid)
    bundle = item.bundles[0].uuid
    files = [row.bitstream for row in item.placed if row.bundle == bundle]
    pair.sql("INSERT INTO item2bundle (bundle_id, item_id) VALUES (%s, %s)", bundle, other.uuid, end="target")
    parts = {bundle, *files}
    bare = msgspec.structs.replace(
        item,
        bundles=[row for row in item.bundles if row.uuid != bundle],
        placed=[row for row in item.placed if row.bundle != bundle],
        bitstreams=[row for row in item.bitstreams if row.uuid not in parts],
        stored=[row for row in item.stored if row.uuid not in parts],
        values=[row for row in item.values if row.subject not in parts],
        policies=[row for row in item.policies if row.subject not in parts],
    )
    there = "SELECT deleted FROM bitstream WHERE uuid = ANY (%s::uuid[])"
    pair.write([bare])
    assert pair.sql(there, files, end="target") == [(False,)] * len(files)
    assert pair.sql("SELECT count(*) FROM bundle WHERE uuid = %s", bundle, end="target") == [(1,)]
    pair.write([other])
    assert pair.sql(there, files, end="target") == [(True,)] * len(files)
    assert pair.sql("SELECT count(*) FROM dspaceobject WHERE uuid = %s", bundle, end="target") == [(0,)]


def test_unchanged_rows_keep_their_ids_and_changed_ones_too(pair: Pair) -> None:
    """One value of an item is edited: one row of metadatavalue is updated where it stands, no other is touched."""
    item = pair.one(TWO_FILES)
    rows = "SELECT metadata_value_id, xmin::text FROM metadatavalue"
    before = dict(pair.sql(rows, end="target"))
    place = next(n for n, value in enumerate(item.values) if value.field == "dc.title" and value.subject == item.uuid)
    item.values[place] = msgspec.structs.replace(item.values[place], text="another title")
    written = pair.write([item])
    after = dict(pair.sql(rows, end="target"))
    assert written.touched == {"metadatavalue": 1}
    assert before.keys() == after.keys()
    assert sum(before[key] != after[key] for key in after) == 1


def test_a_new_content_gets_its_file_and_others_keep_theirs(pair: Pair) -> None:
    """`internal_ids` names what was placed; a new row without a file is refused, and nothing of the batch stands."""
    item = pair.one(TWO_FILES)
    changed, kept = (row.uuid for row in item.bitstreams[:2])
    pair.sql("UPDATE bitstream SET store_number = 1, internal_id = 'far' || internal_id", end="target")
    write(pair.target, [item], [], pair.target_options, {changed: "4711"})
    pair.target.commit()
    rows = pair.sql("SELECT uuid::text, internal_id, store_number FROM bitstream WHERE NOT deleted", end="target")
    found = {uuid: (internal_id, store) for uuid, internal_id, store in rows}
    assert found[changed] == ("4711", 0)
    assert found[kept][1] == 1
    new = "11111111-2222-4333-8444-555555555555"
    item.bitstreams.append(msgspec.structs.replace(item.bitstreams[0], uuid=new))
    with pytest.raises(BlobMissing, match=new):
        write(pair.target, [item], [], pair.target_options, {})
    pair.target.rollback()


def test_a_row_about_another_object_is_refused(pair: Pair) -> None:
    """A document that writes to what is neither the object nor its part is invalid, not obeyed."""
    item = pair.one(TWO_FILES)
    other = pair.one("SELECT uuid FROM item WHERE in_archive AND uuid <> %s ORDER BY uuid LIMIT 1", item.uuid)
    item.values.append(msgspec.structs.replace(item.values[0], subject=other.uuid))
    with pytest.raises(InvalidAip, match=other.uuid):
        pair.write([item])
    pair.target.rollback()


def test_logo_and_template_that_are_no_longer_listed_go(pair: Pair) -> None:
    """The template item goes with its rows, the logo is marked deleted; the collection stays as listed."""
    collection = pair.one("SELECT uuid FROM collection WHERE template_item_id IS NOT NULL ORDER BY uuid LIMIT 1")
    community = pair.one("SELECT uuid FROM community WHERE logo_bitstream_id IS NOT NULL ORDER BY uuid LIMIT 1")
    template, logo = collection.collection.template, community.community.logo
    bare = msgspec.structs.replace(
        collection,
        collection=msgspec.structs.replace(collection.collection, template=None),
        items=[],
        values=[row for row in collection.values if row.subject != template],
    )
    plain = msgspec.structs.replace(
        community,
        community=msgspec.structs.replace(community.community, logo=None),
        bitstreams=[],
        stored=[],
        values=[row for row in community.values if row.subject != logo],
        policies=[row for row in community.policies if row.subject != logo],
    )
    pair.write([plain, bare])
    assert pair.sql("SELECT count(*) FROM dspaceobject WHERE uuid = %s", template, end="target") == [(0,)]
    assert pair.sql("SELECT deleted FROM bitstream WHERE uuid = %s", logo, end="target") == [(True,)]
    pair.write([community, collection])
    assert pair.differences() == []
