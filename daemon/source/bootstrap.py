"""Everything once, at one snapshot, by several processes: how a log begins, or catches up when its slot was lost.

Invariants:

* All processes read the same exported snapshot. Only this one appends to the log and writes the state, in the order
  of the slices, so parents come before children whoever read them.
* The snapshot is that of the slot, or one after the slot was made. Either way the stream from the slot tells of every
  change that the snapshot does not show; one that it tells of twice has a known digest and is left out.
* It can be killed anywhere and run again: what is in the log is known, and is not emitted again.
* Slices wait in a window of a few per process: memory does not grow with the site.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final, NamedTuple

import psycopg2
import psycopg2.errors

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection, connect, unreachable
from daemon.dspace.facets import Options, query
from daemon.failpoint import failpoint
from daemon.portions import portions
from daemon.source import Emitted, Touched
from daemon.source.assetstore import Assetstore
from daemon.source.capture import Capture, Captured, slices
from daemon.source.emitter import PUT_ORDER, Emitter, Pending, added, instant, parents_first
from daemon.source.merge import merged
from daemon.source.poll import LSN
from daemon.source.state import BOOTSTRAPPED, SEEN, State
from events.aip.model import Kind, Uuid
from events.blobs import PLAIN, Keys, open_blobs
from events.errors import ProcessEnded
from events.instants import now

SLICE: Final = 200
"""Objects that one process reads at a time."""

WINDOW: Final = 2
"""Slices per process that are being read or wait for their turn in the log."""

DONE: Final = BOOTSTRAPPED

Progress = Callable[[int, int, Kind], None]
"""Told how many objects are done, of how many, and of which kind they are at the moment."""

_OWNERS: Final = """SELECT s.owner::text, '' FROM scope s ORDER BY s.owner::text COLLATE "C" """
_COUNT: Final = "SELECT count(*) FROM scope s"

_SNAPSHOT_GONE: Final = (
    psycopg2.errors.InvalidParameterValue,
    psycopg2.errors.UndefinedObject,
    psycopg2.errors.ObjectNotInPrerequisiteState,
)
"""What PostgreSQL says of a snapshot whose session has ended; which of them depends on its version."""


class Plan(NamedTuple):
    """What a process needs to read and capture: all of it can be sent to another process."""

    dsn: str
    blobs: str
    state: str
    stores: Mapping[int, Path]
    roots: tuple[Path, ...]
    options: Options
    source: str
    keys: Keys = PLAIN


class Slice(NamedTuple):
    """Objects of one kind, in order, each with the digest that is known of it, if one is."""

    kind: Kind
    known: dict[Uuid, str | None]
    lsn: int
    time: str


# --- in the other processes -----------------------------------------------------------------------------------------


class _Worker:
    connection: Connection
    capture: Capture


def _start(plan: Plan, snapshot: str) -> None:
    """Make this process ready: a connection in the exported snapshot, its own way to the blobs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.connection = _joined(plan.dsn, snapshot)
    _Worker.capture = Capture(
        open_blobs(plan.blobs, keys=plan.keys),
        State(plan.state),
        Assetstore(plan.stores, plan.roots),
        plan.options,
        plan.source,
    )


def _end_with_parent() -> None:
    """A parent that is killed cannot end its children, and they would hold the snapshot for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _joined(dsn: str, snapshot: str) -> Connection:
    connection = connect(dsn, "source")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
    except BaseException:
        connection.close()
        raise
    return connection


def _capture(part: Slice) -> Captured:
    """Read, compare and capture one slice; its contents are durable when it is handed back."""
    connection, capture = _Worker.connection, _Worker.capture
    try:
        digests = fingerprint.digests(connection, part.kind, list(part.known), capture.options)
        changed = {uuid: digests[uuid] for uuid, known in part.known.items() if digests.get(uuid, known) != known}
        touched = {uuid: Touched(part.kind, uuid, part.lsn, part.time) for uuid in changed}
        whole = Captured()
        for some in slices(changed):
            whole.add(capture(connection, part.kind, some, touched))
        whole.unchanged += len(part.known) - len(changed)
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise unreachable("source", connection.dsn, error) from error
    capture.blobs.flush()
    return whole


# --- in this process -------------------------------------------------------------------------------------------------


class Bootstrap:
    """Captures everything through `emitter`, with `workers` further processes. Errors as of `Emitter`, and
    ProcessEnded if one of those was killed.
    """

    def __init__(self, emitter: Emitter, plan: Plan, *, workers: int = 2) -> None:
        self.emitter = emitter
        self.state = emitter.state
        self.plan = plan
        self.workers = workers

    def run(self, *, snapshot: str | None = None, lsn: int | None = None, progress: Progress | None = None) -> Emitted:
        """Capture everything at that exported snapshot (the slot's, with its consistent point as `lsn`).

        Without one, or if it is gone because the session that exported it ended, at a new snapshot with its own LSN.
        """
        connection = None
        if snapshot is not None and lsn is not None:
            try:
                connection = _joined(self.plan.dsn, snapshot)
            except _SNAPSHOT_GONE:
                lsn = None
        else:
            lsn = None
        connection = connection or connect(self.plan.dsn, "source")
        try:
            return _Run(self, connection, lsn, progress or (lambda _done, _total, _kind: None)).run()
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise unreachable("source", connection.dsn, error) from error
        except BrokenProcessPool as error:
            raise ProcessEnded("[source] a process that read the source was ended from outside") from error
        finally:
            connection.close()


class _Run:
    def __init__(self, bootstrap: Bootstrap, connection: Connection, lsn: int | None, progress: Progress) -> None:
        self.emitter, self.state, self.plan = bootstrap.emitter, bootstrap.state, bootstrap.plan
        self.connection = connection
        self.progress = progress
        self.window = WINDOW * bootstrap.workers
        self.seen, self.time = instant(connection)
        self.lsn = max(self.seen, int(self.state.meta(LSN) or 0) + 1) if lsn is None else lsn
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            (name,) = cursor.fetchone() or ("",)
        self.pool = ProcessPoolExecutor(
            bootstrap.workers, multiprocessing.get_context("spawn"), _start, (self.plan, name)
        )
        self.pending = Pending()
        self.total = Emitted()
        self.done = 0

    def run(self) -> Emitted:
        """Everything, in the order of `Emitter`: tombstones that are gone, puts, deletes, tombstones."""
        self.state.remember(meta={DONE: None, LSN: str(max(self.lsn, int(self.state.meta(LSN) or 0)))})
        self.objects = sum(self._count(kind) for kind in fingerprint.KINDS)
        gone: dict[Kind, list[Uuid]] = {Kind.TOMBSTONE: []}
        try:
            for _ in self._slices(Kind.TOMBSTONE, gone[Kind.TOMBSTONE]):
                pass
            self._delete({Kind.TOMBSTONE: gone.pop(Kind.TOMBSTONE)})
            self._capture(part for kind in PUT_ORDER for part in self._slices(kind, gone.setdefault(kind, [])))
            self._delete(gone)
            self._capture(self._slices(Kind.TOMBSTONE, []))
        finally:
            self.pool.shutdown(cancel_futures=True)
        self.total = added(self.total, self.emitter.commit(self.pending))
        self.state.remember(meta={DONE: now(), SEEN: str(self.seen)})
        return self.total

    def _count(self, kind: Kind) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(query(kind, _COUNT, self.plan.options, some=False))
            (count,) = cursor.fetchone() or (0,)
            return int(count)

    def _slices(self, kind: Kind, gone: list[Uuid]) -> Iterator[Slice]:
        """The objects of a kind, to be captured; those that are known and no longer there are added to `gone`."""
        known: dict[Uuid, str | None] = {}
        for pair in merged(self._owners(kind), self.state.walk(kind)):
            if pair.there is None:
                gone.append(pair.uuid)
                continue
            known[pair.uuid] = pair.known
            if len(known) == SLICE and kind is not Kind.COMMUNITY:
                yield Slice(kind, known, self.lsn, self.time)
                known = {}
        if kind is Kind.COMMUNITY:
            order = parents_first(self.connection, list(known))
            for some in portions(order, SLICE):
                yield Slice(kind, {uuid: known[uuid] for uuid in some}, self.lsn, self.time)
        elif known:
            yield Slice(kind, known, self.lsn, self.time)

    def _owners(self, kind: Kind) -> Iterator[tuple[Uuid, str]]:
        with self.connection.cursor(name=f"aipstream_owners_{kind.value}") as cursor:
            cursor.itersize = 5000
            cursor.execute(query(kind, _OWNERS, self.plan.options, some=False))
            yield from cursor

    def _capture(self, parts: Iterator[Slice]) -> None:
        waiting: deque[tuple[Slice, Future[Captured]]] = deque()
        for part in parts:
            waiting.append((part, self.pool.submit(_capture, part)))
            if len(waiting) > self.window:
                self._take(*waiting.popleft())
        while waiting:
            self._take(*waiting.popleft())

    def _take(self, part: Slice, future: Future[Captured]) -> None:
        self.total = added(self.total, self.emitter.accept(future.result(), self.pending))
        self.done += len(part.known)
        self.progress(self.done, max(self.objects, self.done), part.kind)
        failpoint("bootstrap.slice")

    def _delete(self, gone: Mapping[Kind, list[Uuid]]) -> None:
        touched = {uuid: Touched(kind, uuid, self.lsn, self.time) for kind, uuids in gone.items() for uuid in uuids}
        self.total = added(self.total, self.emitter.deletes(gone, touched, self.pending))
