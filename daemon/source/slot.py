"""The replication slot: made with its exported snapshot, looked at, dropped.

Invariant: nothing that commits is in neither of the two: what the exported snapshot sees was committed before the
slot's consistent point, and everything committed after it will be streamed.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Final, NamedTuple, NoReturn, Self

import psycopg2
import psycopg2.errors
from psycopg2.extras import LogicalReplicationConnection

from daemon.dspace.connect import ALIVE, Connection, connect, unreachable
from events.errors import AipstreamError, ConfigError, Locked, PreconditionError, SlotLost, without_password
from events.event import lsn_number

PLUGIN: Final = "pgoutput"

_SLOT: Final = """
    SELECT s.plugin::text, s.database = current_database(), s.database::text, s.active, s.active_pid,
           s.restart_lsn::text, s.confirmed_flush_lsn::text, s.wal_status, s.safe_wal_size,
           (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END)::text,
           s.slot_type
    FROM pg_replication_slots s WHERE s.slot_name = %s"""

_REFUSAL: Final = """
    SELECT r.rolreplication OR r.rolsuper, quote_ident(r.rolname), current_setting('max_wal_senders')::int,
           (SELECT count(*) FROM pg_stat_get_wal_senders())
    FROM pg_roles r WHERE r.rolname = current_user"""


class Slot(NamedTuple):
    """A slot of this database as it is. LSNs as integers, sizes in bytes.

    wal_status     `reserved`, `extended`, `unreserved` (about to be lost) or `lost`
    safe_wal_size  how much may still be written before the slot is in danger; None: without limit
    lag            WAL written since the confirmed position
    retained       WAL that the server keeps for this slot
    """

    name: str
    active: bool
    active_pid: int | None
    restart_lsn: int
    confirmed_lsn: int
    wal_status: str | None
    safe_wal_size: int | None
    lag: int
    retained: int

    @property
    def lost(self) -> bool:
        """The WAL from its position on is not kept any more."""
        return self.wal_status == "lost"


class ExportedSnapshot:
    """A new slot's snapshot, for `SET TRANSACTION SNAPSHOT` in as many connections as wanted.

    `snapshot` can be taken up until `close`, or until its connection is lost; transactions that took it up keep it.
    Everything committed up to `consistent_point` is in it, and nothing else.
    """

    def __init__(self, connection: Any, snapshot: str, consistent_point: int) -> None:  # noqa: ANN401 -- untyped in psycopg2
        self._connection = connection
        self.snapshot = snapshot
        self.consistent_point = consistent_point

    def close(self) -> None:
        """End the snapshot. The slot stays."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def replication(dsn: str) -> Any:  # noqa: ANN401 -- psycopg2's stubs have no replication connection to speak of
    """A replication connection to that database.

    Raises PreconditionError if the account or the server does not allow it, SourceUnreachable if it does not answer.
    """
    try:
        return psycopg2.connect(
            dsn,
            connection_factory=LogicalReplicationConnection,
            connect_timeout=10,
            application_name="aipstream stream",
            client_encoding="UTF8",
            **ALIVE,
        )
    except psycopg2.ProgrammingError as error:
        raise ConfigError(f"[source] dsn: {without_password(str(error).strip())}") from error
    except psycopg2.OperationalError as error:
        reason = refusal(dsn)
        if reason is not None:
            raise reason from error
        raise unreachable("source", dsn, error) from error


def refusal(dsn: str) -> AipstreamError | None:
    """Why a replication connection is refused where an ordinary one is not, None if that is not known.

    Raises SourceUnreachable if the server takes no connection at all.
    """
    connection = connect(dsn, "source")
    try:
        with connection.cursor() as cursor:
            cursor.execute(_REFUSAL)
            row = cursor.fetchone() or (True, "", 1, 0)
    finally:
        connection.close()
    allowed, role, senders, used = row
    if not allowed:
        return PreconditionError(
            f"{without_password(dsn)}: the account may not replicate", f"As a superuser: ALTER ROLE {role} REPLICATION;"
        )
    if used >= senders:
        return PreconditionError(
            f"{without_password(dsn)}: all {senders} WAL senders are in use (max_wal_senders)",
            "Raise max_wal_senders and restart the server, or stop a standby that is not needed.",
        )
    return None


def create(dsn: str, name: str) -> ExportedSnapshot:
    """Make the slot, and keep the snapshot that begins where its stream begins.

    PostgreSQL waits here until every transaction that is open now has ended. Raises PreconditionError (wal_level, no
    free slot, missing right), Locked if a slot of that name is there already.
    """
    connection = replication(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.create_replication_slot(name, output_plugin=PLUGIN)
            _, consistent_point, snapshot, _ = cursor.fetchone()
    except psycopg2.Error as error:
        connection.close()
        _explain(error, dsn, name)
    return ExportedSnapshot(connection, snapshot, lsn_number(consistent_point))


def _explain(error: psycopg2.Error, dsn: str, name: str) -> NoReturn:
    where, said = without_password(dsn), str(error).strip()
    match error:
        case psycopg2.errors.DuplicateObject():
            raise Locked(
                f"{where}: the slot {name} is there already",
                f"`aipstream run` goes on with it; `aipstream slot drop` ends it. ({said})",
            ) from error
        case psycopg2.errors.ConfigurationLimitExceeded():
            raise PreconditionError(
                f"{where}: {said}",
                "Raise max_replication_slots and restart the server, or drop a slot that nobody "
                "reads (SELECT * FROM pg_replication_slots).",
            ) from error
        case psycopg2.errors.ObjectNotInPrerequisiteState():
            raise PreconditionError(
                f"{where}: {said}", "As a superuser: ALTER SYSTEM SET wal_level = 'logical'; then restart the server."
            ) from error
        case psycopg2.errors.InsufficientPrivilege():
            raise PreconditionError(f"{where}: {said}", "As a superuser: ALTER ROLE <account> REPLICATION;") from error
        case psycopg2.errors.InvalidName():
            raise ConfigError(said, "A slot's name has lower-case letters, digits and underscores only.") from error
    raise unreachable("source", dsn, error) from error


def inspect(dsn: str, name: str) -> Slot | None:
    """The slot as it is, None if there is none. Raises PreconditionError for one of another plugin or database."""
    connection = connect(dsn, "source")
    try:
        return look(connection, name)
    finally:
        connection.close()


def look(connection: Connection, name: str) -> Slot | None:
    """As `inspect`, in the caller's connection."""
    with connection.cursor() as cursor:
        cursor.execute(_SLOT, (name,))
        row = cursor.fetchone()
    connection.rollback()
    if row is None:
        return None
    plugin, here, database, active, pid, restart, confirmed, status, safe, now, kind = row
    if kind != "logical" or plugin != PLUGIN or not here:
        raise PreconditionError(
            f"the slot {name} is another one: {kind}, plugin {plugin or 'none'}, database {database or 'none'}",
            "Configure another name for the slot; the server has one list of names for all its databases.",
        )
    position = lsn_number(now)
    restarts = lsn_number(restart) if restart else 0
    confirms = lsn_number(confirmed) if confirmed else 0
    return Slot(
        name,
        active,
        pid,
        restarts,
        confirms,
        status,
        safe,
        max(0, position - confirms),
        max(0, position - restarts) if restarts else 0,
    )


def usable(connection: Connection, name: str, publication: str) -> Slot:
    """The slot, ready to be streamed from. Raises SlotLost if it is gone, invalidated or cannot be decoded any more,
    PreconditionError if the server would take the reader for a synchronous standby and wait for it with each commit.
    """
    found = look(connection, name)
    if found is None:
        raise SlotLost(f"there is no slot {name}")
    if found.lost:
        raise SlotLost(
            f"the slot {name} is lost: the server has thrown away WAL that it still needed",
            "Drop it (`aipstream slot drop`), then run `aipstream snapshot`: it makes a new one and "
            "captures what changed in between. A larger max_slot_wal_keep_size prevents it.",
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = %s),"
            " current_setting('synchronous_standby_names')",
            (publication,),
        )
        there, standbys = cursor.fetchone() or (False, "")
    connection.rollback()
    if "*" in standbys:
        raise PreconditionError(
            f"synchronous_standby_names = {standbys}: the source's commits would wait for aipstream",
            "Name the standbys one by one in synchronous_standby_names.",
        )
    if not there:
        raise SlotLost(f"the publication {publication} of the slot {name} is gone, so its changes cannot be decoded")
    return found


def drop(dsn: str, name: str, *, patience: float = 5.0) -> bool:
    """Drop the slot; False if there was none. Raises Locked if somebody still streams from it after `patience` seconds.

    A reader that stopped a moment ago holds it until the server has noticed.
    """
    connection = connect(dsn, "source", readonly=False)
    deadline = time.monotonic() + patience
    try:
        while look(connection, name) is not None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_drop_replication_slot(%s)", (name,))
                connection.commit()
            except psycopg2.errors.ObjectInUse as error:
                connection.rollback()
                if time.monotonic() > deadline:
                    raise Locked(f"the slot {name} is in use: {str(error).strip()}") from error
                time.sleep(0.05)
            else:
                return True
    except psycopg2.errors.InsufficientPrivilege as error:
        raise PreconditionError(f"{without_password(dsn)}: {str(error).strip()}") from error
    else:
        return False
    finally:
        connection.close()
