"""The blob store in a folder: the contract, and what only files can suffer."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from events.blobs import open_blobs
from events.blobs.local import STALE_SECONDS, LocalBlobs
from events.errors import BlobMissing, ChecksumMismatch, ConfigError, StorageUnusable
from tests.events.blobs.contract import BlobsContract, digests_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a store"


@pytest.fixture
def url(folder: Path) -> str:
    """A store that was made and is empty; the blank in its name is written as URLs want it."""
    url = f"file://{folder.parent}/a%20store"
    open_blobs(url, create=True)
    return url


class TestLocalBlobs(BlobsContract):
    """The contract on a local folder."""


@pytest.fixture
def blobs(url: str, folder: Path) -> LocalBlobs:
    return LocalBlobs(folder)


def kept(blobs: LocalBlobs, content: bytes) -> tuple[str, Path]:
    """Put and flush: the name and the file."""
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    return name, blobs.folder / name[:2] / name[2:4] / name


def files(folder: Path) -> Sequence[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_blob_is_a_file_under_its_name(blobs: LocalBlobs) -> None:
    """In `ab/cd/`, readable for the group and no others; nothing stays in `tmp/`."""
    _, path = kept(blobs, b"content")
    assert files(blobs.folder) == [path]
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o137 == 0
    assert path.parent.stat().st_mode & 0o027 == 0


def test_what_is_there_is_not_written_again(blobs: LocalBlobs, folder: Path) -> None:
    """The file is the same one, unchanged, for a small and a large content, from this store and another opening."""
    for content in (b"small", bytes(3_000_000)):
        _, path = kept(blobs, content)
        before = path.stat()
        for store in (blobs, LocalBlobs(folder)):
            kept(store, content)
        after = path.stat()
        assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (
            after.st_ino,
            after.st_mtime_ns,
            after.st_ctime_ns,
        )
    assert len(files(folder)) == 2


@pytest.mark.parametrize("size", [100, 2_500_000])
def test_a_flipped_byte_is_found(blobs: LocalBlobs, size: int, tmp_path: Path) -> None:
    """By `verify` and by a copy, which leaves no half file."""
    name, path = kept(blobs, bytes(size))
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x01")
    with pytest.raises(ChecksumMismatch, match=name):
        blobs.verify(name)
    with pytest.raises(ChecksumMismatch, match=name):
        blobs.link_or_copy(name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_blob_that_was_cut_off_is_mended_by_the_next_put(blobs: LocalBlobs) -> None:
    """A file of the wrong size does not stand for its content."""
    name, path = kept(blobs, b"content")
    os.truncate(path, 3)
    with pytest.raises(ChecksumMismatch):
        blobs.verify(name)
    kept(blobs, b"content")
    assert blobs.verify(name) == digests_of(b"content")


def test_a_copy_is_whole_and_its_own(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Not a link: changing the copy changes no blob. A file that is there is not overwritten."""
    name, path = kept(blobs, bytes(2_500_000))
    copy = tmp_path / "copy"
    assert blobs.link_or_copy(name, copy) == digests_of(bytes(2_500_000))
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_ino != path.stat().st_ino
    with pytest.raises(FileExistsError):
        blobs.link_or_copy(name, copy)
    with pytest.raises(BlobMissing):
        blobs.link_or_copy("0" * 64, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_symbolic_link_is_not_followed(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Whoever can make one in the store reads no other files through us."""
    name, path = kept(blobs, b"content")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageUnusable):
        blobs.open(name)


def test_only_blobs_are_listed(blobs: LocalBlobs) -> None:
    """What somebody else left in the folder is none, and does no harm."""
    name, path = kept(blobs, b"content")
    for stray in ("README", "ab/README", "ff/ff/README", f"ff/ff/{name}", f"{name[:2]}/{name[2:4]}/{name}.bak"):
        (blobs.folder / stray).parent.mkdir(parents=True, exist_ok=True)
        (blobs.folder / stray).touch()
    (path.parent / f"{name[:4]}{'0' * 60}").mkdir()
    blobs.put(io.BytesIO(b"on its way"))
    assert list(blobs.list()) == [name]


def test_stale_files_are_cleared_and_fresh_ones_are_not(blobs: LocalBlobs, url: str) -> None:
    """A killed process leaves files in `tmp/`; another that is at work has some as well."""
    for name, age in (("stale", STALE_SECONDS + 60), ("fresh", STALE_SECONDS - 600)):
        path = blobs.folder / "tmp" / name
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    open_blobs(url)
    assert [path.name for path in (blobs.folder / "tmp").iterdir()] == ["fresh"]


def test_a_flush_that_fails_is_not_forgotten(blobs: LocalBlobs, url: str) -> None:
    """Its files are gone from under it: it raises, and so does every later call, whichever thread's puts they were."""
    blobs.put(io.BytesIO(b"one"))
    for path in (blobs.folder / "tmp").iterdir():
        path.unlink()
    with pytest.raises(StorageUnusable):
        blobs.flush()
    with pytest.raises(StorageUnusable):
        blobs.put(io.BytesIO(b"two"))
    with pytest.raises(StorageUnusable):
        blobs.flush()
    assert files(blobs.folder) == []
    anew = LocalBlobs.from_url(url)
    name, _ = kept(anew, b"one")
    assert list(anew.list()) == [name]


FILL = """
import io, resource, sys
from events.blobs import open_blobs
from events.errors import StorageUnusable
blobs = open_blobs(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
for size in (1000, 3_000_000):
    try:
        print(blobs.put(io.BytesIO(bytes(size))).sha256)
    except StorageUnusable as error:
        print("refused", error.exit_code)
blobs.flush()
"""


def test_a_file_that_can_grow_no_more_is_refused_and_removed(url: str, folder: Path) -> None:
    """With a named error; what was put before it is kept."""
    done = subprocess.run([sys.executable, "-c", FILL, url], stdout=subprocess.PIPE, text=True, check=True)
    small, refused = done.stdout.splitlines()
    assert refused == "refused 10"
    assert [path.name for path in files(folder)] == [small]


@pytest.mark.parametrize("url", ["file:relative", "file://host/folder", "file:///", "file:///a?b=c"])
def test_a_url_must_name_a_folder(url: str) -> None:
    """Absolute, on this machine, without parameters."""
    with pytest.raises(ConfigError):
        open_blobs(url, create=True)


def test_a_missing_store_is_made_only_when_told(tmp_path: Path) -> None:
    """The error says which command makes it; a folder of something else is none."""
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError) as caught:
            open_blobs(f"file://{folder}")
        assert "aipstream init" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Here a file stands where a folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnusable, match="cannot be made"):
        open_blobs(f"file://{tmp_path}/file/store", create=True)
