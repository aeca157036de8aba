"""An archive in which something has become a link, or is gone: it is told, and nothing behind a link is read."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from events.ocfl import reading
from events.ocfl.layout import identifier, place
from tests.daemon.export.composed import uuid_of
from tests.daemon.export.ocfl.living import Living, object_files
from tests.daemon.export.ocfl.opened import opened
from tests.daemon.export.ocfl.test_import import FILES, take
from tests.daemon.export.ocfl.test_moments import told

ITEM = place(identifier(uuid_of(9)))
LINKS = {
    "storage folder": ITEM.parent.parent,
    "second storage folder": ITEM.parent,
    "object": ITEM,
    "inventory": ITEM / "inventory.json",
    "sidecar": ITEM / "inventory.json.sha512",
    "version": ITEM / "v1",
    "content folder": ITEM / "v1/content",
    "manifest": ITEM / "v1/content/mets.xml",
    "event": ITEM / "v1/content/event.json",
}


@pytest.fixture
def archive(living: Living) -> Living:
    """Two items, each in storage folders of its own."""
    living.community(2)
    living.collection(3, 2)
    living.item(9, 3, files=FILES)
    living.item(10, 3)
    living.archive()
    return living


def moved(living: Living, path: Path, aside: Path) -> None:
    """Put that part of the archive elsewhere, as somebody does who is short of room, and a link in its place."""
    (living.root / path).rename(aside)
    (living.root / path).symlink_to(aside)


@pytest.mark.parametrize("what", LINKS)
def test_a_link_in_an_archive_is_told_and_not_followed(archive: Living, tmp_path: Path, what: str) -> None:
    """Whatever has become one: the import refuses its object by name, takes the others, and reads nothing behind it; so
    it is with a moment, in the list and in the life of the object."""
    aside = tmp_path / "aside"
    moved(archive, LINKS[what], aside)
    link = str(archive.root / LINKS[what])
    with opened() as paths:
        for words in ((), ("--at", "2026-03-01T00:00:05")):
            done = take(archive, tmp_path / "new", *words, "--dry-run")
            assert done["code"] == 3, done
            (refused,) = [each for each in done["objects"] if each["what"] == "refused"]
            assert refused["message"].startswith(f"{link}: is a link, and links in an archive are not followed"), done
            assert "Put what it should lead to in its place" in refused["hint"]
            assert done["counts"]["created"] == 4
        why = told(archive, "why", "--ocfl", str(archive.root), uuid_of(9))
        assert (why.code, link in why.err) == (1, True)
        listed = told(archive, "log", "--ocfl", str(archive.root))
    assert any(path.startswith(str(archive.root)) for path in paths)  # the counter counts
    assert not [path for path in paths if path.startswith(str(aside))]
    if what != "manifest":  # the list needs none
        assert listed.code == 3
        assert f"damaged: {link}: is a link" in listed.out


def test_a_link_that_leads_nowhere_or_in_a_ring_is_told(archive: Living, tmp_path: Path) -> None:
    """It stands for an object all the same."""
    folder = archive.root / ITEM
    folder.rename(tmp_path / "aside")
    for leads in (Path("nowhere"), folder, archive.root / place(identifier(uuid_of(10)))):
        folder.symlink_to(leads)
        done = take(archive, tmp_path / "new", "--at", "5", "--dry-run")
        assert [each["path"] for each in done["objects"] if each["what"] == "refused"] == [str(folder)]
        folder.unlink()


def test_an_object_behind_a_link_is_not_taken_by_name_either(archive: Living, tmp_path: Path) -> None:
    """Its own path goes through the link. The archive as a whole may be reached by one."""
    moved(archive, LINKS["storage folder"], tmp_path / "aside")
    root, archive.root = archive.root, archive.root / ITEM
    assert "is a link" in take(archive, tmp_path / "new", "--dry-run")["objects"][0]["message"]
    assert "is a link" in take(archive, tmp_path / "new", "--dry-run", "--at", "5")["message"]
    archive.root = tmp_path / "link"
    archive.root.symlink_to(root)
    assert take(archive, tmp_path / "new", "--at", "5", "--dry-run")["counts"]["created"] == 4


def test_nothing_is_written_through_a_link(archive: Living, tmp_path: Path) -> None:
    """The export names the object, and writes the others."""
    moved(archive, LINKS["storage folder"], tmp_path / "aside")
    before = object_files(tmp_path / "aside")
    archive.retitled(uuid_of(9), "Second")
    archive.retitled(uuid_of(10), "Second")
    done = archive.archive()
    assert [(each.uuid, "is a link" in each.reason) for each in done.refused] == [(uuid_of(9), True)]
    assert archive.object(uuid_of(10)).inventory.head == "v2"
    assert object_files(tmp_path / "aside") == before


@pytest.mark.parametrize("name", ["aipstream.json", "aipstream-index.jsonl"])
def test_the_books_of_an_archive_are_no_links(archive: Living, tmp_path: Path, name: str) -> None:
    """They too would be read from elsewhere."""
    moved(archive, Path(name), tmp_path / "aside")
    done = told(archive, "why", "--ocfl", str(archive.root), "1/9")
    assert done.code in (1, 2)
    assert f"{archive.root / name}: is a link" in done.err


@pytest.mark.parametrize(("gone", "said"), [
    ("0=ocfl_object_1.1", "has no 0=ocfl_object_1.1"),
    ("inventory.json", "inventory.json: cannot be opened: No such file"),
    ("inventory.json.sha512", "inventory.json.sha512: cannot be opened: No such file"),
    ("v1/content/event.json", "event.json: cannot be read: No such file"),
])  # fmt: skip
def test_an_object_that_has_lost_a_file_is_told(archive: Living, tmp_path: Path, gone: str, said: str) -> None:
    """By the import of a moment and by the list, and the others are there; also if it does not say any more that it is
    an object at all."""
    (archive.root / ITEM / gone).unlink()
    done = take(archive, tmp_path / "new", "--at", "5", "--dry-run")
    assert done["code"] == 3
    (refused,) = [each for each in done["objects"] if each["what"] == "refused"]
    assert said in refused["message"]
    assert "Restore it from a copy" in refused["hint"]
    listed = told(archive, "log", "--ocfl", str(archive.root))
    assert (listed.code, said in listed.out) == (3, True)


def test_strange_things_between_objects_are_no_objects(archive: Living, tmp_path: Path) -> None:
    """Files of somebody's desktop, links to files, a folder of the file system, and an empty one."""
    (archive.root / ITEM.parent / ".DS_Store").write_text("x")
    (archive.root / ITEM.parent / "link").symlink_to(archive.root / "README.txt")
    (archive.root / "lost+found/1/v1").mkdir(parents=True)
    (archive.root / "ff/ff").mkdir(parents=True)
    done = take(archive, tmp_path / "new", "--at", "5", "--dry-run")
    assert (done["code"], done["counts"]) == (0, {"created": 5})


def test_an_object_in_the_place_of_another_is_told(archive: Living, tmp_path: Path) -> None:
    """Copied over it, say: taken for what it says itself, it would hide that the other is gone."""
    theirs = archive.object(uuid_of(10)).folder
    shutil.rmtree(theirs)
    shutil.copytree(archive.root / ITEM, theirs)
    done = take(archive, tmp_path / "new", "--at", "5", "--dry-run")
    (refused,) = [each for each in done["objects"] if each["what"] == "refused"]
    assert (done["code"], refused["path"]) == (3, str(theirs))
    assert f"is of '{identifier(uuid_of(9))}', which has its place elsewhere" in refused["message"]


@pytest.mark.parametrize(("said", "instead", "why"), [
    ('"lsn": "0/4"', '"lsn": "4"', "event.json: not an LSN"),
    (uuid_of(9), uuid_of(10), "event.json is of another object"),
])  # fmt: skip
def test_a_moment_that_a_damaged_object_may_have_is_told(
    archive: Living, tmp_path: Path, said: str, instead: str, why: str
) -> None:
    """Its event may be the last one by then: the moment is found without it, and that is said."""
    folder = archive.root / ITEM
    event = folder / "v1/content/event.json"
    before = event.read_bytes()
    after = before.replace(said.encode(), instead.encode())
    assert after != before
    event.write_bytes(after)
    document = (folder / "inventory.json").read_text()
    document = document.replace(hashlib.sha512(before).hexdigest(), hashlib.sha512(after).hexdigest())
    (folder / "inventory.json").write_text(document)
    digest = hashlib.sha512(document.encode()).hexdigest()
    (folder / "inventory.json.sha512").write_text(f"{digest} inventory.json\n")
    done = take(archive, tmp_path / "new", "--at", "2026-03-01T00:00:04", "--dry-run")
    assert done["position"] == 3
    assert "could not say whether they have a later event by then: 1; " in done["notes"][0]
    assert why in done["notes"][0]


def test_an_index_that_cannot_be_read_is_told(archive: Living) -> None:
    """With what to do; a UUID needs none."""
    index = archive.root / "aipstream-index.jsonl"
    index.unlink()
    index.mkdir()
    done = told(archive, "why", "--ocfl", str(archive.root), "1/9")
    assert (done.code, f"{index} cannot be read: Is a directory" in done.err) == (1, True)
    assert told(archive, "why", "--ocfl", str(archive.root), uuid_of(9)).code == 0


def test_an_object_that_is_exchanged_while_it_is_read_is_not_taken_for_damaged(
    archive: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its inventory was read, and then comes its next version, with the sidecar of that: the next version is read."""
    folder = archive.root / ITEM
    read = reading._read

    def slow(path: Path, most: int) -> bytes:
        if path == folder / "inventory.json.sha512" and archive.log.end() == 5:
            archive.retitled(uuid_of(9), "Second")
            archive.archive()
        return read(path, most)

    monkeypatch.setattr(reading, "_read", slow)
    assert reading.OcflObject(folder).inventory.head == "v2"
