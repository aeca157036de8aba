"""submit, restore, keep, replace: what becomes of what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.aip.model import Aip, Kind, Uuid
from tests.daemon.importing import world
from tests.daemon.importing.bench import Bench
from tests.events.package.composed import COLLECTION, COMMUNITY, ITEM, JO, PAPER, PDF, STAFF, SUBMIT

PLACES = ["log", "target"]


def texts(aip: Aip, field: str = "dc.title", subject: Uuid | None = None) -> list[str | None]:
    return [row.text for row in aip.values if row.field == field and row.subject == (subject or aip.uuid)]


@pytest.mark.parametrize("into", PLACES)
def test_restore_keeps_handles_and_uuids(bench: Bench, tmp_path: Path, into: str) -> None:
    """People and groups with their members, roles, policies, mapped names, files with name and format."""
    report = bench.run(into, world.world(tmp_path / "w"), passwords=True)
    assert not report.refused, report.refused
    item, collection = bench.there(into, "123456789/4"), bench.there(into, "123456789/3")
    assert (item.uuid, collection.uuid) == (ITEM, COLLECTION)
    assert bench.there(into, "123456789/2").uuid == COMMUNITY
    assert collection.collection is not None
    assert collection.collection.submitters == SUBMIT
    group = bench.there(into, SUBMIT).group
    assert group is not None
    assert group.name == f"COLLECTION_{COLLECTION}_SUBMIT"
    staff = bench.there(into, "Staff")
    assert {row.other for row in staff.persons_in} == {JO}
    assert {row.other for row in staff.groups_in} == {SUBMIT}, "the group of a collection that came later"
    jo = bench.there(into, "jo@example.org").person
    assert jo is not None
    assert (jo.password, jo.salt, jo.digest_algorithm) == ("bb", "aa", "SHA-512")
    assert {row.submitter for row in item.items} == {JO}
    paper = next(row for row in item.bitstreams if row.uuid == PAPER)
    assert (paper.format, paper.size, paper.sequence_id) == ("Adobe PDF", len(PDF), 1)
    assert texts(item, subject=PAPER) == ["paper.pdf"]
    assert any(row.group == STAFF for row in item.policies)
    assert any("123456789/9" in note for each in report.told for note in each.notes), "a collection that is not there"


@pytest.mark.parametrize("into", PLACES)
def test_restore_refuses_what_is_there_and_differs(bench: Bench, tmp_path: Path, into: str) -> None:
    """By name, and the rest goes on; what is there as the package says it is no error."""
    bench.run(into, world.world(tmp_path / "w"))
    world.collection(tmp_path / "w", "Another title")
    world.an_item(tmp_path / "w", descriptive=world.field("title", "Another"))
    report = bench.run(into, tmp_path / "w")
    assert {each.handle: each.error for each in report.refused} == {
        "123456789/3": "AlreadyThere", "123456789/4": "AlreadyThere"}  # fmt: skip
    assert texts(bench.there(into, "123456789/4")) == ["A title"]


@pytest.mark.parametrize("into", PLACES)
def test_keep_skips_what_is_there_and_goes_on_to_its_children(bench: Bench, tmp_path: Path, into: str) -> None:
    """Nothing of the collection is touched, and no phantom of it made; its new item is imported."""
    world.world(tmp_path / "w")
    bench.run(into, *(path for path in (tmp_path / "w").iterdir() if not path.name.startswith("ITEM")))
    world.collection(tmp_path / "w", "Another title")
    report = bench.run(into, tmp_path / "w" / "SITE@123456789-0.zip", mode="keep", recursive=True)
    assert not report.refused, report.refused
    assert texts(bench.there(into, "123456789/3")) == ["A collection"]
    assert bench.there(into, "123456789/4").kind is Kind.ITEM
    assert report.counts["kept"] >= 3
    assert report.counts["created"] == 1


@pytest.mark.parametrize("into", PLACES)
def test_replace_makes_it_as_the_package_says(bench: Bench, tmp_path: Path, into: str) -> None:
    """Metadata and files; a file that is the same keeps its UUID though its package calls it otherwise."""
    bench.run(into, world.world(tmp_path / "w"))
    other = "2b0c6d0e-0000-4000-8000-0000000000ff"
    document = world.item(descriptive=world.field("title", "Replaced")).replace(PAPER, other)
    world.zipped(tmp_path / "w" / "ITEM@123456789-4.zip", {
        "mets.xml": document.encode(), f"bitstream_{other}.pdf": PDF,
        "bitstream_2b0c6d0e-0000-4000-8000-000000000002.txt": b"its words"})  # fmt: skip
    before = bench.there(into, "123456789/4")
    report = bench.run(into, tmp_path / "w", mode="replace")
    assert not report.refused
    after = bench.there(into, "123456789/4")
    assert texts(after) == ["Replaced"]
    assert {row.uuid for row in after.bitstreams} == {row.uuid for row in before.bitstreams}
    assert after.bundles == before.bundles
    assert report.counts["replaced"] == 1, report


@pytest.mark.parametrize("into", PLACES)
def test_replace_without_password_keeps_the_password(bench: Bench, tmp_path: Path, into: str) -> None:
    """Stock erases it. Names are replaced all the same."""
    bench.run(into, world.world(tmp_path / "w"), passwords=True)
    roles = world.SITE_ROLES.replace('<PasswordHash digest="SHA-512" salt="aa">bb</PasswordHash>', "").replace(
        "<FirstName>Jo<", "<FirstName>Joanna<"
    )
    path = tmp_path / "roles.xml"
    path.write_text(f"<DSpaceRoles>{roles}</DSpaceRoles>")
    report = bench.run(into, path, mode="replace", passwords=True)
    assert not report.refused
    jo = bench.there(into, "jo@example.org")
    assert texts(jo, "eperson.firstname") == ["Joanna"]
    assert jo.person is not None
    assert jo.person.password == "bb"


def test_replace_never_takes_administrators_away(bench: Bench, tmp_path: Path) -> None:
    """A package whose Administrator group has nobody locks nobody out."""
    path = tmp_path / "roles.xml"
    path.write_text('<DSpaceRoles><Groups><Group Name="Administrator"/></Groups></DSpaceRoles>')
    before = bench.there("target", "Administrator").persons_in
    assert before
    bench.into_target(path, mode="replace")
    assert bench.there("target", "Administrator").persons_in == before


@pytest.mark.parametrize("into", PLACES)
def test_submit_makes_other_objects(bench: Bench, tmp_path: Path, into: str) -> None:
    """A whole community beside itself: new UUIDs and handles, children below the new ones, groups of their own."""
    bench.run(into, world.world(tmp_path / "w"))
    (tmp_path / "w" / "SITE@123456789-0.zip").unlink()
    report = bench.run(into, tmp_path / "w", mode="submit", prefix="123456789")
    assert not report.refused, report.refused
    made = {each.kind: bench.there(into, each.uuid) for each in report.told if each.what == "created"}
    item, collection = made["item"], made["collection"]
    assert item.uuid != ITEM
    assert item.handle not in (None, "123456789/4")
    assert {row.owning_collection for row in item.items} == {collection.uuid}
    assert {row.other for row in collection.parents} == {made["community"].uuid}
    assert not {row.uuid for row in item.bitstreams} & {row.uuid for row in bench.there(into, ITEM).bitstreams}
    assert collection.collection is not None
    group = bench.there(into, collection.collection.submitters or "").group
    assert group is not None
    assert group.name == f"COLLECTION_{collection.uuid}_SUBMIT"
    assert all(row.in_archive for row in item.items)


@pytest.mark.parametrize("into", PLACES)
def test_submit_into_a_named_collection(bench: Bench, tmp_path: Path, into: str) -> None:
    """`--parent` is the collection of what is given; twice makes two, with `once` only one."""
    bench.run(into, world.world(tmp_path / "w"))
    path = world.an_item(tmp_path / "w", parent="999/1")
    options = {"mode": "submit", "parent": "123456789/3", "prefix": "123456789"}
    uuids = {each.uuid for _ in range(2) for each in bench.run(into, path, **options).told}
    assert len(uuids) == 2
    first, second = (bench.run(into, path, once=True, **options) for _ in range(2))
    assert (first.counts["created"], second.counts["created"], second.counts["unchanged"]) == (1, 0, 1)


def test_a_log_that_a_source_fills_gives_no_handles(bench: Bench, tmp_path: Path) -> None:
    """The source would give the same ones."""
    bench.into_log(world.world(tmp_path / "w"))
    path = tmp_path / "w" / "ITEM@123456789-4.zip"
    with pytest.raises(Exception, match="new handles cannot be given in this log"):
        bench.into_log(path, mode="submit", captured=True, prefix="123456789")


@pytest.mark.parametrize("into", PLACES)
def test_handle_and_uuid_of_two_objects_are_a_contradiction(bench: Bench, tmp_path: Path, into: str) -> None:
    """Stock writes into whichever it finds first."""
    bench.run(into, world.world(tmp_path / "w"))
    other = ITEM.replace("1b0c", "9b0c")
    document = world.item().replace(ITEM, other).replace("123456789/4", "123456789/44").replace(PAPER, JO)
    path = world.zipped(tmp_path / "other.zip", {
        "mets.xml": document.encode(),
        f"bitstream_{JO}.pdf": PDF, "bitstream_2b0c6d0e-0000-4000-8000-000000000002.txt": b"its words"})  # fmt: skip
    report = bench.run(into, path)
    assert report.counts["created"] == 1, report.refused
    mixed = world.zipped(tmp_path / "mixed.zip", {
        **world.item_entries(), "mets.xml": world.item().replace("123456789/4", "123456789/44").encode()})  # fmt: skip
    report = bench.run(into, mixed, mode="replace")
    assert [each.error for each in report.refused] == ["Contradiction"]
