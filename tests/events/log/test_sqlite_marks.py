"""The moments that are kept are proved: a mark that changed or went away is told, and nothing goes by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.errors import ConfigError, GapInLog
from events.log import Mark
from events.log.inspecting import Fault
from events.log.opening import inspecting_of, mending_of, open_log, retention_of
from tests.events.log import damage

NAME, MADE = "before the migration", "2026-01-31T14:05:06Z"
MARKS = [Mark("first", 3, "2026-01-01T00:00:00Z"), Mark(NAME, 2000, MADE), Mark("third", 20, MADE)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = damage.made(tmp_path / "log.sqlite")
    with closing(open_log(f"sqlite:///{path}")) as log:
        for mark in MARKS:
            retention_of(log).mark(*mark)
    return path


def marks(path: Path) -> list[Mark]:
    with closing(open_log(f"sqlite:///{path}")) as log:
        return retention_of(log).marks()


def told(path: Path) -> list[Fault]:
    """What is wrong with the log as a whole."""
    with closing(open_log(f"sqlite:///{path}")) as log:
        return [flaw.fault for flaw in inspecting_of(log).overall()]


def mended(path: Path, known: list[Mark], *, dry_run: bool = False) -> tuple[str, str]:
    with closing(open_log(f"sqlite:///{path}")) as log:
        return mending_of(log).put_marks(known, dry_run=dry_run)


def rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return sorted(connection.execute("SELECT * FROM mark").fetchall())


def in_the_file(path: Path, known: bytes, at: int, bit: int) -> None:
    """Flip a bit of what is in the row of the table, which is before its index in the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage.flip_in(path, known, at, bit)


@pytest.mark.parametrize(
    ("known", "at", "bit"),
    [
        (NAME.encode() + b"\x07\xd0" + MADE.encode(), 4, 2),
        (NAME.encode() + b"\x07\xd0" + MADE.encode(), 4, 0x80),  # no text any more
        (NAME.encode() + b"\x07\xd0" + MADE.encode(), len(NAME), 1),
        (NAME.encode() + b"\x07\xd0" + MADE.encode(), len(NAME), 0x80),  # below zero
        (b"\x07\xd0" + MADE.encode(), 5, 4),
        (b"\x07\xd0" + MADE.encode(), 2 + len(MADE) + 3, 4),  # its checksum
    ],
)
def test_a_bit_of_a_mark_is_told_and_flipped_back(path: Path, known: bytes, at: int, bit: int) -> None:
    """Nobody goes by it meanwhile, and nothing is marked over it; a dry run changes nothing."""
    whole = rows(path)
    assert (told(path), marks(path)) == ([], sorted(MARKS, key=lambda mark: mark.position))
    in_the_file(path, known, at, bit)
    broken = rows(path)
    assert broken != whole
    assert set(told(path)) == {Fault.MARK}
    with pytest.raises(GapInLog, match="not what its checksum says"):
        marks(path)
    with closing(open_log(f"sqlite:///{path}")) as log, pytest.raises(GapInLog):
        retention_of(log).mark("another", 5)
    assert mended(path, [], dry_run=True)[0]
    assert rows(path) == broken
    assert mended(path, [])[0]
    assert rows(path) == whole
    assert told(path) == []


def test_a_mark_that_is_damaged_further_comes_from_a_copy_or_is_given_up(path: Path) -> None:
    """By its name, and others can be given up meanwhile."""
    whole = rows(path)
    damage.sql(path, "UPDATE mark SET position = 11, name = 'frist' WHERE name = 'first'")
    broken = path.read_bytes()
    how, why = mended(path, [])
    assert (how, "'frist'" in why) == ("", True)
    assert mended(path, [Mark("first", 4, MADE)])[0] == "", "no copy of this one"
    assert mended(path, [Mark("first", 3, "2026-02-02T00:00:00Z")])[0] == "as the copy has it"
    assert rows(path) == whole
    path.write_bytes(broken)
    with closing(open_log(f"sqlite:///{path}")) as log:
        retention_of(log).unmark("third")
        with pytest.raises(ConfigError):
            retention_of(log).unmark("first")
        assert mending_of(log).lose_marks() is None
        retention_of(log).unmark("frist")
        retention_of(log).mark("first", 3)
    assert [mark[:2] for mark in marks(path)] == [("first", 3), (NAME, 2000)]
    assert told(path) == []


def gone(path: Path) -> None:
    damage.sql(path, "DELETE FROM mark WHERE name = 'third'")


def all_gone(path: Path) -> None:
    damage.sql(path, "DELETE FROM mark")


def too_many(path: Path) -> None:
    damage.sql(path, "INSERT INTO mark SELECT 'fourth', position, made, checksum FROM mark WHERE name = 'third'")


def forgotten(path: Path) -> None:
    damage.sql(path, "DELETE FROM meta WHERE key = 'marks'")


@pytest.mark.parametrize("done", [gone, all_gone, too_many, forgotten])
def test_marks_that_are_gone_or_too_many_are_told(path: Path, done: Callable[[Path], None]) -> None:
    """Each that is there may be whole; the log knows how many there were."""
    done(path)
    assert set(told(path)) == {Fault.MARK}
    with pytest.raises(GapInLog):
        marks(path)


def test_marks_that_are_gone_come_from_a_copy_or_are_given_up(path: Path) -> None:
    """What the copy has besides does not matter. Given up: the others are all that is kept."""
    whole, made = rows(path), [*MARKS, Mark("of the copy alone", 5, MADE)]
    gone(path)
    assert mended(path, []) == ("", "a moment that was kept is missing, and nothing tells which (`--from URL` may)")
    assert mended(path, made) == ("from the copy", "")
    assert (rows(path), told(path)) == (whole, [])
    gone(path)
    with closing(open_log(f"sqlite:///{path}")) as log:
        assert mending_of(log).lose_marks(dry_run=True) == ["first", NAME]
        with pytest.raises(GapInLog):
            retention_of(log).marks()
        assert mending_of(log).lose_marks() == ["first", NAME]
        assert retention_of(log).marks() == MARKS[:2]


def test_a_bit_of_what_was_noted_of_all_marks_is_flipped_back(path: Path) -> None:
    """They prove it."""
    with closing(sqlite3.connect(path)) as connection:
        ((noted,),) = connection.execute("SELECT value FROM meta WHERE key = 'marks'")
    in_the_file(path, noted.encode(), 7, 1)
    assert told(path) == [Fault.MARK]
    assert mended(path, []) == ("one bit of the digest over all of them had flipped", "")
    assert told(path) == []


@pytest.mark.parametrize("noted", ["1", "2"])
def test_a_bit_of_the_noted_format_makes_no_damage_a_mark(path: Path, noted: str) -> None:
    """'3' is one bit from either: what was changed to that format is not changed again, over what went wrong since."""
    with closing(open_log(f"sqlite:///{path}")) as log:
        seal = log.seal()
    damage.sql(
        path,
        "UPDATE mark SET position = 11 WHERE name = 'first'",
        f"UPDATE meta SET value = '{noted}' WHERE key = 'format'",
    )
    with closing(open_log(f"sqlite:///{path}")) as log:
        assert log.seal() == seal
    assert told(path) == [Fault.MARK]


def test_the_marks_of_a_log_of_format_2_are_proved_when_it_is_opened(path: Path) -> None:
    """They had no checksum, and are taken for what they are."""
    damage.sql(
        path,
        "ALTER TABLE mark DROP COLUMN checksum",
        "DELETE FROM meta WHERE key = 'marks'",
        "UPDATE meta SET value = '2' WHERE key = 'format'",
    )
    assert marks(path) == sorted(MARKS, key=lambda mark: mark.position)
    assert told(path) == []
    gone(path)
    assert told(path) == [Fault.MARK]
