"""Zips byte by byte, so that each field can lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.events.package.composed import item_entries

SYMLINK = 0o120777 << 16
PIPE = 0o010644 << 16


@dataclass(frozen=True)
class Entry:
    """One entry; what is None is what it ought to be."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0x800
    mode: int = 0
    size: int | None = None
    compressed: int | None = None
    crc: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    extra: bytes = b""
    data: bytes | None = None

    def body(self) -> bytes:
        """The data as they stand in the file."""
        if self.data is not None:
            return self.data
        if self.method != 8:
            return self.content
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflater.compress(self.content) + deflater.flush()


def raw_zip(
    path: Path,
    entries: Sequence[Entry],
    *,
    before: bytes = b"",
    count: int | None = None,
    directory: int | None = None,
    extent: int | None = None,
    comment: bytes = b"",
    announced_comment: int | None = None,
    disk: int = 0,
    between: bytes = b"",
) -> Path:
    """The zip of these entries, with an end that says what it is told to."""
    out = bytearray(before)
    central = bytearray()
    for entry in entries:
        body = entry.body()
        size = len(entry.content) if entry.size is None else entry.size
        compressed = len(body) if entry.compressed is None else entry.compressed
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        offset = len(out) if entry.offset is None else entry.offset
        name = entry.name if entry.local_name is None else entry.local_name
        method = entry.method if entry.local_method is None else entry.local_method
        flags = entry.flags if entry.local_flags is None else entry.local_flags
        out += struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, crc, compressed, size, len(name), 0)
        out += name + body
        central += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, entry.flags, entry.method, 0, 0, crc, compressed, size,
            len(entry.name), len(entry.extra), 0, 0, 0, entry.mode, offset,
        )  # fmt: skip
        central += entry.name + entry.extra
    out += between
    begin = len(out) if directory is None else directory
    number = len(entries) if count is None else count
    said = len(comment) if announced_comment is None else announced_comment
    length = len(central) if extent is None else extent
    out += central + struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, number, number, length, begin, said) + comment
    path.write_bytes(bytes(out))
    return path


def good() -> list[Entry]:
    """The entries of a package that is as it should be."""
    return [Entry(name.encode(), content) for name, content in item_entries().items()]
