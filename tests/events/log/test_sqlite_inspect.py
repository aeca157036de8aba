"""A damaged SQLite log is looked through to its end, and everything that is wrong with it is told."""

from __future__ import annotations

import random
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import AipstreamError
from events.log import Entry
from events.log.inspecting import Extent, Fault, Inspected, Inspecting
from events.log.opening import inspecting_of, open_log, retention_of
from events.log.sqlite import SqliteLog
from tests.events.log import damage
from tests.events.samples import event, uuid_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return damage.made(tmp_path / "log.sqlite")


def walked(path: Path, **options: bool) -> list[Inspected]:
    with closing(open_log(f"sqlite:///{path}")) as log:
        return list(inspecting_of(log).walk(0, **options))


def faults(path: Path, **options: bool) -> dict[int, set[Fault]]:
    return {found.position: {flaw.fault for flaw in found.flaws} for found in walked(path, **options) if found.flaws}


def overall(path: Path) -> set[Fault]:
    with closing(open_log(f"sqlite:///{path}")) as log:
        return {flaw.fault for flaw in inspecting_of(log).overall()}


def test_a_whole_log_has_no_faults(path: Path) -> None:
    """And the walk gives what a read gives, thinned events too."""
    with closing(open_log(f"sqlite:///{path}")) as log:
        retention_of(log).thin([1, 2])
        read = list(log.read(0))
    found = walked(path)
    assert [each.position for each in found] == list(range(1, 31))
    assert all(each.whole for each in found)
    assert [Entry(each.position, each.record.event) for each in found[2:] if each.record] == read
    assert [each.record.thinned for each in found if each.record][:3] == [True, True, False]
    assert overall(path) == set()


def test_the_port_is_served(path: Path) -> None:
    """By every back end that can."""
    with closing(open_log(f"sqlite:///{path}")) as log:
        inspecting: Inspecting = inspecting_of(log)
        assert inspecting.extent() == Extent(30, 30)
        assert [each.position for each in inspecting.walk(4, 7)] == [5, 6, 7]
        assert [each.position for each in inspecting.later(uuid_of(3), 3)] == [13, 23]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE event SET digest = 'another' WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET uuid = (SELECT uuid FROM event WHERE position = 8) WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET handle = NULL WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET parents = 'no JSON' WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET lsn = lsn + 1 WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET kind = 'thing' WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET blobs = 7 WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET source = CAST(X'FFFE' AS TEXT) WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET checksum = zeroblob(16) WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET payload_checksum = zeroblob(16) WHERE position = 9", Fault.HEADER),
        ("UPDATE event SET chain = zeroblob(16) WHERE position = 9", Fault.CHAIN),
        ("UPDATE event SET chain = NULL WHERE position = 9", Fault.CHAIN),
        ("DELETE FROM event WHERE position = 9", Fault.GAP),
        ("DELETE FROM payload WHERE position = 9", Fault.PAYLOAD_GONE),
        ("UPDATE payload SET payload = CAST(payload AS TEXT) WHERE position = 9", Fault.PAYLOAD),
        ("UPDATE payload SET payload = substr(payload, 1, 100) WHERE position = 9", Fault.PAYLOAD),
        ("INSERT INTO thinned VALUES (9)", Fault.THINNED),
    ],
)
def test_a_changed_row_is_told_where_it_is(path: Path, change: str, fault: Fault) -> None:
    """At its position and at no other, with what it is."""
    if change.endswith("chain = NULL WHERE position = 9"):
        damage.sql(path, "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, "
                   "'chain BLOB NOT NULL', 'chain BLOB') WHERE name = 'event'")  # fmt: skip
    damage.sql(path, change)
    found = faults(path)
    assert set(found) == {9}
    assert fault in found[9]


def test_payloads_that_changed_places_are_told_both(path: Path) -> None:
    """Each is whole, and not that of its event."""
    damage.sql(
        path,
        "UPDATE payload SET position = -1 WHERE position = 8",
        "UPDATE payload SET position = 8 WHERE position = 19",
        "UPDATE payload SET position = 19 WHERE position = -1",
    )
    assert faults(path) == {8: {Fault.PAYLOAD}, 19: {Fault.PAYLOAD}}


def test_an_event_that_was_exchanged_with_its_checksum_is_told(path: Path) -> None:
    """By the chain, at that position alone."""
    from events.log.chain import recorded
    from events.log.sqlite_rows import rows

    other, payload = rows(recorded(9, event(9, 9, payload=b"forged"), bytes(16)))
    given = {name: value for name, value in other.items() if name != "chain"}
    with closing(sqlite3.connect(path)) as connection:
        columns = ", ".join(f"{name} = ?" for name in given)
        connection.execute(f"UPDATE event SET {columns} WHERE position = 9", list(given.values()))
        connection.execute("UPDATE payload SET payload = ? WHERE position = 9", (payload["payload"],))
        connection.commit()
    assert faults(path) == {9: {Fault.CHAIN}}


def test_many_damages_are_all_told(path: Path) -> None:
    """One does not hide another, nor the last of them."""
    damage.sql(
        path,
        "DELETE FROM event WHERE position IN (1, 2, 14)",
        "DELETE FROM payload WHERE position IN (5, 30)",
        "UPDATE event SET digest = 'x' WHERE position IN (20, 21)",
    )
    damage.flip_payload(path, 11)
    assert set(faults(path)) == {1, 2, 5, 11, 14, 20, 21, 30}


def test_rows_that_are_missing_at_the_end_are_told(path: Path) -> None:
    """Each of them, and that the end is not where it is noted."""
    damage.sql(path, "DELETE FROM event WHERE position > 27", "DELETE FROM payload WHERE position > 27")
    assert faults(path) == {28: {Fault.GAP}, 29: {Fault.GAP}, 30: {Fault.GAP}}
    assert overall(path) == {Fault.END}


def test_a_record_behind_the_noted_end_is_told(path: Path) -> None:
    """The records themselves are whole."""
    damage.sql(path, "UPDATE meta SET value = '25' WHERE key = 'end'")
    assert faults(path) == {}
    assert len(walked(path)) == 30
    assert overall(path) == {Fault.END}


def test_a_newest_event_that_is_marked_as_thinned_is_told(path: Path) -> None:
    """Retention never does that, whether its payload is there or not."""
    damage.sql(path, "INSERT INTO thinned VALUES (30), (28)", "DELETE FROM payload WHERE position = 28")
    assert faults(path) == {28: {Fault.THINNED}, 30: {Fault.THINNED}}


def test_an_index_that_does_not_find_a_row_is_told(path: Path) -> None:
    """A look-up by it would not know the event."""
    with closing(sqlite3.connect(path)) as connection:
        handle = connection.execute("SELECT handle FROM event WHERE position = 9").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root, size = (
            connection.execute(query).fetchone()[0]
            for query in ("SELECT rootpage FROM sqlite_schema WHERE name = 'event_of_handle'", "PRAGMA page_size")
        )
    content = path.read_bytes()
    page = content[(root - 1) * size : root * size]
    path.write_bytes(content.replace(page, page.replace(f"{handle}".encode(), b"123456789/!"), 1))
    assert {Fault.INDEX} in faults(path).values()
    assert all(found.whole for found in walked(path)), "the records are not concerned"


def test_an_index_that_does_not_find_a_text_that_is_none_is_told(path: Path) -> None:
    """A time with a bit flipped in the row and not in the index: until the index is made anew, SQLite refuses to write
    the row.
    """

    def time() -> bytes:
        with closing(sqlite3.connect(path)) as connection:
            query = "SELECT CAST(commit_time AS BLOB) FROM event NOT INDEXED WHERE position = 9"
            return bytes(connection.execute(query).fetchone()[0])

    whole, content = time(), path.read_bytes()
    for place in re.finditer(re.escape(whole), content):
        path.write_bytes(content[: place.start() + 12] + b"\xb8" + content[place.start() + 13 :])
        if time() != whole:
            break
    assert time() != whole
    assert {Fault.HEADER, Fault.INDEX} <= faults(path)[9]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_bit_is_flipped_it_is_told_or_harmless(path: Path, seed: int) -> None:
    """Anywhere in the file: the walk comes to its end with a fault, or every event is as it was; or the log cannot be
    opened at all, and says so. A payload's bit is always told, with its position.
    """
    with closing(open_log(f"sqlite:///{path}")) as log:
        whole = list(log.read(0))
    content, chance, told = path.read_bytes(), random.Random(seed), 0
    for _ in range(40):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            with closing(open_log(f"sqlite:///{path}")) as log:
                found = list(inspecting_of(log).walk(0))
                flaws = list(inspecting_of(log).overall())
        except AipstreamError:
            told += 1
            continue
        if flaws or any(each.flaws for each in found):
            told += 1
        else:
            assert [Entry(each.position, each.record.event) for each in found if each.record] == whole
        assert [each.position for each in found][:30] == list(range(1, 31))
    assert told > 8, "a good part of the file is payload"


@pytest.mark.parametrize("table", ["payload", "event"])
def test_a_torn_page_costs_no_neighbour(tmp_path: Path, table: str) -> None:
    """A leaf of the table is overwritten: what stood on it is told, all else is whole."""
    path = damage.made(tmp_path / "log.sqlite", events=400, size=300)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    with closing(SqliteLog(f"sqlite:///{path}")) as log:
        payload = next(iter(log.read(199, 1))).event
    sign = payload.payload[:60] if table == "payload" else payload.digest.encode()
    page = content.find(sign) // 8192
    content[page * 8192 : page * 8192 + 8192] = bytes(8192)
    path.write_bytes(content)
    found = walked(path)
    assert [each.position for each in found] == list(range(1, 401))
    bad = [each.position for each in found if not each.whole]
    assert 200 in bad
    assert len(bad) < 100
    assert bad == list(range(bad[0], bad[-1] + 1))


def test_a_page_that_only_a_writer_needs_is_told(path: Path) -> None:
    """The second page of the file says which page belongs to which. Every record can be read without it; nothing could
    be thinned any more.
    """
    assert not overall(path)
    content = bytearray(path.read_bytes())
    content[8192:16384] = bytes(8192)
    path.write_bytes(content)
    assert all(found.whole for found in walked(path))
    with closing(open_log(f"sqlite:///{path}")) as log:
        (flaw,) = inspecting_of(log).overall()
    assert flaw.fault is Fault.TORN
    assert "\n" not in flaw.what
