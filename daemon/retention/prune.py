"""One run of retention: events thinned, then contents collected by mark and sweep.

Invariants, in this order (a kill between any two is mended by the next run):

1. an event is thinned only if no kept moment needs it (`daemon.retention.policy`);
2. a content is put aside only if no whole event needed it when the mark ended; what was appended meanwhile brings its
   contents back, and so does whoever asks for one;
3. a content is deleted only when it has been aside for the whole quarantine, and a new mark still finds no need of it.

Capture and replay may go on all the while.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from daemon.failpoint import failpoint
from daemon.portions import portions
from daemon.retention.policy import Policy, moments, thinnable
from events.blobs import Blobs, Sweeping
from events.blobs.together import together
from events.errors import StorageUnusable
from events.event import BEGINNING, Position
from events.instants import text_of
from events.log import Log
from events.log.opening import retention_of

AT_ONCE: Final = 2000

Progress = Callable[[str, int], None]
"""Told what is being done and how many of it are done."""

T = TypeVar("T")


@dataclass
class Pruned:
    """What a run did, or would do: events and contents, each with their bytes. `moments` is how many are kept."""

    moments: int = 0
    thinned: int = 0
    thinned_bytes: int = 0
    aside: int = 0
    aside_bytes: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    waiting: int = 0


def kept_positions(log: Log, policy: Policy, now: datetime) -> list[Position]:
    """The positions of all moments that are kept, sorted; the last is that from which on every event is."""
    first = next(log.read(BEGINNING, limit=1, whole=False), None)
    if first is None:
        return []
    begin = datetime.fromisoformat(first.event.commit_time)
    kept = {log.position(time=text_of(moment)) for moment in moments(policy, now, begin)}
    whole = max(kept)
    return sorted(kept | {mark.position for mark in retention_of(log).marks() if mark.position <= whole})


def prune(
    log: Log,
    blobs: Blobs,
    policy: Policy,
    quarantine: timedelta,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    progress: Progress = lambda _what, _count: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Pruned:
    """Thin the log and collect contents. With `dry_run` nothing is changed. Raises what log and blob store raise."""
    done = Pruned()
    gone = _thin(log, policy, now or datetime.now(UTC), done, dry_run, progress, stopped)
    if isinstance(blobs, Sweeping) and not stopped():
        _collect(log, blobs, quarantine, done, gone if dry_run else set(), dry_run, progress, stopped)
    return done


def _thin(
    log: Log,
    policy: Policy,
    now: datetime,
    done: Pruned,
    dry_run: bool,
    progress: Progress,
    stopped: Callable[[], bool],
) -> set[Position]:
    kept = kept_positions(log, policy, now)
    done.moments = len(kept)
    gone: set[Position] = set()
    if not kept:
        return gone
    retention = retention_of(log)
    for some in portions(thinnable(retention.superseded(kept[-1]), kept), AT_ONCE):
        if stopped():
            break
        done.thinned += len(some)
        done.thinned_bytes += sum(event.size for event in some)
        if dry_run:
            gone.update(event.position for event in some)
        else:
            retention.thin([event.position for event in some])
            failpoint("prune.thinned")
        progress("thinned", done.thinned)
    return gone


def _collect(
    log: Log,
    blobs: Blobs,
    quarantine: timedelta,
    done: Pruned,
    gone: set[Position],
    dry_run: bool,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    assert isinstance(blobs, Sweeping)  # noqa: S101 - the caller has asked
    with closing(Mark()) as mark:
        marked = log.end()
        mark.add(name for position, names in retention_of(log).references() if position not in gone for name in names)
        for some in portions(blobs.list(), AT_ONCE):
            if stopped():
                return
            loose = mark.without(some)
            done.aside += len(loose)
            if dry_run:
                done.aside_bytes += sum(together(blobs, blobs.size, loose))
            else:
                done.aside_bytes += blobs.quarantine(loose)
                failpoint("prune.aside")
            progress("looked at contents", done.aside)
        for _, names in retention_of(log).references(marked):
            mark.add(names)
            if not dry_run:
                for _ in together(blobs, blobs.has, names):
                    pass  # asking for it brings it back
        for some_aside in portions(blobs.quarantined(), AT_ONCE):
            unneeded = set(mark.without(name for name, _ in some_aside))
            if not dry_run:
                for _ in together(blobs, blobs.has, (name for name, _ in some_aside if name not in unneeded)):
                    pass
            due = quarantine.total_seconds()
            old = [name for name, seconds in some_aside if seconds >= due and name in unneeded]
            done.waiting += len(unneeded) - len(old)
            done.deleted += len(old)
            if not dry_run:
                done.deleted_bytes += blobs.purge(old)
                failpoint("prune.deleted")


class Mark:
    """The names of contents that are needed, on disk: memory does not grow with the site. Raises StorageUnusable.

    They lie in a temporary database of SQLite's, a file without a name in TMPDIR: whatever kills us, nothing stays.
    """

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA temp_store = FILE")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE needed (name BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, names: Iterable[str]) -> None:
        """Note that those are needed."""
        for some in portions(names, AT_ONCE):
            rows = [(bytes.fromhex(name),) for name in some]
            with _on_disk():
                self._connection.execute("BEGIN")
                self._connection.executemany("INSERT OR IGNORE INTO needed VALUES (?)", rows)
                self._connection.execute("COMMIT")

    def without(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are not needed."""
        look = "SELECT 1 FROM needed WHERE name = ?"
        with _on_disk():
            return [name for name in names if self._connection.execute(look, (bytes.fromhex(name),)).fetchone() is None]

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageUnusable(
            f"the names of the contents that are needed cannot be kept in a temporary file: {error}",
            "Free space in TMPDIR (/var/tmp, if it is not set), or set it to a folder on another disk.",
        ) from error
