"""Objects on their way into a root: streamed, proved, in one step; links are gone afterwards."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest

from events.errors import ChecksumMismatch, StorageUnusable
from events.ocfl.layout import STAGING, identifier, place
from events.ocfl.reading import OcflObject, objects
from events.ocfl.writing import Arriving, settle, swept

UUID = "00000001-0000-4000-8000-000000000000"
USER = {"name": "test"}


class Zeros(io.RawIOBase):
    """As many bytes as a large file has, made as they are read."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), self.left)
        buffer[:count] = bytes(count)
        self.left -= count
        return count


def put(root: Path, **files: bytes) -> OcflObject:
    """One more version of the object with those files."""
    root.mkdir(exist_ok=True)
    home = root / place(identifier(UUID))
    arriving = Arriving(root, UUID, "sha512", OcflObject(home) if home.exists() else None)
    for name, content in files.items():
        arriving.content(
            name, hashlib.sha256(content).hexdigest(), len(content), lambda content=content: io.BytesIO(content), None
        )
    arriving.version("2026-03-01T00:00:00Z", "a version", USER)
    arriving.finish()
    settle(root, [arriving], lambda _name: None)
    swept(root)
    return OcflObject(home)


def test_a_large_content_is_never_in_memory(tmp_path: Path) -> None:
    """Sixty-four megabytes pass in a few."""
    size = 64 << 20
    sha256 = hashlib.sha256(bytes(size)).hexdigest()
    arriving = Arriving(tmp_path, UUID, "sha512", None)
    tracemalloc.start()
    arriving.content("large", sha256, size, lambda: io.BufferedReader(Zeros(size)), None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert arriving.bytes == size


def test_what_is_there_is_not_read_again(tmp_path: Path) -> None:
    """A content that the object has is known by its SHA-256: nobody is asked for it."""
    put(tmp_path, a=b"one")
    there = OcflObject(tmp_path / place(identifier(UUID)))
    arriving = Arriving(tmp_path, UUID, "sha512", there)

    def unasked() -> io.BytesIO:
        raise AssertionError

    assert arriving.content("b", hashlib.sha256(b"one").hexdigest(), 3, unasked, None)
    assert arriving.contents == 0


def test_a_content_that_is_another_one_is_refused(tmp_path: Path) -> None:
    """By its bytes and by its length; a second version may follow all the same."""
    arriving = Arriving(tmp_path, UUID, "sha512", None)
    sha256 = hashlib.sha256(b"one").hexdigest()
    with pytest.raises(ChecksumMismatch, match="is not what it was"):
        arriving.content("a", sha256, 3, lambda: io.BytesIO(b"two"), None)
    with pytest.raises(ChecksumMismatch, match="has 4 bytes, the object says 3"):
        arriving.content("b", sha256, 3, lambda: io.BytesIO(b"ones"), None)
    arriving.drop()
    assert list((tmp_path / STAGING).iterdir()) == []


def test_no_links_stay_and_what_was_written_keeps_its_inode(tmp_path: Path) -> None:
    """The successor has the very files of the old object, and they have one name each."""
    old = put(tmp_path, a=b"one")
    inode = (old.folder / "v1/content/a").stat().st_ino
    new = put(tmp_path, a=b"one", b=b"two")
    assert new.inventory.head == "v2"
    assert (new.folder / "v1/content/a").stat().st_ino == inode
    assert all(path.stat().st_nlink == 1 for path in new.folder.rglob("*") if path.is_file())
    assert not (tmp_path / STAGING).exists()


def test_what_others_put_into_an_object_goes_along(tmp_path: Path) -> None:
    """OCFL lets a folder `logs` be there: it is carried over to the successor."""
    old = put(tmp_path, a=b"one")
    (old.folder / "logs").mkdir()
    (old.folder / "logs" / "audit.txt").write_text("well")
    new = put(tmp_path, a=b"two")
    assert (new.folder / "logs" / "audit.txt").read_text() == "well"


def test_an_object_that_was_set_aside_is_put_back(tmp_path: Path) -> None:
    """As a process leaves it that was killed between the two steps, where none can be exchanged. It is read there."""
    old = put(tmp_path, a=b"one")
    aside = tmp_path / STAGING / UUID / "old"
    aside.parent.mkdir(parents=True)
    (aside.parent / "new").mkdir()
    old.folder.rename(aside)
    assert list(objects(tmp_path)) == [aside]
    swept(tmp_path)
    assert list(objects(tmp_path)) == [old.folder]
    assert not (tmp_path / STAGING).exists()


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    """A file where a folder of the hierarchy is to be: the disk cannot be used, and nothing is half there."""
    home = place(identifier(UUID))
    (tmp_path / home.parts[0]).write_text("in the way")
    with pytest.raises(StorageUnusable, match="cannot be written"):
        put(tmp_path, a=b"one")
    swept(tmp_path)
    assert not (tmp_path / STAGING).exists()
    assert (tmp_path / home.parts[0]).read_text() == "in the way"
