"""What a native target has no place for, recorded in `aipstream.loss` beside the objects.

Invariant: it moves in the transaction that writes the object. So it always speaks of the last state that was written,
and is empty again when an object was written without loss, or is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg2.extras import execute_values

from daemon.dspace.connect import Connection
from daemon.losses import Loss
from daemon.losses.summary import merged
from events.aip.model import Kind, Uuid
from events.event import Position

_AT_ONCE = 2000

_FORGET = "DELETE FROM aipstream.loss WHERE uuid = ANY (%s::uuid[])"
_ADD = "INSERT INTO aipstream.loss (uuid, code, kind, handle, rows, detail, position) VALUES %s"
_READ = """
    SELECT uuid::text, kind, handle, code, rows, detail FROM aipstream.loss
    WHERE %(uuids)s::uuid[] IS NULL OR uuid = ANY (%(uuids)s::uuid[]) ORDER BY uuid, code"""


def record(connection: Connection, written: Sequence[tuple[Uuid, Position]], losses: Sequence[Loss]) -> None:
    """Replace what is recorded of the objects that were written, deleted or found as they should be."""
    if not written:
        return
    positions = dict(written)
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [list(positions)])
        execute_values(
            cursor,
            _ADD,
            [
                (loss.uuid, loss.code, loss.kind.value, loss.handle, loss.rows, _without_nul(loss.detail), place)
                for loss in merged(losses)
                if (place := positions.get(loss.uuid)) is not None
            ],
            template="(%s::uuid, %s, %s, %s, %s, %s, %s)",
        )


def known(connection: Connection) -> bool:
    """Whether losses are recorded: a schema of format 1 that no replay has met since has no table for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('aipstream.loss') IS NOT NULL")
        row = cursor.fetchone()
        return bool(row and row[0])


def recorded(connection: Connection, uuids: Sequence[Uuid] | None = None) -> Iterator[Loss]:
    """What is recorded of all objects, or of those; streamed."""
    with connection.cursor("losses") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(_READ, {"uuids": list(uuids) if uuids is not None else None})
        for uuid, kind, handle, code, rows, detail in cursor:
            yield Loss(uuid, Kind(kind), handle, code, rows, detail)


def _without_nul(text: str) -> str:
    return text.replace("\x00", "")
