"""What cannot be archived is named and stays as it was; hostile names do no harm; folders of others are not touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import events.aip
from daemon.export.ocfl import run
from daemon.export.ocfl.known import named
from daemon.export.ocfl.run import Archive, Choice
from events.aip.model import Uuid, Value
from events.errors import ConfigError, StorageUnusable
from events.event import decompress
from events.log.opening import retention_of
from events.ocfl import inventory as inventories
from events.ocfl.root import Books, StorageRoot, begun
from tests.daemon.export.composed import SITE, uuid_of
from tests.daemon.export.ocfl.living import Living, object_files, says_the_log, tree, valid

NASTY = {
    "../../x": b"1", "/etc/passwd": b"2", "a" * 300 + ".pdf": b"3", "line\nbreak\t.txt": b"4",
    "CON": b"5", "..": b"6", "a/b/c.tiff": b"7", "naïve ☃.docx": b"8", ".": b"9", "con.tar.gz ": b"10",
    "%2e%2e%2f": b"11",
}  # fmt: skip


def containers(living: Living) -> None:
    living.community(2)
    living.collection(3, 2)


def test_hostile_names_lead_nowhere(living: Living, tmp_path: Path) -> None:
    """Names of files are those of UUIDs with a harmless suffix; the real ones are in the manifest."""
    containers(living)
    item = living.item(9, 3, files={"ORIGINAL": NASTY, "../up": {"../../x": b"twice"}})
    before = {path.name for path in tmp_path.iterdir()}
    living.archive()
    assert {path.name for path in tmp_path.iterdir()} == before | {"archive"}
    for name in living.object(item).inventory.files():
        assert name in ("event.json", "mets.xml") or name.startswith("bitstream_")
        assert len(name) < 80
        assert name.isprintable()
        assert "/" not in name
    valid(living.root)
    says_the_log(living)


def test_a_name_twice_is_two_files(living: Living) -> None:
    """DSpace lets two files of one bundle have one name."""
    containers(living)
    item = living.item(9, 3, files={"ORIGINAL": {"x": b"one", "y": b"two"}})
    last = living.log.latest(item)
    assert last is not None
    aip = events.aip.read(decompress(last.event.payload))
    aip.values = [Value(row.subject, row.field, row.place, "same.txt" if row.text in "xy" else row.text)
                  for row in aip.values]  # fmt: skip
    living.state(aip, last.event.parents)
    living.archive()
    assert len([name for name in living.object(item).inventory.files() if name.endswith(".txt")]) == 2
    valid(living.root)
    says_the_log(living)


def lacking(living: Living) -> tuple[Uuid, Uuid]:
    """An item whose file nobody has, and one that is well."""
    containers(living)
    living.item(9, 3, files={"ORIGINAL": {"gone.pdf": b"gone"}}, captured=False)
    return uuid_of(9), living.item(10, 3, files={"ORIGINAL": {"here.pdf": b"here"}})


def test_a_missing_content_refuses_its_object_alone(living: Living) -> None:
    """By name, with the moment; all others are archived, and the object comes when its content is there."""
    gone, well = lacking(living)
    done = living.archive()
    (refused,) = done.refused
    assert (refused.uuid, refused.error, refused.handle) == (gone, "BlobMissing", "1/9")
    assert "'gone.pdf', as of 2026-03-01T00:00:04Z" in refused.reason
    assert valid(living.root) == 4
    assert well in {line["uuid"] for line in living.index()}
    assert gone not in {line["uuid"] for line in living.index()}
    assert living.books().due == [gone]
    again = living.archive()
    assert [each.uuid for each in again.refused] == [gone]
    living.item(11, 3, files={"ORIGINAL": {"gone.pdf": b"gone"}})  # the same content, captured now
    assert living.archive().refused == []
    assert valid(living.root) == 6
    assert living.books().due == []
    assert says_the_log(living) == 6


def test_skip_leaves_the_missing_content_out_and_says_so(living: Living) -> None:
    """In the message and in event.json; the manifest is whole."""
    gone, _ = lacking(living)
    done = living.archive(skip=True)
    assert done.refused == []
    assert done.notes == [("1/9", "without the content of 'gone.pdf', which could not be had")]
    found = living.object(gone)
    assert set(found.inventory.files()) == {"event.json", "mets.xml"}
    assert "without the content of 'gone.pdf'" in str(found.inventory.versions["v1"].message)
    assert b"left_out" in found.read("event.json")
    assert valid(living.root) == 5


def test_a_damaged_content_refuses_its_object(living: Living) -> None:
    """Flipped bytes in the blob store are found on the way, also with `skip`: a damaged file is not a missing one."""
    containers(living)
    item = living.item(9, 3, files={"ORIGINAL": {"a.pdf": b"content of a"}})
    (path,) = [path for path in (living.folder / "blobs").rglob("*") if path.is_file()]
    path.chmod(0o640)
    path.write_bytes(b"Content of a")
    done = living.archive(skip=True)
    assert [(each.uuid, each.error) for each in done.refused] == [(item, "ChecksumMismatch")]
    assert valid(living.root) == 3


@pytest.mark.parametrize("damage", ["inventory.json", "inventory.json.sha512", "v1/content/event.json"])
def test_an_object_that_was_damaged_in_the_archive_is_left_as_it_is(living: Living, damage: str) -> None:
    """It is named and not written over; a copy of the archive may have it whole."""
    containers(living)
    item = living.item(9, 3)
    living.archive()
    living.retitled(item, "Second")
    path = living.object(item).folder / damage
    folder = living.object(item).folder
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = tree(folder)
    living.retitled(SITE, "Other")
    done = living.archive()
    assert [each.uuid for each in done.refused] == [item]
    assert tree(folder) == before
    assert living.object(SITE).inventory.head == "v2"


def test_thinned_events_are_left_out_and_the_next_message_says_so(living: Living) -> None:
    """Retention took two of five states away: the archive has three versions."""
    containers(living)
    item = living.item(9, 3)
    for number in range(4):
        living.retitled(item, f"Title {number}")
    retention_of(living.log).thin([5, 6])
    done = living.archive()
    assert done.thinned == 2
    messages = [version.message for version in living.object(item).inventory.versions.values()]
    assert messages == [
        "made, with 1 metadata values",
        "dc.title: 'Number 9' -> 'Title 2'; these are the changes of several events, for the log was thinned",
        "dc.title: 'Title 2' -> 'Title 3'",
    ]
    valid(living.root)
    says_the_log(living)


def test_what_was_thinned_after_it_was_archived_stays_in_the_archive(living: Living) -> None:
    """And the next version is compared with it, though the log no longer has it."""
    containers(living)
    item = living.item(9, 3)
    living.retitled(item, "Second")
    living.archive()
    living.retitled(item, "Third")
    retention_of(living.log).thin([5])
    living.archive()
    versions = living.object(item).inventory.versions
    assert list(versions) == ["v1", "v2", "v3"]
    assert str(versions["v3"].message).startswith("dc.title: 'Second' -> 'Third'; perhaps ")
    valid(living.root)


def test_an_object_with_too_many_versions_is_refused_and_the_rest_is_there(
    living: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is on the bytes of its inventory, which is written anew with each version."""
    containers(living)
    item = living.item(9, 3)
    for number in range(20):
        living.retitled(item, f"Title {number}")
    monkeypatch.setattr(inventories, "MAX_BYTES", 8000)
    done = living.archive()
    assert [(each.uuid, each.error) for each in done.refused] == [(item, "ObjectTooLarge")]
    assert "21 versions" in done.refused[0].reason or "versions: more than 8,000" in done.refused[0].reason
    assert valid(living.root) == 3


def test_very_many_versions_have_few_inventories(living: Living) -> None:
    """Every version up to 100 has one, then 200, 400, 800: what they take grows with the versions, not their square."""
    item = SITE
    for number in range(249):
        living.retitled(item, f"Title {number}")
    living.archive()
    folder = living.object(item).folder
    copies = sorted(int(path.parent.name[1:]) for path in folder.glob("v*/inventory.json"))
    assert copies == [*range(1, 101), 200]
    assert valid(living.root, warnings=("W010",)) == 1
    assert says_the_log(living) == 250
    before = tree(folder)
    living.retitled(item, "More")
    living.archive()
    after = tree(living.object(item).folder)
    assert {name for name in before if before[name] != after[name]} == {"inventory.json", "inventory.json.sha512"}
    valid(living.root, warnings=("W010",))


# --- roots ------------------------------------------------------------------------------------------------------------


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing is written into it."""
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(ConfigError, match=r"no OCFL storage root of version 1\.1, and not empty: thesis\.docx"):
        begun(tmp_path)


def test_a_root_of_another_program_is_refused(tmp_path: Path) -> None:
    """It may lay objects out otherwise, and mean other things by a version."""
    (tmp_path / "0=ocfl_1.1").write_text("ocfl_1.1\n")
    with pytest.raises(ConfigError, match="of another program"):
        begun(tmp_path)
    (tmp_path / "0=ocfl_1.1").rename(tmp_path / "0=ocfl_1.0")
    with pytest.raises(ConfigError, match=r"of version 1\.1"):
        begun(tmp_path)


def test_books_that_cannot_be_read_are_told(living: Living) -> None:
    """They are not made anew in silence: they say with which options the archive was begun."""
    living.archive()
    (living.root / "aipstream.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"aipstream\.json"):
        begun(living.root)


def test_an_index_that_was_lost_is_made_anew(living: Living) -> None:
    """From the log, though no object has any news; a damaged one is named."""
    containers(living)
    living.archive()
    lines = living.index()
    (living.root / "aipstream-index.jsonl").unlink()
    living.archive()
    assert living.index() == lines
    (living.root / "aipstream-index.jsonl").write_text("nonsense\n")
    living.retitled(SITE, "News")
    with pytest.raises(StorageUnusable, match="line 1") as caught:
        living.archive()
    assert "Remove the file" in caught.value.hint


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_a_subtree_has_what_is_in_it_and_what_was_deleted_out_of_it(living: Living) -> None:
    """Not what lies elsewhere, and no people and groups; a later run of the whole site adds all of them."""
    containers(living)
    living.collection(4, 2)
    inside, gone, elsewhere = living.item(9, 3), living.item(10, 3), living.item(11, 4)
    living.group(5, "Staff")
    living.delete(gone)
    living.archive("1/3", recursive=True)
    assert {line["uuid"] for line in living.index()} == {uuid_of(3), inside, gone}
    assert living.object(gone).inventory.head == "v2"
    assert living.books().position == 0
    living.archive()
    assert {line["uuid"] for line in living.index()} == {
        SITE, uuid_of(2), uuid_of(3), uuid_of(4), uuid_of(5), inside, gone, elsewhere
    }  # fmt: skip
    assert valid(living.root) == 8


def test_a_single_object_of_any_kind_can_be_chosen(living: Living) -> None:
    """By handle or UUID, a group too, and one that is gone; what is not there is refused by name."""
    containers(living)
    group, item = living.group(5, "Staff"), living.item(9, 3)
    living.delete(item)
    living.archive(group, "hdl:1/9")
    assert {line["uuid"] for line in living.index()} == {group, item}
    with pytest.raises(ConfigError, match="'1/77'"):
        living.archive("1/77")
    assert named({}, [], 0) == []


def test_updated_after_passes_over_items_not_modified_since(living: Living) -> None:
    """Containers go in any case, as in packages. The books do not say that everything is there."""
    containers(living)
    living.item(9, 3, modified="2026-01-01T00:00:00.000000Z")
    young = living.item(10, 3, modified="2026-02-01T00:00:00.000000Z")
    done = living.archive(updated_after="2026-01-15T00:00:00.000000Z")
    assert done.passed_over == 1
    assert {line["uuid"] for line in living.index() if line["kind"] == "item"} == {young}
    assert living.books().position == 0
    assert living.archive().total.objects == 1


def test_a_dry_run_says_what_the_run_then_does(living: Living) -> None:
    """And makes nothing, not even the folder."""
    containers(living)
    living.item(9, 3, files={"ORIGINAL": {"a": b"one", "b": b"one"}})
    root = StorageRoot(living.root, Books(log=living.log.identity, digest="sha512"))
    would = Archive(living.log, living.blobs, root, living.log.end(), dry=True)(Choice())
    assert not living.root.exists()
    done = living.archive()
    assert (would.total.objects, would.total.versions) == (done.total.objects, done.total.versions) == (4, 4)
    assert would.total.contents == 1
    again = Archive(living.log, living.blobs, root, living.log.end(), dry=True)(Choice())
    assert (again.total.versions, again.unchanged) == (0, 4)


def test_many_batches_are_as_one(living: Living, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is made durable at once, the archive is the same."""
    containers(living)
    for number in range(10, 20):
        living.item(number, 3, files={"ORIGINAL": {"a": os.urandom(1000)}})
    living.archive()
    monkeypatch.setattr(run, "BATCH_OBJECTS", 3)
    living.archive(root=tmp_path / "three")
    monkeypatch.setattr(run, "BATCH_OBJECTS", 500)
    monkeypatch.setattr(run, "BATCH_BYTES", 2500)
    living.archive(root=tmp_path / "bytes")
    assert object_files(living.root) == object_files(tmp_path / "three") == object_files(tmp_path / "bytes")


def test_a_run_that_is_stopped_keeps_what_it_has_and_the_next_goes_on(living: Living) -> None:
    """After two objects; the books do not say that everything is there."""
    containers(living)
    for number in range(10, 15):
        living.item(number, 3)
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 12

    done = living.archive(stopped=stopped)
    assert 0 < done.total.objects < 8
    assert valid(living.root) == done.total.objects == len(living.index())
    assert living.books().position == 0
    living.archive()
    assert valid(living.root) == 8
    assert living.books().position == 8
