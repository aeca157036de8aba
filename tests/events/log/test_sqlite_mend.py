"""A SQLite log is put right only by what its own checksums prove, and nothing else in it is touched."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import AipstreamError, ChecksumMismatch, GapInLog
from events.log import Log
from events.log.chain import Record
from events.log.inspecting import Mending
from events.log.opening import inspecting_of, mending_of, open_log
from tests.events.log import damage
from tests.events.samples import event, uuid_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return damage.made(tmp_path / "log.sqlite")


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    """The log before anything happens to it."""
    return Path(shutil.copy(path, tmp_path / "copy.sqlite"))


def opened(path: Path) -> Log:
    return open_log(f"sqlite:///{path}")


def mend(path: Path, does: Callable[[Mending], object]) -> None:
    with closing(opened(path)) as log:
        does(mending_of(log))


def records(copy: Path, first: int, last: int) -> Iterator[Record]:
    with closing(opened(copy)) as log:
        for found in inspecting_of(log).walk(first - 1, last):
            assert found.record is not None
            yield found.record


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM event WHERE position IN (8, 9, 10)",
        "DELETE FROM event WHERE position > 27",
        "DELETE FROM event WHERE position < 4",
        "UPDATE event SET digest = 'other', checksum = zeroblob(16), chain = zeroblob(16) WHERE position IN (8, 9, 10)",
        "UPDATE event SET source = CAST(X'FFFE' AS TEXT) WHERE position = 9",
    ],
)
@pytest.mark.parametrize("payloads_too", [True, False])
def test_records_come_back_from_a_copy(path: Path, copy: Path, change: str, payloads_too: bool) -> None:
    """Whatever of them was damaged; afterwards the log is, row for row, what it was."""
    whole = damage.rows_of(path)
    damage.sql(path, change)
    if payloads_too:
        damage.sql(path, "DELETE FROM payload WHERE position NOT IN (SELECT position FROM event)")
    with closing(opened(path)) as log:
        bad = [found.position for found in inspecting_of(log).walk(0) if not found.whole]
        assert bad
        mending_of(log).put_records(bad[0], records(copy, bad[0], bad[-1]))
        assert list(log.read(0))
    assert damage.rows_of(path) == whole


def test_records_of_another_log_are_refused(path: Path, tmp_path: Path) -> None:
    """Though each of them is whole in itself and they are chained to one another."""
    other = tmp_path / "other.sqlite"
    with closing(open_log(f"sqlite:///{other}", create=True)) as log:
        log.append([event(lsn, lsn % 7) for lsn in range(1, 31)])
    for first, last in ((9, 9), (20, 25), (28, 30), (1, 1)):
        damage.sql(path, f"DELETE FROM event WHERE position BETWEEN {first} AND {last}")
        before = damage.rows_of(path)
        with pytest.raises(AipstreamError):
            mend(path, lambda mending, a=first, b=last: mending.put_records(a, records(other, a, b)))  # type: ignore[misc]
        assert damage.rows_of(path) == before


def test_too_few_records_are_refused(path: Path, copy: Path) -> None:
    """The gap has to be closed: else nothing proves them."""
    damage.sql(path, "DELETE FROM event WHERE position BETWEEN 8 AND 10", "DELETE FROM event WHERE position > 27")
    for first, last in ((8, 9), (28, 29)):
        with pytest.raises(ChecksumMismatch):
            mend(path, lambda mending, a=first, b=last: mending.put_records(a, records(copy, a, b)))  # type: ignore[misc]


def test_a_payload_is_put_back_only_if_it_is_the_one(path: Path) -> None:
    """Any other is refused, and everything else stays as it is."""
    whole = damage.rows_of(path)
    payload = damage.flip_payload(path, 9)
    with pytest.raises(ChecksumMismatch):
        mend(path, lambda mending: mending.put_payload(9, payload + b"x"))
    damage.sql(path, "DELETE FROM payload WHERE position = 9")
    mend(path, lambda mending: mending.put_payload(9, payload))
    assert damage.rows_of(path) == whole


def test_a_link_is_written_anew_if_the_next_record_proves_it(path: Path) -> None:
    """The last one has no next: nothing proves it."""
    whole = damage.rows_of(path)
    damage.sql(path, "UPDATE event SET chain = zeroblob(16) WHERE position = 9")
    mend(path, lambda mending: mending.put_chain(9))
    assert damage.rows_of(path) == whole
    damage.sql(path, "UPDATE event SET chain = zeroblob(16) WHERE position = 30")
    with pytest.raises(ChecksumMismatch):
        mend(path, lambda mending: mending.put_chain(30))


def test_an_exchanged_event_is_not_chained_in(path: Path) -> None:
    """Else a forgery would be made good."""
    with closing(sqlite3.connect(path)) as connection:
        from events.log.chain import recorded
        from events.log.sqlite_rows import rows

        other, _ = rows(recorded(9, event(9, 9, payload=b"forged"), bytes(16)))
        columns = ", ".join(f"{name} = ?" for name in other)
        connection.execute(f"UPDATE event SET {columns} WHERE position = 9", list(other.values()))
        connection.commit()
    with pytest.raises(ChecksumMismatch):
        mend(path, lambda mending: mending.put_chain(9))


def test_the_end_is_moved_to_the_last_record_that_is_chained(path: Path) -> None:
    """Forward, never back: what is missing at the end stays missed."""
    whole = damage.rows_of(path)
    damage.sql(path, "UPDATE meta SET value = '25' WHERE key = 'end'")
    mend(path, lambda mending: mending.put_end())
    assert damage.rows_of(path) == whole
    damage.sql(path, "DELETE FROM event WHERE position = 30")
    before = damage.rows_of(path)
    with pytest.raises(ChecksumMismatch):
        mend(path, lambda mending: mending.put_end())
    assert damage.rows_of(path) == before


def test_an_event_is_lost_only_if_a_later_one_of_its_object_is_whole(path: Path) -> None:
    """It keeps header and place; the bytes that were there are kept; what is whole cannot be lost at all."""
    damage.flip_payload(path, 3)
    damage.flip_payload(path, 26)
    damage.flip_payload(path, 30)
    damage.flip_payload(path, 20)
    with closing(opened(path)) as log:
        seal = log.seal()
        assert mending_of(log).lose([1, 3, 20, 26, 30], "its payload is damaged") == [3]
        assert [(position, claimed.uuid) for position, claimed, _ in mending_of(log).lost()] == [(3, uuid_of(3))]
        assert log.seal() == seal
        assert [entry.position for entry in log.read(0, limit=4)] == [1, 2, 4, 5]
        log.append([event(31, 0), event(32, 6)])
        assert mending_of(log).lose([20, 26, 30], "the same") == [20, 26, 30]
        assert [entry.position for entry in log.read(18)] == [19, 21, 22, 23, 24, 25, 27, 28, 29, 31, 32]
    with closing(sqlite3.connect(path)) as connection:
        assert all(found for (found,) in connection.execute("SELECT found FROM lost"))


def test_a_mark_of_retention_that_is_none_is_taken_back(path: Path) -> None:
    """If the payload is there; else it stays."""
    whole = damage.rows_of(path)
    damage.sql(path, "INSERT INTO thinned VALUES (9)")
    mend(path, lambda mending: mending.keep(9))
    assert damage.rows_of(path) == whole
    damage.sql(path, "INSERT INTO thinned VALUES (30)", "DELETE FROM payload WHERE position = 30")
    with pytest.raises(ChecksumMismatch):
        mend(path, lambda mending: mending.keep(30))


def test_indexes_are_made_anew(path: Path) -> None:
    """From the records, which are not touched."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root, size = (
            connection.execute(query).fetchone()[0]
            for query in ("SELECT rootpage FROM sqlite_schema WHERE name = 'event_of_handle'", "PRAGMA page_size")
        )
    content = path.read_bytes()
    page = content[(root - 1) * size : root * size]
    path.write_bytes(content.replace(page, page.replace(b"123456789/9", b"123456789/!"), 1))
    whole = damage.rows_of(path)
    with closing(opened(path)) as log:
        assert any(found.flaws for found in inspecting_of(log).walk(0))
        assert mending_of(log).unsound() is None, "the pages are sound"
        mending_of(log).reindex()
        assert not any(found.flaws for found in inspecting_of(log).walk(0))
        assert log.lookup_handle("123456789/9") is not None
    assert damage.rows_of(path) == whole


def test_a_torn_file_is_not_written_into(tmp_path: Path) -> None:
    """SQLite would go on with pages that point anywhere."""
    path = damage.made(tmp_path / "log.sqlite", events=400, size=300)
    with closing(opened(path)) as log:
        assert mending_of(log).unsound() is None
        payload = next(iter(log.read(199, 1))).event.payload
    content = bytearray(path.read_bytes())
    page = content.find(payload[:60]) // 8192
    content[page * 8192 : page * 8192 + 8192] = bytes(8192)
    path.write_bytes(content)
    with closing(opened(path)) as log:
        assert mending_of(log).unsound() is not None
        with pytest.raises(GapInLog):
            list(log.read(0))
