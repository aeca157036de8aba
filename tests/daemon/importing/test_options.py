"""Every option has its effect."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from daemon.importing.fields import new_types
from daemon.importing.into_log import completed
from daemon.importing.options import Mode, Options, parsed
from events.aip.model import Kind
from events.errors import ConfigError
from events.package.limits import DEFAULT, LARGE
from tests.daemon.importing import world
from tests.daemon.importing.bench import Bench
from tests.daemon.importing.test_modes import texts
from tests.events.package.composed import EXTRACT, ITEM, PAPER, PDF, TEXT

FIELD = '<dim:field mdschema="strange" element="thing" qualifier="kind">here</dim:field>'
ITEM_ZIP = "ITEM@123456789-4.zip"


@pytest.mark.parametrize("into", ["log", "target"])
def test_create_metadata_fields(bench: Bench, tmp_path: Path, into: str) -> None:
    """Without it a package with an unknown field is refused by name, with it schema and field are made."""
    world.world(tmp_path)
    world.an_item(tmp_path, descriptive=world.field("title", "A title") + FIELD)
    report = bench.run(into, tmp_path)
    assert [(each.error, "strange.thing.kind" in each.message) for each in report.refused] == [("UnknownField", True)]
    assert bench.read(into, "123456789/4") is None
    report = bench.run(into, tmp_path, create_metadata_fields=True)
    assert not report.refused
    assert texts(bench.there(into, "123456789/4"), "strange.thing.kind") == ["here"]
    if into == "log":
        bench.replay()
    assert bench.sql("select namespace from metadataschemaregistry where short_id = 'strange'")


def test_fields_that_an_import_made_do_not_hide_those_that_every_dspace_has(bench: Bench, tmp_path: Path) -> None:
    """A log that was only ever imported into holds the additions alone; the next import still knows dc.title."""
    world.world(tmp_path)
    world.an_item(tmp_path, descriptive=world.field("title", "A title") + FIELD)
    assert not bench.into_log(tmp_path, create_metadata_fields=True).refused
    world.an_item(tmp_path, descriptive=world.field("title", "Another title") + FIELD)
    assert not bench.into_log(tmp_path, mode="replace").refused
    assert texts(bench.there("log", "123456789/4"), "dc.title") == ["Another title"]


def test_relationship_types_of_several_packages_add_up() -> None:
    """The document of the registry has those of both."""
    one, two = ("Person", "isA", "hasA", "OrgUnit"), ("Publication", "cites", "isCited", "Publication")
    (before,), (more,) = new_types([one]), new_types([two])
    both = completed(before, more)
    assert {(row.left_type, row.leftward, row.rightward, row.right_type) for row in both.relationship_types} == {
        one,
        two,
    }
    assert {row.label for row in both.entity_types} == {"OrgUnit", "Person", "Publication"}


@pytest.mark.parametrize(("given", "bundles"), [
    ({"filterBundles": "TEXT"}, {"ORIGINAL"}), ({"filterBundles": "+TEXT"}, {"TEXT"}),
    ({"includeBundles": "ORIGINAL"}, {"ORIGINAL"}), ({"includeBundles": "all"}, {"ORIGINAL", "TEXT"}),
])  # fmt: skip
def test_bundles(bench: Bench, tmp_path: Path, given: dict[str, str], bundles: set[str]) -> None:
    """filterBundles leaves those out, or with + all others; includeBundles is the older form."""
    options = parsed(f"{name}={value}" for name, value in given.items())
    assert not bench.into_log(world.world(tmp_path), **options).refused
    item = bench.there("log", "123456789/4")
    names = {row.uuid for row in item.bundles}
    assert {row.text for row in item.values if row.subject in names} == bundles
    assert len(item.bitstreams) == len(bundles)


def test_bundles_that_are_filtered_stay_as_they_are_in_a_replace(bench: Bench, tmp_path: Path) -> None:
    """What is not taken from the package is not said by it."""
    bench.into_target(world.world(tmp_path))
    document = world.item(files="", sections="", inside="")
    world.zipped(tmp_path / ITEM_ZIP, {"mets.xml": document.encode()})
    assert not bench.into_target(tmp_path, mode="replace", **parsed(["filterBundles=ORIGINAL"])).refused
    assert {row.uuid for row in bench.there("target", "123456789/4").bitstreams} == {PAPER}


@pytest.mark.parametrize("into", ["log", "target"])
def test_ignore_handle(bench: Bench, tmp_path: Path, into: str) -> None:
    """The UUID is kept, the handle is a new one; in mode submit it can be the package's, if that is free."""
    report = bench.run(into, world.world(tmp_path), ignore_handle=True, prefix="123456789")
    assert not report.refused
    item = bench.there(into, ITEM)
    assert item.handle not in (None, "123456789/4")
    document = world.item(parent=None).replace("56789/4", "56789/777")
    other = world.zipped(tmp_path / "o.zip", {**world.item_entries(), "mets.xml": document.encode()})
    collection = next(each.handle for each in report.told if each.kind == "collection")
    report = bench.run(into, other, mode="submit", parent=collection, ignore_handle=False)
    assert bench.there(into, "123456789/777").uuid != ITEM


@pytest.mark.parametrize("into", ["log", "target"])
def test_parent(bench: Bench, tmp_path: Path, into: str) -> None:
    """--parent puts what is given elsewhere; with ignoreParent=false the package's own link counts."""
    world.world(tmp_path / "w")
    bench.run(into, *(path for path in (tmp_path / "w").iterdir() if not path.name.startswith("ITEM")))
    path = world.an_item(tmp_path, parent="999/9")
    report = bench.run(into, path, parent="123456789/3", ignore_parent=False)
    assert [each.error for each in report.refused] == ["ParentMissing"]
    assert not bench.run(into, path, parent="123456789/3").refused
    collection = bench.there(into, "123456789/3")
    assert {row.owning_collection for row in bench.there(into, ITEM).items} == {collection.uuid}
    with pytest.raises(ConfigError, match="ignoreParent"):
        Options(ignore_parent=True)


@pytest.mark.parametrize("into", ["log", "target"])
def test_skip_if_parent_missing(bench: Bench, tmp_path: Path, into: str) -> None:
    """Refused by name without it, passed over with it. A collection that it is mapped into and is not there never
    counts as a parent.
    """
    path = world.an_item(tmp_path)
    assert [each.error for each in bench.run(into, path).refused] == ["ParentMissing"]
    report = bench.run(into, path, skip_if_parent_missing=True)
    assert (report.counts["skipped"], report.counts["refused"]) == (1, 0)


@pytest.mark.parametrize(("value", "outcome"), [("error", "refused"), ("skip", "created"), ("zero", "created")])
@pytest.mark.parametrize("into", ["log", "target"])
def test_unauthorized(bench: Bench, tmp_path: Path, into: str, value: Any, outcome: str) -> None:
    """A file whose content could not be read at the export: an error, left out, or made empty."""
    world.world(tmp_path)
    entries = world.item_entries()
    world.zipped(tmp_path / ITEM_ZIP, {**entries, f"bitstream_{EXTRACT}.txt": b""})
    report = bench.run(into, tmp_path, unauthorized=value)
    if outcome == "refused":
        assert [each.error for each in report.refused] == ["ContentMissing"]
        return
    assert not report.refused
    sizes = {row.uuid: row.size for row in bench.there(into, ITEM).bitstreams}
    assert sizes == ({PAPER: len(PDF)} if value == "skip" else {PAPER: len(PDF), EXTRACT: 0})
    if into == "log":
        bench.replay()


def test_updated_after(bench: Bench, tmp_path: Path) -> None:
    """Items that were not modified after that are passed over, containers never."""
    world.world(tmp_path)
    report = bench.into_log(tmp_path, **parsed(["updatedAfter=2026-03-01T09:30:00"]))
    assert report.counts["skipped"] == 1
    assert bench.there("log", "123456789/3").kind is Kind.COLLECTION
    assert bench.into_log(tmp_path, **parsed(["updatedAfter=2026-03-01T09:29:59"])).counts["created"] == 1


@pytest.mark.parametrize("into", ["log", "target"])
def test_manifest_only(bench: Bench, tmp_path: Path, into: str) -> None:
    """A bare manifest: its contents come from --contents, or from what is there; with manifestOnly=false refused."""
    world.world(tmp_path / "w")
    bench.run(into, *(path for path in (tmp_path / "w").iterdir() if not path.name.startswith("ITEM")))
    bare = tmp_path / "item.xml"
    bare.write_text(world.item())
    assert [each.error for each in bench.run(into, bare).refused] == ["ContentMissing"]
    folder = tmp_path / "contents"
    folder.mkdir()
    (folder / f"bitstream_{PAPER}.pdf").write_bytes(PDF)
    (folder / hashlib.md5(TEXT).hexdigest()).write_bytes(TEXT[::-1])
    report = bench.run(into, bare, contents=folder)
    assert [each.error for each in report.refused] == ["ChecksumMismatch"]
    (folder / hashlib.md5(TEXT).hexdigest()).write_bytes(TEXT)
    assert not bench.run(into, bare, contents=folder).refused
    bare.write_text(world.item(descriptive=world.field("title", "Again")))
    assert bench.run(into, bare, mode="replace", manifest_only=True).counts["replaced"] == 1
    report = bench.run(into, bare, mode="replace", manifest_only=False)
    assert [each.error for each in report.refused] == ["InvalidPackage"]


def test_use_collection_template(bench: Bench, tmp_path: Path) -> None:
    """New items get the template's metadata in fields that they have not themselves."""
    bench.into_target(world.world(tmp_path / "w"))
    collection = bench.there("target", "123456789/3")
    bench.sql(
        """with t as (insert into dspaceobject (uuid) values (gen_random_uuid()) returning uuid),
        i as (insert into item (uuid, in_archive, withdrawn, discoverable) select uuid, false, false, true from t),
        v as (insert into metadatavalue
            (metadata_value_id, dspace_object_id, metadata_field_id, text_value, place, confidence)
          select nextval('metadatavalue_seq'), t.uuid, f.metadata_field_id, 'of the template', 0, -1
          from t, metadatafieldregistry f join metadataschemaregistry using (metadata_schema_id)
          where short_id = 'dc' and f.element in ('publisher', 'title') and f.qualifier is null)
        update collection set template_item_id = t.uuid from t where collection.uuid = %s""",
        collection.uuid,
    )
    path = world.an_item(tmp_path)
    report = bench.into_target(path, mode="submit", parent="123456789/3", use_collection_template=True)
    item = bench.there("target", report.told[-1].uuid)
    assert texts(item, "dc.publisher") == ["of the template"]
    assert texts(item) == ["A title"]


def test_validate(bench: Bench, tmp_path: Path) -> None:
    """What is odd and tolerated otherwise is refused: here an entry that the manifest does not name."""
    world.world(tmp_path)
    world.zipped(tmp_path / ITEM_ZIP, {**world.item_entries(), "surplus.txt": b"?"})
    report = bench.into_log(tmp_path, validate=True)
    assert [each.handle for each in report.refused] == ["123456789/4"]
    assert not bench.into_log(tmp_path).refused


def test_passwords(bench: Bench, tmp_path: Path) -> None:
    """Hashes are only taken if that was asked for."""
    bench.into_log(world.world(tmp_path))
    jo = bench.there("log", "jo@example.org").person
    assert jo is not None
    assert jo.password is None


def test_recursion_names_a_child_without_package(bench: Bench, tmp_path: Path) -> None:
    """One that is there already does not count as missing."""
    world.world(tmp_path)
    (tmp_path / ITEM_ZIP).unlink()
    top = tmp_path / "SITE@123456789-0.zip"
    report = bench.into_log(top, recursive=True)
    assert [line.rpartition(" ")[2] for line in report.missing] == [ITEM_ZIP]
    world.an_item(tmp_path)
    assert not bench.into_log(top, recursive=True, mode="keep").missing
    (tmp_path / ITEM_ZIP).unlink()
    assert not bench.into_log(top, recursive=True, mode="keep").missing


def test_a_dry_run_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    """It says per package what would be done, also for children of what is not there yet."""
    world.world(tmp_path)
    for into in ("log", "target"):
        before = bench.versions()
        report = bench.run(into, tmp_path, dry_run=True)
        assert not report.refused, report.refused
        assert {each.handle for each in report.told} >= {"123456789/2", "123456789/3", "123456789/4"}
        assert bench.log.end() == 0
        assert not list(bench.blobs.list())
        assert bench.versions() == before


def test_stock_names() -> None:
    """Booleans as stock reads them; what it only advertises is refused with the reason, and so is what nobody knows."""
    assert parsed(["ignoreHandle=YES", "validate=1", "skipIfParentMissing"]) == {
        "ignore_handle": True, "validate": False, "skip_if_parent_missing": True}  # fmt: skip
    assert parsed(["replaceMode=true"]) == {"mode": Mode.REPLACE}
    for text in ("useWorkflow=true", "internal=true", "dmd=MODS", "unauthorized=maybe", "updatedAfter=soon"):
        with pytest.raises(ConfigError):
            parsed([text])
    with pytest.raises(ConfigError, match="did you mean 'ignoreHandle'"):
        parsed(["ignoreHandel=true"])


def test_the_search_index_is_owed_what_was_imported(bench: Bench, tmp_path: Path) -> None:
    """In the transaction that writes it, if an index is configured; nothing is owed for what was there already."""
    bench.into_target(world.world(tmp_path), index=True)
    assert {kind for (kind,) in bench.sql("select kind from aipstream.reindex")} == {"community", "collection", "item"}
    bench.sql("delete from aipstream.reindex")
    bench.into_target(tmp_path, index=True)
    assert bench.sql("select kind from aipstream.reindex") == []
    world.an_item(tmp_path, descriptive=world.field("title", "Another"))
    bench.into_target(tmp_path, index=True, mode="replace")
    assert bench.sql("select handle from aipstream.reindex") == [("123456789/4",)]


def test_a_package_beyond_the_limits_is_taken_only_when_told(bench: Bench, tmp_path: Path) -> None:
    """A zip of more entries than a package may have; `large` takes it."""
    path = world.world(tmp_path) / ITEM_ZIP
    with zipfile.ZipFile(path, "a") as package:
        for number in range(DEFAULT.entries):
            package.writestr(f"further/{number}", b"")
    report = bench.into_log(tmp_path)
    assert [each.error for each in report.refused] == ["InvalidPackage"]
    assert "entries" in report.refused[0].message
    assert not bench.into_log(tmp_path, limits=LARGE).refused
    assert bench.there("log", "123456789/4")
