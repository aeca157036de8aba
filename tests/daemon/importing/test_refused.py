"""What cannot be imported is named, writes nothing, and stops nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from daemon.importing.places import is_captured
from events.aip.model import Kind
from events.event import Event, Type
from tests.daemon.importing import world
from tests.daemon.importing.bench import Bench
from tests.events.package.composed import (
    EXTRACT,
    ITEM,
    PAPER,
    bag_entries,
    item_payload,
    named,
    policies,
    properties,
    zipped,
)


@pytest.mark.parametrize("into", ["log", "target"])
def test_hostile_packages_among_good_ones(bench: Bench, tmp_path: Path, into: str) -> None:
    """Each is refused by its own name; the good ones are imported; of the bad ones there is not a row."""
    world.world(tmp_path)
    bad = {
        "escape.zip": {"../mets.xml": b"<mets/>"},
        "flipped.zip": {**world.item_entries(), f"bitstream_{PAPER}.pdf": b"%PDF-1.4 a paPer"},
        "entity.zip": {"mets.xml": b'<!DOCTYPE m [<!ENTITY a "b">]><mets>&a;</mets>'},
    }
    for name, entries in bad.items():
        other = ITEM[:-1].encode() + b"9"
        changed = {key: text.replace(b"456789/4", b"456789/5") for key, text in entries.items()}
        zipped(tmp_path / name, {key: text.replace(ITEM.encode(), other) for key, text in changed.items()})
    (tmp_path / "cut.zip").write_bytes((tmp_path / "ITEM@123456789-4.zip").read_bytes()[:-40])
    stranger = world.item(administrative=world.metsrights(world.context("MANAGED GRP", "Nobody knows"))).replace(
        "456789/4", "456789/6").replace(ITEM, ITEM[:-1] + "8")  # fmt: skip
    zipped(tmp_path / "stranger.zip", {**world.item_entries(), "mets.xml": stranger.encode()})
    report = bench.run(into, tmp_path)
    assert {Path(each.path).name: each.error for each in report.refused} == {
        "escape.zip": "InvalidPackage", "flipped.zip": "ChecksumMismatch", "entity.zip": "InvalidPackage",
        "cut.zip": "InvalidPackage", "stranger.zip": "NameUnknown"}  # fmt: skip
    assert all(each.message and each.hint for each in report.refused)
    assert "Nobody knows" in next(each.message for each in report.refused if each.error == "NameUnknown")
    assert bench.there(into, "123456789/4").uuid == ITEM
    assert bench.read(into, "123456789/5") is None
    assert bench.read(into, "123456789/6") is None


@pytest.mark.parametrize("into", ["log", "target"])
def test_what_is_in_a_refused_container_waits_for_it(bench: Bench, tmp_path: Path, into: str) -> None:
    """The collection has an unknown field, so its item is refused as well, and says why. Then both are imported."""
    world.world(tmp_path)
    document = zipfile.ZipFile(tmp_path / "COLLECTION@123456789-3.zip").read("mets.xml").decode()
    strange = document.replace("A collection</dim:field>", 'A collection</dim:field><dim:field mdschema="strange" '
                               'element="thing">x</dim:field>')  # fmt: skip
    zipped(tmp_path / "COLLECTION@123456789-3.zip", {"mets.xml": strange.encode()})
    report = bench.run(into, tmp_path)
    assert {each.handle: each.error for each in report.refused} == {
        "123456789/3": "UnknownField", "123456789/4": "ParentRefused"}  # fmt: skip
    assert not bench.run(into, tmp_path, create_metadata_fields=True).refused
    assert bench.there(into, "123456789/4").uuid == ITEM


def test_a_name_that_lies_about_its_kind_costs_only_time(bench: Bench, tmp_path: Path) -> None:
    """A collection in a file that is called an item's comes after its item, which is tried again then."""
    world.world(tmp_path)
    (tmp_path / "COLLECTION@123456789-3.zip").rename(tmp_path / "ITEM@123456789-9.zip")
    report = bench.into_log(tmp_path)
    assert not report.refused
    assert bench.there("log", "123456789/4").uuid == ITEM


@pytest.mark.parametrize("into", ["log", "target"])
def test_a_bag_is_imported(bench: Bench, tmp_path: Path, into: str) -> None:
    """It has no UUID of its object and no formats: the object is known by its handle, formats by the file's name."""
    bench.run(into, world.world(tmp_path / "w"))
    bag = zipped(tmp_path / "bag.zip", bag_entries(item_payload()))
    report = bench.run(into, bag, mode="replace")
    assert not report.refused, report.refused
    item = bench.there(into, "123456789/4")
    assert item.uuid == ITEM
    assert {row.uuid for row in item.bitstreams} == {PAPER, EXTRACT}
    assert len([row for row in item.values if row.field == "dc.contributor.author"]) == 2
    again = bench.run(into, bag, mode="replace")
    assert not again.counts["replaced"], again.told
    fresh = zipped(tmp_path / "fresh.zip", bag_entries({
        **{name: text for name, text in item_payload().items() if "bitstream" not in name},
        "object.properties": properties(
            bagType="AIP", objectType="item", objectId="123456789/8", ownerId="123456789/3"),
        "ORIGINAL/bitstream_2b0c6d0e-0000-4000-8000-0000000000aa.pdf": b"%PDF",
        "ORIGINAL/bitstream_2b0c6d0e-0000-4000-8000-0000000000aa-metadata.xml": named(name="x.pdf", sequence_id="1"),
        "ORIGINAL/bitstream_2b0c6d0e-0000-4000-8000-0000000000aa-policy.xml": policies()}))  # fmt: skip
    assert not bench.run(into, fresh).refused
    made = bench.there(into, "123456789/8")
    assert [row.format for row in made.bitstreams] == ["Adobe PDF"]
    assert {row.subject for row in made.policies} >= {row.uuid for row in made.bundles}


@pytest.mark.parametrize("into", ["log", "target"])
def test_a_catalog_of_deletions(bench: Bench, tmp_path: Path, into: str) -> None:
    """Carried out in mode replace only, and never past what it names."""
    bench.run(into, world.world(tmp_path / "w"))
    said = properties(bagType="man", objectType="deletion", objectId="123456789/3", created="1", ownerId="123456789/2")
    one = zipped(tmp_path / "one.zip", bag_entries({"object.properties": said}))
    assert bench.run(into, one).counts == {"skipped": 1}
    assert [each.error for each in bench.run(into, one, mode="replace").refused] == ["StillInUse"]
    both = zipped(tmp_path / "both.zip", bag_entries({"object.properties": said, "members": b"123456789/4\n"}))
    assert bench.run(into, both, mode="replace").counts["deleted"] == 2
    assert bench.read(into, "123456789/4") is None
    assert bench.read(into, "123456789/2") is not None


def test_a_captured_log_is_known(bench: Bench, tmp_path: Path) -> None:
    """By its first and its last event."""
    assert not is_captured(bench.log)
    bench.into_log(world.world(tmp_path))
    assert not is_captured(bench.log)
    bench.log.append(
        [Event(source="a site", lsn=1 << 40, uuid=ITEM, kind=Kind.ITEM, type=Type.DELETE, commit_time="2026")]
    )
    assert is_captured(bench.log)
