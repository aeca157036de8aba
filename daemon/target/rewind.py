"""A target that is to stand at an earlier position than it did.

Invariant: afterwards the books claim nothing that is later than that position. So whatever comes next, a restore that
goes on or a replay, applies everything from there on, and what is held already is recognised by its digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from psycopg2.extras import execute_values

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
from daemon.target import ledger
from events.aip.model import Kind, Uuid, derived_uuid
from events.errors import GapInLog
from events.event import Position
from events.log import Log

_NOTED: Final = derived_uuid("stones/noted")
"""Stands among the noted tombstones, so that it is known that they were noted though there were none."""


def rewind(connection: Connection, log: Log, to: Position, options: Options) -> None:
    """Move the position, the ledger and what is parked back to that position, in the caller's transaction."""
    note_stones(connection, options)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE aipstream.ledger SET position = %s WHERE position > %s", [to, to])
        cursor.execute("DELETE FROM aipstream.parked WHERE position > %s", [to])
        cursor.execute("DELETE FROM aipstream.cursor WHERE log = %s", [log.identity])
        cursor.execute("DELETE FROM aipstream.window WHERE log = %s", [log.identity])
    if to:
        event = header(log, to)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO aipstream.cursor (log, position, event, lsn, commit_time) VALUES (%s, %s, %s, %s, %s)",
                [log.identity, to, log.id_at(to), event[0], event[1]],
            )


def note_stones(connection: Connection, options: Options) -> None:
    """Note the handles and DOIs that name nothing on the target now, in the caller's transaction.

    Objects that go back to before they had one leave more of them behind, and only those are to be taken away
    (`left_behind`). The note of a stopped restore stays.
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS aipstream.stone (uuid uuid PRIMARY KEY)")
        cursor.execute("SELECT EXISTS (SELECT FROM aipstream.stone)")
        (noted,) = cursor.fetchone() or (False,)
        if not noted:
            stones = [_NOTED, *(uuid for uuid, _ in fingerprint.sweep(connection, Kind.TOMBSTONE, options))]
            execute_values(cursor, "INSERT INTO aipstream.stone VALUES %s", [(uuid,) for uuid in stones])


def header(log: Log, at: Position) -> tuple[int, str]:
    """(LSN, commit time) of the last whole event at or before that position."""
    for entry in log.read(max(0, at - 1), limit=1, until=at, whole=False):
        return entry.event.lsn, entry.event.commit_time
    if log.id_at(at) is None:
        raise GapInLog(f"position {at} is missing in the log")
    return 0, ""  # thinned: only its place is known


def left_behind(connection: Connection, options: Options, kept: Iterable[Uuid]) -> list[Uuid]:
    """The handles and DOIs that name nothing and did not stand so before the restore; `kept` ones are left out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT uuid::text FROM aipstream.stone")
        noted = {uuid for (uuid,) in cursor.fetchall()}
    known = noted.union(kept)
    return [uuid for uuid, _ in fingerprint.sweep(connection, Kind.TOMBSTONE, options) if uuid not in known]


def arrived(connection: Connection) -> None:
    """The restore is done: what was noted for it is not needed any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aipstream.stone")


def forget(connection: Connection, uuids: list[Uuid]) -> None:
    """Let the ledger know nothing of those objects, so that their events count whatever was applied of them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aipstream.ledger WHERE uuid = ANY (%s::uuid[])", [uuids])
    ledger.unpark(connection, uuids)
