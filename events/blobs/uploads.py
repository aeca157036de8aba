"""Uploads that go on while more is put: several at a time, so that latency is paid once and not for each.

Invariants:

* What waits here is bounded: when it is enough, `submit` waits for room.
* `wait` returns only when everything that was submitted before it is done, whichever thread submitted it; if any of it
  failed, it raises that, and so does every later call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

AT_ONCE: Final = 16
WAITING: Final = 48
"""Uploads that are under way or wait; a small one holds up to a megabyte of memory."""
LARGE_AT_ONCE: Final = 4
"""Large ones among them, each with a temporary file of its size."""


class Uploads:
    """The uploads of one store, by the name of what is uploaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.Semaphore(WAITING)
        self._large = threading.Semaphore(LARGE_AT_ONCE)
        self._pending: dict[str, Future[None]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self.failed: BaseException | None = None

    def __contains__(self, name: str) -> bool:
        """Whether it is under way."""
        with self._lock:
            return name in self._pending

    def submit(self, name: str, upload: Callable[[], None], *, large: bool) -> bool:
        """Have it done by another thread; False, and nothing done, if one of that name is under way."""
        room = self._large if large else self._room
        room.acquire()
        with self._lock:
            if name in self._pending:
                room.release()
                return False
            if self._pool is None:
                self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
            self._pending[name] = self._pool.submit(self._run, upload, room)
        return True

    def _run(self, upload: Callable[[], None], room: threading.Semaphore) -> None:
        try:
            if self.failed is None:
                upload()
        except BaseException as error:
            self.failed = error
            raise
        finally:
            room.release()

    def wait(self) -> None:
        """See above. Raises what an upload raised."""
        with self._lock:
            pending = dict(self._pending)
        for name, upload in pending.items():
            upload.exception()  # returns when it is over
            with self._lock:
                if self._pending.get(name) is upload:
                    del self._pending[name]
        if self.failed is not None:
            raise self.failed

    def close(self) -> None:
        """Drop what has not begun, and wait for the rest."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
