"""The SQLite log: the contract, and what only a file can suffer."""

from __future__ import annotations

import gc
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import AipstreamError, ConfigError, GapInLog, Locked, StorageUnusable, UnknownLogFormat
from events.log import Entry, Log
from events.log import sqlite_file as file
from events.log.opening import open_log
from events.log.sqlite import SqliteLog
from tests.events.log import damage
from tests.events.log.contract import LogContract
from tests.events.samples import event, uuid_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    """A log that was made, is empty, and is closed."""
    url = f"sqlite:///{path}"
    open_log(url, create=True).close()
    return url


class TestSqliteLog(LogContract):
    """The contract on SQLite."""

    def lose_payloads(self, log: Log) -> None:
        """Their table is emptied."""
        assert isinstance(log, SqliteLog)
        run_sql(log.path, "DELETE FROM payload")


@pytest.fixture
def filled(url: str) -> str:
    """30 events of 10 objects with payloads of 6 KB, closed, so that all of it is in the one file."""
    log = open_log(url)
    chance = random.Random(4)
    log.append([event(lsn, lsn % 10, payload=chance.randbytes(6000)) for lsn in range(1, 31)])
    log.close()
    return url


def everything(log: Log) -> list[object]:
    """All that the log can tell."""
    return [list(log.read(0)), list(log.heads()), log.end()]


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# --- damage ------------------------------------------------------------------------------------------------------


def test_a_flipped_byte_of_a_payload_is_found(filled: str, path: Path) -> None:
    """What stands before it is still given; the message names the position."""
    with closing(open_log(filled)) as log:
        payload = [entry.event.payload for entry in log.read(0)][16]
    content = bytearray(path.read_bytes())
    content[content.index(payload[:64]) + 20] ^= 1
    path.write_bytes(content)
    with closing(open_log(filled)) as log:
        reading = log.read(0)
        assert [next(reading).position for _ in range(16)] == list(range(1, 17))
        with pytest.raises(GapInLog, match="position 17"):
            next(reading)
        with pytest.raises(GapInLog, match="position 17"):
            list(log.history(uuid_of(7)))


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_byte_is_never_passed_over_in_silence(filled: str, path: Path, seed: int) -> None:
    """Wherever it is in the file: either a named error, or nothing that was told before is told otherwise."""
    with closing(open_log(filled)) as log:
        whole = everything(log)
    content = path.read_bytes()
    chance = random.Random(seed)
    found = 0
    for _ in range(60):
        flipped = bytearray(content)
        flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            with closing(open_log(filled)) as log:
                assert everything(log) == whole
        except AipstreamError:
            found += 1
    assert found > 20, "most of the file is payload"


@pytest.mark.parametrize("gone", [1, 15, 30])
@pytest.mark.parametrize("table", ["event", "payload"])
def test_a_row_that_is_gone_is_a_gap(filled: str, path: Path, table: str, gone: int) -> None:
    """The first, one in the middle, the last; from either table."""
    run_sql(path, f"DELETE FROM {table} WHERE position = {gone}")
    with closing(open_log(filled)) as log, pytest.raises(GapInLog, match=str(gone)):
        list(log.read(0))


def test_heads_miss_a_row_that_is_gone(filled: str, path: Path) -> None:
    """Else an object would look as if it had never been captured, or as if it had an older state."""
    run_sql(path, "DELETE FROM event WHERE position = 25")
    with closing(open_log(filled)) as log, pytest.raises(GapInLog):
        list(log.heads())


def test_all_rows_gone_is_a_gap(filled: str, path: Path) -> None:
    """An emptied table is not an empty log."""
    run_sql(path, "DELETE FROM event", "DELETE FROM payload")
    with closing(open_log(filled)) as log:
        with pytest.raises(GapInLog):
            list(log.read(0))
        with pytest.raises(GapInLog):
            log.append([event(31)])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET digest = 'another' WHERE position = 9",
        "UPDATE event SET uuid = (SELECT uuid FROM event WHERE position = 8) WHERE position = 9",
        "UPDATE event SET handle = NULL WHERE position = 9",
        "UPDATE event SET parents = 'no JSON' WHERE position = 9",
        "UPDATE event SET lsn = lsn + 1 WHERE position = 9",
        "UPDATE payload SET payload = (SELECT payload FROM payload WHERE position = 8) WHERE position = 9",
        "UPDATE payload SET payload = CAST(payload AS TEXT) WHERE position = 9",
        "UPDATE event SET source = CAST(X'FFFE' AS TEXT) WHERE position = 9",
    ],
)
def test_a_changed_row_is_damage(filled: str, path: Path, change: str) -> None:
    """Every column is under the checksum."""
    run_sql(path, change)
    with closing(open_log(filled)) as log, pytest.raises(GapInLog):
        list(log.read(0))


def test_a_text_is_no_damaged_log(path: Path) -> None:
    """What never was a log is not to be repaired as one; it stays as it is."""
    text = "127.0.0.1 localhost\n::1 ip6-localhost # Köln\n" * 40
    path.write_text(text)
    with pytest.raises(ConfigError, match="is a text, and no log"):
        open_log(f"sqlite:///{path}")
    assert path.read_text() == text
    path.write_bytes(os.urandom(100) + b"\0" * 8092)
    with pytest.raises(GapInLog, match="is damaged"):
        open_log(f"sqlite:///{path}")


def test_two_rows_that_changed_places_are_damage(filled: str, path: Path) -> None:
    """The position is under the checksum as well."""
    moves = [(8, -1), (9, 8), (-1, 9)]
    run_sql(
        path, *(f"UPDATE {t} SET position = {b} WHERE position = {a}" for t in ("event", "payload") for a, b in moves)
    )
    with closing(open_log(filled)) as log, pytest.raises(GapInLog, match="position 8"):
        list(log.read(0))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_noticed(filled: str, path: Path, share: float) -> None:
    """Down to nothing: an empty file is not a new log, not even with `create`."""
    os.truncate(path, int(path.stat().st_size * share))
    for create in (False, True):
        with pytest.raises(GapInLog), closing(open_log(filled, create=create)) as log:
            everything(log)


def test_what_stands_before_a_torn_page_is_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Up to the event before it, which is less than a page of events; then the damage is told, with its position, and
    nothing of it is told twice.
    """
    path = damage.made(tmp_path / "log.sqlite", events=400, size=300)
    with closing(open_log(f"sqlite:///{path}")) as log:
        whole = list(log.read(0))
    content = bytearray(path.read_bytes())
    page = content.find(whole[199].event.payload[:60]) // 8192
    content[page * 8192 : page * 8192 + 8192] = bytes(8192)
    path.write_bytes(content)
    found: list[Entry] = []
    with closing(open_log(f"sqlite:///{path}")) as log, pytest.raises(GapInLog) as told:
        found.extend(log.read(0))
    gc.collect()
    assert 150 < len(found) < 200
    assert found == whole[: len(found)]
    assert f"position {len(found) + 1}:" in str(told.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("offset", [18, 19])
def test_a_file_of_an_unknown_format_version_of_sqlite_is_damaged(filled: str, path: Path, offset: int) -> None:
    """The bytes for writing and reading (https://www.sqlite.org/fileformat.html): no disk is full."""
    content = bytearray(path.read_bytes())
    content[offset] = 9
    path.write_bytes(content)
    with pytest.raises(AipstreamError) as told, closing(open_log(filled)) as log:
        log.append([event(99, 1)])
    assert told.value.exit_code in ((5,) if offset == 19 else (5, 10)), told.value


def test_a_schema_that_is_no_text_is_damage(filled: str, path: Path) -> None:
    """SQLite quotes it in its message, which is no text then either."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE payload", b"CREATE TABLE payl\xb8ad", 1))
    with pytest.raises(GapInLog), closing(open_log(filled)) as log:
        list(log.read(0))


def test_an_older_copy_of_the_log_is_noticed(filled: str, path: Path) -> None:
    """A target is further than a log that was restored from yesterday."""
    older = path.read_bytes()
    with closing(open_log(filled)) as log:
        log.append([event(31)])
    path.write_bytes(older)
    with closing(open_log(filled)) as log, pytest.raises(GapInLog, match="ends at 30"):
        next(log.read(31))


def test_a_log_that_is_exchanged_while_open_takes_no_more(filled: str, path: Path) -> None:
    """Our connection is to the file that was there: what it took would be acknowledged and lost."""
    with closing(open_log(filled)) as log:
        log.append([event(31)])
        path.rename(path.with_suffix(".old"))
        with pytest.raises(GapInLog, match="exchanged"):
            log.append([event(32)])
        open_log(f"{filled}.other", create=True).close()
        path.with_name(f"{path.name}.other").rename(path)
        with pytest.raises(GapInLog, match="exchanged"):
            log.append([event(32)])


# --- making and opening ------------------------------------------------------------------------------------------


def test_a_missing_log_is_made_only_when_told(path: Path) -> None:
    """The error says which command makes it."""
    url = f"sqlite:///{path}"
    with pytest.raises(ConfigError) as caught:
        open_log(url)
    assert "aipstream init" in caught.value.hint
    assert not path.exists()
    open_log(url, create=True).close()
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o007 == 0, "it holds names and addresses of people"


def test_no_log_is_made_where_the_wal_of_another_one_lies(url: str, path: Path) -> None:
    """SQLite would write its pages into the new file; and it may hold the last events of the log that is gone."""
    open_log(url, create=True).close()
    script = "import os, sys, tests.events.samples as s; from events.log.opening import open_log; "
    script += "open_log(sys.argv[1]).append([s.event(1)]); os._exit(0)"
    subprocess.run([sys.executable, "-c", script, url], check=True)
    left = Path(f"{path}-wal")
    before = left.read_bytes()
    path.rename(path.with_name("away"))
    with pytest.raises(StorageUnusable, match="without its log"):
        open_log(url, create=True)
    assert (left.read_bytes(), path.exists()) == (before, False)
    path.with_name("away").rename(path)
    with closing(open_log(url, create=True)) as log:
        assert log.end() == 1


def test_making_a_log_that_is_there_opens_it(filled: str) -> None:
    """`init` may be run again."""
    with closing(open_log(filled)) as log, closing(open_log(filled, create=True)) as again:
        assert again.identity == log.identity
        assert again.end() == 30


def test_two_logs_have_two_identities(tmp_path: Path) -> None:
    """So a target does not take a position of the one for one of the other."""
    made = [open_log(f"sqlite:///{tmp_path}/deep/er/{name}", create=True) for name in "ab"]
    assert made[0].identity != made[1].identity
    for log in made:
        log.close()


def test_a_relative_url_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And stays where it was when the process goes elsewhere."""
    monkeypatch.chdir(tmp_path)
    with closing(SqliteLog("sqlite:///folder/log.sqlite", create=True)) as log:
        monkeypatch.chdir("/")
        log.append([event(1)])
        assert log.path == tmp_path / "folder/log.sqlite"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:log", "sqlite:////a/?mode=ro", "sqlite:////a/b/"]
)
def test_a_url_must_name_a_file(url: str) -> None:
    """What would be kept in memory, or is not clear, is refused."""
    with pytest.raises(ConfigError):
        open_log(url, create=True)


def test_another_file_is_refused_and_not_touched(path: Path) -> None:
    """A text, and a database of something else; not even with `create`."""
    path.write_text("[log]\nurl = 'sqlite:///log.sqlite'\n" * 100)
    for _ in range(2):
        content = path.read_bytes()
        for create in (False, True):
            with pytest.raises(ConfigError, match=r"is a text, and no log|but not a log"):
                open_log(f"sqlite:///{path}", create=create)
        assert path.read_bytes() == content
        path.unlink()
        run_sql(path, "CREATE TABLE something (a)")


def test_a_log_of_an_unknown_format_is_refused(filled: str, path: Path) -> None:
    """A newer aipstream wrote it; the error names both versions."""
    run_sql(path, "UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(UnknownLogFormat, match="'99'"):
        open_log(filled)


def test_a_copy_by_vacuum_is_a_log(filled: str, path: Path) -> None:
    """The way to copy a log that is in use; the WAL mode, which the copy has lost, is set again."""
    copy = path.with_name("copy.sqlite")
    run_sql(path, f"VACUUM INTO '{copy}'")
    with closing(open_log(filled)) as log, closing(open_log(f"sqlite:///{copy}")) as copied:
        assert everything(copied) == everything(log)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# --- the disk and the others -------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Here a file stands where a folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnusable, match="cannot be"):
        open_log(f"sqlite:///{tmp_path}/file/log.sqlite", create=True)


FILL = """
import resource, sys
from events.errors import StorageUnusable
from events.log.opening import open_log
from tests.events.samples import event
log = open_log(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
for lsn in range(1, 1000):
    try:
        log.append([event(lsn, payload=bytes(100_000))])
    except StorageUnusable:
        print(lsn - 1)
        break
"""


def test_a_file_that_can_grow_no_more_stops_with_a_named_error(url: str) -> None:
    """What was acknowledged before is there, whole, and appending goes on when there is room again."""
    done = subprocess.run([sys.executable, "-c", FILL, url], stdout=subprocess.PIPE, text=True, check=True)
    acknowledged = int(done.stdout)
    assert acknowledged > 0
    with closing(open_log(url)) as log:
        assert [entry.event.lsn for entry in log.read(0)] == list(range(1, acknowledged + 1))
        log.append([event(acknowledged + 1)])
        assert log.end() == acknowledged + 1


def test_a_log_locked_for_long_is_named(filled: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits for another one, and then says so; readers are not in the way and not held up."""
    monkeypatch.setattr(file, "BUSY_SECONDS", 0.05)
    with closing(open_log(filled)) as log, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked):
            log.append([event(31)])
        assert len(list(log.read(0))) == 30
        other.execute("ROLLBACK")
        assert log.append([event(31)]) == [31]


def test_a_slow_reader_holds_no_snapshot(filled: str, path: Path) -> None:
    """While it thinks over an event, the WAL can be folded into the file to the last page."""
    with closing(open_log(filled)) as log, closing(sqlite3.connect(path)) as other:
        reading, heads, history = log.read(0), log.heads(), log.history(uuid_of(1))
        assert next(reading).position == 1
        next(heads)
        next(history)
        log.append([event(31)])
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        assert [entry.position for entry in reading] == list(range(2, 31 + 1))


def test_every_commit_is_synced(url: str) -> None:
    """`synchronous` is FULL on each connection, and the file is in WAL mode."""
    log = SqliteLog(url)
    with closing(log), log.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_child_of_a_fork_has_connections_of_its_own(url: str) -> None:
    """Parent and child append through the same object; nothing is lost and the file stays whole."""
    with closing(open_log(url)) as log:
        log.append([event(1)])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                log.append([event(2)])
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        log.append([event(3)])
        assert [entry.event for entry in log.read(0)] == [event(1), event(2), event(3)]


@pytest.mark.parametrize("number", [-1, 2**63])
def test_an_lsn_that_sqlite_cannot_hold_is_refused(url: str, number: int) -> None:
    """And nothing of its batch is kept."""
    with closing(open_log(url)) as log:
        with pytest.raises(ValueError, match="lsn"):
            log.append([event(1), event(number, 2)])
        assert log.end() == 0


def test_an_error_tells_no_content(url: str, path: Path) -> None:
    """SQLAlchemy would print the bound values, and an event may hold the hash of a password."""
    with closing(open_log(url)) as log:
        run_sql(path, "CREATE TRIGGER refuse BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'refused'); END")
        with pytest.raises(StorageUnusable, match="refused") as caught:
            log.append([event(1, payload=b"very secret", digest="very secret")])
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
