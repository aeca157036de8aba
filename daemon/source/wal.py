"""The source as its WAL tells it: which objects committed transactions may have changed, batch by batch.

Invariants:

* A batch is given out when the last of its transactions is visible to a new snapshot. The WAL tells of a commit a
  moment before the server shows it; an object read in that moment would be read as it was.
* `confirm(batch.lsn)` confirms the transactions that were given out whole and nothing else: until the last slice of a
  large transaction it stays where it was. Whatever was not confirmed comes again, which is harmless.
* Transactions come in the order of their commits; each touched object comes once in a batch, with its latest commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

import psycopg2
import psycopg2.errors

from daemon.dspace.connect import Connection, connect, unreachable
from daemon.source import Touched
from daemon.source.pgoutput import instant
from daemon.source.publication import PUBLICATION
from daemon.source.resolver import Resolved, resolve
from daemon.source.spool import MEMORY, Chunk
from daemon.source.stream import Stream
from events.aip.model import Kind
from events.errors import Interrupted, SourceUnreachable
from events.event import lsn_number

WINDOW: Final = 0.05
"""Seconds over which commits are gathered into one batch."""
MOST: Final = 5_000
"""Touches at which a batch is full."""
_LULL: Final = 0.01
"""A batch is closed early when nothing came for so many seconds."""
_ASK: Final = 0.25
"""Seconds between two questions how far the server is, while we wait for it to say that there is no more."""
_PAGE: Final = 8192
_HEADERS: Final = (24, 40)
"""Sizes of a WAL page and of its header (the longer one at the start of a segment), in bytes."""
_AGAIN: Final = 0.2
"""Seconds between two attempts to take up a lost connection."""
_PREFIX: Final = "aipstream"
_HALF: Final = 1 << 31

Answer = TypeVar("Answer")


class Batch(NamedTuple):
    """What some transactions touched.

    touched       each object once, in no order
    lsn           confirm this when the events of the batch are durable: the end of the last transaction given out whole
    commit_time   of the last transaction, UTC, as in `Event`
    transactions  how many ended in this batch; 0 for a slice of a large one
    sweep         kinds of which all objects have to be compared, for nobody can tell which ones changed
    """

    touched: list[Touched]
    lsn: int
    commit_time: str
    transactions: int
    sweep: frozenset[Kind]


class WalSource:
    """One slot, streamed: `for batch in source.batches(1.0)`, make its events durable, `source.confirm(batch.lsn)`.

    patience  seconds for which a lost connection is tried again before SourceUnreachable is raised
    memory    bytes of touches that wait in memory; more waits in a file in `folder` (default: TMPDIR)
    window    seconds over which commits are gathered, `most` the touches at which a batch is full
    stopped   whether to stop: no lost connection and no transaction is waited for then (SourceUnreachable, Interrupted)
    """

    def __init__(
        self,
        dsn: str,
        slot: str,
        publication: str = PUBLICATION,
        *,
        patience: float = 120.0,
        memory: int = MEMORY,
        folder: Path | None = None,
        window: float = WINDOW,
        most: int = MOST,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._dsn, self._patience, self._window, self._most, self._stopped = dsn, patience, window, most, stopped
        self._stream = Stream(
            dsn, slot, publication, patience=patience, memory=memory, folder=folder, stopped=stopped
        )
        self._sql: Connection | None = None
        self._gathered: list[Chunk] = []
        self._whole = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to stream from the slot's confirmed position.

        Raises SlotLost, Locked (another process streams from it), PreconditionError or SourceUnreachable.
        """
        try:
            self._stream.start()
        except BaseException:
            self.close()
            raise
        self._whole = self._stream.confirmed

    def close(self) -> None:
        """Report the last confirmed position and end the stream. The slot stays."""
        self._stream.stop()
        if self._sql is not None:
            self._sql.close()
            self._sql = None

    def batches(self, timeout: float) -> Iterator[Batch]:
        """Batches, until none came for `timeout` seconds. May be called again; nothing is lost in between.

        Raises SlotLost, Locked, SourceUnreachable, SpoolFull or PreconditionError when the stream has ended.
        """
        while (batch := self._next(timeout)) is not None:
            yield batch

    def until_current(self) -> Iterator[Batch]:
        """Batches up to everything that is committed as of this call, on an idle server none. Ends then."""
        target = self.written()
        self.heartbeat()
        while True:
            received = self._stream.received
            batch = self._next(0.0 if received >= target else _ASK)
            if batch is not None:
                yield batch
            elif received >= target and not self._gathered:
                return
            else:
                self._stream.ask()

    def confirm(self, lsn: int) -> None:
        """The events of every batch up to that one are durable: the server may throw away its WAL up to there."""
        self._stream.confirm(lsn)

    def heartbeat(self) -> bool:
        """Write a message into the WAL, so that a commit comes even where nobody edits. False if that is forbidden."""
        connection = None
        try:
            connection = connect(self._dsn, "source", readonly=False)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = local")  # flushed at once, without waiting for a standby
                cursor.execute("SELECT pg_logical_emit_message(true, %s, '')", (_PREFIX,))
            connection.commit()
        except (
            psycopg2.errors.InsufficientPrivilege,
            psycopg2.errors.ReadOnlySqlTransaction,
            psycopg2.errors.ObjectNotInPrerequisiteState,
        ):
            return False
        finally:
            if connection is not None:
                connection.close()
        return True

    def written(self) -> int:
        """Where the source's WAL ends, commits that are not flushed yet (`synchronous_commit = off`) included."""

        def ask(connection: Connection) -> int:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
                row = cursor.fetchone()
            return lsn_number(row[0]) if row else 0

        lsn = self._asked(ask)
        # Just after a page's header nothing was written on that page: the last record ended where the page begins.
        return lsn - lsn % _PAGE if lsn % _PAGE in _HEADERS else lsn

    def ask(self) -> None:
        """Let the server say how far it is, so that `confirmed` moves on where nothing comes."""
        self._stream.ask()

    @property
    def confirmed(self) -> int:
        """The position that the server is told to be durable."""
        return self._stream.confirmed

    @property
    def received(self) -> int:
        """Every transaction that committed up to there has been received, not necessarily given out."""
        return self._stream.received

    @property
    def spilled(self) -> int:
        """Bytes of touches that wait on disk because their consumer is behind."""
        return self._stream.spilled

    # --- one batch --------------------------------------------------------------------------------------------------

    def _next(self, timeout: float) -> Batch | None:
        if not self._gathered:
            self._gather(timeout)
        if not self._gathered:
            return None
        resolved = self._resolved()
        chunks, self._gathered = self._gathered, []
        ended = sum(chunk.last for chunk in chunks)
        self._whole = max([self._whole, *(chunk.lsn for chunk in chunks if chunk.last)])
        return Batch(resolved.touched, self._whole, instant(chunks[-1].commit_time), ended, resolved.sweep)

    def _gather(self, timeout: float) -> None:
        """Wait for a first chunk, then take what comes within the window, up to the most touches."""
        chunk = self._stream.take(timeout)
        deadline, touches = time.monotonic() + self._window, 0
        while chunk is not None:
            self._gathered.append(chunk)
            touches += chunk.size
            left = deadline - time.monotonic()
            if touches >= self._most or left <= 0:
                return
            chunk = self._stream.take(min(left, _LULL))

    def _resolved(self) -> Resolved:
        """The gathered chunks' owners, when their transactions have become visible."""

        def look_up(connection: Connection) -> Resolved:
            self._await_visible(connection, {chunk.xid for chunk in self._gathered})
            return resolve(connection, self._gathered)

        return self._asked(look_up)

    def _asked(self, question: Callable[[Connection], Answer]) -> Answer:
        """The answer to a question of one transaction. A lost connection is made again, as long as patience lasts."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                connection = self._connected()
                answer = question(connection)
                connection.rollback()
            except (psycopg2.OperationalError, psycopg2.InterfaceError, SourceUnreachable) as error:
                self._sql = None
                if self._stopped() or time.monotonic() > deadline:
                    raise (
                        error if isinstance(error, SourceUnreachable) else unreachable("source", self._dsn, error)
                    ) from error
                time.sleep(_AGAIN)
            else:
                return answer

    def _connected(self) -> Connection:
        if self._sql is None or self._sql.closed:
            self._sql = connect(self._dsn, "source")
        return self._sql

    def _await_visible(self, connection: Connection, xids: set[int]) -> None:
        """Return in a transaction whose snapshot sees them all. With a synchronous standby this may take its time."""
        pause = 0.001
        while True:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_snapshot()::text")
                row = cursor.fetchone()
            if row is not None and visible(xids, row[0]):
                return
            connection.rollback()
            if self._stopped():
                raise Interrupted("stopped while a transaction was waited for")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)


def visible(xids: set[int], snapshot: str) -> bool:
    """Whether a snapshot (`xmin:xmax:xip,…` of 64-bit ids) sees all these transactions, known to have committed.

    A replication message has the low 32 bits of an id; the id meant is the one nearest to the snapshot's.
    """
    least, limit, running = snapshot.split(":")
    xmin, xmax = int(least), int(limit)
    open_now = {int(xid) for xid in running.split(",") if xid}
    for low in xids:
        xid = xmax + (low - xmax + _HALF) % (1 << 32) - _HALF
        if xid >= xmax or (xid >= xmin and xid in open_now):
            return False
    return True
