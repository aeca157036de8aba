"""Blobs that are put aside before they are deleted."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from events.blobs import Blobs, Sweeping, open_blobs
from events.blobs.local import LocalBlobs
from events.errors import BlobMissing


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobs:
    store = open_blobs(f"file://{tmp_path}/blobs", create=True)
    assert isinstance(store, LocalBlobs)
    assert isinstance(store, Blobs)
    assert isinstance(store, Sweeping)
    return store


def kept(store: LocalBlobs, content: bytes) -> str:
    """The name of a blob that was just put."""
    name = store.put(io.BytesIO(content)).sha256
    store.flush()
    return name


def test_a_blob_in_quarantine_is_not_listed(store: LocalBlobs) -> None:
    """It counts as put aside, with its bytes."""
    one, other = kept(store, b"one"), kept(store, b"other")
    assert store.quarantine([one]) == 3
    assert list(store.list()) == [other]
    assert [name for name, _ in store.quarantined()] == [one]
    assert all(0 <= seconds < 60 for _, seconds in store.quarantined())


@pytest.mark.parametrize("ask", ["has", "open", "size", "put", "verify"])
def test_whoever_asks_for_it_brings_it_back(store: LocalBlobs, ask: str) -> None:
    """An event that was appended while the mark went on finds its content."""
    name = kept(store, b"content")
    store.quarantine([name])
    if ask == "put":
        assert kept(store, b"content") == name
    elif ask == "open":
        assert store.open(name).read() == b"content"
    else:
        assert getattr(store, ask)(name)
    assert list(store.list()) == [name]
    assert list(store.quarantined()) == []


def test_what_is_purged_is_gone(store: LocalBlobs) -> None:
    """Only what is in quarantine, and twice is no error."""
    one, other = kept(store, b"one"), kept(store, b"other")
    store.quarantine([one, one, "0" * 64])
    assert store.purge([one, other, one]) == 3
    assert not store.has(one)
    assert store.has(other)
    with pytest.raises(BlobMissing):
        store.open(one)
