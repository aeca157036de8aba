"""The books of a native target, for whoever only looks: schema `aipstream` in its database.

Invariant: read only, no lock; a target that was never prepared reads as one into which nothing was replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from daemon.dspace.connect import connect
from daemon.losses import Loss
from daemon.target import ledger, losses
from daemon.target.ledger import Parked
from events.aip.model import Uuid
from events.event import Position, lsn_text

_CURSOR: Final = """
    SELECT position, lsn, commit_time, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM aipstream.cursor WHERE log = %s"""
_LEDGER: Final = "SELECT kind, count(*) FROM aipstream.ledger WHERE NOT deleted GROUP BY kind"
_ACTIVE: Final = """
    SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                   WHERE l.locktype = 'advisory' AND l.objid = %s AND d.datname = current_database())"""


class NativeReading:
    """Reads over a connection of its own. Raises TargetUnreachable."""

    def __init__(self, dsn: str) -> None:
        self._connection = connect(dsn, "target", readonly=True)
        self._there = ledger.exists(self._connection)

    def position(self, log: str) -> Position:
        """Up to where the log of that identity has been applied; 0 if nothing has."""
        return ledger.position(self._connection, log) if self._there else 0

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        """What is parked, or what of `uuids` is."""
        return ledger.parked(self._connection, uuids) if self._there else []

    def losses(self, uuids: Sequence[Uuid] | None = None) -> Iterator[Loss]:
        """What was lost of those objects, or of all."""
        if self._there and losses.known(self._connection):
            yield from losses.recorded(self._connection, uuids)

    def summary(self, log: str) -> dict[str, Any]:
        """See `daemon.target.port.Reading`."""
        if not self._there:
            return {"position": 0, "applied_at": None, "objects": {}, "parked": 0, "process": False}
        with self._connection.cursor() as cursor:
            cursor.execute(_CURSOR, [log])
            position, lsn, committed, applied = cursor.fetchone() or (0, 0, None, None)
            cursor.execute(_LEDGER)
            objects = dict(cursor.fetchall())
            cursor.execute(_ACTIVE, [ledger.LOCK])
            (active,) = cursor.fetchone() or (False,)
        return {
            "position": position,
            "lsn": lsn_text(lsn),
            "commit_time": committed,
            "applied_at": applied,
            "objects": objects,
            "parked": len(self.parked()),
            "process": active,
        }

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
