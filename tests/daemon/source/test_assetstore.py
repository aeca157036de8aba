"""Only regular files below the configured folders are read, and only what is what its row says is captured."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.dspace.assetstore import relpath
from daemon.source.assetstore import Assetstore, capture
from events.blobs import Blobs, open_blobs
from events.errors import BlobMissing, ChecksumMismatch

CONTENT = b"the content of a bitstream"
ID = "54364510863563912467935430461298174022"


@pytest.fixture
def store(tmp_path: Path) -> Assetstore:
    path = tmp_path / "store" / "54" / "36" / "45" / ID
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    (tmp_path / "store" / "registered" / "by hand").mkdir(parents=True)
    (tmp_path / "store" / "registered" / "by hand" / "a b.pdf").write_bytes(b"registered")
    (tmp_path / "secret").write_bytes(b"not in any store")
    return Assetstore({0: tmp_path / "store"})


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(f"file://{tmp_path}/blobs", create=True)


def test_files_lie_where_dspace_puts_them() -> None:
    """The layout of DSpace's local store, with the forms that are legal and rare."""
    assert relpath(ID) == f"54/36/45/{ID}"
    assert relpath("a/b/" + ID) == f"54/36/45/{ID}"
    assert relpath("-Rregistered/by hand/a b.pdf") == "registered/by hand/a b.pdf"
    assert relpath("1234") == "12/34/1234"
    assert relpath("12") == "12/12"


def test_stored_and_registered_files_are_opened(store: Assetstore) -> None:
    """Both kinds of id lead to their file."""
    with store.open(ID, 0) as content:
        assert content.read() == CONTENT
    with store.open("-Rregistered/by hand/a b.pdf", 0) as content:
        assert content.read() == b"registered"


@pytest.mark.parametrize(
    "internal_id",
    [
        "-R../secret",
        "-R/../secret",
        "-Rregistered/../../secret",
        "....secret",
        "..",
        "-R",
        "",
        "-Rlink",
        "-R\0",
        "999999999999",
        "-Rregistered",
        "-Rpipe",
    ],
)
def test_nothing_else_is_opened(store: Assetstore, tmp_path: Path, internal_id: str) -> None:
    """Neither by a path that climbs, nor by a link that leads out, nor what is no file."""
    (tmp_path / "store" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "store" / "pipe")
    with pytest.raises(BlobMissing):
        store.open(internal_id, 0)


@given(st.text(alphabet="/.-R\\ab\0 ", max_size=12))
def test_no_id_leads_out_of_the_store(internal_id: str) -> None:
    """Whatever stands in the column."""
    folder = Path("/nowhere/store")
    try:
        path = Assetstore({0: folder}).path(internal_id, 0)
    except BlobMissing:
        return
    assert folder in path.resolve().parents


def test_an_allowed_root_may_hold_registered_files(store: Assetstore, tmp_path: Path) -> None:
    """As with DSpace's `assetstore.allowed.roots`; and a store that is not configured is named."""
    (tmp_path / "store" / "link").symlink_to(tmp_path / "secret")
    allowed = Assetstore(store.folders, roots=[tmp_path])
    with allowed.open("-Rlink", 0) as content:
        assert content.read() == b"not in any store"
    with pytest.raises(BlobMissing, match="store 1"):
        allowed.open(ID, 1)


def test_a_content_is_captured_when_it_is_what_its_row_says(store: Assetstore, blobs: Blobs) -> None:
    """Size, MD5 and SHA-256 are checked; without a checksum the size alone."""
    for checksum, algorithm in (
        (hashlib.md5(CONTENT).hexdigest(), "MD5"),
        (hashlib.sha256(CONTENT).hexdigest(), "SHA-256"),
        (None, None),
        ("unchecked", "CRC32"),
    ):
        digests = capture(store, blobs, ID, 0, size=len(CONTENT), checksum=checksum, algorithm=algorithm)
        assert digests.sha256 == hashlib.sha256(CONTENT).hexdigest()
    blobs.flush()
    assert blobs.has(digests.sha256)
    with pytest.raises(ChecksumMismatch, match="MD5"):
        capture(store, blobs, ID, 0, size=len(CONTENT), checksum="0" * 32, algorithm="MD5")
    with pytest.raises(ChecksumMismatch, match="27"):
        capture(store, blobs, ID, 0, size=27, checksum=None, algorithm="MD5")
