"""Whether two connections lead to one and the same database, by whatever names they were made.

Invariant: nothing is inferred from host, port or name, and a copy is not taken for its original. A copy of a server's
files has the system identifier, the oid and the site of the original; but it does not see the original's locks.
"""

from __future__ import annotations

import secrets
from typing import Final

from daemon.dspace.connect import Connection

_TAKE: Final = "SELECT pg_try_advisory_lock(%s)"
_SEES: Final = """
    SELECT EXISTS (
      SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (l.classid::bigint << 32) | l.objid::bigint = %s)"""

_STANDBY: Final = "SELECT pg_is_in_recovery()"
_SERVER: Final = """
    SELECT CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
                THEN (SELECT system_identifier::text FROM pg_control_system()) END,
           (SELECT oid::text FROM pg_database WHERE datname = current_database())"""


def same_database(one: Connection, other: Connection) -> bool:
    """Whether what is written through the one is read through the other, at once or by a standby.

    Ends the transactions that both connections are in.
    """
    key = secrets.randbits(62)
    with one.cursor() as taking, other.cursor() as looking:
        taking.execute(_TAKE, (key,))
        looking.execute(_SEES, (key,))
        (same,) = looking.fetchone() or (False,)
        taking.execute("SELECT pg_advisory_unlock(%s)", (key,))
        standbys: list[bool] = []
        servers: list[tuple[str | None, str]] = []
        for cursor in (taking, looking):
            cursor.execute(_STANDBY)
            standbys += cursor.fetchone() or (False,)
            cursor.execute(_SERVER)
            servers.append(cursor.fetchone() or (None, ""))
    one.rollback()
    other.rollback()
    return bool(same) or (any(standbys) and servers[0] == servers[1] and None not in servers[0])
