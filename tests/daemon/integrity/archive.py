"""A small archive to damage: a log of a few objects, and the contents that they need."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from daemon.integrity.books import Books
from daemon.integrity.check import Budget, Check
from daemon.integrity.report import Finding, Report, report
from events.blobs import open_blobs
from events.event import compress
from events.log.opening import inspecting_of, open_log
from tests.events.samples import deletion, event


def content(number: int) -> bytes:
    """The content of that number, of some thousand bytes."""
    return random.Random(number).randbytes(2000 + 10 * number)


def name(number: int) -> str:
    return hashlib.sha256(content(number)).hexdigest()


class Archive(NamedTuple):
    """Events 1 to `events` of ten objects; the event at position p needs the contents p and p-10 (its object's last).
    The last but one is the deletion of object 5.
    """

    folder: Path
    events: int

    @property
    def log(self) -> Path:
        return self.folder / "log.sqlite"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.log}"

    @property
    def blobs(self) -> str:
        return f"file://{self.folder}/blobs"

    @property
    def books(self) -> Path:
        return self.folder / "log.sqlite.state.check"

    def path_of(self, number: int) -> Path:
        """The file of a content."""
        sha256 = name(number)
        return self.folder / "blobs" / sha256[:2] / sha256[2:4] / sha256

    def check(
        self,
        *,
        share: float = 0.0,
        budget: Budget | None = None,
        restart: bool = False,
        parse: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """One run; whether its pass is at its end."""
        with closing(open_log(self.url)) as log, closing(Books(self.books)) as books:
            check = Check(
                inspecting_of(log), log.identity, open_blobs(self.blobs), books,
                share=share, budget=budget, parse=parse, stopped=stopped,
                sizes=lambda: ((name(number), len(content(number))) for number in range(1, self.events + 1)),
            )
            return check.run(restart=restart)

    def report(self) -> Report:
        with closing(open_log(self.url)) as log, closing(Books(self.books)) as books:
            return report(books, inspecting_of(log))

    def findings(self) -> list[Finding]:
        return self.report().findings

    def found(self) -> set[tuple[str, int, str]]:
        """(fault, position, content) of everything that was found."""
        return {(one.fault, one.position, one.content) for one in self.findings()}


def make(folder: Path, events: int = 40) -> Archive:
    """A whole archive."""
    archive = Archive(folder, events)
    blobs = open_blobs(archive.blobs, create=True)
    made = []
    for lsn in range(1, events + 1):
        blobs.put(io.BytesIO(content(lsn)))
        needs = tuple(sorted(name(number) for number in (lsn, lsn - 10) if number > 0))
        payload = compress(f"the state of {lsn % 10} at {lsn}".encode() + random.Random(lsn).randbytes(1500))
        made.append(event(lsn, lsn % 10, blobs=needs, payload=payload))
    made[-2] = deletion(events - 1, 5)
    blobs.flush()
    with closing(open_log(archive.url, create=True)) as log:
        log.append(made)
    return archive
