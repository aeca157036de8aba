"""The archive: every object of the log with all its states, as the log has them, valid for an outside validator."""

from __future__ import annotations

import io
import json
from pathlib import Path

from msgspec.structs import replace

import events.aip
from events.aip.model import Kind
from events.event import decompress
from tests.daemon.export.composed import SITE, uuid_of
from tests.daemon.export.ocfl.living import Living, object_files, says_the_log, tree, valid

FILES = {"ORIGINAL": {"paper.pdf": b"%PDF-1.4 a paper", "data.csv": b"a,b\n1,2\n"}}


def small(living: Living) -> str:
    """A person, a group, a community, a collection and an item with two files."""
    jo = living.person(4, "jo@example.org")
    living.group(5, "Staff", people=(jo,))
    living.community(2)
    living.collection(3, 2)
    return living.item(9, 3, files=FILES)


def test_every_object_of_the_log_is_a_valid_ocfl_object(living: Living) -> None:
    """Site, community, collection, item, group and person; documents and files are what the log has."""
    small(living)
    done = living.archive()
    assert valid(living.root) == 6
    assert says_the_log(living) == 6
    kinds = (Kind.PERSON, Kind.GROUP, Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)
    assert {kind: tally.objects for kind, tally in done.kinds.items()} == dict.fromkeys(kinds, 1)


def test_a_version_says_when_what_and_by_which_event(living: Living) -> None:
    """The time is that of the commit, the message says what changed, and event.json which event it was."""
    item = small(living)
    living.retitled(item, "Another title")
    living.archive()
    inventory = living.object(item).inventory
    first, second = inventory.versions["v1"], inventory.versions["v2"]
    assert first.message is not None
    assert first.message.startswith("made, with ")
    assert second.message == "dc.title: 'Number 9' -> 'Another title'"
    assert second.created == "2026-03-01T00:00:07.000000Z"
    assert second.user == {"name": "aipstream", "address": f"urn:uuid:{living.log.identity}"}
    said = json.loads(living.object(item).read("event.json"))
    assert said == {
        "type": "put", "kind": "item", "uuid": item, "handle": "1/9", "parents": [uuid_of(3)], "source": "r",
        "commit_time": "2026-03-01T00:00:07.000000Z", "lsn": "0/7", "log": living.log.identity, "position": 7,
    }  # fmt: skip


def test_a_file_that_ten_edits_left_alone_is_stored_once(living: Living) -> None:
    """Of eleven versions the first holds the files, the others only their metadata."""
    item = small(living)
    for number in range(10):
        living.retitled(item, f"Title {number}")
    living.archive()
    folder = living.object(item).folder
    assert [path.parent.parent.name for path in sorted(folder.rglob("bitstream_*"))] == ["v1", "v1"]
    assert living.object(item).inventory.number == 11
    assert valid(living.root) == 6
    assert says_the_log(living) == 16


def test_the_same_content_under_two_names_is_stored_once(living: Living) -> None:
    """Within one version as over several."""
    living.community(2)
    living.collection(3, 2)
    item = living.item(9, 3, files={"ORIGINAL": {"a.txt": b"same", "b.txt": b"same"}, "COPY": {"a.txt": b"same"}})
    living.archive()
    assert len(list(living.object(item).folder.rglob("bitstream_*"))) == 1
    assert len([name for name in living.object(item).inventory.files() if name.startswith("bitstream_")]) == 3
    valid(living.root)
    says_the_log(living)


def test_an_object_that_was_deleted_and_came_back_says_both(living: Living) -> None:
    """Its deletion is a version with nothing in it but the event; its files are not stored again."""
    item = small(living)
    living.delete(item)
    living.archive()
    found = living.object(item)
    assert set(found.inventory.files()) == {"event.json"}
    assert found.inventory.versions["v2"].message == "deleted"
    assert json.loads(found.read("event.json"))["type"] == "delete"
    (line,) = [line for line in living.index() if line["uuid"] == item]
    assert line["deleted"] is True
    assert line["handle"] == "1/9"
    assert valid(living.root) == 6
    living.item(9, 3, files=FILES)
    living.archive()
    found = living.object(item)
    assert str(found.inventory.versions["v3"].message).startswith("there again: made, with ")
    assert len(list(found.folder.rglob("bitstream_*"))) == 2
    assert valid(living.root) == 6
    assert says_the_log(living) == 8


def test_the_index_finds_an_object_by_its_handle(living: Living) -> None:
    """One line for each object, in the order of their kinds; the folder is where the object lies."""
    item = small(living)
    living.archive()
    lines = living.index()
    assert [line["kind"] for line in lines] == ["person", "group", "site", "community", "collection", "item"]
    (found,) = [line for line in lines if line.get("handle") == "1/9"]
    assert found["uuid"] == item
    assert (living.root / found["folder"] / "inventory.json").is_file()
    assert "deleted" not in found


def test_the_same_log_gives_the_same_bytes(living: Living, tmp_path: Path) -> None:
    """Two archives of one log are the same to the last byte, whatever was archived in between."""
    item = small(living)
    living.archive()
    living.retitled(item, "Second")
    living.group(5, "Staff of the house")
    living.archive()
    living.delete(item)
    living.archive()
    living.archive(root=tmp_path / "other")
    assert tree(living.root) == tree(tmp_path / "other")


def test_a_second_run_writes_nothing_and_a_third_only_what_is_new(living: Living) -> None:
    """What is there keeps its bytes and its inode."""
    item = small(living)
    living.archive()
    before, inode = object_files(living.root), living.object(SITE).folder.stat().st_ino
    second = living.archive()
    assert second.total.versions == 0
    assert object_files(living.root) == before
    living.retitled(item, "New")
    third = living.archive()
    assert (third.total.objects, third.total.versions, third.unchanged) == (1, 1, 0)
    assert third.total.contents == 2  # the manifest and the event
    after = object_files(living.root)
    own = str(living.object(item).folder.relative_to(living.root))
    assert {name for name in before if before[name] != after.get(name)} == {
        f"{own}/inventory.json", f"{own}/inventory.json.sha512"
    }  # fmt: skip
    assert living.object(SITE).folder.stat().st_ino == inode


def test_an_archive_up_to_a_moment_goes_on_from_there(living: Living) -> None:
    """With `at`, versions up to that position; later ones come with a later run."""
    item = small(living)
    living.retitled(item, "Second")
    living.archive(at=6)
    assert living.object(item).inventory.head == "v1"
    assert living.books().position == 6
    living.archive()
    assert living.object(item).inventory.head == "v2"
    living.archive(at=3)
    assert living.object(item).inventory.head == "v2"
    assert living.books().position == 7


def test_sha256_is_possible(living: Living) -> None:
    """OCFL recommends the longer one, which the validator says; the objects are valid all the same."""
    small(living)
    living.archive(digest="sha256")
    assert valid(living.root, warnings=("W004",)) == 6
    assert says_the_log(living) == 6
    (living.root / "aipstream.json").read_text()
    assert living.books().digest == "sha256"


def test_the_md5_that_dspace_knows_stands_in_the_fixity_block(living: Living) -> None:
    """Beside the SHA-256 by which the blob store knows the content."""
    item = small(living)
    living.archive()
    fixity = living.object(item).inventory.fixity
    assert {len(paths) for paths in fixity["md5"].values()} == {1}
    assert len(fixity["md5"]) == len(fixity["sha256"]) == 2


def test_an_md5_that_is_not_the_contents_is_told_and_not_stated(living: Living) -> None:
    """The validator would call it damage; the message says whose it is."""
    living.community(2)
    living.collection(3, 2)
    item = living.item(9, 3, files=FILES)
    last = living.log.latest(item)
    assert last is not None
    aip = events.aip.read(decompress(last.event.payload))
    content = living.blobs.put(io.BytesIO(b"other content"))
    living.blobs.flush()
    aip.bitstreams = [replace(row, checksum="0" * 32, size=content.size) for row in aip.bitstreams]
    aip.stored = [replace(row, sha256=content.sha256) for row in aip.stored]
    living.state(aip, last.event.parents)
    done = living.archive()
    assert "DSpace has another MD5 for" in str(living.object(item).inventory.versions["v2"].message)
    assert done.notes
    valid(living.root)


def test_password_hashes_stay_behind_unless_they_are_asked_for(living: Living, tmp_path: Path) -> None:
    """Without `passwords` no file of the archive has one; the person is otherwise whole."""
    living.person(4, "jo@example.org", password="c0ffee")
    living.archive()
    assert not any(b"c0ffee" in path.read_bytes() for path in living.root.rglob("*") if path.is_file())
    living.archive(root=tmp_path / "with", passwords=True)
    assert any(b"c0ffee" in path.read_bytes() for path in (tmp_path / "with").rglob("roles.xml"))
    valid(living.root)
    assert says_the_log(living, tmp_path / "with") == 2
