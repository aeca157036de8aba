"""Another file is made of what a torn one still holds, wherever that lies; and nothing is made up."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.errors import GapInLog, Interrupted
from events.event import Position
from events.log.inspecting import Claimed, Fault
from events.log.opening import inspecting_of, open_log, retention_of
from events.log.sqlite_pages import Pages
from events.log.sqlite_rebuild import Known, Rebuilt, made_anew
from tests.events.log import damage
from tests.events.samples import event, uuid_of

PAGE = damage.PAGE
ZSTD = b"\x28\xb5\x2f\xfd"
EVENTS = 600
"""So many that each table has leaves besides its root."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with thinned events and two moments that are kept; some payloads are longer than a page."""
    path = tmp_path_factory.mktemp("made") / "log.sqlite"
    chance = random.Random(7)
    with closing(open_log(f"sqlite:///{path}", create=True)) as log:
        for first in range(1, EVENTS, 100):
            sizes = {lsn: 30_000 if lsn % 50 == 7 else 500 for lsn in range(first, first + 100)}
            log.append(
                [event(lsn, lsn % 40, payload=ZSTD + chance.randbytes(size)) for lsn, size in sizes.items()]
            )
        retention_of(log).mark("before the upgrade", 300)
        retention_of(log).mark("after it", 450)
        retention_of(log).thin(list(range(100, 160)))
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copy(made, tmp_path / "log.sqlite"))


def page_of(path: Path, sign: bytes) -> int:
    """The number, from 0 on, of the first page in which those bytes stand."""
    at = path.read_bytes().find(sign)
    assert at >= 0
    return at // PAGE


def record_page(path: Path, position: Position) -> int:
    """The page of the table of records on which that one stands."""
    with closing(Pages(path, PAGE)) as pages:
        for number in range(1, pages.count + 1):
            for row in pages.rows(number):
                if row.rowid == position and len(row.types()) == 17:
                    return number - 1
    raise AssertionError(position)


def rebuilt(path: Path, known: Known = Known()) -> tuple[Path, Rebuilt]:  # noqa: B008 - a tuple
    new = path.with_name("new.sqlite")
    return new, made_anew(path, new, known)


def missing(new: Path) -> dict[Position, Claimed | None]:
    """What is told of every position that is not whole."""
    with closing(open_log(f"sqlite:///{new}")) as log:
        assert inspecting_of(log).extent().noted == EVENTS
        return {found.position: found.claimed for found in inspecting_of(log).walk(0) if not found.whole}


def unlike(new: Path, whole: dict[str, list[tuple[Any, ...]]]) -> set[Position]:
    """The positions of records and payloads that are not as they were."""
    found = damage.rows_of(new)
    return {row[0] for table in ("event", "payload") for row in found[table] if row not in whole[table]}


def sound(new: Path) -> bool:
    with closing(sqlite3.connect(new)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def test_of_a_whole_file_every_row_is_found(path: Path) -> None:
    """Also those that are longer than a page; no payload of a thinned event is taken from where it lies about."""
    whole = damage.rows_of(path)
    new, told = rebuilt(path)
    assert damage.rows_of(new) == whole
    assert told[1:] == (EVENTS, EVENTS, EVENTS - 60, 0, 0)
    assert sound(new)
    with closing(open_log(f"sqlite:///{new}")) as log:
        assert list(inspecting_of(log).overall()) == []
        assert [mark.name for mark in retention_of(log).marks()] == ["before the upgrade", "after it"]


@pytest.mark.parametrize("name", ["event", "payload", "event_of_uuid", "sqlite_autoindex_event_1"])
def test_a_torn_root_costs_nothing(path: Path, name: str) -> None:
    """SQLite reads no row of that table, or nothing by that index. All that hangs below is as it was."""
    whole = damage.rows_of(path)
    damage.zero(path, damage.root_of(path, name))
    new, _ = rebuilt(path)
    assert sound(new)
    assert damage.rows_of(new) == whole


def test_where_what_retention_noted_is_torn_its_events_are_told_to_lack_their_payloads(path: Path) -> None:
    """Of all of them, for that table has one page: nothing else tells an event that was thinned from a damaged one."""
    damage.zero(path, damage.root_of(path, "thinned"))
    new, told = rebuilt(path)
    with closing(open_log(f"sqlite:///{new}")) as log:
        gone = [found.position for found in inspecting_of(log).walk(0) if found.flaws]
    assert (gone, told.missing) == (list(range(100, 160)), 0)


def test_the_first_page_costs_nothing(path: Path) -> None:
    """Nothing opens the file any more: where its tables begin stands there."""
    whole = damage.rows_of(path)
    damage.zero(path, 0)
    with pytest.raises(GapInLog):
        open_log(f"sqlite:///{path}")
    new, _ = rebuilt(path)
    assert damage.rows_of(new) == whole


def test_a_leaf_costs_what_stood_on_it_and_the_indexes_say_what_that_was(path: Path) -> None:
    """Everything behind is there. The hole stays one: what reads comes to it, and no further."""
    whole = damage.rows_of(path)
    damage.zero(path, record_page(path, 400))
    new, told = rebuilt(path)
    assert sound(new)
    gone = missing(new)
    assert 400 in gone
    assert told.missing == len(gone) < 40
    first, last = min(gone), max(gone)
    assert list(gone) == list(range(first, last + 1))
    for position, claimed in gone.items():
        one = event(position, position % 40)
        assert claimed == (uuid_of(position % 40), one.kind.value, one.handle, one.commit_time)
    found = damage.rows_of(new)
    assert found["event"] == [row for row in whole["event"] if row[0] not in gone]
    assert found["payload"] == whole["payload"]
    with closing(open_log(f"sqlite:///{new}")) as log:
        with pytest.raises(GapInLog, match=f"position {first} is missing"):
            list(log.read(0))
        assert sum(1 for _ in log.read(last)) == EVENTS - last, "who is behind it goes on"
        assert log.append([event(EVENTS + 1, 1)]) == [EVENTS + 1]


@pytest.mark.parametrize(("start", "length"), [(0, 4096), (0, 512), (4096, 4096), (2048, 512), (7680, 512)])
@pytest.mark.parametrize("kind", ["event", "payload"])
def test_of_a_lost_sector_the_rest_of_the_page_is_found(path: Path, kind: str, start: int, length: int) -> None:
    """Also where it is the one that tells where the rows stand; and nothing is found that was not there."""
    whole = damage.rows_of(path)
    with closing(sqlite3.connect(path)) as connection:
        sign = connection.execute("SELECT payload FROM payload WHERE position = 400").fetchone()[0][:60]
    damage.zero(path, record_page(path, 400) if kind == "event" else page_of(path, sign), start, length)
    new, _ = rebuilt(path)
    assert (0 if start == 0 else 1) <= len(missing(new)) <= {4096: 14, 512: 4}[length]
    assert unlike(new, whole) <= missing(new).keys()


def meta_page(path: Path) -> None:
    damage.zero(path, damage.root_of(path, "meta"))


def first_and_meta(path: Path) -> None:
    meta_page(path)
    damage.zero(path, 0)


@pytest.mark.parametrize("damaged", [meta_page, first_and_meta])
def test_a_log_that_does_not_say_which_it_is_is_the_one_that_is_known(
    path: Path, damaged: Callable[[Path], None]
) -> None:
    """By the state or a copy, which also say how far it went; without them it is nobody's."""
    whole = damage.rows_of(path)
    with closing(open_log(f"sqlite:///{path}")) as log:
        identity = log.identity
    damaged(path)
    with pytest.raises(GapInLog, match="which log it is"):
        rebuilt(path)
    path.with_name("new.sqlite").unlink()
    new, told = rebuilt(path, Known(identity, 550))
    assert (told.identity, told.end) == (identity, EVENTS)
    assert damage.rows_of(new) == whole


def test_what_is_in_the_wal_is_taken_from_there(path: Path) -> None:
    """Of a process that was killed: its last events are in no page of the file."""
    script = (
        "import os, sys; from tests.events.samples import event; from events.log.opening import open_log\n"
        f"log = open_log('sqlite:///{path}')\n"
        f"log.append([event(n, n % 40) for n in range({EVENTS + 1}, {EVENTS + 31})])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert Path(f"{path}-wal").stat().st_size > 0
    damage.zero(path, 0)
    new, told = rebuilt(path)
    assert (told.records, told.end, told.missing) == (EVENTS + 30, EVENTS + 30, 0)
    with closing(open_log(f"sqlite:///{new}")) as log:
        assert sum(1 for _ in log.read(EVENTS)) == 30


def test_pages_of_another_log_are_not_taken_for_its_own(path: Path, tmp_path: Path) -> None:
    """A sector that was written long ago, where one of this log was lost: each record is whole in itself, but chained
    to others. What is left of the own ones goes before them; where none is, the check says that it does not fit.
    """
    other = damage.made(tmp_path / "other.sqlite", events=EVENTS, objects=7, size=100)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = damage.rows_of(path)
    strange, page = record_page(other, 400), record_page(path, 400)
    stale = other.read_bytes()[strange * PAGE : (strange + 1) * PAGE]
    with path.open("r+b") as file:  # in front of all others
        content = file.read()
        file.seek(0)
        file.write(content + stale)
    new, _ = rebuilt(path)
    assert damage.rows_of(new)["event"] == whole["event"]
    new.unlink()
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(stale)
    new, _ = rebuilt(path)
    with closing(open_log(f"sqlite:///{new}")) as log:
        faults = {flaw.fault for found in inspecting_of(log).walk(0) for flaw in found.flaws}
        assert Fault.CHAIN in faults
        with pytest.raises(GapInLog):
            list(log.read(0))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_pages_are_torn_nothing_is_made_up(path: Path, seed: int) -> None:
    """A tenth of all pages zeroed or full of noise: each record and payload that is there is one that was."""
    with closing(open_log(f"sqlite:///{path}")) as log:
        identity = log.identity
    whole, chance = damage.rows_of(path), random.Random(seed)
    content = bytearray(path.read_bytes())
    count = len(content) // PAGE
    for page in chance.sample(range(count), count // 10):
        content[page * PAGE : (page + 1) * PAGE] = bytes(PAGE) if chance.random() < 0.5 else chance.randbytes(PAGE)
    path.write_bytes(content)
    new, told = rebuilt(path, Known(identity, EVENTS))
    assert sound(new)
    assert told.records > EVENTS / 2
    assert told.missing == EVENTS - told.records
    assert unlike(new, whole) <= missing(new).keys()


def test_it_can_be_stopped(path: Path) -> None:
    """Between two pages."""
    with pytest.raises(Interrupted):
        made_anew(path, path.with_name("new.sqlite"), Known(), stopped=lambda: True)
