"""Zip files, read with suspicion: the directory at the end, and single entries as streams.

It reads what Java's `java.util.zip` writes: stored and deflated entries, with data descriptors, ZIP64. All else that a
zip can be is refused by name. (APPNOTE.TXT of PKWARE, sections 4.3 to 4.5.)

Invariants:

* The directory is read entry by entry within `Limits`, and believed only where it is consistent: its counts, its place
  before the end, no two entries of one name, none that overlap, none that leads out, no links.
* An entry's own header has to say the same name and method as the directory, so that no two programs see different
  files. Its data give exactly the length and the CRC that the directory says.
* Nothing is written anywhere.
"""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from events.errors import ChecksumMismatch, InvalidPackage
from events.package.checked import HINT, checked
from events.package.file import SteadyFile
from events.package.limits import Limits

MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip begins: with its first entry, or with its end if it is empty."""

_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_UTF8: Final = 0x800
_BLOCK: Final = 128 * 1024
_NAUGHTY: Final = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:|^/|(?:^|/)\.{1,2}(?:/|$)|//")


class Entry(NamedTuple):
    """One entry as the directory has it. `end` is where the next one, or the directory, begins."""

    name: str
    raw: bytes
    method: int
    crc: int
    compressed: int
    size: int
    offset: int
    end: int


def check_name(where: str, name: str) -> None:
    """Raises InvalidPackage for a name that leads, or could lead, out of the package."""
    if not name or _NAUGHTY.search(name):
        raise InvalidPackage(f"{where}: entry {name[:120]!r} refused: its name could lead out of the package")


def alike(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ only in case or in Unicode normalisation."""
    seen: dict[str, str] = {}
    found = []
    for name in names:
        first = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if first != name:
            found.append((first, name))
    return found


class Archive:
    """An opened zip: `entries` by name, without folders; `doubts` for people."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self.doubts: list[str] = []
        self.file = SteadyFile(path)
        try:
            self.entries = self._directory()
        except BaseException:
            self.file.close()
            raise
        self.doubts += (f"entries {one!r} and {other!r} differ only in case or form" for one, other in
                        alike(list(self.entries)))  # fmt: skip

    def close(self) -> None:
        """Give the file back. Streams that are still open fail from then on."""
        self.file.close()

    def document(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """A document, for reading. Raises InvalidPackage if it is not there or longer than the limit."""
        entry = self.entries.get(name)
        if entry is None:
            raise InvalidPackage(f"{self.path}: no entry {name!r}")
        if entry.size > self.limits.manifest:
            raise InvalidPackage(f"{self.path}: {name} of {entry.size} bytes refused: more than {self.limits.manifest}")
        return self.open(name, checksums)

    def read(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> bytes:
        """A whole document. Raises InvalidPackage as `document` does, ChecksumMismatch if it is damaged."""
        with self.document(name, checksums) as stream:
            return stream.read()

    def open(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of an entry. Its end raises ChecksumMismatch for another CRC or checksum."""
        entry = self.entries[name]
        where = f"{self.path}: {name}"
        return checked(self._blocks(entry, where), where, entry.size, checksums, self.file.unchanged)

    # --- the directory ---------------------------------------------------------------------------------------

    def _refused(self, why: str) -> InvalidPackage:
        return InvalidPackage(f"{self.path}: {why}")

    def _end(self) -> tuple[int, int, int]:
        """Number of entries, and begin and end of the directory."""
        size = self.file.size
        length = min(size, _END.size + 0xFFFF)
        tail = self.file.at(size - length, length)
        place = tail.rfind(b"PK\x05\x06")
        while place >= 0:
            if len(tail) - place >= _END.size:
                fields = _END.unpack_from(tail, place)
                if place + _END.size + fields[7] == len(tail):
                    break
            place = tail.rfind(b"PK\x05\x06", 0, place)
        else:
            raise self._refused("no zip, or its end is missing: truncated?")
        end = size - length + place
        _, disk, first, here, count, extent, begin, _ = fields
        if 0xFFFF in (disk, first, here, count) or 0xFFFFFFFF in (extent, begin):
            if end < _LOCATOR.size:
                raise self._refused("its end says ZIP64, but has no locator")
            mark, _, place, _ = _LOCATOR.unpack(self.file.at(end - _LOCATOR.size, _LOCATOR.size))
            if mark != b"PK\x06\x07" or place + _END64.size > end - _LOCATOR.size:
                raise self._refused("its end says ZIP64, but has no locator")
            mark, _, _, _, disk, first, here, count, extent, begin = _END64.unpack(self.file.at(place, _END64.size))
            if mark != b"PK\x06\x06":
                raise self._refused("its ZIP64 end is damaged")
            end = place
        if disk or first or here != count:
            raise self._refused("one of several volumes, which DSpace does not write")
        if begin + extent != end:
            raise self._refused("its directory is not where its end says: truncated, or something was put before it")
        if count > self.limits.entries:
            raise self._refused(f"{count} entries refused: more than {self.limits.entries}")
        return count, begin, end

    def _directory(self) -> dict[str, Entry]:
        count, begin, end = self._end()
        found: list[Entry] = []
        total = 0
        place = begin
        buffered, start = b"", begin
        for _ in range(count):
            if place + _CENTRAL.size > end:
                raise self._refused("its directory ends too early")
            if place - start + _CENTRAL.size + 3 * 0xFFFF > len(buffered) and start + len(buffered) < end:
                start = place
                buffered = self.file.at(place, min(end - place, 1024 * 1024))
            fields = _CENTRAL.unpack_from(buffered, place - start)
            extent = _CENTRAL.size + fields[10] + fields[11] + fields[12]
            if place + extent > end:
                raise self._refused("its directory ends too early")
            entry = self._entry(fields, buffered[place - start : place - start + extent])
            place += extent
            if entry is not None:
                found.append(entry)
                total += entry.size
        if place != end:
            raise self._refused("its directory has more than its end says")
        self._check_total(total)
        found.sort(key=lambda entry: (entry.offset, entry.name))
        entries: dict[str, Entry] = {}
        for number, entry in enumerate(found):
            after = found[number + 1].offset if number + 1 < len(found) else begin
            if entry.offset + _LOCAL.size + len(entry.raw) + entry.compressed > after:
                raise self._refused(f"entry {entry.name!r} refused: it overlaps what comes after it")
            if entry.name in entries:
                raise self._refused(f"entry {entry.name!r} refused: there are two of that name")
            entries[entry.name] = entry._replace(end=after)
        return entries

    def _check_total(self, total: int) -> None:
        limits = self.limits
        if total > limits.total:
            raise self._refused(f"{total} bytes when decompressed refused: more than {limits.total}")
        if total > limits.unquestioned and total > limits.ratio * self.file.size:
            raise self._refused(
                f"{total} bytes when decompressed refused: more than {limits.ratio} times its {self.file.size} bytes"
            )

    def _entry(self, fields: tuple[Any, ...], header: bytes) -> Entry | None:
        """The entry of a directory record; None for a folder."""
        mark, _, _, flags, method, _, _, crc, compressed, size, named, extra, _, disk, _, mode, offset = fields
        if mark != b"PK\x01\x02":
            raise self._refused("its directory is damaged")
        raw = header[_CENTRAL.size : _CENTRAL.size + named]
        if named > self.limits.name:
            raise self._refused(f"an entry's name of {named} bytes refused: {raw[:80]!r}...")
        name = self._name(raw, flags)
        check_name(str(self.path), name.removesuffix("/"))
        if 0xFFFFFFFF in (compressed, size, offset) or disk == 0xFFFF:
            size, compressed, offset = self._wide(
                name, header[_CENTRAL.size + named : _CENTRAL.size + named + extra], size, compressed, offset
            )
        elif disk:
            raise self._refused("one of several volumes, which DSpace does not write")
        kind = stat.S_IFMT(mode >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self._refused(f"entry {name!r} refused: {'a link' if kind == stat.S_IFLNK else 'a special file'}")
        if flags & _ENCRYPTED:
            raise self._refused(f"entry {name!r} refused: encrypted")
        if name.endswith("/"):
            if size:
                raise self._refused(f"entry {name!r} refused: a folder with content")
            return None
        if method not in (_STORED, _DEFLATED):
            raise self._refused(f"entry {name!r} refused: compression method {method}, which DSpace cannot read")
        if method == _STORED and size != compressed:
            raise self._refused(f"entry {name!r} refused: not compressed, but {compressed} bytes for {size}")
        return Entry(name, raw, method, crc, compressed, size, offset, 0)

    def _name(self, raw: bytes, flags: int) -> str:
        """The name. DSpace writes UTF-8 and says so; other programs may do neither."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            if flags & _UTF8:
                raise self._refused(f"entry {raw[:80]!r} refused: its name is not the UTF-8 that it says") from error
        name = raw.decode("cp437")
        self.doubts.append(f"the name of entry {name!r} is not in UTF-8: read as code page 437")
        return name

    def _wide(self, name: str, extra: bytes, size: int, compressed: int, offset: int) -> tuple[int, int, int]:
        """Sizes and offset of ZIP64, from the extra field with id 1."""
        place = 0
        while place + 4 <= len(extra):
            identity, length = struct.unpack_from("<2H", extra, place)
            if identity == 1 and place + 4 + length <= len(extra):
                numbers = list(struct.unpack_from(f"<{length // 8}Q", extra, place + 4))
                found = [numbers.pop(0) if value == 0xFFFFFFFF and numbers else value
                         for value in (size, compressed, offset)]  # fmt: skip
                return found[0], found[1], found[2]
            place += 4 + length
        raise self._refused(f"entry {name!r} refused: it says ZIP64, but has no such field")

    # --- contents --------------------------------------------------------------------------------------------

    def _blocks(self, entry: Entry, where: str) -> Iterator[bytes]:
        header = self.file.at(entry.offset, _LOCAL.size)
        mark, _, flags, method, _, _, _, _, _, named, extra = _LOCAL.unpack(header)
        begin = entry.offset + _LOCAL.size + named + extra
        if (
            mark != b"PK\x03\x04"
            or method != entry.method
            or flags & _ENCRYPTED
            or named != len(entry.raw)
            or self.file.at(entry.offset + _LOCAL.size, named) != entry.raw
        ):
            raise InvalidPackage(f"{where}: the entry's own header is not as in the directory: damaged?")
        if begin + entry.compressed > entry.end:
            raise InvalidPackage(f"{where}: overlaps what comes after it")
        crc = 0
        stored = method == _STORED
        for block in self.file.blocks(begin, entry.size) if stored else self._inflated(entry, begin, where):
            crc = zlib.crc32(block, crc)
            yield block
        if crc != entry.crc:
            raise ChecksumMismatch(f"{where}: CRC is {crc:08x}, announced was {entry.crc:08x}", HINT)

    def _inflated(self, entry: Entry, begin: int, where: str) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        given, place = b"", 0
        while not inflater.eof:
            if not given:
                given = self.file.at(begin + place, min(_BLOCK, entry.compressed - place))
                place += len(given)
            try:
                block = inflater.decompress(given, _BLOCK)
            except zlib.error as error:
                raise InvalidPackage(f"{where}: damaged: {error}") from error
            given = inflater.unconsumed_tail
            if block:
                yield block
            elif not given and place >= entry.compressed and not inflater.eof:
                raise InvalidPackage(f"{where}: its compressed data end too early")
        if given or inflater.unused_data or place < entry.compressed:
            raise InvalidPackage(f"{where}: something is behind its compressed data")
