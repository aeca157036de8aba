"""Another file made of what can still be read of a torn SQLite log.

Invariants:

* The torn file is only read. What is written is a new log with its identity, its noted end and its positions.
* A record is taken from wherever it lies because it is proved, by its checksum, which covers its position. Its link
  comes with it; whether it fits, the check of the new file says. Nothing is put in the place of a record that is not
  there: the log has a hole then, and is read up to it, as one always was that lacks a record.
* Of a hole is noted what the indexes of the torn file still say of it (`hole`): whose events those were, and when. That
  is a claim and no record: nobody reads it as one, but a check can name what is lost.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from events.errors import GapInLog, Interrupted
from events.event import BEGINNING, Position
from events.log import sqlite_file as file
from events.log.chain import COVERED, NO_CHAIN, digest, link, proved
from events.log.sqlite_pages import NoRow, Pages, Row, shaped
from events.log.sqlite_rows import CHAIN, EVENT, FORMAT, HOLE, LOST, MARKS, mark_checksum, marks_digest

Progress = Callable[[str, int, int], None]
"""Told what is read, how many pages of it, and of how many."""

AT_ONCE: Final = 500
PAGES_AT_ONCE: Final = 1000

_PLACES: Final = ", ".join("?" * (CHAIN + 1))
_TEXTS: Final = {place for place, column in enumerate(EVENT.columns) if str(column.type) == "TEXT"}
_DAMAGED: Final = ", ".join("CAST(? AS TEXT)" if place in _TEXTS else "?" for place in range(CHAIN + 1))
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Known(NamedTuple):
    """What others know of the log: `identity` by the state or a copy of it, if they do, and a position that it had."""

    identity: str | None = None
    end: Position = BEGINNING


class Rebuilt(NamedTuple):
    """What is in the new file. `unreadable` pages of the torn one the system did not give."""

    identity: str
    end: Position
    records: int
    payloads: int
    missing: int
    unreadable: int


def made_anew(
    torn: Path,
    new: Path,
    known: Known,
    *,
    progress: Progress = lambda _what, _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Rebuilt:
    """Make that new log of the torn one; it is whole on the disk when this returns, and is to be thrown away if it does
    not. Raises GapInLog if nobody knows its identity any more, Interrupted, StorageUnusable.
    """
    file.make(new)
    try:
        with closing(Pages(torn, file.PAGE_SIZE)) as pages, closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # until its end it is nobody's log
            return _Rebuilding(torn, pages, connection, known, progress, stopped).run()
    except sqlite3.Error as error:
        raise file.meaning(error, new) from error


class _Rebuilding:
    def __init__(
        self,
        torn: Path,
        pages: Pages,
        new: sqlite3.Connection,
        known: Known,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        self.torn, self.pages, self.new, self.known = torn, pages, new, known
        self.progress, self.stopped = progress, stopped
        self.damaged: list[tuple[Any, ...]] = []
        self.others: dict[Position, list[tuple[Any, ...]]] = {}
        """Further records of a position, each proved in itself: the chain says which is the one."""
        self.meta: dict[str, set[str]] = {}
        self.marks: dict[tuple[str, int, str], bytes] = {}

    def run(self) -> Rebuilt:
        self._headers()
        identity, end = self._standing()
        self._chained()
        self._unproved(end)
        self._payloads(end)
        missing = self._holes(end)
        self.new.commit()
        self.new.execute("PRAGMA synchronous = FULL")
        self.new.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        records, payloads = (self._count(table) for table in ("event", "payload"))
        return Rebuilt(identity, end, records, payloads, missing, len(self.pages.unreadable))

    def _walk(self, what: str) -> Iterator[int]:
        for number in range(1, self.pages.count + 1):
            if number % PAGES_AT_ONCE == 0 or number == self.pages.count:
                self.new.commit()
                self.progress(what, number, self.pages.count)
                if self.stopped():
                    raise Interrupted("stopped while a torn log was read", "The same command begins again.")
            yield number

    # --- the records ----------------------------------------------------------------------------------------------

    def _headers(self) -> None:
        """Every header, and whatever else is small."""
        for number in self._walk("records of the torn file"):
            for row in self.pages.rows(number):
                with suppress(NoRow):
                    self._small(row, row.types())

    def _unproved(self, end: Position) -> None:
        """Where there is no better one, a damaged header: a single bit may be all that is wrong with it."""
        for header in self.damaged:
            if header[0] <= end:
                values = [value.encode() if isinstance(value, str) else value for value in header]
                self.new.execute(f"INSERT OR IGNORE INTO event VALUES ({_DAMAGED})", values)

    def _small(self, row: Row, types: Sequence[int]) -> None:
        if len(types) == CHAIN + 1 and types[0] == 0:
            self._header((row.rowid, *self.pages.values(row)[1:]))
        elif shaped(types, "-"):
            self.new.execute("INSERT OR IGNORE INTO thinned VALUES (?)", [row.rowid])
        elif shaped(types, "t", "t"):
            key, value = self.pages.values(row)
            self.meta.setdefault(str(key), set()).add(str(value))
        elif shaped(types[:3], "t", "i", "t") and (len(types) == 3 or shaped(types[3:], "b")):
            name, position, made, *checksum = self.pages.values(row)
            if isinstance(name, str) and isinstance(position, int) and isinstance(made, str):
                found = checksum[0] if checksum and isinstance(checksum[0], bytes) else b""
                self.marks[name, position, made] = found or mark_checksum(name, position, made)
        elif shaped(types, "-", "t", "t", "?"):
            self._table(LOST)
            self.new.execute("INSERT OR IGNORE INTO lost VALUES (?, ?, ?, ?)", [row.rowid, *self.pages.values(row)[1:]])
        elif shaped(types, "-", "?", "?", "?", "?"):
            self._table(HOLE)
            self.new.execute(
                "INSERT OR IGNORE INTO hole VALUES (?, ?, ?, ?, ?)", [row.rowid, *self.pages.values(row)[1:]]
            )

    def _header(self, header: tuple[Any, ...]) -> None:
        position = header[0]
        try:
            proved(header)
        except GapInLog:
            if position > BEGINNING:
                self.damaged.append(header)
            return
        found = self._at(position)
        if found is None:
            self.new.execute(f"INSERT INTO event VALUES ({_PLACES})", header)
        elif found != header and header not in (others := self.others.setdefault(position, [])):
            others.append(header)

    def _at(self, position: Position) -> tuple[Any, ...] | None:
        found = self.new.execute("SELECT * FROM event WHERE position = ?", [position]).fetchone()
        return None if found is None else tuple(found)

    def _chained(self) -> None:
        """Of several records of a position take that which is chained to the one before it."""
        for position, others in sorted(self.others.items()):
            before = self._at(position - 1)
            chain = NO_CHAIN if position == 1 else before[CHAIN] if before else None
            here = self._at(position)
            if chain is None or here is None or link(chain, here[COVERED]) == here[CHAIN]:
                continue
            for other in others:
                if link(chain, other[COVERED]) == other[CHAIN]:
                    self.new.execute("DELETE FROM event WHERE position = ?", [position])
                    self.new.execute(f"INSERT OR IGNORE INTO event VALUES ({_PLACES})", other)
                    break

    # --- what the log says of itself --------------------------------------------------------------------------------

    def _standing(self) -> tuple[str, Position]:
        """Note identity, end and marks. What SQLite itself gives of them goes before what lies about in pages."""
        asked, marks = self._asked()
        identities = {asked["identity"]} if "identity" in asked else self.meta.get("identity", set())
        if self.known.identity and (not identities or len(identities) > 1):
            identities = {self.known.identity}
        if len(identities) != 1:
            raise GapInLog(
                f"nothing in {self.torn} says which log it is, and neither does the state: it cannot be rebuilt",
                "Name a copy of it (`--from URL`), which is the same log.",
            )
        identity = identities.pop()
        last = self.new.execute("SELECT max(position) FROM event").fetchone()[0] or BEGINNING
        ends = [asked["end"]] if "end" in asked else self.meta.get("end", set())
        noted = max((int(end) for end in ends if re.fullmatch(r"\d{1,18}", end)), default=max(last, self.known.end))
        rows = marks if marks is not None else [(*mark, checksum) for mark, checksum in self.marks.items()]
        self.new.executemany("INSERT OR IGNORE INTO mark VALUES (?, ?, ?, ?)", rows)
        digests = [asked[MARKS]] if MARKS in asked else list(self.meta.get(MARKS, set()))
        all_marks = digests[0] if len(digests) == 1 else marks_digest(row[-1] for row in rows)
        for key, value in (("format", FORMAT), ("identity", identity), ("end", str(noted)), (MARKS, all_marks)):
            self.new.execute("UPDATE meta SET value = ? WHERE key = ?", [value, key])
        return identity, max(noted, last)

    def _asked(self) -> tuple[dict[str, str], list[tuple[Any, ...]] | None]:
        """`meta` and `mark` by SQLite, as far as it reads that file."""
        meta: dict[str, str] = {}
        url = f"{self.torn.as_uri()}?mode=ro"
        with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(url, uri=True)) as connection:
            meta.update(connection.execute("SELECT key, value FROM meta"))
            return meta, connection.execute("SELECT name, position, made, checksum FROM mark").fetchall()
        return meta, None

    # --- payloads -------------------------------------------------------------------------------------------------

    def _payloads(self, end: Position) -> None:
        """Of several that lie there for a position that which is proved; one that is not, if there is no better."""
        for number in self._walk("payloads of the torn file"):
            for row in self.pages.rows(number):
                with suppress(NoRow):
                    if shaped(row.types(), "-", "b") and 0 < row.rowid <= end and not self._needless(row.rowid):
                        payload = self.pages.values(row)[1]
                        if isinstance(payload, bytes):
                            self._payload(row.rowid, payload)

    def _needless(self, position: Position) -> bool:
        """Whether that event was thinned, and may have been: its payload lies about where nothing has gone over it."""
        row = self.new.execute(
            "SELECT (SELECT max(later.position) FROM event AS later WHERE later.uuid = event.uuid) > position "
            "FROM thinned JOIN event USING (position) WHERE position = ?",
            [position],
        ).fetchone()
        return bool(row and row[0])

    def _payload(self, position: Position, payload: bytes) -> None:
        header = self.new.execute("SELECT payload_checksum FROM event WHERE position = ?", [position]).fetchone()
        is_it = header is not None and digest(payload) == header[0]
        how = "REPLACE" if is_it else "IGNORE"
        self.new.execute(f"INSERT OR {how} INTO payload VALUES (?, ?)", [position, payload])

    # --- what is not there ----------------------------------------------------------------------------------------

    def _holes(self, end: Position) -> int:
        """Note what the indexes say of the records that are missing; how many those are."""
        count = int(self.new.execute("SELECT count(*) FROM event WHERE position <= ?", [end]).fetchone()[0])
        if count >= end:
            return 0
        self._table(HOLE)
        for number in self._walk("indexes of the torn file"):
            for entry in self.pages.entries(number):
                position, said = entry[-1], entry[0]
                if isinstance(position, int) and isinstance(said, str) and 0 < position <= end:
                    self._said(position, said)
        self.new.execute(
            "UPDATE hole SET kind = (SELECT kind FROM event WHERE event.uuid = hole.uuid LIMIT 1) WHERE kind IS NULL"
        )
        return end - count

    def _said(self, position: Position, said: str) -> None:
        if self._at(position) is not None:
            return
        column = "uuid" if _UUID.fullmatch(said) else "commit_time" if _TIME.fullmatch(said) else "handle"
        self.new.execute("INSERT OR IGNORE INTO hole (position) VALUES (?)", [position])
        self.new.execute(f"UPDATE hole SET {column} = ? WHERE position = ?", [said, position])

    def _table(self, table: Any) -> None:  # noqa: ANN401 - one of ours
        columns = ", ".join(
            f"{column.name} {column.type}" + (" PRIMARY KEY" if column.primary_key else "") for column in table.columns
        )
        self.new.execute(f"CREATE TABLE IF NOT EXISTS {table.name} ({columns})")

    def _count(self, table: str) -> int:
        return int(self.new.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
