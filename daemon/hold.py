"""One at a time: a lock on a file beside the state.

Invariant: the kernel gives the lock back when its process ends, however it ends, so nothing ever has to be removed by
hand. The file stays; who holds it is written in it, for people.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from events.errors import Locked, StorageUnusable


@contextmanager
def hold(path: Path, does: str = "captures into this log") -> Iterator[int]:
    """Hold the lock in that file; gives its descriptor, for a child that may outlive this process.

    Raises Locked, which names the process that has it and what it `does`, and StorageUnusable.
    """
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StorageUnusable(f"the lock {path} cannot be made: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Locked(f"another aipstream {does}{_holder(descriptor)}") from error
        with suppress(OSError):  # who holds it is only told, a full disk is no reason not to
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """The id of the process that holds the lock; None if nobody does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(descriptor, 20, 0).strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, 20, 0).strip()
    return f" (process {int(text)})" if text.isdigit() else ""
