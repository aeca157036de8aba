"""The thread that drains the replication socket, whatever the consumer does.

Invariants:

* The socket is always read. A reader that stops reading can hold up the source's checkpoints for minutes; so what the
  consumer does not take in time goes to the spool, and to its file.
* A server that shuts down is let go, though the consumer may be behind.
* Only what the consumer confirmed is ever reported as flushed. A position beyond the last transaction that touched
  anything is reported too, once that transaction is confirmed and none is open: an idle repository beside a busy
  database keeps no WAL back.
* After a lost connection the stream goes on behind the last transaction that was received whole; what came of one that
  was not is dropped, for it comes again. After a lost process it goes on from the slot's confirmed position.

Positions are those after a commit record, as integers.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psycopg2
import psycopg2.errors
import structlog

from daemon.dspace.connect import connect, unreachable
from daemon.source import slot as slots
from daemon.source.assembly import Assembly, Done
from daemon.source.pgoutput import Decoder, MalformedMessage
from daemon.source.spool import MEMORY, Chunk, Spool
from daemon.source.touches import COLUMNS
from events.errors import AipstreamError, Interrupted, Locked, SourceUnreachable
from events.event import lsn_text

logger = structlog.get_logger(__name__)

KEEPALIVE: Final = 10.0
"""Seconds between two reports of the position; the server's wal_sender_timeout is 60 unless it was changed."""
CONFIRM: Final = 0.2
"""At least so many seconds between two reports of a new confirmed position."""
LINGER: Final = 10.0
"""A process that was killed a moment ago may leave its WAL sender for a while: so long we wait for it at the start."""
BACKOFF: Final = (0.2, 15.0)
_MESSAGES_SINCE: Final = 140_000
"""`pgoutput` passes logical messages on from PostgreSQL 14."""

_TURN: Final = 256
"""Messages between two looks at the clock."""
_KNOCKS: Final = 50
"""A server that shuts down asks its readers over and over whether they have everything on disk, and waits until they
do. A consumer that is behind must not keep it from stopping: after so many questions without anything new we see
whether it still takes connections, and leave if it does not."""

_ABANDONED: Final = -1


class Stream:
    """Transactions' touches from one slot. `start`, then `take` and `confirm` from one consumer, then `stop`.

    `patience`: for how many seconds a lost connection is tried again before the consumer is told (SourceUnreachable).
    `memory`: bytes of touches held before they are spilled to a file in `folder`. `stopped`: whether the consumer is to
    stop; it then waits no longer for the end of a transaction that has come in part (Interrupted).
    """

    def __init__(
        self,
        dsn: str,
        slot: str,
        publication: str,
        *,
        patience: float = 120.0,
        memory: int = MEMORY,
        folder: Path | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._dsn, self._slot, self._publication, self._patience = dsn, slot, publication, patience
        self._spool = Spool(memory, folder)
        self._stopped = stopped
        self._news = threading.Condition()
        self._ends: dict[int, int] = {}
        self._error: AipstreamError | None = None
        self._stopping = False
        self._ask = False
        self._received = self._put = self._confirmed = 0
        self._connection: Any = None
        self._cursor: Any = None
        self._assembly = Assembly()
        self._decoder = Decoder(COLUMNS)
        self._thread: threading.Thread | None = None
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    # --- the consumer's side ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect and start to read. Raises SlotLost, Locked, PreconditionError or SourceUnreachable at once."""
        deadline = time.monotonic() + LINGER
        while True:
            try:
                self._open()
                break
            except Locked:
                if time.monotonic() > deadline:
                    raise
                time.sleep(BACKOFF[0])
        self._thread = threading.Thread(target=self._run, name="aipstream stream", daemon=True)
        self._thread.start()

    def take(self, timeout: float) -> Chunk | None:
        """The next touches, None if none came in so many seconds. A chunk is given out when its commit is known.

        Raises what ended the reading thread: SlotLost, Locked, SourceUnreachable, SpoolFull, PreconditionError. What
        was received before comes first.
        """
        deadline = time.monotonic() + timeout
        while True:
            chunk = self._spool.take()
            if chunk is not None:
                settled = self._settled(chunk)
                if settled is not None:
                    return settled
                continue
            with self._news:
                if not self._spool.empty:
                    continue
                if self._error is not None:
                    raise self._error
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._news.wait(left)

    def _settled(self, chunk: Chunk) -> Chunk | None:
        """The chunk with its transaction's end, waited for if need be; None if the transaction was abandoned."""
        if chunk.last:
            self._ends.pop(chunk.number, None)
            return chunk
        with self._news:
            while chunk.number not in self._ends:
                if self._error is not None:
                    raise self._error
                if self._stopped():
                    raise Interrupted("stopped while a large transaction was being received")
                self._news.wait(1.0)
            end = self._ends[chunk.number]
        if end == _ABANDONED:
            return None
        return Chunk(chunk.number, chunk.xid, end, chunk.commit_time, chunk.touches, False)

    def confirm(self, lsn: int) -> None:
        """Everything up to there is durable: the server may throw away its WAL. Never moves back."""
        if lsn > self._confirmed:
            self._confirmed = lsn
            self._nudge()

    def ask(self) -> None:
        """Let the server say how far it is, even if there is nothing to send."""
        self._ask = True
        self._nudge()

    @property
    def received(self) -> int:
        """Every transaction that committed up to there has been received."""
        return self._received

    @property
    def drained(self) -> bool:
        """Everything received has been taken."""
        return self._spool.empty

    @property
    def spilled(self) -> int:
        """Bytes that wait on disk because the consumer is behind."""
        return self._spool.spilled

    @property
    def confirmed(self) -> int:
        """The position that is reported as flushed: beyond what was confirmed if nothing that matters came since."""
        if not self._assembly.open and self._confirmed >= self._put:
            return max(self._confirmed, self._received)
        return self._confirmed

    def stop(self) -> None:
        """Report the last confirmed position, end the thread and close. Harmless if it never started."""
        self._stopping = True
        self._nudge()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._close()
        self._spool.close()
        for end in (self._wake, self._waker):
            if end >= 0:
                os.close(end)
        self._wake = self._waker = -1

    def _nudge(self) -> None:
        if self._waker >= 0:
            try:
                os.write(self._waker, b".")
            except BlockingIOError:  # it is awake already, and the pipe full of reasons
                return

    # --- the thread's side ------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Connect and begin to stream behind what was received whole."""
        ordinary = connect(self._dsn, "source")
        try:
            found = slots.usable(ordinary, self._slot, self._publication)
            options = {"proto_version": "1", "publication_names": _quoted(self._publication)}
            if ordinary.server_version >= _MESSAGES_SINCE:
                options["messages"] = "true"
        finally:
            ordinary.close()
        self._confirmed = max(self._confirmed, found.confirmed_lsn)
        self._received = max(self._received, found.confirmed_lsn)
        self._put = max(self._put, found.confirmed_lsn)
        self._decoder = Decoder(COLUMNS)
        self._connection = slots.replication(self._dsn)
        self._cursor = self._connection.cursor()
        try:
            self._cursor.start_replication(
                slot_name=self._slot, decode=False, start_lsn=self._received, status_interval=KEEPALIVE, options=options
            )
        except psycopg2.Error as error:
            self._close()
            raise self._cause(error) from error

    def _cause(self, error: psycopg2.Error) -> AipstreamError:
        """The typed error of what the server said: the state of the slot tells more than its words."""
        if isinstance(error, psycopg2.errors.ObjectInUse):
            return Locked(f"the slot {self._slot} is in use: {str(error).strip()}")
        try:
            ordinary = connect(self._dsn, "source")
            try:
                slots.usable(ordinary, self._slot, self._publication)
            finally:
                ordinary.close()
        except AipstreamError as reason:
            return reason
        except psycopg2.Error as reason:
            return unreachable("source", self._dsn, reason)
        return unreachable("source", self._dsn, error)

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._drain()
                except psycopg2.Error as error:
                    self._reopen(self._cause(error))
                except (MalformedMessage, SourceUnreachable) as error:
                    self._reopen(error)
        except AipstreamError as error:
            self._fail(error)
        except Exception as error:  # whatever it is, the consumer must hear of it
            self._fail(AipstreamError(f"the reader of the replication stream failed: {error!r}"))
            logger.exception("the reader of the replication stream failed")

    def _fail(self, error: AipstreamError) -> None:
        with self._news:
            self._error = error
            self._news.notify_all()

    def _reopen(self, cause: AipstreamError) -> None:
        """Try again until it works, is hopeless, or patience ends. Raises the last cause."""
        self._close()
        number = self._assembly.abandon()
        if number:
            self._end(number, _ABANDONED)
        deadline, pause = time.monotonic() + self._patience, BACKOFF[0]
        while not self._stopping:
            passing = isinstance(cause, SourceUnreachable | Locked | MalformedMessage)
            if not passing or time.monotonic() > deadline:
                raise cause
            logger.warning(
                "the replication stream broke off; it is taken up again",
                error=str(cause),
                received=lsn_text(self._received),
            )
            self._rest(pause)
            pause = min(pause * 2, BACKOFF[1])
            try:
                self._open()
            except AipstreamError as error:
                cause = error
            except psycopg2.Error as error:
                cause = unreachable("source", self._dsn, error)
            else:
                return

    def _rest(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping and (left := deadline - time.monotonic()) > 0:
            if select.select([self._wake], [], [], left)[0]:
                os.read(self._wake, 4096)

    def _drain(self) -> None:
        """Read until told to stop. Raises psycopg2.Error or SourceUnreachable when the connection ends."""
        read, feed, decode = self._cursor.read_message, self._assembly.feed, self._decoder.decode
        reported, at, count, knocks, knocked = -1, time.monotonic(), 0, 0, False
        while not self._stopping:
            message = read()
            if message is not None:
                made = feed(decode(message.payload))
                if made is not None:
                    self._spooled(made)
                count, knocks = count + 1, 0
                if count % _TURN:
                    continue
            elif not self._assembly.open:
                # What the server sent last, even if only to say that it is there: nothing before it is outstanding.
                knocks = 0 if self._cursor.wal_end > self._received else knocks + knocked
                self._received = max(self._received, self._cursor.wal_end)
            now, flushed = time.monotonic(), self.confirmed
            if self._ask or now - at >= KEEPALIVE or (flushed > reported and now - at >= CONFIRM):
                self._report(flushed, reply=self._ask)
                self._ask, reported, at = False, flushed, now
            if knocks >= _KNOCKS:
                knocks = 0
                connect(self._dsn, "source").close()
            if message is None:
                wait = CONFIRM if flushed > reported else KEEPALIVE - (now - at)
                ready = select.select([self._connection, self._wake], [], [], max(0.0, wait))[0]
                knocked = self._connection in ready
                if self._wake in ready:
                    os.read(self._wake, 4096)
        self._report(self.confirmed)

    def _report(self, flushed: int, *, reply: bool = False) -> None:
        self._cursor.send_feedback(
            write_lsn=self._received, flush_lsn=flushed, apply_lsn=flushed, reply=reply, force=True
        )

    def _spooled(self, made: Chunk | Done) -> None:
        if isinstance(made, Chunk):
            self._spool.put(made)
            return
        if made.chunk is not None:
            self._put = made.lsn
            self._spool.put(made.chunk)
            self._end(made.number if made.parts else 0, made.lsn)
        self._received = max(self._received, made.lsn)

    def _end(self, number: int, lsn: int) -> None:
        """Wake the consumer; `number` if it may already hold a part of this transaction and wait for its end."""
        with self._news:
            if number:
                self._ends[number] = lsn
            self._news.notify_all()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
