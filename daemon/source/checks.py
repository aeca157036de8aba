"""What the source must offer so that its WAL can be followed, looked at one by one, with the way to mend each."""

from __future__ import annotations

from typing import NamedTuple

from daemon.dspace.connect import Connection, connect
from daemon.source import publication as publications
from daemon.source import slot as slots
from daemon.source.publication import PUBLICATION
from events.errors import AipstreamError, PreconditionError

_SETTINGS = """
    SELECT current_setting('server_version_num')::int, current_setting('wal_level'), pg_is_in_recovery(),
           current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_replication_slots),
           current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_stat_get_wal_senders()),
           (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user), quote_ident(current_user),
           has_database_privilege(current_database(), 'CREATE'), quote_ident(current_database()),
           (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
           EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s),
           current_setting('synchronous_standby_names')"""


class Finding(NamedTuple):
    """One precondition: whether it holds, what was found, and the command or setting that mends it (or `""`)."""

    ok: bool
    what: str
    mend: str = ""


def check(dsn: str, slot: str = PUBLICATION, publication: str = PUBLICATION) -> list[Finding]:
    """Everything that following the WAL needs. Raises SourceUnreachable if the database does not answer."""
    connection = connect(dsn, "source")
    try:
        return [*_server(connection, slot), *_tables(connection, publication), *_slot(connection, slot)]
    finally:
        connection.close()


def require(dsn: str, slot: str = PUBLICATION, publication: str = PUBLICATION) -> None:
    """Raise PreconditionError with everything that is missing, if anything is."""
    bad = [finding for finding in check(dsn, slot, publication) if not finding.ok]
    if bad:
        raise PreconditionError(
            "the source cannot be followed by its WAL: " + "; ".join(one.what for one in bad),
            "\n".join(one.mend for one in bad if one.mend) or None,
        )


def _server(connection: Connection, slot: str) -> list[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS, (slot,))
        row = cursor.fetchone()
    connection.rollback()
    if row is None:  # a SELECT without FROM has one row
        return []
    (
        version,
        wal_level,
        standby,
        slots_most,
        slots_used,
        senders_most,
        senders_used,
        replicates,
        role,
        creates,
        database,
        keep,
        there,
        standbys,
    ) = row
    return [
        Finding(version >= 130_000, f"PostgreSQL {version // 10_000} (13 or newer is needed)", "Upgrade the server."),
        Finding(
            not standby,
            "the server is a primary" if not standby else "the server is a standby",
            "Point [source] dsn at the primary.",
        ),
        Finding(
            wal_level == "logical",
            f"wal_level = {wal_level}",
            "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.",
        ),
        Finding(
            there or slots_used < slots_most,
            f"{slots_used} of {slots_most} replication slots are taken",
            "Raise max_replication_slots and restart the server.",
        ),
        Finding(
            there or senders_used < senders_most,
            f"{senders_used} of {senders_most} WAL senders are in use",
            "Raise max_wal_senders and restart the server.",
        ),
        Finding(
            bool(replicates),
            f"the account {role} {'may' if replicates else 'may not'} replicate",
            f"ALTER ROLE {role} REPLICATION;",
        ),
        Finding(
            True,
            "the account may create a publication" if creates else "the account may not create a publication",
            f"GRANT CREATE ON DATABASE {database} TO {role};",
        ),
        Finding(
            "*" not in standbys,
            f"synchronous_standby_names = {standbys}" if standbys else "no commit waits for a standby",
            "Name the standbys one by one: with * each commit would wait for aipstream." if "*" in standbys else "",
        ),
        Finding(
            True,
            "a slot may keep WAL without limit" if keep == "-1" else f"a slot may keep {keep} MB of WAL",
            "Watch the disk of the server, or set max_slot_wal_keep_size." if keep == "-1" else "",
        ),
    ]


def _tables(connection: Connection, publication: str) -> list[Finding]:
    here = publications.tables(connection)
    unreadable = [table.name for table in here if not table.readable]
    try:
        missing = publications.missing(connection, publication)
        fault = f"{len(missing)} statements are to be run for the publication {publication} and the replica identities"
    except PreconditionError as error:
        missing, fault = [error.hint], str(error)
    connection.rollback()
    foreign = sorted({table.owner for table in here if not table.owned})
    who = f" (as {', '.join(foreign)} or a superuser)" if foreign and missing else ""
    return [
        Finding(
            not unreadable,
            "every content table can be read" if not unreadable else f"cannot read: {', '.join(unreadable)}",
            f"GRANT SELECT ON {', '.join(unreadable)} TO CURRENT_USER;" if unreadable else "",
        ),
        Finding(
            not missing,
            fault if missing else f"the publication {publication} and the replica identities are made",
            f"`aipstream init`, or{who}: " + "; ".join(missing) if missing else "",
        ),
    ]


def _slot(connection: Connection, slot: str) -> list[Finding]:
    try:
        found = slots.look(connection, slot)
    except AipstreamError as error:
        return [Finding(False, str(error), error.hint)]
    if found is None:
        return [Finding(True, f"the slot {slot} will be made by `aipstream snapshot`")]
    if found.lost:
        return [Finding(False, f"the slot {slot} is lost", "`aipstream slot drop`, then `aipstream snapshot`.")]
    state = f"read by process {found.active_pid}" if found.active else "idle"
    return [
        Finding(
            found.wal_status != "unreserved",
            f"the slot {slot} is {state}, {found.lag} bytes behind",
            "Let `aipstream run` catch up before the server throws its WAL away.",
        )
    ]
