"""The books of a target behind its packager, for whoever only looks.

Invariant: read only and without the lock; a work folder without books reads as one into which nothing was replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daemon.hold import holder
from daemon.losses import Loss
from daemon.target.ledger import Parked
from daemon.target.packager.books import LOCK, Books
from events.aip.model import Uuid
from events.event import Position, lsn_text


class PackagerReading:
    """Reads the books in that work folder. Raises StorageUnusable."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._books = Books(work) if Books.there(work) else None

    def position(self, log: str) -> Position:
        """Up to where the log of that identity has been applied; 0 if nothing has."""
        return self._books.position(log) if self._books else 0

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        """What is parked, or what of `uuids` is."""
        return self._books.parked(uuids) if self._books else []

    def losses(self, uuids: Sequence[Uuid] | None = None) -> Iterator[Loss]:
        """What was lost of every object, or of those, by code."""
        wanted = None if uuids is None else frozenset(uuids)
        if self._books:
            yield from (loss for loss in self._books.losses() if wanted is None or loss.uuid in wanted)

    def summary(self, log: str) -> dict[str, Any]:
        """See `daemon.target.port.Reading`. `process` is whether a replayer, or a command of DSpace, works."""
        if self._books is None:
            return {"position": 0, "applied_at": None, "objects": {}, "parked": 0, "process": False}
        cursor = self._books.cursor(log) or {}
        return {
            "position": cursor.get("position", 0),
            "lsn": lsn_text(cursor.get("lsn", 0)),
            "commit_time": cursor.get("commit_time"),
            "applied_at": cursor.get("applied_at"),
            "objects": self._books.counts(),
            "parked": self._books.count_parked(),
            "process": holder(self.work / LOCK) is not None,
        }

    def close(self) -> None:
        """Give the file back."""
        if self._books:
            self._books.close()
