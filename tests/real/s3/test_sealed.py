"""Encrypted blobs in a bucket of a real S3 server."""

from __future__ import annotations

import io
import random

import pytest

from events.blobs import Distant, Keys, Sweeping, open_blobs
from events.errors import BlobNotEncrypted, BlobSealed, ChecksumMismatch, ConfigError
from tests.events.blobs.contract import BlobsContract, digests_of
from tests.events.blobs.sealed.keyed import BOTH, ONE, SECRET, WRITER, holding
from tests.real.s3.server import S3Server

URL = "s3://bucket/sealed"
LARGE = SECRET * 300_000


@pytest.fixture
def url(s3: S3Server) -> str:
    """A store of encrypted blobs that was made and is empty."""
    open_blobs(URL, create=True, keys=BOTH)
    return URL


class TestSealedObjects(BlobsContract):
    """The contract on encrypted blobs in a bucket."""

    keys = BOTH
    seen_early = True


@pytest.mark.parametrize("content", [SECRET, LARGE], ids=["small", "of parts"])
def test_nothing_of_a_content_reaches_the_server(url: str, s3: S3Server, content: bytes) -> None:
    """What it has is ciphertext; a writer cannot read it back, and the private key does."""
    writer = open_blobs(url, keys=WRITER)
    assert isinstance(writer, Distant)
    assert isinstance(writer, Sweeping)
    name = writer.put(io.BytesIO(content)).sha256
    writer.flush()
    assert not holding(s3.buckets)
    path = s3.bucket("bucket") / "sealed" / name[:2] / name[2:4] / name
    before = path.stat().st_mtime_ns
    again = open_blobs(url, keys=WRITER)
    again.put(io.BytesIO(content))
    again.flush()
    assert path.stat().st_mtime_ns == before
    assert writer.size(name) == len(content)
    assert writer.verify(name).size == len(content)
    with pytest.raises(BlobSealed):
        writer.open(name)
    assert open_blobs(url, keys=Keys(identity=str(ONE))).open(name).read() == content


def test_a_flipped_byte_is_found(url: str, s3: S3Server) -> None:
    """With and without the private key."""
    blobs = open_blobs(url, keys=BOTH)
    name = blobs.put(io.BytesIO(random.Random(1).randbytes(9_000_000))).sha256
    blobs.flush()
    path = s3.bucket("bucket") / "sealed" / name[:2] / name[2:4] / name
    with path.open("r+b") as file:
        file.seek(8_500_000)
        byte = file.read(1)
        file.seek(8_500_000)
        file.write(bytes([byte[0] ^ 1]))
    for keys in (WRITER, BOTH):
        with pytest.raises(ChecksumMismatch, match=name):
            open_blobs(url, keys=keys).verify(name)


def test_a_bucket_is_encrypted_or_it_is_not(url: str, s3: S3Server) -> None:
    """A plain blob that somebody put there is refused."""
    with pytest.raises(ConfigError, match="are encrypted, and there is no key"):
        open_blobs(url, create=True)
    name = digests_of(SECRET).sha256
    path = s3.bucket("bucket") / "sealed" / name[:2] / name[2:4] / name
    path.parent.mkdir(parents=True)
    path.write_bytes(SECRET)
    with pytest.raises(BlobNotEncrypted):
        open_blobs(url, keys=BOTH).open(name)
    blobs = open_blobs("s3://bucket/plain", create=True)
    blobs.put(io.BytesIO(b"content"))
    blobs.flush()
    with pytest.raises(ConfigError, match="holds blobs that are not encrypted"):
        open_blobs("s3://bucket/plain", create=True, keys=BOTH)
