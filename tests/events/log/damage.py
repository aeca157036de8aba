"""Real damage done to a SQLite log: rows changed beneath it, bytes of its file flipped."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import zstandard

from events.event import Position
from events.log.opening import open_log
from events.log.sqlite_pages import Pages
from tests.events.samples import deletion, event


def sql(path: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    """Change rows as somebody with `sqlite3` would."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the tables hold, as it is."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in ("meta", "event", "payload", "thinned")
        }


def flip(path: Path, offset: int, bit: int = 1) -> None:
    """Flip a bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


def flip_in(path: Path, known: bytes, at: int = 0, bit: int = 1) -> None:
    """Flip a bit where those bytes lie in a file."""
    offset = path.read_bytes().find(known)
    assert offset >= 0
    flip(path, offset + at, bit)


def flip_payload(path: Path, position: Position) -> bytes:
    """Flip two bits of a payload within the file, where it lies; the bytes that it had."""
    with closing(sqlite3.connect(path)) as connection:
        payload = connection.execute("SELECT payload FROM payload WHERE position = ?", (position,)).fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    flip_in(path, payload[100:150], 20, 0x81)
    return bytes(payload)


PAGE = 8192


def tear(path: Path, *, records: bool = True) -> list[Position]:
    """Zero a leaf of the table of records, or of payloads, in the middle; the positions that stood on it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    leaves = []
    with closing(Pages(path, PAGE)) as pages:
        for number in range(1, pages.count + 1):
            kinds = [(row.rowid, row.types()) for row in pages.rows(number)]
            on_it = [at for at, types in kinds if types[0] == 0 and len(types) == (17 if records else 2)]
            leaves += [(on_it, number)] if on_it else []
    leaves.sort()
    positions, number = leaves[len(leaves) // 2]
    zero(path, number - 1)
    return positions


def zero(path: Path, page: int, start: int = 0, length: int = PAGE) -> None:
    """Zero a page, counted from 0, or a part of it."""
    with path.open("r+b") as file:
        file.seek(page * PAGE + start)
        file.write(bytes(length))


def root_of(path: Path, name: str) -> int:
    """The page, from 0 on, with which a table or index begins."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [name]).fetchone()[0]) - 1


def made(path: Path, events: int = 30, objects: int = 10, size: int = 3000) -> Path:
    """A closed log of events of some objects, the last but one of them a deletion of object 5 (if there is one)."""
    chance = random.Random(4)
    with closing(open_log(f"sqlite:///{path}", create=True)) as log:
        log.append(
            [
                event(lsn, lsn % objects, payload=zstandard.compress(chance.randbytes(size)))
                for lsn in range(1, events - 1)
            ]
        )
        log.append([deletion(events - 1, 5)])
        log.append([event(events, events % objects, payload=zstandard.compress(chance.randbytes(size)))])
    return path
