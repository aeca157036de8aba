"""Which repository the source is, and whether it still is the one that was captured so far.

Invariant: nothing is captured from another database into the same log in silence. A database that was exchanged, or
restored to an earlier moment, is told by PostgreSQL's system identifier, the database's oid, the site's UUID, and an
LSN that went back. Where nothing is remembered (a new machine, a state that was lost) the log's own site tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from daemon.dspace.connect import Connection
from daemon.source.emitter import snapshot_of
from daemon.source.state import SEEN, State
from events.aip.model import Uuid
from events.errors import NotDSpace, SourceChanged
from events.event import lsn_number, lsn_text

SLACK: Final = 256 * 1024 * 1024
"""Bytes of WAL by which the end may go back in a crash of the source: what it had not written to disk yet."""

_PERMITTED: Final = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"

_WHO: Final = """
    SELECT (SELECT oid::text FROM pg_database WHERE datname = current_database()),
           (SELECT string_agg(uuid::text, ',') FROM site),
           CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn()::text END"""
"""Reads site. The LSN of a standby is NULL: after a restart it may be behind for a while, and means nothing."""


class Identity(NamedTuple):
    """`system` is PostgreSQL's system identifier, `""` where the account may not read it; `lsn` None on a standby."""

    system: str
    database: str
    site: Uuid
    lsn: int | None


def observed(connection: Connection) -> Identity:
    """Who the source is now. Raises NotDSpace if it has no site or several, SourceUnreachable."""
    with snapshot_of(connection), connection.cursor() as cursor:
        cursor.execute(_PERMITTED)
        (permitted,) = cursor.fetchone() or (False,)
        system = ""
        if permitted:
            cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
            (system,) = cursor.fetchone() or ("",)
        cursor.execute(_WHO)
        database, site, lsn = cursor.fetchone() or ("", None, None)
    if not site or "," in site:
        raise NotDSpace(f"[source] the database has {'several sites' if site else 'no site'}")
    return Identity(system, database, site, lsn_number(lsn) if lsn else None)


def not_another(found: Identity, known: Collection[Uuid]) -> None:
    """Raise SourceChanged if the log holds the site of a repository, and that is not the source's."""
    if known and found.site not in known:
        raise SourceChanged(
            f"[source] the log holds another repository: its site is {', '.join(sorted(known))}, and the source's is "
            f"{found.site}",
            "One log is for one repository: write a [log] url of its own, or correct [source] dsn. If this one has "
            "taken the place of the other, `aipstream snapshot --another` goes on with it: in the log, and then on the "
            "target, everything is deleted that it does not have.",
        )


def identify(
    connection: Connection, state: State, name: str | None = None, sites: Callable[[], Collection[Uuid]] = tuple
) -> str:
    """The source's identity, `name` or the site's UUID, once it is sure that the source is the one that is remembered.

    The first time it is remembered, unless the log has other `sites` than this one's. Raises SourceChanged, which names
    what differs; NotDSpace; SourceUnreachable.
    """
    found = observed(connection)
    source = name or found.site
    before = state.meta("source")
    if before is None:
        not_another(found, sites())
        accept(state, found, source)
        return source
    differs = [
        f"{what} was {old}, is {new}"
        for what, old, new in (
            ("the identity", before, source),
            ("the UUID of the site", state.meta("site"), found.site),
            ("PostgreSQL's system identifier", state.meta("system_identifier"), found.system),
            ("the database's oid", state.meta("database_oid"), found.database),
        )
        if old and new and old != new
    ]
    last = int(state.meta(SEEN) or 0)
    if found.lsn is not None and found.lsn + SLACK < last:
        differs.append(f"its WAL ends at {lsn_text(found.lsn)}, but was captured up to {lsn_text(last)}")
    if differs:
        raise SourceChanged(f"[source] the database is not the one that was captured so far: {'; '.join(differs)}")
    if found.system and not state.meta("system_identifier"):
        accept(state, found, source)
    return source


def accept(state: State, found: Identity, source: str) -> None:
    """Take that database for the source from now on. What differs from what is known is emitted by the next sweep or
    bootstrap; the caller makes sure that there is one.
    """
    state.remember(
        meta={
            "source": source,
            "site": found.site,
            "system_identifier": found.system or None,
            "database_oid": found.database,
            SEEN: None,
        }
    )
