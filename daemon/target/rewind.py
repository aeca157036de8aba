"""A target that is to stand at an earlier position than it did.

Invariant: afterwards the books claim nothing that is later than that position. So whatever comes next, a restore that
goes on or a replay, applies everything from there on, and what is held already is recognised by its digest.
"""

from __future__ import annotations

from daemon.dspace.connect import Connection
from daemon.target import ledger
from events.aip.model import Uuid
from events.errors import GapInLog
from events.event import Position
from events.log import Log


def rewind(connection: Connection, log: Log, to: Position) -> None:
    """Move the position, the ledger and what is parked back to that position, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE aipstream.ledger SET position = %s WHERE position > %s", [to, to])
        cursor.execute("DELETE FROM aipstream.parked WHERE position > %s", [to])
        cursor.execute("DELETE FROM aipstream.cursor WHERE log = %s", [log.identity])
    if to:
        event = header(log, to)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO aipstream.cursor (log, position, event, lsn, commit_time) VALUES (%s, %s, %s, %s, %s)",
                [log.identity, to, log.id_at(to), event[0], event[1]],
            )


def header(log: Log, at: Position) -> tuple[int, str]:
    """(LSN, commit time) of the last whole event at or before that position."""
    for entry in log.read(max(0, at - 1), limit=1, until=at):
        return entry.event.lsn, entry.event.commit_time
    if log.id_at(at) is None:
        raise GapInLog(f"position {at} is missing in the log")
    return 0, ""  # thinned: only its place is known


def forget(connection: Connection, uuids: list[Uuid]) -> None:
    """Let the ledger know nothing of those objects, so that their events count whatever was applied of them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aipstream.ledger WHERE uuid = ANY (%s::uuid[])", [uuids])
    ledger.unpark(connection, uuids)
