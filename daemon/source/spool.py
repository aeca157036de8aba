"""A queue of touches between the thread that drains the replication socket and whoever works on them.

Invariants:

* What goes in comes out in the same order, once.
* Its memory is bounded: beyond `memory` bytes everything goes to one unnamed temporary file, until that is drained and
  cut off again. So a consumer that stalls for minutes never makes the reader wait, and a reader that waits could hold
  up the source's checkpoints.
* Nothing here has to outlive the process: the slot is only confirmed for what was made durable elsewhere.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import IO, Final

import msgspec

from events.errors import AipstreamError

MEMORY: Final = 8 * 1024 * 1024


class SpoolFull(AipstreamError):
    """The disk of the spool cannot take what the consumer has not yet worked on."""

    hint = "Free space in the folder of the spool (TMPDIR, or the one configured), and start again: nothing is lost."


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """A transaction's touches, or a part of those of a large one.

    number       counts the transactions of this process
    lsn          the position after the transaction's commit, 0 if that was not yet known when the chunk was made
    commit_time  in µs since 2000-01-01 UTC
    touches      values by subject (`daemon.source.touches.Subject`)
    last         nothing of this transaction follows
    """

    number: int
    xid: int
    lsn: int
    commit_time: int
    touches: dict[str, list[bytes]]
    last: bool

    @property
    def size(self) -> int:
        """How many touches."""
        return sum(map(len, self.touches.values()))


class Spool:
    """First in, first out; one thread puts, one takes. `folder`: where the overflow goes (default: TMPDIR)."""

    def __init__(self, memory: int = MEMORY, folder: Path | None = None) -> None:
        self._memory, self._folder = memory, folder
        self._lock = threading.Lock()
        self._queue: deque[bytes] = deque()
        self._held = 0
        self._file: IO[bytes] | None = None
        self._read = self._written = 0
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Chunk)

    def put(self, chunk: Chunk) -> None:
        """Append. Raises SpoolFull if the disk cannot take it."""
        record = self._encoder.encode(chunk)
        with self._lock:
            if self._file is None and self._held + len(record) <= self._memory:
                self._queue.append(record)
                self._held += len(record)
                return
            self._spill(record)

    def _spill(self, record: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115 -- closed when it is drained
                    dir=self._folder, prefix="aipstream-spool-", buffering=0
                )
            self._written += os.pwrite(self._file.fileno(), len(record).to_bytes(4), self._written)
            view = memoryview(record)
            while view:
                done = os.pwrite(self._file.fileno(), view, self._written)
                self._written += done
                view = view[done:]
        except OSError as error:
            raise SpoolFull(f"the spool of touched objects cannot be written: {error}") from error

    def take(self) -> Chunk | None:
        """The oldest, None if there is none now."""
        with self._lock:
            if self._queue:
                record = self._queue.popleft()
                self._held -= len(record)
            elif self._file is not None:
                record = self._unspill(self._file)
            else:
                return None
        return self._decoder.decode(record)

    def _unspill(self, file: IO[bytes]) -> bytes:
        size = int.from_bytes(os.pread(file.fileno(), 4, self._read))
        record = os.pread(file.fileno(), size, self._read + 4)
        self._read += 4 + size
        if self._read == self._written:
            file.close()
            self._file, self._read, self._written = None, 0, 0
        return record

    @property
    def empty(self) -> bool:
        """Nothing to take now."""
        with self._lock:
            return not self._queue and self._file is None

    @property
    def spilled(self) -> int:
        """Bytes on disk that are not yet taken."""
        with self._lock:
            return self._written - self._read

    def close(self) -> None:
        """Throw away what was not taken."""
        with self._lock:
            self._queue.clear()
            self._held = 0
            if self._file is not None:
                self._file.close()
            self._file, self._read, self._written = None, 0, 0
