"""The moments that retention has to keep, as rows of a SQLite log: none that changed or went away unseen.

Invariants:

* A mark has a checksum over its name, its position and when it was made. The log notes one digest over the checksums of
  all of them (`meta.marks`), written with them in one transaction. So a mark that has changed is found, and so is one
  that is gone, or too many.
* Whoever acts on the marks gets all of them, proved, or GapInLog: what was meant to be kept is not thinned because a
  bit has flipped. Nothing is marked over damage either, for the digest noted then would hide it.
* Only what the checksums prove is mended. The table is then written as a whole: its index has the damage too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Final, NamedTuple

from sqlalchemy import Connection, LargeBinary, cast, delete, insert, inspect, select

from events.errors import ConfigError, GapInLog
from events.event import Position
from events.log import Mark
from events.log.one_bit import flipped
from events.log.sqlite_headers import SqliteHeaders
from events.log.sqlite_rows import MARK, MARKS, META, mark_checksum, marks_digest

HINT: Final = (
    "`aipstream log repair` puts it right if one bit has flipped or a copy has it (`--from URL`); else give it up "
    "(`aipstream keep NAME --remove`) and mark that moment anew."
)

_ROWS: Final = select(cast(MARK.c.name, LargeBinary), MARK.c.position, cast(MARK.c.made, LargeBinary), MARK.c.checksum)
"""Texts as bytes: they may be none."""

_NOTED: Final = select(META.c.value).where(META.c.key == MARKS)


class _Row(NamedTuple):
    """A mark as it lies there; `found` has its texts as they are."""

    mark: Mark
    checksum: bytes
    found: tuple[object, object, object] = (None, None, None)

    @property
    def whole(self) -> bool:
        return mark_checksum(*self.mark) == self.checksum


class _Standing(NamedTuple):
    """Every mark, and the digest that is noted of them."""

    rows: list[_Row]
    noted: str

    @property
    def damaged(self) -> list[_Row]:
        return [row for row in self.rows if not row.whole]

    @property
    def complete(self) -> bool:
        """Whether as many are there as were noted, and no others."""
        return marks_digest(row.checksum for row in self.rows) == self.noted


class SqliteMarks:
    """The marks of one log. Raises what the log raises."""

    def __init__(self, headers: SqliteHeaders) -> None:
        self.headers = headers

    def all(self) -> list[Mark]:
        """By position. Raises GapInLog unless all of them are proved."""
        with self.headers.transaction() as connection:
            return sorted(self._proved(connection), key=lambda mark: (mark.position, mark.name))

    def put(self, name: str, position: Position, made: str | None = None) -> None:
        """Raises ConfigError if another moment has that name."""
        made = made or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self.headers.transaction(write=True) as connection:
            for mark in self._proved(connection):
                if mark.name == name and mark.position == position:
                    return
                if mark.name == name:
                    raise ConfigError(
                        f"a moment is marked {name!r} already", "Take another name, or give that one up first."
                    )
            _insert(connection, [Mark(name, position, made)])
            _note(connection)

    def _proved(self, connection: Connection) -> list[Mark]:
        """All of them. Raises GapInLog if one is not what was marked, or is gone."""
        standing = _standing(connection)
        for what in _flaws(standing):
            raise GapInLog(f"the log {self.headers.path}: {what}", HINT)
        return [row.mark for row in standing.rows]

    def remove(self, name: str) -> None:
        """One that is damaged too. Raises ConfigError if there is none of that name."""
        with self.headers.transaction(write=True) as connection:
            standing = _standing(connection)
            rows = [row for row in standing.rows if row.mark.name != name]
            if len(rows) == len(standing.rows):
                raise ConfigError(f"no moment is marked {name!r}", "`aipstream keep` lists those that are.")
            _rewrite(connection, rows)
            if standing.complete:
                _note(connection)

    def flaws(self) -> list[str]:
        """What is wrong with them; nothing in a file that has none, as the index of a log that is elsewhere."""
        with self.headers.transaction() as connection:
            return list(_flaws(_standing(connection))) if inspect(connection).has_table(MARK.name) else []

    def mend(self, known: Sequence[Mark] = (), *, dry_run: bool = False) -> tuple[str, str]:
        """Put right what can be proved, with `known` marks of a copy: (how, "") if all is whole then, ("", why)."""
        with self.headers.transaction(write=not dry_run) as connection:
            standing = _standing(connection)
            how, rows = list[str](), list[_Row]()
            for row in standing.rows:
                found = None if row.whole else _proved(row, known, standing)
                rows.append(row if found is None else found[0])
                how += [] if found is None else [found[1]]
            standing = standing._replace(rows=rows)
            if how and not dry_run:
                _rewrite(connection, rows)
            if not standing.damaged and not standing.complete:
                added, said = _completed(standing, known)
                if not said:
                    return "", "a moment that was kept is missing, and nothing tells which (`--from URL` may)"
                how.append(said)
                if not dry_run:
                    _insert(connection, added)
                    _note(connection)
            left = standing.damaged
        names = ", ".join(repr(row.mark.name) for row in left)
        if left:
            return "", f"nothing proves what was marked as {names}: `aipstream keep NAME --remove`, and mark it anew"
        return "; ".join(dict.fromkeys(how)) or "they are whole now", ""

    def accept(self, *, dry_run: bool = False) -> list[str] | None:
        """Give up those that are gone: what is there is all from now on. Their names; None if one is damaged."""
        with self.headers.transaction(write=not dry_run) as connection:
            standing = _standing(connection)
            if standing.damaged:
                return None
            if not dry_run:
                _note(connection)
            return [row.mark.name for row in standing.rows]


def _standing(connection: Connection) -> _Standing:
    rows = [
        _Row(Mark(_text(name), position, _text(made)), bytes(checksum or b""), (name, position, made))
        for name, position, made, checksum in connection.execute(_ROWS)
    ]
    return _Standing(rows, connection.execute(_NOTED).scalar_one_or_none() or "")


def _text(value: bytes | None) -> str:
    """Of bytes that are no text something that is not what was marked, and can be typed."""
    return (value or b"").decode("utf-8", "backslashreplace")


def _flaws(standing: _Standing) -> Iterator[str]:
    for row in standing.damaged:
        yield (
            f"the mark {row.mark.name!r}, which keeps position {row.mark.position}, is not what its checksum says"
        )
    if not standing.complete:
        yield f"{len(standing.rows)} moments are marked to be kept, and they are not those that were noted"


def _proved(row: _Row, known: Sequence[Mark], standing: _Standing) -> tuple[_Row, str] | None:
    """The row as it was, and how that is known."""
    for mark in _candidates(row, known):
        if mark_checksum(*mark) == row.checksum:
            copied = any(mark[:2] == one[:2] for one in known)
            return row._replace(mark=mark), "as the copy has it" if copied else "one bit of it had flipped"
    computed = row._replace(checksum=mark_checksum(*row.mark))
    if standing._replace(rows=[computed if one is row else one for one in standing.rows]).complete:
        return computed, "its checksum was damaged: that of all marks proves it"
    return None


def _candidates(row: _Row, known: Sequence[Mark]) -> Iterator[Mark]:
    for mark in known:
        yield from (mark, mark._replace(made=row.mark.made))
    for field, value in zip(Mark._fields, row.found, strict=True):
        for other in flipped(value, text=True):
            yield row.mark._replace(**{field: other})  # type: ignore[arg-type]  # of the same type as it was


def _completed(standing: _Standing, known: Sequence[Mark]) -> tuple[list[Mark], str]:
    """The marks with which those that are there are all, and how that is known; "" if it is not."""
    there = {row.mark.name for row in standing.rows}
    more = [mark for mark in known if mark.name not in there]
    for added in chain([more], ([mark] for mark in more)):
        checksums = [row.checksum for row in standing.rows] + [mark_checksum(*mark) for mark in added]
        if added and marks_digest(checksums) == standing.noted:
            return added, "from the copy"
    computed = marks_digest(row.checksum for row in standing.rows)
    if any(other == computed for other in flipped(standing.noted, text=True)):
        return [], "one bit of the digest over all of them had flipped"
    return [], ""


def _insert(connection: Connection, marks: Iterable[Mark]) -> None:
    values = [{**mark._asdict(), "checksum": mark_checksum(*mark)} for mark in marks]
    if values:
        connection.execute(insert(MARK), values)


def _rewrite(connection: Connection, rows: Sequence[_Row]) -> None:
    connection.execute(delete(MARK))  # without a condition: no row is looked for in the index
    if rows:
        connection.execute(insert(MARK), [{**row.mark._asdict(), "checksum": row.checksum} for row in rows])


def _note(connection: Connection) -> None:
    """Note the digest over the marks that are there."""
    checksums = connection.execute(select(MARK.c.checksum)).scalars().all()
    connection.execute(delete(META).where(META.c.key == MARKS))
    connection.execute(insert(META), [{"key": MARKS, "value": marks_digest(checksums)}])
