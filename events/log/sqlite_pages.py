"""The rows of a SQLite file read from its pages, whatever has become of the tree that holds the pages together.

SQLite finds a row by going down from a table's root. Where a page on the way is torn, it gives none of what hangs
below, though all of that may be as it was. Here every page of the file is looked at for itself, by the format that
SQLite promises (https://www.sqlite.org/fileformat2.html): a leaf of a table has its rows with their keys; and of a page
of which only a sector is lost, those rows are found that stand in the rest of it.

Invariant: nothing that is given is trusted. A page may be an old one that the file uses no more, and what looks like a
row may be none: whoever asks has to prove what he takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

LEAF, INDEX_LEAF, INDEX_INTERIOR, INTERIOR = 0x0D, 0x0A, 0x02, 0x05
"""Of tables and indexes; the inner pages of tables have no rows."""

_HEADER: Final = 100
_MAGIC: Final = b"SQLite format 3\0"
_WAL_HEADER, _FRAME = 32, 24
_MOST_COLUMNS: Final = 64
_SIZES: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}
_VARINT: Final = 9


class NoRow(Exception):
    """What was read as a row is none."""


class Row(NamedTuple):
    """A row of a table, or an entry of an index (whose `rowid` is 0), as far as it stands in its page.

    size       of the whole record, in bytes
    local      its beginning, which is all of it unless there is more at page `overflow`
    """

    rowid: int
    size: int
    local: bytes
    overflow: int = 0

    def types(self) -> list[int]:
        """What each of its columns is (serial types). Raises NoRow."""
        length, at = _varint(self.local, 0)
        if not at <= length <= min(len(self.local), _MOST_COLUMNS * _VARINT):
            raise NoRow
        types = []
        while at < length:
            kind, at = _varint(self.local, at)
            types.append(kind)
        if at != length or length + sum(map(_size, types)) != self.size:
            raise NoRow
        return types


class Pages:
    """A SQLite file; pages in its WAL stand for those of the file. `page_size` is for a file that does not tell."""

    def __init__(self, path: Path, page_size: int) -> None:
        self._files = [os.open(path, os.O_RDONLY)]
        self.unreadable: set[int] = set()
        """Pages that the system does not give: their sectors are lost."""
        self.size, reserved = page_size, 0
        head = self._read(0, 0, _HEADER)
        if head.startswith(_MAGIC):
            told = int.from_bytes(head[16:18]) or 0
            told = 65536 if told == 1 else told
            if told >= 512 and not told & (told - 1):
                self.size, reserved = told, head[20]
        self.usable = self.size - reserved
        self.count = -(-os.fstat(self._files[0]).st_size // self.size)
        self._frames: dict[int, int] = {}
        """Where in the WAL the page of that number stands, if it does."""
        self._open_wal(Path(f"{path}-wal"))
        self._least = (self.usable - 12) * 32 // 255 - 23
        self._most = {LEAF: self.usable - 35}
        self._most[INDEX_LEAF] = self._most[INDEX_INTERIOR] = (self.usable - 12) * 64 // 255 - 23

    def close(self) -> None:
        """Close the file."""
        for descriptor in self._files:
            os.close(descriptor)
        self._files.clear()

    def page(self, number: int) -> bytes:
        """The page of that number, from 1 on; empty if it cannot be read."""
        frame = self._frames.get(number)
        content = self._read(1, frame, self.size) if frame is not None else b""
        content = content or self._read(0, (number - 1) * self.size, self.size)
        if not content:
            self.unreadable.add(number)
        return content

    def rows(self, number: int) -> Iterator[Row]:
        """The rows of that page, if it is a leaf of a table or looks as if it had been one."""
        page = self.page(number)
        start = _HEADER if number == 1 else 0
        kind = page[start] if len(page) > start else 0
        damaged = kind not in (LEAF, INDEX_LEAF, INDEX_INTERIOR, INTERIOR)
        if kind == LEAF:
            for at in _cells(page, start, 8):
                try:
                    yield self._table_row(page, at)
                except NoRow:
                    damaged = True
        if damaged:
            yield from self._remains(page)

    def entries(self, number: int) -> Iterator[list[object]]:
        """The values of each entry of that page, if it is one of an index."""
        page = self.page(number)
        start = _HEADER if number == 1 else 0
        kind = page[start] if len(page) > start else 0
        if kind not in (INDEX_LEAF, INDEX_INTERIOR):
            return
        inner = kind == INDEX_INTERIOR
        for at in _cells(page, start, 12 if inner else 8):
            try:
                size, at = _varint(page, at + 4 * inner)
                yield self.values(self._record(page, kind, 0, size, at))
            except NoRow:
                continue

    def content(self, row: Row) -> bytes:
        """The whole record of a row. Raises NoRow if what stands in other pages cannot be had."""
        parts, left, number = [row.local], row.size - len(row.local), row.overflow
        while left > 0:
            page = self.page(number) if 0 < number <= self.count or number in self._frames else b""
            if len(page) < 4:
                raise NoRow
            part = page[4 : min(self.usable, 4 + left)]
            parts.append(part)
            left, number = left - len(part), int.from_bytes(page[:4])
        return b"".join(parts)

    def values(self, row: Row) -> list[object]:
        """What is in its columns; a text that is none as bytes. Raises NoRow."""
        types, content = row.types(), self.content(row)
        at, _ = _varint(content, 0)
        found: list[object] = []
        for kind in types:
            size = _size(kind)
            found.append(_value(kind, content[at : at + size]))
            at += size
        return found

    # --- how it lies in the file ----------------------------------------------------------------------------------

    def _read(self, file: int, offset: int, size: int) -> bytes:
        try:
            return os.pread(self._files[file], size, offset)
        except OSError:
            return b""

    def _open_wal(self, path: Path) -> None:
        """The last frame of each page, of those that SQLite wrote since the WAL was begun. It believes none behind a
        frame that is damaged; here what is in them is proved anyhow.
        """
        try:
            self._files.append(os.open(path, os.O_RDONLY))
        except FileNotFoundError:
            return
        head = self._read(1, 0, _WAL_HEADER)
        if len(head) < _WAL_HEADER or int.from_bytes(head[8:12]) != self.size:
            return
        offset, pending = _WAL_HEADER, dict[int, int]()
        while len(frame := self._read(1, offset, _FRAME)) == _FRAME:
            if frame[8:16] == head[16:24]:
                pending[int.from_bytes(frame[:4])] = offset + _FRAME
                if (pages := int.from_bytes(frame[4:8])) > 0:  # the transaction was committed
                    self._frames |= pending
                    pending.clear()
                    self.count = max(self.count, pages)
            offset += _FRAME + self.size

    def _table_row(self, page: bytes, at: int) -> Row:
        size, at = _varint(page, at)
        rowid, at = _varint(page, at)
        row = self._record(page, LEAF, rowid, size, at)
        row.types()
        return row

    def _record(self, page: bytes, kind: int, rowid: int, size: int, at: int) -> Row:
        """What of a record of that size stands in its page."""
        most, local = self._most[kind], size
        if size > most:
            local = self._least + (size - self._least) % (self.usable - 4)
            local = local if local <= most else self._least
        end = at + local
        if size <= 0 or end + 4 * (size > local) > len(page):
            raise NoRow
        overflow = int.from_bytes(page[end : end + 4]) if size > local else 0
        return Row(rowid, size, page[at:end], overflow)

    def _remains(self, page: bytes) -> Iterator[Row]:
        """Rows whose beginning is recognized where nothing tells where rows begin."""
        for match in _BEGINNINGS.finditer(page):
            try:
                length, at = _varint(page, match.start())
                end, total = match.start() + length, length
                while at < end:
                    kind, at = _varint(page, at)
                    total += _size(kind)
                first = match.start() - 1
                while first > 0 and page[first - 1] & 0x80 and match.start() - first < _VARINT:
                    first -= 1
                before = _encoded(total)  # the size, which stands before the key
                if page[first - len(before) : first] == before:
                    yield self._table_row(page, first - len(before))
            except NoRow:
                continue


_BEGINNINGS: Final = re.compile(rb"[\x12-\x30]\x00\x2c|[\x03-\x07]\x00[\x80-\xff]{0,4}[\x00-\x7f]\x28\xb5\x2f\xfd")
"""How the records of `event` begin (their length, no key, an id of 16 bytes), and those of `payload` (zstd)."""


def _cells(page: bytes, start: int, header: int) -> Iterator[int]:
    """Where the cells of a page begin."""
    count = int.from_bytes(page[start + 3 : start + 5])
    at = start + header
    for place in range(at, min(at + 2 * count, len(page) - 1), 2):
        yield int.from_bytes(page[place : place + 2])


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends. Raises NoRow."""
    value = 0
    for place in range(at, at + _VARINT):
        if place >= len(content) or place < 0:
            raise NoRow
        byte = content[place]
        if place == at + _VARINT - 1:
            return (value << 8) | byte, place + 1
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, place + 1
    raise NoRow


def _encoded(value: int) -> bytes:
    """The same number again, for those of at most eight bytes."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))


def _size(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    if kind not in _SIZES:
        raise NoRow
    return _SIZES[kind]


def _value(kind: int, content: bytes) -> object:
    if kind == 0:
        return None
    if kind in (8, 9):
        return kind - 8
    if kind >= 12:
        if kind % 2 == 0:
            return content
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content
    return content if kind == 7 else int.from_bytes(content, signed=True)


def shaped(types: Sequence[int], *expected: str) -> bool:
    """Whether columns of those types are such: `-` for NULL, `t` text, `b` bytes, `i` a number, `?` anything."""
    return len(types) == len(expected) and all(
        one == "?" or {"-": kind == 0, "t": kind >= 13 and kind % 2 == 1, "b": kind >= 12 and kind % 2 == 0}.get(
            one, kind in (1, 2, 3, 4, 5, 6, 8, 9)
        )
        for kind, one in zip(types, expected, strict=True)
    )
