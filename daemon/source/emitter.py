"""The way from touched objects to durable events, the same for `wal`, `poll` and the bootstrap.

Invariants, in this order for every slice (a crash between any two is mended by doing the same again):

1. objects and their digests are read in one snapshot; those whose digest is known are left out;
2. their contents are in the blob store, durably;
3. the events are in the log, durably: parents before children, deletes after puts and children first;
4. the state remembers the digests. `State.agree` makes up for a crash just before.

One state per event id: if the log already holds an event of the same (source, LSN, object), it keeps that one, and
the state remembers what the log has, not what was read. The change in between has an LSN of its own, still to come.

Who is to stop stops between two slices (Interrupted); what is pending then is dropped whole, as by a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg2

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection, unreachable
from daemon.dspace.facets import Options, query
from daemon.failpoint import failpoint
from daemon.portions import portions
from daemon.source import Emitted, Touched
from daemon.source.assetstore import SourceFiles
from daemon.source.capture import MOST_OBJECTS, Capture, Captured, slices
from daemon.source.state import FileKey, Known, Parked, State
from events.aip.model import Kind, Uuid
from events.blobs import Blobs
from events.errors import Interrupted
from events.event import Event, Type, lsn_number
from events.log import Log

MOST_BYTES: Final = 16 * 1024 * 1024
"""Payloads that wait for one append."""

PUT_ORDER: Final = tuple(kind for kind in fingerprint.KINDS if kind is not Kind.TOMBSTONE)
"""Tombstones come after the deletes: a handle is only free when the object that had it is gone."""

DELETE_ORDER: Final = tuple(reversed(PUT_ORDER))

FIRST_RETRY: Final = timedelta(seconds=30)
LAST_RETRY: Final = timedelta(hours=1)

DEPTHS: Final = """
    WITH RECURSIVE above(uuid, depth) AS (
      SELECT c.uuid, 0 FROM community c
      WHERE NOT EXISTS (SELECT FROM community2community p WHERE p.child_comm_id = c.uuid)
      UNION
      SELECT p.child_comm_id, a.depth + 1 FROM above a JOIN community2community p ON p.parent_comm_id = a.uuid
      WHERE a.depth < 1000)
    SELECT uuid::text, max(depth) FROM above WHERE uuid = ANY (%(uuids)s::uuid[]) GROUP BY uuid"""
"""How deep each of those communities lies. Reads community, community2community. A ring of them ends it as well."""

INSTANT: Final = """
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text,
           to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def instant(connection: Connection) -> tuple[int, str]:
    """(LSN, server's clock) of this moment; in a fresh transaction, that of its snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(INSTANT)
        lsn, time = cursor.fetchone() or ("0/0", "")
        return lsn_number(lsn), time


@contextmanager
def snapshot_of(connection: Connection) -> Iterator[Connection]:
    """A new transaction, so a new snapshot. psycopg2's loss of a connection is raised as SourceUnreachable."""
    try:
        connection.rollback()
        try:
            yield connection
        finally:
            if not connection.closed:
                connection.rollback()
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise unreachable("source", connection.dsn, error) from error


@dataclass
class Pending:
    """What is captured and not yet durable."""

    events: list[Event] = field(default_factory=list)
    files: dict[FileKey, str] = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)
    cleared: list[Uuid] = field(default_factory=list)
    bytes: int = 0

    def add(self, captured: Captured) -> None:
        """Take over a captured slice."""
        self.events += captured.events
        self.files.update(captured.files)
        self.parked += captured.parked
        self.cleared += [event.uuid for event in captured.events]
        self.bytes += sum(len(event.payload) for event in captured.events)

    @property
    def full(self) -> bool:
        """Whether it is time to append."""
        return len(self.events) >= MOST_OBJECTS or self.bytes >= MOST_BYTES or len(self.cleared) >= 20 * MOST_OBJECTS


class Emitter:
    """Emits what is touched. One thread at a time; one emitter per log and state.

    `connect` opens a connection to the source (`daemon.dspace.connect.connect(dsn, "source")`), `source` is the
    repository's identity. Raises SourceUnreachable, StorageUnusable, GapInLog, Locked, and Interrupted once `stopped`
    says so; what was emitted until then stays, and the same call again does the rest.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        log: Log,
        blobs: Blobs,
        state: State,
        source_files: SourceFiles,
        options: Options,
        source: str,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.connect = connect
        self.log = log
        self.blobs = blobs
        self.state = state
        self.options = options
        self.source = source
        self.stopped = stopped
        self.capture = Capture(blobs, state, source_files, options, source)
        self._connection: Connection | None = None
        state.agree(log)
        self._end = log.end()

    def close(self) -> None:
        """Close the connection to the source, if one is open."""
        if self._connection is not None and not self._connection.closed:
            self._connection.close()
        self._connection = None

    def connection(self) -> Connection:
        """The emitter's own connection, opened when it is needed and again when it was lost."""
        if self._connection is None or self._connection.closed:
            self._connection = self.connect()
        return self._connection

    def heed(self) -> None:
        """Raise Interrupted if it is to stop. Called where a crash would cost nothing either."""
        if self.stopped():
            raise Interrupted("stopped while changes were being captured")

    # --- what the sources call ------------------------------------------------------------------------------------

    def emit(self, touched: Sequence[Touched], connection: Connection | None = None) -> Emitted:
        """Make events of what has changed among those objects, in one snapshot.

        With `connection`, in the transaction that it is in, which must be repeatable read. Of several touches of one
        object the one with the largest LSN counts.
        """
        newest: dict[Uuid, Touched] = {}
        for touch in touched:
            other = newest.get(touch.uuid)
            if other is None or touch.lsn >= other.lsn:
                kind = touch.kind or (other.kind if other else None)
                newest[touch.uuid] = touch._replace(kind=kind)
            elif other.kind is None and touch.kind is not None:
                newest[touch.uuid] = other._replace(kind=touch.kind)
        if not newest:
            return Emitted()
        if connection is not None:
            return self._emit(connection, newest)
        with snapshot_of(self.connection()) as own:
            return self._emit(own, newest)

    def retry_parked(self, *, force: bool = False) -> Emitted:
        """Try the parked objects again whose turn it is (each time later, up to an hour), or all of them."""
        total = Emitted()
        moment = datetime.now(UTC)
        waiting = [(one.kind, one.uuid) for one in self.state.parked() if force or due(one, moment)]
        for start in range(0, len(waiting), MOST_OBJECTS):
            with snapshot_of(self.connection()) as connection:
                lsn, time = instant(connection)
                some = {uuid: Touched(kind, uuid, lsn, time) for kind, uuid in waiting[start : start + MOST_OBJECTS]}
                total = added(total, self._emit(connection, some))
        return total

    def _emit(self, connection: Connection, touched: Mapping[Uuid, Touched]) -> Emitted:
        groups = self._grouped(connection, touched)
        total, pending = Emitted(), Pending()
        gone: dict[Kind, list[Uuid]] = {}
        tombstones: dict[Uuid, str] = {}
        for kind in (Kind.TOMBSTONE, *PUT_ORDER):
            for some in portions(groups.get(kind, []), 4 * MOST_OBJECTS):
                self.heed()
                digests = fingerprint.digests(connection, kind, some, self.options)
                known = self.state.known(kind, some)
                gone.setdefault(kind, []).extend(uuid for uuid in some if uuid not in digests and uuid in known)
                changed = {uuid: digests[uuid] for uuid in some if uuid in digests and digests[uuid] != known.get(uuid)}
                total = total._replace(unchanged=total.unchanged + len(digests) - len(changed))
                pending.cleared += [uuid for uuid in some if uuid not in changed and uuid not in gone[kind]]
                if kind is Kind.TOMBSTONE:
                    tombstones.update(changed)
                else:
                    total = added(total, self.puts(connection, kind, changed, touched, pending))
            if kind is Kind.TOMBSTONE:
                total = added(total, self.deletes({kind: gone.pop(kind, [])}, touched, pending))
        failpoint("capture.read")
        total = added(total, self.deletes(gone, touched, pending))
        total = added(total, self.puts(connection, Kind.TOMBSTONE, tombstones, touched, pending))
        return added(total, self.commit(pending))

    def _grouped(self, connection: Connection, touched: Mapping[Uuid, Touched]) -> dict[Kind, list[Uuid]]:
        """The objects by kind, those of unknown kind by what they are now or else were; communities parents first."""
        groups: dict[Kind, list[Uuid]] = {}
        unknown: set[Uuid] = set()
        for uuid, touch in touched.items():
            if touch.kind is None:
                unknown.add(uuid)
            else:
                groups.setdefault(touch.kind, []).append(uuid)
        for kind in sorted(Kind, key=lambda kind: kind is not Kind.ITEM):
            if unknown:
                found: set[Uuid] = set()
                for some in portions(sorted(unknown), 4 * MOST_OBJECTS):
                    with connection.cursor() as cursor:
                        body = "SELECT s.owner::text FROM scope s"
                        cursor.execute(query(kind, body, self.options, some=True), {"uuids": some})
                        found.update(uuid for (uuid,) in cursor)
                groups.setdefault(kind, []).extend(sorted(found))
                unknown -= found
        for uuid, kind in self.state.kinds(sorted(unknown)).items():
            groups.setdefault(kind, []).append(uuid)
        if len(groups.get(Kind.COMMUNITY, [])) > 1:
            groups[Kind.COMMUNITY] = parents_first(connection, groups[Kind.COMMUNITY])
        return groups

    # --- steps 1 and 2 --------------------------------------------------------------------------------------------

    def puts(
        self,
        connection: Connection,
        kind: Kind,
        digests: Mapping[Uuid, str],
        touched: Mapping[Uuid, Touched],
        pending: Pending,
    ) -> Emitted:
        """Capture those objects, in their order. What is not appended yet waits in `pending` for `commit`."""
        total = Emitted()
        for some in slices(digests):
            self.heed()
            captured = self.capture(connection, kind, some, touched)
            total = added(total, self.accept(captured, pending))
        return total

    def accept(self, captured: Captured, pending: Pending) -> Emitted:
        """Take over a captured slice, and append what has come together once it is enough."""
        pending.add(captured)
        counts = Emitted(
            put=len(captured.events),
            unchanged=captured.unchanged,
            parked=len(captured.parked),
            blobs=captured.blobs,
            blob_bytes=captured.blob_bytes,
        )
        return added(counts, self.commit(pending)) if pending.full else counts

    def deletes(
        self, gone: Mapping[Kind, Iterable[Uuid]], touched: Mapping[Uuid, Touched], pending: Pending
    ) -> Emitted:
        """Put off to `pending` that those objects are gone, children first."""
        total = Emitted()
        for kind in (Kind.TOMBSTONE, *DELETE_ORDER):
            uuids = list(gone.get(kind, ()))
            if kind is Kind.COMMUNITY:
                uuids = self._children_first(uuids)
            for uuid in uuids:
                self.heed()
                touch = touched[uuid]
                last = self.log.latest(uuid, whole=False)
                pending.events.append(
                    Event(
                        source=self.source,
                        lsn=touch.lsn,
                        uuid=uuid,
                        kind=kind,
                        type=Type.DELETE,
                        xid=touch.xid,
                        commit_time=touch.commit_time,
                        handle=last.event.handle if last else None,
                    )
                )
                pending.cleared.append(uuid)
                total = total._replace(deleted=total.deleted + 1)
                if pending.full:
                    total = added(total, self.commit(pending))
        return total

    def _children_first(self, communities: Sequence[Uuid]) -> list[Uuid]:
        """Communities that are gone, by what their last events said of their parents."""
        if len(communities) < 2:
            return list(communities)
        last = {uuid: self.log.latest(uuid, whole=False) for uuid in communities}
        above = {uuid: entry.event.parents[0] for uuid, entry in last.items() if entry and entry.event.parents}

        def depth(uuid: Uuid) -> int:
            seen = {uuid}
            while uuid in above and above[uuid] not in seen:
                uuid = above[uuid]
                seen.add(uuid)
            return len(seen)

        return sorted(communities, key=depth, reverse=True)

    # --- steps 2 to 4 ---------------------------------------------------------------------------------------------

    def commit(self, pending: Pending) -> Emitted:
        """Make durable what is pending. Counts nothing that `accept` has not counted, but takes off repeated events."""
        if not (pending.events or pending.parked or pending.cleared):
            return Emitted()
        events, repeated = pending.events, 0
        known: list[Known] = []
        meta: dict[str, str | None] = {}
        if events:
            self.blobs.flush()
            failpoint("capture.blobs")
            before = self.log.end()
            positions = self.log.append(events)
            failpoint("capture.appended")
            for event, position in zip(events, positions, strict=True):
                if position <= before:
                    repeated += 1
                    newest = self.log.latest(event.uuid, whole=False)
                    event = newest.event if newest else event  # what the log has counts
                known.append(Known(event.kind, event.uuid, None if event.type is Type.DELETE else event.digest))
            if before == self._end:  # else somebody else appended; `agree` looks at that at the next start
                self._end = max(before, positions[-1])
                meta["log_position"] = str(self._end)
        parked = {one.uuid for one in pending.parked}
        cleared = [uuid for uuid in pending.cleared if uuid not in parked]
        if cleared:
            cleared = [one.uuid for one in self.state.parked(cleared)]
        if known or pending.parked or cleared or pending.files:
            self.state.remember(known=known, files=pending.files, parked=pending.parked, cleared=cleared, meta=meta)
        failpoint("capture.remembered")
        pending.__init__()  # type: ignore[misc]
        return Emitted(put=-repeated, unchanged=repeated)


def due(parked: Parked, moment: datetime) -> bool:
    """Whether it is time to try that object again: 30 s after the first time, then each time twice as long."""
    wait = min(FIRST_RETRY * (1 << min(parked.attempts - 1, 20)), LAST_RETRY)
    return datetime.fromisoformat(parked.tried) + wait <= moment


def parents_first(connection: Connection, communities: Sequence[Uuid]) -> list[Uuid]:
    """Those communities, each after the communities above it; those that are gone come last."""
    with connection.cursor() as cursor:
        cursor.execute(DEPTHS, {"uuids": list(communities)})
        depths = dict(cursor.fetchall())
    return sorted(communities, key=lambda uuid: (depths.get(uuid, 1 << 30), uuid))


def added(one: Emitted, other: Emitted) -> Emitted:
    """The sum of two counts."""
    return Emitted(*(a + b for a, b in zip(one, other, strict=True)))
