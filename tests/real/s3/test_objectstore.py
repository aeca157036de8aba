"""The blob store in a bucket of a real S3 server: the contract, and what only a server can do to it."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from events.blobs import open_blobs
from events.blobs.objectstore import ObjectBlobs
from events.errors import ChecksumMismatch, ConfigError
from tests.events.blobs.contract import BlobsContract, digests_of
from tests.real.buckets.store import BucketContract, comes_back, kept
from tests.real.s3.server import S3Server

URL = "s3://bucket/a/prefix"


@pytest.fixture
def blobs(url: str) -> ObjectBlobs:
    store = open_blobs(url)
    assert isinstance(store, ObjectBlobs)
    return store


@pytest.fixture
def folder(s3: S3Server) -> Path:
    """Where the server keeps the objects below the prefix."""
    return s3.bucket("bucket") / "a" / "prefix"


class TestObjectBlobs(BlobsContract):
    """The contract on a real S3 server."""

    seen_early = True


class TestBucket(BucketContract):
    """What a bucket must do beyond it."""


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_blob_is_an_object_under_its_name(blobs: ObjectBlobs, folder: Path) -> None:
    """As in a local folder, so either may be copied to the other; beside it lies what says that this is a store."""
    name = kept(blobs, b"content")
    assert files(folder) == [f"{name[:2]}/{name[2:4]}/{name}", "store.json"]
    assert (folder / name[:2] / name[2:4] / name).read_bytes() == b"content"


def test_what_is_there_is_not_sent_again(blobs: ObjectBlobs, folder: Path) -> None:
    """Neither a small one nor one of several parts, from this store and another opening."""
    for size in (100, 20_000_000):
        content = random.Random(size).randbytes(size)
        path = folder / (name := kept(blobs, content))[:2] / name[2:4] / name
        before = path.stat()
        for store in (blobs, open_blobs(URL)):
            assert isinstance(store, ObjectBlobs)
            assert kept(store, content) == name
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert blobs.verify(name) == digests_of(content)


@pytest.mark.parametrize("size", [100, 12_000_000])
def test_a_flipped_byte_is_found(blobs: ObjectBlobs, folder: Path, size: int) -> None:
    """By `verify`; the next put of that size does not mend it, for it looks at the size alone."""
    name = kept(blobs, bytes(size))
    with (folder / name[:2] / name[2:4] / name).open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x01")
    with pytest.raises(ChecksumMismatch, match=name):
        blobs.verify(name)


def test_a_blob_that_was_cut_off_is_mended_by_the_next_put(blobs: ObjectBlobs, folder: Path) -> None:
    """An object of the wrong size does not stand for its content."""
    name = kept(blobs, b"content")
    path = folder / name[:2] / name[2:4] / name
    path.write_bytes(b"con")
    with pytest.raises(ChecksumMismatch):
        blobs.verify(name)
    kept(blobs, b"content")
    assert blobs.verify(name) == digests_of(b"content")


def test_only_blobs_are_listed(blobs: ObjectBlobs, folder: Path) -> None:
    """What else lies in the bucket is none, and does no harm."""
    name = kept(blobs, b"content")
    for stray in ("README", "ab/README", f"ff/ff/{name}", f"{name[:2]}/{name[2:4]}/{name}.bak", f"quarantine/{name}"):
        (folder / stray).parent.mkdir(parents=True, exist_ok=True)
        (folder / stray).touch()
    assert list(blobs.list()) == [name]
    assert list(blobs.quarantined()) == []


@pytest.mark.parametrize("ask", ["has", "open", "size", "put", "verify"])
def test_whoever_asks_for_what_is_aside_brings_it_back(blobs: ObjectBlobs, ask: str) -> None:
    """Not listed while it is aside; not told as aside afterwards."""
    comes_back(blobs, b"content", ask)


def test_a_killed_sweep_loses_nothing(blobs: ObjectBlobs) -> None:
    """Killed between copy and removal it leaves the blob in both places; it is there, and put aside once more."""
    name = kept(blobs, b"content")
    blobs.bucket.copy(f"{name[:2]}/{name[2:4]}/{name}", f"quarantine/{name}/00ff", 7)
    assert blobs.has(name)
    blobs.quarantine([name])
    assert [aside for aside, _ in blobs.quarantined()] == [name]
    assert blobs.has(name)
    assert list(blobs.quarantined()) == []


def test_a_deletion_that_comes_late_loses_nothing(blobs: ObjectBlobs, folder: Path) -> None:
    """Its answer was lost and it is sent again, when somebody has brought the blob back by now."""
    name = kept(blobs, b"content")
    blobs.quarantine([name])
    assert blobs.has(name)
    (folder / name[:2] / name[2:4] / name).unlink()
    assert blobs.has(name)
    assert blobs.verify(name) == digests_of(b"content")


def test_putting_aside_and_asking_at_the_same_time_loses_nothing(url: str) -> None:
    """Several of each, on the same few blobs: whatever met whatever, each blob is there in the end, and whole.

    (Who asks in the very moment in which others move it from hand to hand may be told that it is not there.)
    """
    contents = [b"content %d" % number for number in range(3)]
    names = [kept(store, content) for store in [ObjectBlobs.from_url(url)] for content in contents]
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        chance, store = random.Random(seed), ObjectBlobs.from_url(url)
        try:
            for _ in range(25):
                number = chance.randrange(3)
                if seed % 2:
                    store.quarantine([names[number]])
                elif chance.random() < 0.7:
                    store.has(names[number])
                else:
                    kept(store, contents[number])
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    store = ObjectBlobs.from_url(url)
    for name, content in zip(names, contents, strict=True):
        assert store.has(name)
        assert store.verify(name) == digests_of(content)


def test_a_store_of_another_format_is_refused(blobs: ObjectBlobs, folder: Path) -> None:
    """Nothing is written into it."""
    (folder / "store.json").write_text('{"aipstream": "blobs", "format": 99}')
    with pytest.raises(ConfigError, match=r"store\.json"):
        open_blobs(URL, create=True)


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://key:secret@bucket/x", "s3://bucket/x?region=y", "s3:bucket"])
def test_a_url_must_name_a_bucket(s3: S3Server, url: str) -> None:
    """Without credentials or parameters; what might be a secret is not repeated."""
    with pytest.raises(ConfigError) as caught:
        open_blobs(url, create=True)
    assert "secret" not in str(caught.value) + caught.value.hint
