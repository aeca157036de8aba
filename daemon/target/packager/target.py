"""A log replayed through the target's own `dspace packager`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daemon.dspace.sequences import SequenceChange
from daemon.target.applied import Applied
from daemon.target.batch import Ahead
from daemon.target.ledger import Parked
from events.aip.model import Uuid
from events.blobs import Blobs
from events.errors import ConfigError
from events.event import Position
from events.log import Entry, Log


class PackagerTarget:
    """One target behind its command line `dspace` (the words before `packager`)."""

    def __init__(
        self, dspace: Sequence[str], eperson: str, work: Path, blobs: Blobs, log: Log, *, passwords: bool = False
    ) -> None:
        raise ConfigError("[target] driver = 'packager' is not there yet")

    @property
    def log(self) -> Log:
        raise NotImplementedError

    def position(self) -> Position:
        raise NotImplementedError

    def recognise_log(self) -> None:
        raise NotImplementedError

    def resume(self) -> Applied:
        raise NotImplementedError

    def apply(self, entries: Sequence[Entry], ahead: Ahead | None = None) -> Applied:
        raise NotImplementedError

    def again(self, uuids: Sequence[Uuid]) -> Applied:
        raise NotImplementedError

    def retry(self, uuids: Sequence[Uuid] | None = None) -> Applied:
        raise NotImplementedError

    def retry_conflicts(self) -> Applied:
        raise NotImplementedError

    def discard(self, uuids: Sequence[Uuid]) -> int:
        raise NotImplementedError

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        raise NotImplementedError

    def finish(self) -> list[SequenceChange]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class PackagerReading:
    """The books of that target in its work folder."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def position(self, log: str) -> Position:
        raise NotImplementedError

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        raise NotImplementedError

    def summary(self, log: str) -> dict[str, Any]:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
