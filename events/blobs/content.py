"""What every blob store does with a content that comes in or is read back: whole chunks, and its digests.

Invariant: never more than one chunk of it is in memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from events.blobs import Digests
from events.errors import InvalidAip

CHUNK: Final = 1024 * 1024
"""Bytes read at once. hashlib lets other threads run while it hashes as much."""

SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Hashing:
    """The digests of chunks as they come."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)  # DSpace's checksum of a bitstream, no protection
        self.size = 0

    def update(self, chunk: bytes) -> None:
        """Take a chunk in."""
        self._sha256.update(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)

    def digests(self) -> Digests:
        """Of all chunks so far."""
        return Digests(self._sha256.hexdigest(), self._md5.hexdigest(), self.size)


def chunks(content: BinaryIO) -> Iterator[bytes]:
    """The content in parts of `CHUNK` bytes, fewer only in the last: pipes and sockets give what they have."""
    while chunk := _full(content):
        yield chunk
        if len(chunk) < CHUNK:
            return


def digests_of(content: BinaryIO) -> Digests:
    """Read it to its end."""
    hashing = Hashing()
    while chunk := content.read(CHUNK):
        hashing.update(chunk)
    return hashing.digests()


def place_of(sha256: str) -> str:
    """Where a blob lies below the top of a store, `ab/cd/<sha256>`. Raises InvalidAip for what is no such name."""
    if not SHA256.fullmatch(sha256):
        raise InvalidAip(f"not a SHA-256 in lower-case hex: {sha256[:80]!r}")
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _full(content: BinaryIO) -> bytes:
    chunk = content.read(CHUNK)
    if not chunk or len(chunk) == CHUNK:
        return chunk
    parts, size = [chunk], len(chunk)
    while size < CHUNK and (chunk := content.read(CHUNK - size)):
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts)
