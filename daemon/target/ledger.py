"""Schema `aipstream` in the target's own database: what has been applied, and what waits.

Invariant: every row here moves in the transaction that writes the objects it speaks of. So the ledger is never ahead
of the repository, nor behind it.

    alias     objects whose UUID on the target is another than on the source (site, Anonymous, people by e-mail ...)
    ledger    every object of the source: digest after the last write, position of the event, put or deleted
    cursor    which log the position belongs to, and the position up to which everything is applied or parked
    parked    events that could not be applied, with the reason; released when their parent comes, or by hand
    waiting   references that were left out of an object because their far end is not on the target yet
    loss      what of an object could not be carried, by its code (`daemon.losses`)
    reindex   objects of which the search index has still to be told (`daemon.target.reindex`)
    window    up to where several processes write at a time: objects may be ahead of the position until then

UUIDs are the source's, except `alias.target` and `reindex.uuid`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg2.errors
from psycopg2.extras import execute_values

from daemon.dspace.connect import Connection
from events.aip.model import Kind, Uuid
from events.errors import Locked, PreconditionError
from events.event import Event, Position

FORMAT = 3
LOCK = 0x61697073  # "aips": one replayer a target database
WORKERS = 0x61697077  # "aipw": shared by the processes that write for it
PATIENCE = 60_000  # milliseconds to wait for the workers of a replayer that is gone
LATE_SECONDS = 5.0  # to wait for the server process of a replayer that was killed: it may be at a statement

DDL = """
CREATE SCHEMA IF NOT EXISTS aipstream;
CREATE TABLE IF NOT EXISTS aipstream.format (version int NOT NULL);
CREATE TABLE IF NOT EXISTS aipstream.alias (
    source uuid PRIMARY KEY, target uuid NOT NULL UNIQUE, kind text NOT NULL);
CREATE TABLE IF NOT EXISTS aipstream.ledger (
    uuid uuid PRIMARY KEY, kind text NOT NULL, digest text NOT NULL, position bigint NOT NULL,
    deleted boolean NOT NULL);
CREATE TABLE IF NOT EXISTS aipstream.cursor (
    log text PRIMARY KEY, position bigint NOT NULL, event bytea NOT NULL, lsn bigint NOT NULL,
    commit_time text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS aipstream.parked (
    uuid uuid PRIMARY KEY, kind text NOT NULL, position bigint NOT NULL, error text NOT NULL, reason text NOT NULL,
    needs uuid[] NOT NULL DEFAULT '{}', attempts int NOT NULL DEFAULT 1, since timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS aipstream.waiting (
    uuid uuid NOT NULL, needs uuid NOT NULL, PRIMARY KEY (uuid, needs));
CREATE INDEX IF NOT EXISTS waiting_needs ON aipstream.waiting (needs);
"""

SINCE_2 = """
CREATE TABLE IF NOT EXISTS aipstream.loss (
    uuid uuid NOT NULL, code text NOT NULL, kind text NOT NULL, handle text, rows int NOT NULL, detail text NOT NULL,
    position bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (uuid, code));
CREATE TABLE IF NOT EXISTS aipstream.reindex (
    uuid uuid PRIMARY KEY, kind text NOT NULL, handle text, deleted boolean NOT NULL, below boolean NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(), touched timestamptz NOT NULL DEFAULT clock_timestamp());
"""
"""What format 2 added to format 1."""

SINCE_3 = """
CREATE TABLE IF NOT EXISTS aipstream.window (log text PRIMARY KEY, until bigint NOT NULL);
"""
"""What format 3 added to format 2."""


class Standing(NamedTuple):
    """What the ledger says of one object."""

    digest: str
    position: Position
    deleted: bool


class Parked(NamedTuple):
    """An event that could not be applied yet. `needs` are the objects whose coming releases it by itself."""

    uuid: Uuid
    kind: Kind
    position: Position
    error: str
    reason: str
    needs: tuple[Uuid, ...] = ()
    attempts: int = 1
    since: str = ""


def create(connection: Connection) -> None:
    """Make the schema and its tables, if they are not there. Raises PreconditionError for another format."""
    there = exists(connection)
    with connection.cursor() as cursor:
        if not there:  # PostgreSQL asks for the right to make a schema even where IF NOT EXISTS has nothing to do
            cursor.execute(DDL + SINCE_2 + SINCE_3)
        cursor.execute("SELECT version FROM aipstream.format")
        row = cursor.fetchone()
        if row is None:
            cursor.execute("INSERT INTO aipstream.format VALUES (%s)", [FORMAT])
        elif row[0] in (1, 2):
            cursor.execute((SINCE_2 if row[0] == 1 else "") + SINCE_3)
            cursor.execute("UPDATE aipstream.format SET version = %s", [FORMAT])
        elif row[0] != FORMAT:
            raise PreconditionError(
                f"[target] schema aipstream has format {row[0]}, this program writes {FORMAT}",
                "Use the version of aipstream that made it, or drop the schema and replay the log.",
            )


def exists(connection: Connection) -> bool:
    """Whether the target has been prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('aipstream.cursor') IS NOT NULL")
        return bool(cursor.fetchone()[0])  # type: ignore[index]


def lock(connection: Connection) -> None:
    """Take the one replayer's place for as long as the connection lives. Raises Locked.

    The place of one that was killed is free when its server process has noticed, which is waited for.
    """
    until = time.monotonic() + LATE_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone()[0]:  # type: ignore[index]
                return
            if time.monotonic() > until:
                raise Locked("[target] another aipstream is replaying into this database")
            time.sleep(0.1)


def fence(connection: Connection) -> None:
    """Wait until no worker of an earlier replayer has a session any more. Raises Locked if one stays.

    A worker ends with its replayer, but its server process may be at a statement still, or at the commit.
    """
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"SET LOCAL lock_timeout = {PATIENCE}")
            cursor.execute("SELECT pg_advisory_lock(%s)", [WORKERS])
            cursor.execute("SELECT pg_advisory_unlock(%s)", [WORKERS])
        except psycopg2.errors.LockNotAvailable as error:
            raise Locked("[target] processes of an aipstream that has ended still write into this database") from error


def join(connection: Connection) -> None:
    """Write for the replayer that has the lock, as long as the connection lives. Raises Locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock_shared(%s)", [WORKERS])
        if not cursor.fetchone()[0]:  # type: ignore[index]
            raise Locked("[target] another aipstream begins to replay into this database")


def begin(connection: Connection, log: str, until: Position) -> None:
    """Note that objects up to that position may be ahead of the log's from now on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO aipstream.window AS w (log, until) VALUES (%s, %s) "
            "ON CONFLICT (log) DO UPDATE SET until = greatest(w.until, excluded.until)",
            [log, until],
        )


def begun(connection: Connection, log: str) -> Position:
    """Up to where objects may be ahead of the position of that log; 0 if none are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT until FROM aipstream.window WHERE log = %s", [log])
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def position(connection: Connection, log: str) -> Position:
    """Up to where that log has been applied; 0 if nothing of it has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT position FROM aipstream.cursor WHERE log = %s", [log])
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def adopt(connection: Connection, log: str) -> None:
    """Begin with that log, if nothing of it was applied: positions in another one mean nothing in it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM aipstream.cursor WHERE log = %s)", [log])
        if not cursor.fetchone()[0]:  # type: ignore[index]
            cursor.execute("UPDATE aipstream.ledger SET position = 0 WHERE position <> 0")
            cursor.execute("UPDATE aipstream.parked SET position = 0 WHERE position <> 0")
            cursor.execute("DELETE FROM aipstream.cursor")
            cursor.execute("DELETE FROM aipstream.window")


def last_event(connection: Connection, log: str) -> bytes | None:
    """The id of the event at the position of that log, None if nothing of it has been applied."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT event FROM aipstream.cursor WHERE log = %s", [log])
        row = cursor.fetchone()
        return bytes(row[0]) if row else None


def advance(connection: Connection, log: str, to: Position, event: Event) -> None:
    """Move the position of that log forward, to that event; a position that is further on already stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO aipstream.cursor AS c (log, position, event, lsn, commit_time) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (log) DO UPDATE SET position = excluded.position, event = excluded.event, lsn = excluded.lsn,
                commit_time = excluded.commit_time, applied_at = now()
            WHERE c.position < excluded.position""",
            [log, to, event.id, event.lsn, event.commit_time],
        )
        cursor.execute("DELETE FROM aipstream.window WHERE log = %s AND until <= %s", [log, to])


def standings(connection: Connection, uuids: Sequence[Uuid]) -> dict[Uuid, Standing]:
    """What the ledger says of those objects; those that it does not know are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uuid::text, digest, position, deleted FROM aipstream.ledger WHERE uuid = ANY (%s::uuid[])",
            [list(uuids)],
        )
        return {uuid: Standing(digest, place, deleted) for uuid, digest, place, deleted in cursor.fetchall()}


def reached(connection: Connection, uuids: Sequence[Uuid]) -> dict[Uuid, Position]:
    """Up to which position each of those objects was applied or parked; it may be further than the log as a whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT uuid::text, max(position) FROM (
              SELECT uuid, position FROM aipstream.ledger UNION ALL SELECT uuid, position FROM aipstream.parked) r
            WHERE uuid = ANY (%s::uuid[]) GROUP BY uuid""",
            [list(uuids)],
        )
        return dict(cursor.fetchall())


def record(connection: Connection, rows: Iterable[tuple[Uuid, Kind, str, Position, bool]]) -> None:
    """Note (uuid, kind, digest, position, deleted) of what was applied; rows that say so already stay untouched."""
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            """
            INSERT INTO aipstream.ledger AS l (uuid, kind, digest, position, deleted) VALUES %s
            ON CONFLICT (uuid) DO UPDATE SET kind = excluded.kind, digest = excluded.digest,
                position = excluded.position, deleted = excluded.deleted
            WHERE (l.kind, l.digest, l.position, l.deleted)
                  IS DISTINCT FROM (excluded.kind, excluded.digest, excluded.position, excluded.deleted)""",
            [(uuid, kind.value, digest, place, deleted) for uuid, kind, digest, place, deleted in rows],
            template="(%s::uuid, %s, %s, %s, %s)",
            page_size=1000,
        )


def aliases(connection: Connection) -> dict[Uuid, Uuid]:
    """Source UUID to target UUID, for the few objects where they differ."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT source::text, target::text FROM aipstream.alias")
        return dict(cursor.fetchall())


def park(connection: Connection, rows: Iterable[Parked]) -> None:
    """Put events aside, or count another attempt of those that are there."""
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            """
            INSERT INTO aipstream.parked AS p (uuid, kind, position, error, reason, needs) VALUES %s
            ON CONFLICT (uuid) DO UPDATE SET kind = excluded.kind, error = excluded.error, reason = excluded.reason,
                needs = excluded.needs, attempts = p.attempts + 1,
                position = greatest(p.position, excluded.position)""",
            [(row.uuid, row.kind.value, row.position, row.error, row.reason, list(row.needs)) for row in rows],
            template="(%s::uuid, %s, %s, %s, %s, %s::uuid[])",
        )


def parked(connection: Connection, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
    """Everything that is parked (or what of `uuids` is), oldest position first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT uuid::text, kind, position, error, reason, needs::text[], attempts,
                   to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            FROM aipstream.parked WHERE %(uuids)s::uuid[] IS NULL OR uuid = ANY (%(uuids)s::uuid[])
            ORDER BY position""",
            {"uuids": list(uuids) if uuids is not None else None},
        )
        return [
            Parked(uuid, Kind(kind), place, error, reason, tuple(needs), attempts, since)
            for uuid, kind, place, error, reason, needs, attempts, since in cursor.fetchall()
        ]


def unpark(connection: Connection, uuids: Sequence[Uuid]) -> None:
    """Forget what was parked for those objects, whatever it was."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aipstream.parked WHERE uuid = ANY (%s::uuid[])", [list(uuids)])


def settle(connection: Connection, applied: Sequence[tuple[Uuid, Position]]) -> None:
    """Forget what was parked for those objects up to the position that was applied. An older state, applied by a
    replay from an earlier position, settles nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM aipstream.parked p USING unnest(%s::uuid[], %s::bigint[]) w(uuid, position) "
            "WHERE p.uuid = w.uuid AND p.position <= w.position",
            [[uuid for uuid, _ in applied], [place for _, place in applied]],
        )


def set_waiting(connection: Connection, uuids: Sequence[Uuid], missing: dict[Uuid, set[Uuid]]) -> None:
    """Replace what those objects wait for."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aipstream.waiting WHERE uuid = ANY (%s::uuid[])", [list(uuids)])
        execute_values(
            cursor,
            "INSERT INTO aipstream.waiting (uuid, needs) VALUES %s",
            [(uuid, needs) for uuid, several in missing.items() for needs in sorted(several)],
            template="(%s::uuid, %s::uuid)",
        )


def wait(connection: Connection, references: Iterable[tuple[Uuid, Uuid]]) -> None:
    """Note (uuid, needs) of what has lost a reference because its far end was deleted here, not on the source."""
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO aipstream.waiting (uuid, needs) VALUES %s ON CONFLICT DO NOTHING",
            references,
            template="(%s::uuid, %s::uuid)",
        )


def waiting_for(connection: Connection, uuids: Sequence[Uuid]) -> list[tuple[Uuid, Position]]:
    """The objects that lack a reference to one of those, and up to where each was applied, in that order."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT uuid::text, position FROM aipstream.ledger
            WHERE NOT deleted AND uuid IN (SELECT uuid FROM aipstream.waiting WHERE needs = ANY (%s::uuid[]))
            ORDER BY position""",
            [list(uuids)],
        )
        return cursor.fetchall()


def released_by(connection: Connection, arrived: Sequence[Uuid]) -> list[Uuid]:
    """The objects (parked, or applied without a reference) for which one of those was missing, in the log's order."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASED.format(come="SELECT %(arrived)s::uuid[]"), {"arrived": list(arrived)})
        return [row[0] for row in cursor.fetchall()]


def overdue(connection: Connection) -> list[Uuid]:
    """The objects that wait for what is there: whoever applied that was ended before it could release them."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASED.format(come=_COME))
        return [row[0] for row in cursor.fetchall()]


_COME = """
    SELECT array_agg(l.uuid) FROM aipstream.ledger l WHERE NOT l.deleted AND l.uuid IN (
      SELECT needs FROM aipstream.waiting UNION SELECT unnest(needs) FROM aipstream.parked)"""

_RELEASED = """
    WITH come(uuids) AS MATERIALIZED ({come}),
    released AS (
      SELECT uuid FROM come, aipstream.waiting WHERE needs = ANY (uuids)
      UNION SELECT uuid FROM come, aipstream.parked WHERE needs && uuids)
    SELECT r.uuid::text FROM released r
    LEFT JOIN aipstream.parked p USING (uuid) LEFT JOIN aipstream.ledger l USING (uuid)
    ORDER BY coalesce(p.position, l.position)"""
