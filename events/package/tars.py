"""Tar files, gzipped or not, read with suspicion: the other form in which a bag comes (`tgz`).

A tar has no directory, so it is read through once to find its entries; that pass also verifies the CRC of the gzip. On
the way the state of the decompression is kept at some places, so that an entry in the middle of a large file is reached
without starting over. (POSIX.1-2001 pax, with the long names of GNU tar; RFC 1952.)

Invariants: as of `events.package.zips`. Memory is bounded: names, extended headers and kept states have limits.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from events.errors import InvalidPackage
from events.package.checked import checked
from events.package.file import SteadyFile
from events.package.limits import Limits
from events.package.zips import alike, check_name

_GZIP: Final = b"\x1f\x8b"
_UNIT: Final = 512
_BLOCK: Final = 128 * 1024
_STATES: Final = 128
_SPACING: Final = 16 * 1024 * 1024
_MOST_HEADER: Final = 64 * 1024
_SMALL: Final = 32 * 1024
_KEPT: Final = 16 * 1024 * 1024
"""Bytes of all small entries together that are kept from the first pass: a bag has two documents for each file."""
_REGULAR: Final = frozenset({"0", "\0", "7"})
_FOLDER: Final = "5"


def is_tar(start: bytes) -> bool:
    """Whether a file that begins so is a tar, or something gzipped, which may be one."""
    return start.startswith(_GZIP) or start[257:262] == b"ustar"


class TarEntry(NamedTuple):
    """An entry: its size in bytes, and where its content begins in the tar."""

    name: str
    size: int
    offset: int


class Tar:
    """An opened tar: `entries` by name, without folders; `doubts` for people."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self.doubts: list[str] = []
        self.entries: dict[str, TarEntry] = {}
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT
        self.file = SteadyFile(path)
        try:
            gzipped = self.file.at(0, min(2, self.file.size)) == _GZIP
            self._stream: _Gzip | _Plain = _Gzip(self.file, limits) if gzipped else _Plain(self.file)
            self._scan()
            self.file.unchanged()
        except BaseException:
            self.file.close()
            raise
        self.doubts += [
            f"entries {one!r} and {other!r} differ only in case or form" for one, other in alike(list(self.entries))
        ]

    def close(self) -> None:
        """Give the file back. Streams that are still open fail from then on."""
        self.file.close()

    def read(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> bytes:
        """A whole document. Raises InvalidPackage if it is not there, longer than the limit, or damaged."""
        entry = self.entries.get(name)
        if entry is None:
            raise InvalidPackage(f"{self.path}: no entry {name!r}")
        if entry.size > self.limits.manifest:
            raise InvalidPackage(f"{self.path}: {name} of {entry.size} bytes refused: more than {self.limits.manifest}")
        with self.open(name, checksums) as stream:
            return stream.read()

    def open(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of an entry. Its end raises ChecksumMismatch for another checksum."""
        entry = self.entries[name]
        where = f"{self.path}: {name}"
        return checked(self._blocks(entry), where, entry.size, checksums, self.file.unchanged)

    def _blocks(self, entry: TarEntry) -> Iterator[bytes]:
        left = entry.size
        if not left:
            return
        if entry.name in self._kept:
            yield self._kept[entry.name]
            return
        for block in self._stream.blocks(entry.offset):
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return

    # --- the one pass ----------------------------------------------------------------------------------------

    def _refused(self, why: str) -> InvalidPackage:
        return InvalidPackage(f"{self.path}: {why}")

    def _scan(self) -> None:
        cursor = _Cursor(self._stream.blocks(0, record=True), str(self.path))
        count = 0
        said: dict[str, str] = {}
        while True:
            header = cursor.take(_UNIT)
            if not header.strip(b"\0"):
                break
            count += 1
            if count > self.limits.entries:
                raise self._refused(f"more than {self.limits.entries} entries refused")
            kind, name, size = self._header(header)
            if kind in ("L", "x", "g"):
                if size > _MOST_HEADER:
                    raise self._refused(f"an extended header of {size} bytes refused")
                extended = cursor.take(size)
                cursor.skip(-size % _UNIT)
                if kind == "L":
                    said["path"] = self._text(extended.rstrip(b"\0"))
                elif kind == "x":
                    said |= self._extended(extended)
                continue
            name, size = said.get("path", name), self._number(said.get("size"), size)
            said = {}
            self._add(kind, name, size, cursor)
        while cursor.skip(_BLOCK, loose=True):  # to the end, where the CRC of the gzip stands
            pass

    def _add(self, kind: str, name: str, size: int, cursor: _Cursor) -> None:
        while name.startswith("./"):
            name = name[2:]
        if kind == _FOLDER and name.rstrip("/") in ("", "."):
            return
        if len(name.encode("utf-8", "surrogatepass")) > self.limits.name:
            raise self._refused(f"an entry's name of {len(name)} characters refused: {name[:80]!r}...")
        check_name(str(self.path), name.removesuffix("/"))
        if kind == _FOLDER:
            return
        if kind not in _REGULAR:
            what = "a link" if kind in "12" else f"a special file (type {kind!r})"
            raise self._refused(f"entry {name!r} refused: {what}")
        if name in self.entries:
            raise self._refused(f"entry {name!r} refused: there are two of that name")
        self.entries[name] = TarEntry(name, size, cursor.place)
        if size <= min(_SMALL, self._room):
            self._kept[name] = cursor.take(size)
            self._room -= size
        else:
            cursor.skip(size)
        cursor.skip(-size % _UNIT)

    def _header(self, header: bytes) -> tuple[str, str, int]:
        """Type, name and size of a header record."""
        announced = self._octal(header[148:156])
        if announced != sum(header) - sum(header[148:156]) + 8 * 0x20:
            raise self._refused("no tar, or a header of it is damaged")
        name = self._text(header[:100].partition(b"\0")[0])
        if header[257:263] == b"ustar\0":
            prefix = self._text(header[345:500].partition(b"\0")[0])
            name = f"{prefix}/{name}" if prefix else name
        field = header[124:136]
        size = int.from_bytes(field[1:], "big") if field[0] == 0x80 else self._octal(field)
        return chr(header[156]), name, size

    def _octal(self, field: bytes) -> int:
        text = field.strip(b"\0 ")
        try:
            return int(text, 8) if text else 0
        except ValueError as error:
            raise self._refused(f"no tar, or a header of it is damaged: {text!r} is no number") from error

    def _number(self, text: str | None, otherwise: int) -> int:
        if text is None:
            return otherwise
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise self._refused(f"an extended header is damaged: {text[:40]!r} is no size")
        return int(text)

    def _extended(self, content: bytes) -> dict[str, str]:
        """The records of a pax header that matter: `path` and `size`."""
        found: dict[str, str] = {}
        while content:
            length = content.partition(b" ")[0]
            if not length.isdigit() or len(length) > 6 or not 0 < int(length) <= len(content):
                raise self._refused("an extended header is damaged")
            record = content[len(length) + 1 : int(length)]
            content = content[int(length) :]
            key, _, value = record.rstrip(b"\n").partition(b"=")
            if key in (b"path", b"size"):
                found[key.decode()] = self._text(value)
            elif key.startswith(b"GNU.sparse"):
                raise self._refused("a sparse entry refused")
        return found

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("latin-1")
        self.doubts.append(f"the name of entry {name[:80]!r} is not in UTF-8: read as Latin-1")
        return name


class _Cursor:
    """A place in a stream of blocks that moves forward."""

    def __init__(self, blocks: Iterator[bytes], where: str) -> None:
        self.blocks = blocks
        self.where = where
        self.place = 0
        self._block = b""
        self._used = 0

    def _more(self) -> bool:
        if self._used == len(self._block):
            self._block, self._used = next(self.blocks, b""), 0
        return bool(self._block)

    def take(self, length: int) -> bytes:
        """Exactly that many bytes. Raises InvalidPackage if there are fewer."""
        parts = bytearray()
        while len(parts) < length:
            if not self._more():
                raise InvalidPackage(f"{self.where}: its tar ends too early: truncated?")
            part = self._block[self._used : self._used + length - len(parts)]
            self._used += len(part)
            parts += part
        self.place += length
        return bytes(parts)

    def skip(self, length: int, loose: bool = False) -> int:
        """Go forward by that many bytes; `loose`: or fewer at the end. Returns by how many."""
        left = length
        while left > 0 and self._more():
            step = min(left, len(self._block) - self._used)
            self._used += step
            left -= step
        if left and not loose:
            raise InvalidPackage(f"{self.where}: its tar ends too early: truncated?")
        self.place += length - left
        return length - left


class _Plain:
    """The bytes of the file itself."""

    def __init__(self, file: SteadyFile) -> None:
        self.file = file

    def blocks(self, offset: int, record: bool = False) -> Iterator[bytes]:
        """The bytes from that offset on."""
        del record
        return self.file.blocks(offset, self.file.size - offset)


class _State(NamedTuple):
    """The decompression after `output` bytes, for which `given` bytes of the file were needed."""

    output: int
    given: int
    inflater: Any


class _Gzip:
    """The bytes that a gzip holds, from any place."""

    def __init__(self, file: SteadyFile, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self._spacing = _SPACING
        self._states = [_State(0, 0, zlib.decompressobj(wbits=16 + zlib.MAX_WBITS))]

    def blocks(self, offset: int, record: bool = False) -> Iterator[bytes]:
        """The decompressed bytes from that offset on. `record` keeps states on the way; for the first pass."""
        state = self._states[bisect_right([known.output for known in self._states], offset) - 1]
        inflater, place, output = state.inflater.copy(), state.given, state.output
        given = b""
        while not inflater.eof:
            if not given:
                given = self.file.at(place, min(_BLOCK, self.file.size - place))
                place += len(given)
            try:
                block = inflater.decompress(given, _BLOCK)
            except zlib.error as error:
                raise InvalidPackage(f"{self.file.path}: damaged: {error}") from error
            given = inflater.unconsumed_tail
            if not block and not given and place >= self.file.size and not inflater.eof:
                raise InvalidPackage(f"{self.file.path}: its compressed data end too early: truncated?")
            output += len(block)
            if record:
                self._check(output)
                if output >= self._states[-1].output + self._spacing and not inflater.eof:
                    self._keep(_State(output, place - len(given), inflater.copy()))
            if output > offset and block:
                yield block[max(0, len(block) - (output - offset)) :]
        if inflater.unused_data or place < self.file.size:
            raise InvalidPackage(f"{self.file.path}: something is behind its compressed data")

    def _keep(self, state: _State) -> None:
        self._states.append(state)
        if len(self._states) > _STATES:
            self._states = self._states[::2]
            self._spacing *= 2

    def _check(self, output: int) -> None:
        limits = self.limits
        if output > limits.total or (output > limits.unquestioned and output > limits.ratio * self.file.size):
            raise InvalidPackage(
                f"{self.file.path}: more than {output - 1} bytes when decompressed refused: "
                f"the limits are {limits.total} bytes and {limits.ratio} times its {self.file.size} bytes"
            )
