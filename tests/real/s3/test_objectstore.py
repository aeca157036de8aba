"""The blob store in a bucket of a real S3 server: the contract, and what only a server can do to it."""

from __future__ import annotations

import io
import random
import threading
from pathlib import Path

import pytest

from events.blobs import Distant, Probing, Sweeping, open_blobs
from events.blobs.bucket import Bucket
from events.blobs.objectstore import ObjectBlobs
from events.errors import BlobMissing, ChecksumMismatch, ConfigError, StorageUnusable
from tests.events.blobs.contract import BlobsContract, digests_of
from tests.real.s3.server import S3Server

URL = "s3://bucket/a/prefix"


@pytest.fixture
def url(s3: S3Server) -> str:
    """A store that was made and is empty."""
    open_blobs(URL, create=True)
    return URL


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


def kept(blobs: ObjectBlobs, content: bytes) -> str:
    """Put and flush: the name."""
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    return name


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_is_a_store_that_can_be_swept_and_probed(blobs: ObjectBlobs) -> None:
    """It has the methods of the further ports too."""
    assert isinstance(blobs, Sweeping)
    assert isinstance(blobs, Probing)
    assert isinstance(blobs, Distant)


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


def test_a_file_is_read_from_anywhere(blobs: ObjectBlobs) -> None:
    """Across the borders of what is asked for at once."""
    content = random.Random(1).randbytes(20_000_000)
    with blobs.open(kept(blobs, content)) as file:
        for at, length in ((19_999_990, 100), (0, 10), (8_388_600, 20), (16_777_210, 3_000_000)):
            file.seek(at)
            assert file.read(length) == content[at : at + length]
        assert file.seek(0, io.SEEK_END) == len(content)
        assert file.read(1) == b""


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


def test_an_object_replaced_while_it_is_read_is_no_mixture(blobs: ObjectBlobs, folder: Path) -> None:
    """The second range belongs to the first, or reading ends with an error."""
    name = kept(blobs, bytes(20_000_000))
    with blobs.open(name) as file:
        assert file.read(10) == bytes(10)
        blobs.bucket.put(f"{name[:2]}/{name[2:4]}/{name}", io.BytesIO(bytes(20_000_001)), 20_000_001)
        with pytest.raises(StorageUnusable, match="replaced"):
            file.read()


def test_only_blobs_are_listed(blobs: ObjectBlobs, folder: Path) -> None:
    """What else lies in the bucket is none, and does no harm."""
    name = kept(blobs, b"content")
    for stray in ("README", "ab/README", f"ff/ff/{name}", f"{name[:2]}/{name[2:4]}/{name}.bak", f"quarantine/{name}"):
        (folder / stray).parent.mkdir(parents=True, exist_ok=True)
        (folder / stray).touch()
    assert list(blobs.list()) == [name]
    assert list(blobs.quarantined()) == []


@pytest.mark.parametrize("ask", ["has", "open", "size", "put", "verify"])
def test_whoever_asks_for_what_is_aside_brings_it_back(blobs: ObjectBlobs, folder: Path, ask: str) -> None:
    """Not listed while it is aside; not told as aside afterwards."""
    name, other = kept(blobs, b"content"), kept(blobs, b"other")
    assert blobs.quarantine([name, name, "0" * 64]) == 7
    assert list(blobs.list()) == [other]
    assert [aside for aside, seconds in blobs.quarantined() if 0 <= seconds < 60] == [name]
    if ask == "put":
        assert kept(blobs, b"content") == name
    elif ask == "open":
        assert blobs.open(name).read() == b"content"
    else:
        assert getattr(blobs, ask)(name)
    assert sorted(blobs.list()) == sorted([name, other])
    assert list(blobs.quarantined()) == []


def test_what_is_purged_is_gone(blobs: ObjectBlobs) -> None:
    """Only what is in quarantine, and twice is no error."""
    one, other = kept(blobs, b"one"), kept(blobs, b"other")
    blobs.quarantine([one])
    assert blobs.purge([one, other, one]) == 3
    assert not blobs.has(one)
    assert blobs.has(other)
    with pytest.raises(BlobMissing):
        blobs.open(one)


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


def test_a_missing_store_is_made_only_when_told(s3: S3Server) -> None:
    """The error says which command makes it, and nothing is written."""
    with pytest.raises(ConfigError, match="there is no blob store") as caught:
        open_blobs(URL)
    assert "aipstream init" in caught.value.hint
    assert list(Bucket("s3://bucket").list()) == []


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
