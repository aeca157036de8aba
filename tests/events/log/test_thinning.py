"""What retention takes away from a SQLite log, and the chain that shows what else is missing."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import ConfigError, GapInLog
from events.log import Entry, Superseded
from events.log.chain import recorded
from events.log.opening import retention_of
from events.log.sqlite import SqliteLog
from events.log.sqlite_rows import rows
from tests.events.samples import deletion, event, uuid_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def run_sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def some_history(url: str) -> SqliteLog:
    """Three objects: 1 at 1, 3, 5 and 6; 2 at 2 and deleted at 7; 3 at 4."""
    log = SqliteLog(url, create=True)
    log.append([event(1, 1), event(2, 2), event(3, 1), event(4, 3), event(5, 1), event(6, 1), deletion(7, 2)])
    return log


def test_a_thinned_event_is_read_no_more(url: str) -> None:
    """Not by any way to read; what is left is found in its place, and the end stays where it was."""
    with closing(some_history(url)) as log:
        seal = log.seal()
        freed = retention_of(log).thin([1, 3])
        assert freed == len(event(1, 1).payload) + len(event(3, 1).payload)
        assert [entry.position for entry in log.read(0)] == [2, 4, 5, 6, 7]
        assert [entry.position for entry in log.read(0, limit=3)] == [2, 4, 5]
        assert [entry.position for entry in log.read(2, until=5)] == [4, 5]
        assert [entry.position for entry in log.history(uuid_of(1))] == [5, 6]
        assert log.latest(uuid_of(1), at=4) is None
        assert log.latest(uuid_of(1), at=5) == Entry(5, event(5, 1))
        assert [uuid for uuid, *_ in log.heads(at=4)] == sorted([uuid_of(2), uuid_of(3)])
        assert log.end() == 7
        assert log.id_at(3) == event(3, 1).id
        assert retention_of(log).thinned() == 2
        assert retention_of(log).thinned(1, 3) == 1
        assert log.seal() == seal
        assert log.append([event(3, 1)]) == [3], "it is not appended a second time"


def test_the_newest_event_of_an_object_is_never_thinned(url: str) -> None:
    """Whoever asks for it, and however often."""
    with closing(some_history(url)) as log:
        retention_of(log).thin([1, 2, 3, 4, 5, 6, 7])
        retention_of(log).thin([1, 2, 3, 4, 5, 6, 7])
        assert [entry.position for entry in log.read(0)] == [4, 6, 7]


def test_a_payload_that_is_gone_without_being_thinned_is_damage(url: str, path: Path) -> None:
    """Only what retention noted down may be missing."""
    with closing(some_history(url)) as log:
        retention_of(log).thin([1])
    run_sql(path, "DELETE FROM payload WHERE position = 3")
    with closing(SqliteLog(url)) as log, pytest.raises(GapInLog, match="position 3"):
        list(log.read(0))


def test_an_event_exchanged_with_its_checksum_breaks_the_chain(url: str, path: Path) -> None:
    """Somebody writes another event in its place, well formed in itself."""
    with closing(some_history(url)) as log:
        log.seal()
    other, payload = rows(recorded(3, event(3, 1, payload=b"forged"), bytes(16)))
    columns = ", ".join(f"{name} = ?" for name in other if name != "chain")
    connection = sqlite3.connect(path)
    connection.execute(
        f"UPDATE event SET {columns} WHERE position = 3", [value for name, value in other.items() if name != "chain"]
    )
    connection.execute("UPDATE payload SET payload = ? WHERE position = 3", [payload["payload"]])
    connection.commit()
    connection.close()
    with closing(SqliteLog(url)) as log, pytest.raises(GapInLog, match="position 3: it is not chained"):
        list(log.read(0))


def test_a_log_of_format_1_is_chained_when_it_is_opened(url: str, path: Path) -> None:
    """It was written before there was a chain."""
    with closing(some_history(url)) as log:
        seal = log.seal()
    run_sql(path, "ALTER TABLE event DROP COLUMN chain")
    run_sql(path, "DROP TABLE thinned")
    run_sql(path, "DROP TABLE mark")
    run_sql(path, "UPDATE meta SET value = '1' WHERE key = 'format'")
    with closing(SqliteLog(url)) as log:
        assert log.seal() == seal
        assert len(list(log.read(0))) == 7
        assert log.append([event(8, 1)]) == [8]


def test_room_that_was_freed_is_given_back(url: str, path: Path) -> None:
    """The file shrinks by about what was taken away."""
    with closing(SqliteLog(url, create=True)) as log:
        log.append([event(lsn, 1, payload=random.Random(lsn).randbytes(100_000)) for lsn in range(1, 101)])
    before = path.stat().st_size
    with closing(SqliteLog(url)) as log:
        retention_of(log).thin(list(range(1, 100)))
    assert path.stat().st_size < before / 5


def test_what_is_superseded_is_told_with_its_successor(url: str) -> None:
    """Of what is whole, and only by events up to a position."""
    with closing(some_history(url)) as log:
        retention = retention_of(log)
        pairs = {(row.position, row.by) for row in retention.superseded(7)}
        assert pairs == {(1, 3), (3, 5), (5, 6), (2, 7)}
        assert {(row.position, row.by) for row in retention.superseded(5)} == {(1, 3), (3, 5)}
        retention.thin([3])
        assert Superseded(1, 5, len(event(1, 1).payload)) in set(retention.superseded(7))


def test_references_are_those_of_whole_events(url: str) -> None:
    """A thinned event needs no blob."""
    with closing(some_history(url)) as log:
        retention = retention_of(log)
        retention.thin([1])
        assert list(retention.references()) == [(p, e.blobs) for p, e, _ in log.read(0)]
        assert [position for position, _ in retention.references(4)] == [5, 6, 7]


def test_moments_are_marked_by_name(url: str) -> None:
    """A name is given once, and given up by name."""
    with closing(some_history(url)) as log:
        retention = retention_of(log)
        retention.mark("before the migration", 5)
        retention.mark("first", 1)
        assert [(mark.name, mark.position) for mark in retention.marks()] == [("first", 1), ("before the migration", 5)]
        with pytest.raises(ConfigError, match="first"):
            retention.mark("first", 2)
        retention.unmark("first")
        with pytest.raises(ConfigError, match="first"):
            retention.unmark("first")
