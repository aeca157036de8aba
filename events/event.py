"""The envelope: one event says how one object stood at one snapshot of the source.

Invariants:

* An event is state, not a delta: applying one twice, or skipping to a later one for the same object, ends the same.
* Its id is a pure function of (source, lsn, uuid): emitting it twice is harmless, a log keeps the first.
* Its digest is the source's fingerprint of the object (`daemon.dspace.fingerprint`), so a target that computes the
  same expression over its own rows can tell whether it holds this very state.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final

import msgspec
import zstandard

from events.aip.model import Kind, Uuid

Position = int
"""Where an event stands in a log: strictly growing, 0 is before the first."""

BEGINNING: Final[Position] = 0


class Type(StrEnum):
    """Whether the object is there after the event."""

    PUT = "put"
    DELETE = "delete"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is kept in a log.

    source       identity of the repository (its site's UUID, or the configured name)
    lsn          position of the commit in the source's WAL, as an integer (`events.event.lsn_text` prints it)
    commit_time  when the source committed, UTC, `YYYY-MM-DDTHH:MM:SS.ffffffZ`
    xid          the source's transaction id, 0 where it is not known (`poll`, bootstrap)
    digest       the source's fingerprint of the object, `""` for a delete and where no database was read (an import)
    handle       the preferred handle, if it has one; `parents` the UUIDs of its owning containers, nearest first
    blobs        SHA-256 of every bitstream content that the object needs
    payload      zstd of the AIP document (METS, DSPACE-ROLES or a registry document), `b""` for a delete
    """

    source: str
    lsn: int
    uuid: Uuid
    kind: Kind
    type: Type
    commit_time: str
    xid: int = 0
    digest: str = ""
    handle: str | None = None
    parents: tuple[Uuid, ...] = ()
    blobs: tuple[str, ...] = ()
    payload: bytes = b""

    @property
    def id(self) -> bytes:
        """16 bytes, the same for the same (source, lsn, uuid)."""
        return event_id(self.source, self.lsn, self.uuid)


def event_id(source: str, lsn: int, uuid: Uuid) -> bytes:
    """The id of the event of that object at that LSN: 16 bytes."""
    return hashlib.blake2b(f"{source}\n{lsn}\n{uuid}".encode(), digest_size=16).digest()


def lsn_text(lsn: int) -> str:
    """PostgreSQL's way to write an LSN: `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    """The integer of an LSN as PostgreSQL writes it. Raises ValueError for anything else."""
    match = _LSN.fullmatch(text)
    if match is None:
        raise ValueError(f"not an LSN: {text[:80]!r} (expected something like 16/B374D848)")
    return (int(match[1], 16) << 32) | int(match[2], 16)


_LSN: Final = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


MAX_DOCUMENT: Final = 512 * 1024 * 1024
"""A payload larger than this after decompression is refused: no AIP document of DSpace comes near it."""


def compress(document: bytes) -> bytes:
    """zstd at level 3 with the content size in the frame."""
    return zstandard.ZstdCompressor(level=3).compress(document)


def decompress(payload: bytes) -> bytes:
    """The document of a payload. Raises ValueError for a damaged frame or one above `MAX_DOCUMENT`."""
    try:
        size = zstandard.frame_content_size(payload)
        if size > MAX_DOCUMENT:
            raise ValueError(f"payload of more than {MAX_DOCUMENT} bytes refused")
        if size >= 0:
            return zstandard.ZstdDecompressor().decompress(payload)
        return _decompress_unsized(payload)
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged payload: {error}") from error


def _decompress_unsized(payload: bytes) -> bytes:
    """Of a frame that does not tell its size (not one of ours), piece by piece, so that a bomb stops at the limit."""
    document = bytearray()
    frame = zstandard.ZstdDecompressor().decompressobj()
    for start in range(0, len(payload), _PIECE):
        document += frame.decompress(payload[start : start + _PIECE])
        if len(document) > MAX_DOCUMENT:
            raise ValueError(f"payload of more than {MAX_DOCUMENT} bytes refused")
        if frame.eof:
            return bytes(document)
    raise ValueError("damaged payload: it ends before its frame does")


_PIECE: Final = 1024
"""Bytes of a frame decompressed at once; zstd can make some ten megabytes of them."""
