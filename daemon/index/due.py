"""What is due of a native target: the table `aipstream.reindex`, read and struck off over a connection of its own.

Invariants:

* The replay is never held up: a row that its transaction holds is passed over, not waited for.
* What is to be done with an object is read from the repository when it is asked for, not when it became due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg2
from psycopg2.extras import execute_values

from daemon.dspace import version
from daemon.dspace.connect import Connection, connect, unreachable
from daemon.index.port import Pending, Row, Standing
from daemon.target.reindex import SHOWN
from events.aip.model import Kind
from events.errors import Locked, PreconditionError

LOCK: Final = 0x61697069
"""One at a time tells the index of a target: an advisory lock of its database."""

_THERE: Final = "SELECT to_regclass('aipstream.reindex') IS NOT NULL"

_STANDING: Final = """
SELECT count(*), to_char(min(since) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float,
       coalesce(extract(epoch FROM clock_timestamp() - max(touched)), 0)::float
FROM aipstream.reindex"""

_PENDING: Final = f"""
SELECT r.uuid::text, r.kind, r.handle, r.touched,
  CASE WHEN r.kind = 'registry' THEN 'index'
       WHEN i.uuid IS NULL AND c.uuid IS NULL AND m.uuid IS NULL THEN 'gone'
       WHEN i.uuid IS NULL OR {SHOWN.format(item="i")} THEN 'index'
       ELSE 'remove' END,
  r.below, CASE WHEN i.in_archive THEN (
    SELECT l.collection_id::text FROM collection2item l
    WHERE l.item_id = i.uuid AND l.collection_id = i.owning_collection) END
FROM aipstream.reindex r LEFT JOIN item i ON i.uuid = r.uuid LEFT JOIN collection c ON c.uuid = r.uuid
  LEFT JOIN community m ON m.uuid = r.uuid
ORDER BY r.since, r.uuid LIMIT %(most)s"""

_HELD: Final = """
SELECT l.collection_id::text, count(*) FROM collection2item l JOIN item i ON i.uuid = l.item_id
WHERE l.collection_id = ANY (%(collections)s::uuid[]) AND i.in_archive GROUP BY l.collection_id"""

_TOTAL: Final = f"SELECT count(*) FROM item i WHERE {SHOWN.format(item='i')}"

_STRIKE: Final = """
WITH told(uuid, touched) AS ({told}),
held AS (
  SELECT r.uuid, r.touched = t.touched AS same FROM aipstream.reindex r JOIN told t ON t.uuid = r.uuid
  FOR UPDATE OF r SKIP LOCKED),
again AS (
  UPDATE aipstream.reindex r SET since = r.touched FROM held h WHERE r.uuid = h.uuid AND NOT h.same RETURNING 1)
DELETE FROM aipstream.reindex r USING held h WHERE r.uuid = h.uuid AND h.same"""
"""What was touched again is due anew from that moment on. A row that is locked is being touched right now: it stays."""

_ADD: Final = """
INSERT INTO aipstream.reindex AS r (uuid, kind, handle, deleted, below) VALUES %s
ON CONFLICT (uuid) DO UPDATE SET kind = excluded.kind, handle = coalesce(excluded.handle, r.handle),
  deleted = excluded.deleted, below = r.below OR excluded.below, touched = clock_timestamp()"""

_MARK: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS marked (uuid uuid, touched timestamptz);
TRUNCATE marked;
INSERT INTO marked SELECT uuid, touched FROM aipstream.reindex"""
"""Kept in the database: what waits for a first indexing may be the whole repository."""


class NativeDue:
    """`daemon.index.port.Due` of a native target. Raises TargetUnreachable, PreconditionError, and Locked if somebody
    else tells it.
    """

    def __init__(self, dsn: str, *, alone: bool = True) -> None:
        self._dsn = dsn
        self._connection: Connection = connect(dsn, "target")
        self._there = False
        try:
            if alone:
                self._lock()
        except BaseException:
            self._connection.close()
            raise

    def _lock(self) -> None:
        if not self._ask("SELECT pg_try_advisory_lock(%(key)s)", {"key": LOCK})[0][0]:
            raise Locked("[index] another aipstream is telling this target's index")

    def add(self, rows: Sequence[Row]) -> None:
        """See the port."""
        with self._errors(), self._connection.cursor() as cursor:
            values = [(row.uuid, row.kind.value, row.handle, row.act == "gone", row.below) for row in rows]
            execute_values(cursor, _ADD, sorted(values), template="(%s::uuid, %s, %s, %s, %s)")
            self._connection.commit()

    def standing(self) -> Standing:
        """See the port. A target that was never prepared has nothing due."""
        if not self._there:
            self._there = bool(self._ask(_THERE)[0][0])
        return Standing(*self._ask(_STANDING)[0]) if self._there else Standing(0)

    def pending(self, most: int) -> Pending:
        """See the port."""
        if not self.standing().due:
            return Pending([])
        rows = [
            Row(uuid, Kind(kind), handle, touched, act, below, collection)
            for uuid, kind, handle, touched, act, below, collection in self._ask(_PENDING, {"most": most + 1})
        ]
        several = Counter(row.collection for row in rows if row.collection)
        return Pending(
            rows[:most],
            len(rows) > most,
            dict(self._ask(_HELD, {"collections": [uuid for uuid, count in several.items() if count > 1]})),
            self._ask(_TOTAL)[0][0],
            version.probe(self._connection).family != "7.6",
        )

    def strike(self, rows: Sequence[Row]) -> int:
        """See the port."""
        told = "SELECT * FROM unnest(%(uuids)s::uuid[], %(touched)s::timestamptz[])"
        return self._run(
            _STRIKE.format(told=told), {"uuids": [row.uuid for row in rows], "touched": [row.touched for row in rows]}
        )

    def mark(self) -> int:
        """See the port."""
        return self._run(_MARK) if self.standing().due else 0

    def strike_marked(self) -> int:
        """See the port."""
        if not self._ask("SELECT to_regclass('pg_temp.marked') IS NOT NULL")[0][0]:
            return 0
        return self._run(_STRIKE.format(told="SELECT uuid, touched FROM marked"))

    def close(self) -> None:
        """Give the connection, and with it the lock, back."""
        self._connection.close()

    def _ask(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._errors(), self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows = cursor.fetchall()
            self._connection.rollback()
        return rows

    def _run(self, sql: str, values: dict[str, Any] | None = None) -> int:
        with self._errors(), self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            count = cursor.rowcount
            self._connection.commit()
        return count

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """psycopg2's errors as ours: telling the index must end with one that its caller expects."""
        try:
            yield
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise unreachable("target", self._dsn, error) from error
        except psycopg2.Error as error:
            self._connection.rollback()
            raise PreconditionError(f"[target] {str(error).strip().splitlines()[0]}") from error
