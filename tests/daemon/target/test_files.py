"""The target's assetstore: files whole, verified, never overwritten."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from daemon.target.files import Assetstore, Wanted
from events.blobs import Blobs, open_blobs
from events.errors import BlobMissing, ChecksumMismatch, TargetUnreachable

ID = "54364510863563912467935430461298174022"


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(f"file://{tmp_path}/blobs", create=True)


@pytest.fixture
def store(tmp_path: Path) -> Assetstore:
    (tmp_path / "assetstore").mkdir()
    return Assetstore(tmp_path / "assetstore")


def wanted(blobs: Blobs, content: bytes, name: str = "b1", internal_id: str | None = ID) -> Wanted:
    digests = blobs.put(io.BytesIO(content))
    blobs.flush()
    return Wanted(name, internal_id, digests.sha256, digests.md5, digests.size)


def test_a_file_lies_where_dspace_looks_for_it(store: Assetstore, blobs: Blobs) -> None:
    """Three levels of two digits, then the whole id."""
    placed, failed = store.place([wanted(blobs, b"content")], blobs)
    assert (placed, failed) == ({"b1": ID}, {})
    assert (store.folder / "54" / "36" / "45" / ID).read_bytes() == b"content"
    assert list((store.folder / ".aipstream").iterdir()) == []


def test_a_file_that_is_there_is_never_overwritten(store: Assetstore, blobs: Blobs) -> None:
    """Another content under the same id gets an id of its own, in one call and in two."""
    first, second, third = (wanted(blobs, f"content {n}".encode(), f"b{n}") for n in range(3))
    placed, _ = store.place([first, second], blobs)
    placed |= store.place([third], blobs)[0]
    assert len(set(placed.values())) == 3
    for number in range(3):
        assert store.path(placed[f"b{number}"]).read_bytes() == f"content {number}".encode()


def test_bitstreams_that_share_a_file_go_on_sharing_it(store: Assetstore, blobs: Blobs) -> None:
    """Clones of versions have one internal_id and one file."""
    one = wanted(blobs, b"shared")
    placed, _ = store.place([one, one._replace(bitstream="b2")], blobs)
    assert placed == {"b1": ID, "b2": ID}


@pytest.mark.parametrize("internal_id", ["-R/data/x.pdf", ID])
def test_they_share_it_in_whatever_batch_they_come(store: Assetstore, blobs: Blobs, internal_id: str) -> None:
    """Also where the source's id cannot be had here: of a registered file, or one that another content has taken."""
    store.place([wanted(blobs, b"another", "other")], blobs)
    one = wanted(blobs, b"shared", internal_id=internal_id)
    first = store.place([one], blobs)[0]["b1"]
    assert store.place([one._replace(bitstream="b2")], blobs)[0] == {"b2": first}
    assert store.path(first).read_bytes() == b"shared"


def test_placing_again_after_a_crash_writes_nothing(store: Assetstore, blobs: Blobs) -> None:
    """The file of a batch that was rolled back is found and kept."""
    one = wanted(blobs, b"again")
    store.place([one], blobs)
    before = store.path(ID).stat()
    assert store.place([one], blobs)[0] == {"b1": ID}
    assert store.path(ID).stat().st_mtime_ns == before.st_mtime_ns


def test_a_registered_file_becomes_a_usual_one(store: Assetstore, blobs: Blobs) -> None:
    """`-R` ids name a path that only the source has."""
    placed, _ = store.place([wanted(blobs, b"registered", internal_id="-R/data/x.pdf")], blobs)
    assert placed["b1"].isdigit()
    assert store.path(placed["b1"]).read_bytes() == b"registered"


def test_a_bad_content_fails_alone(store: Assetstore, blobs: Blobs, tmp_path: Path) -> None:
    """A missing blob and a damaged one are told by bitstream; the others are placed, nothing half-written stays."""
    good, missing, damaged = (wanted(blobs, bytes([n]) * 5000, f"b{n}", f"{n}" * 20) for n in (1, 2, 3))
    blobs.delete([missing.sha256])
    path = next((tmp_path / "blobs").rglob(damaged.sha256))
    path.chmod(0o640)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    placed, failed = store.place([good, missing, damaged], blobs)
    assert set(placed) == {"b1"}
    assert isinstance(failed["b2"], BlobMissing)
    assert isinstance(failed["b3"], ChecksumMismatch)
    assert [file for file in store.folder.rglob("*") if file.is_file()] == [store.path(placed["b1"])]


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_of_the_wrong_size_fails_alone(store: Assetstore, blobs: Blobs, order: int) -> None:
    """Whoever shares the content with it, and says its size right, gets the file."""
    good = wanted(blobs, b"shared")
    placed, failed = store.place([good, good._replace(bitstream="b2", size=7)][::order], blobs)
    assert (set(placed), set(failed)) == ({"b1"}, {"b2"})
    assert store.path(placed["b1"]).read_bytes() == b"shared"


def test_what_a_killed_process_left_is_cleared(store: Assetstore) -> None:
    """Whoever has the target's lock removes what is on its way in and nobody's any more."""
    left = store.folder / ".aipstream" / "left"
    left.write_bytes(b"half")
    Assetstore(store.folder).clear()
    assert not left.exists()


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """An unmounted assetstore is the target being unreachable, not something to make."""
    with pytest.raises(TargetUnreachable, match="no folder"):
        Assetstore(tmp_path / "nowhere")


def test_a_large_file_is_whole(store: Assetstore, blobs: Blobs) -> None:
    """Several chunks, several threads."""
    contents = [os.urandom(1 << 20) * 5 + bytes([n]) for n in range(3)]
    each = [wanted(blobs, content, f"b{n}", f"7{n}" * 12) for n, content in enumerate(contents)]
    placed, failed = store.place(each, blobs)
    assert not failed
    for number, content in enumerate(contents):
        assert store.path(placed[f"b{number}"]).read_bytes() == content
