"""What only these clouds do to a blob store, and what it does in them beyond the contract."""

from __future__ import annotations

import io
import random
import threading
from pathlib import Path

import obstore
import pytest

from daemon.retention.prune import prune
from events.blobs import open_blobs
from events.blobs.bucket import Bucket, Patience
from events.blobs.objectstore import ObjectBlobs
from events.errors import BlobNotEncrypted, StorageUnusable
from events.log.opening import open_log
from tests.daemon.retention.test_contents import NOTHING_LONG, NOW, WEEK
from tests.events.blobs.contract import digests_of
from tests.events.blobs.sealed.keyed import BOTH, SECRET
from tests.events.samples import event
from tests.real.buckets.store import BucketContract, comes_back, kept
from tests.real.clouds.azurite import Azurite


@pytest.fixture
def blobs(url: str) -> ObjectBlobs:
    store = open_blobs(url)
    assert isinstance(store, ObjectBlobs)
    return store


def keys(blobs: ObjectBlobs) -> list[str]:
    return sorted(each.key for each in blobs.bucket.list())


class TestBucket(BucketContract):
    """What a bucket must do beyond every blob store's contract."""


def test_a_blob_is_an_object_under_its_name(blobs: ObjectBlobs) -> None:
    """As in a local folder and in S3."""
    name = kept(blobs, b"content")
    assert keys(blobs) == [f"{name[:2]}/{name[2:4]}/{name}", "store.json"]


def test_an_object_that_is_there_is_not_written_over(blobs: ObjectBlobs) -> None:
    """A conditional write says so; without the condition it is."""
    put = blobs.bucket.put
    assert put("some/key", io.BytesIO(b"one"), 3, create=True)
    assert not put("some/key", io.BytesIO(b"two"), 3, create=True)
    assert bytes((blobs.bucket.get("some/key", 0, 10) or [b""])[0]) == b"one"
    assert put("some/key", io.BytesIO(b"two"), 3)
    assert bytes((blobs.bucket.get("some/key", 0, 10) or [b""])[0]) == b"two"


def test_the_probe_finds_what_is_needed_and_nothing_to_tell(blobs: ObjectBlobs) -> None:
    """Conditional writes are known, no versions kept, and nothing is left. (Google gives each write a version.)"""
    (finding,) = blobs.probe()
    assert finding.ok
    assert "can be written, read, listed and deleted" in finding.what
    assert keys(blobs) == ["store.json"]


@pytest.mark.parametrize("size", [0, 7, 12_000_000])
@pytest.mark.parametrize("ask", ["has", "open", "put"])
def test_whoever_asks_for_what_is_aside_brings_it_back(blobs: ObjectBlobs, ask: str, size: int) -> None:
    """Whole: copied by the server, both ways."""
    content = random.Random(size).randbytes(size)
    comes_back(blobs, content, ask)
    assert blobs.verify(digests_of(content).sha256) == digests_of(content)


def test_what_is_not_there_keeps_nothing_else_from_being_deleted(blobs: ObjectBlobs) -> None:
    """Azure and Google call it an error, S3 does not; the others of the same call are deleted all the same."""
    names = [kept(blobs, b"content %d" % number) for number in range(60)]
    gone = [digests_of(b"never %d" % number).sha256 for number in range(3)]
    blobs.delete([gone[0], *names[:30], gone[1], *names[30:], gone[2], names[0]])
    assert list(blobs.list()) == []


def test_many_are_listed_and_deleted(blobs: ObjectBlobs) -> None:
    """More than one request has room for (Azure's has for 256)."""
    names = {blobs.put(io.BytesIO(b"%d" % number)).sha256 for number in range(600)}
    blobs.flush()
    assert set(blobs.list()) == names
    blobs.delete(names)
    assert list(blobs.list()) == []


def test_a_sweep_puts_aside_what_nothing_needs(blobs: ObjectBlobs, tmp_path: Path) -> None:
    """The very `prune`, and what is asked for afterwards comes back."""
    log = open_log(f"sqlite:///{tmp_path}/log.sqlite", create=True)
    old, new = kept(blobs, b"old"), kept(blobs, b"new")
    log.append([event(1, 1, blobs=(old,)), event(9, 1, blobs=(new,))])
    prune(log, blobs, NOTHING_LONG, WEEK, now=NOW)
    assert list(blobs.list()) == [new]
    assert [name for name, _ in blobs.quarantined()] == [old]
    assert blobs.size(old) == 3


@pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
def test_what_is_copied_later_is_waited_for(blobs: ObjectBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure may answer before it has copied, and until then shows an empty object: nothing is deleted before."""
    name = kept(blobs, b"content")
    copy, later = obstore.copy, []

    def slow(store: object, key: str, to: str) -> None:
        obstore.put(store, to, b"")  # type: ignore[arg-type]
        later.append(threading.Timer(1.0, copy, (store, key, to)))
        later[-1].start()

    monkeypatch.setattr(obstore, "copy", slow)
    blobs.quarantine([name])
    monkeypatch.undo()
    for each in later:
        each.join()
    assert later
    assert [each.size for each in blobs.bucket.list("quarantine")] == [7]


@pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
def test_a_copy_that_never_comes_leaves_the_original(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blob stays where it is, and the error says that nothing was lost."""
    blobs = ObjectBlobs(Bucket(url, Patience(1.0, 1, ())))
    name = kept(blobs, b"content")
    monkeypatch.setattr(obstore, "copy", lambda store, key, to: obstore.put(store, to, b""))
    with pytest.raises(StorageUnusable, match="the copy is not there") as caught:
        blobs.quarantine([name])
    assert "Nothing was lost" in caught.value.hint
    assert blobs.verify(name) == digests_of(b"content")


def test_nothing_of_a_sealed_content_reaches_the_server(empty: str) -> None:
    """It reads back with the private key; a plain blob in its place is refused."""
    blobs = open_blobs(empty, create=True, keys=BOTH)
    for content in (SECRET, SECRET * 300_000):
        name = blobs.put(io.BytesIO(content)).sha256
        blobs.flush()
        found = Bucket(empty).get(f"{name[:2]}/{name[2:4]}/{name}", 0, 20_000_000)
        assert found is not None
        assert SECRET not in bytes(found[0])
        assert blobs.open(name).read() == content
    name = digests_of(b"plain").sha256
    Bucket(empty).put(f"{name[:2]}/{name[2:4]}/{name}", io.BytesIO(b"plain"), 5)
    with pytest.raises(BlobNotEncrypted):
        open_blobs(empty, keys=BOTH).open(name)
