"""Registries grow by natural key, and what an older target has no place for is told, never made public."""

from __future__ import annotations

import msgspec

from events.aip.model import Kind, Value
from events.aip.registry_rows import Field, Format
from tests.daemon.target.native.conftest import MakePair
from tests.daemon.target.native.pair import Pair

DC = "SELECT md5('aipstream/schema/dc')::uuid"
FORMATS = "SELECT md5('aipstream/formats')::uuid"


def test_registry_rows_are_added_and_changed_and_never_deleted(pair: Pair) -> None:
    """A field and a format come, a note and the extensions of a format change; what only the target has stays."""
    pair.sql(
        "INSERT INTO bitstreamformatregistry "
        "VALUES (nextval('bitstreamformatregistry_seq'), 'a/b', 'Ours', '', 0, false)",
        end="target",
    )
    dc, formats = pair.one(DC), pair.one(FORMATS)
    dc.fields[0] = msgspec.structs.replace(dc.fields[0], scope_note="another note")
    dc.fields.append(Field("dc", "brand", "new", None))
    pdf = next(n for n, row in enumerate(formats.formats) if row.short_description == "Adobe PDF")
    formats.formats[pdf] = msgspec.structs.replace(formats.formats[pdf], extensions=("pdf", "pdfa"))
    formats.formats.append(Format("Newest", "x/y", None, 1, False, ("new",)))
    pair.write([dc, formats])
    count = "SELECT count(*) FROM metadatafieldregistry WHERE element = 'brand' AND qualifier = 'new'"
    assert pair.sql(count, end="target") == [(1,)]
    extensions = """SELECT f.short_description, array_agg(e.extension ORDER BY e.extension)
        FROM bitstreamformatregistry f LEFT JOIN fileextension e USING (bitstream_format_id)
        WHERE f.short_description IN ('Ours', 'Newest', 'Adobe PDF') GROUP BY 1 ORDER BY 1"""
    assert pair.sql(extensions, end="target") == [("Adobe PDF", ["pdf", "pdfa"]), ("Newest", ["new"]), ("Ours", [None])]
    notes = "SELECT count(*) FROM metadatafieldregistry WHERE scope_note = 'another note'"
    assert pair.sql(notes, end="target") == [(1,)]
    rows = pair.touched()
    assert pair.write([dc, formats], [(Kind.REGISTRY, dc.uuid)]).touched == {}
    assert pair.touched() == rows


def test_a_batch_may_bring_a_field_and_its_first_value(pair: Pair) -> None:
    """Registries are written before what uses them."""
    dc = pair.one(DC)
    item = pair.one("SELECT uuid FROM item WHERE in_archive ORDER BY uuid LIMIT 1")
    dc.fields.append(Field("dc", "brand", None, None))
    item.values.append(Value(item.uuid, "dc.brand", 0, "x"))
    pair.write([item, dc])
    count = "SELECT count(*) FROM metadatavalue WHERE dspace_object_id = %s AND text_value = 'x'"
    assert pair.sql(count, item.uuid, end="target") == [(1,)]


def test_restricted_values_are_not_made_public_on_an_older_target(make_pair: MakePair) -> None:
    """Values of level 1 and 2 are left out and told; one of level 0 stands, and the level is told."""
    pair = make_pair("10", "9")
    state = pair.state()
    written = pair.write(pair.read(state, state))
    levels = dict(pair.sql("SELECT text_value, security_level FROM metadatavalue WHERE security_level IS NOT NULL"))
    assert set(levels.values()) == {0, 1, 2}
    assert len(written.losses) == len(levels)
    there = pair.sql("SELECT text_value FROM metadatavalue WHERE text_value = ANY (%s)", list(levels), end="target")
    assert [row[0] for row in there] == [text for text, level in levels.items() if level == 0]


def test_a_format_that_the_target_lacks_is_unknown_and_told(pair: Pair) -> None:
    """The file stands with the format Unknown, and the loss names it."""
    item = pair.one("SELECT ib.item_id FROM item2bundle ib JOIN item i ON i.uuid = ib.item_id AND i.in_archive LIMIT 1")
    item.bitstreams[0] = msgspec.structs.replace(item.bitstreams[0], format="No such format")
    written = pair.write([item])
    assert "No such format" in written.losses[0].detail
    found = pair.sql(
        "SELECT f.short_description FROM bitstream b JOIN bitstreamformatregistry f USING (bitstream_format_id) "
        "WHERE b.uuid = %s", item.bitstreams[0].uuid, end="target",
    )  # fmt: skip
    assert found == [("Unknown",)]
