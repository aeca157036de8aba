"""A log replayed through the target's own `dspace packager`, for targets whose database is taboo.

Invariants:

1. An object is noted in the books after DSpace's command ended well, and the position moves after all that is up to it
   is noted or parked. What was loaded and not noted is loaded once more, in replace mode, which changes nothing.
2. One replayer works: it holds the lock beside the books, and every command that it starts holds it too. So nobody
   starts while a command runs whose replayer was killed.
3. What is refused alone is parked with DSpace's words, the rest goes on; a failure of the command itself parks nothing.
4. What stock cannot do (a deletion, a move, a value) is a loss by name in the books, never silently left out.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import structlog

from daemon.dspace.sequences import SequenceChange
from daemon.failpoint import failpoint
from daemon.hold import hold
from daemon.target.applied import Applied
from daemon.target.batch import Ahead
from daemon.target.ledger import Parked
from daemon.target.packager import books, command
from daemon.target.packager.books import Books
from daemon.target.packager.carried import NEWEST
from daemon.target.packager.command import CommandLine
from daemon.target.packager.round import Round
from daemon.target.packager.steps import plan
from events.aip.model import Kind, Uuid
from events.blobs import Blobs
from events.errors import GapInLog, StorageUnusable
from events.event import Position
from events.instants import now
from events.log import Entry, Log

logger = structlog.get_logger(__name__)

PACKAGES: Final = "packages"
"""The folder of packages on their way, in the work folder."""

_VERSION: Final = re.compile(r"DSpace version:\s*([0-9]+\.[0-9][\w.-]*)", re.IGNORECASE)
_EMPTY_SITE: Final = 'value 0 is out of bounds for sequence "handle_seq"'
"""Stock's script ends with the sequence of handles, and fails there where the repository has none yet: harmless."""


class PackagerTarget:
    """One target behind its command line `dspace` (the words before `packager`). Not for several threads."""

    def __init__(
        self,
        dspace: Sequence[str],
        eperson: str,
        work: Path,
        blobs: Blobs,
        log: Log,
        *,
        passwords: bool = False,
        indexed: bool = False,
    ) -> None:
        self.dspace, self.eperson, self.work = tuple(dspace), eperson, work
        self.blobs = blobs
        self.log = log
        self.passwords = passwords
        self.indexed = indexed
        self.patience = command.PATIENCE
        self.stopped: Callable[[], bool] = lambda: False
        self.progress: Callable[[int, int], None] = lambda _done, _of: None
        self._open = ExitStack()
        self._books: Books | None = None
        self._command: CommandLine | None = None
        self._resumed = False
        self._version: str | None = None

    # --- books and command ------------------------------------------------------------------------------------------

    @property
    def books(self) -> Books:
        """The books, opened with the lock when they are first needed. Raises Locked, StorageUnusable."""
        if self._books is None:
            with ExitStack() as stack:
                does = "replays into this target, or a command of DSpace that it had started still runs"
                lock = stack.enter_context(hold(self.work / books.LOCK, does))
                folder = self.work / PACKAGES
                try:
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                except OSError as error:
                    raise StorageUnusable(f"the folder {folder} cannot be made: {error.strerror or error}") from error
                opened = Books(self.work, create=True, indexed=self.indexed)
                stack.callback(opened.close)
                opened.adopt(self.log.identity)
                self._command = CommandLine(self.dspace, folder, lock)
                self._command.patience = self.patience
                self._books, self._open, self._resumed = opened, stack.pop_all(), False
        return self._books

    @property
    def command(self) -> CommandLine:
        """The command line, which holds the lock with us."""
        self.books  # noqa: B018 - opening them is what takes the lock
        assert self._command is not None  # noqa: S101 - set together with the books
        return self._command

    @property
    def version(self) -> str:
        """The release of the target's DSpace, as it says itself; asked once a day. What it loses depends on it."""
        if self._version is None:
            known, _, day = (self.books.meta(books.VERSION) or "").partition(" ")
            today = now()[:10]
            if day != today:
                said = self.command("dsrun", "org.dspace.app.util.Version")
                found = _VERSION.search(said.text)
                if found is None:
                    logger.warning("packager.version", supposed=known or NEWEST, reason=said.reason())
                known = found[1] if found else known or NEWEST
                self.books.remember(books.VERSION, f"{known} {today}")
            self._version = known
        return self._version

    def close(self) -> None:
        """Give the books, and with them the lock, back."""
        self._books = self._command = None
        self._open.close()

    def position(self) -> Position:
        """Up to where the log has been applied or parked."""
        return self.books.position(self.log.identity)

    def recognise_log(self) -> None:
        """Raise GapInLog if the log is not the one that was applied up to the position."""
        cursor = self.books.cursor(self.log.identity)
        if cursor is None:
            return
        place = int(cursor["position"])
        if place and self.log.id_at(place) != cursor["event"]:  # also of an event that was thinned since
            raise GapInLog(
                f"the log has another event at position {place} than the one that was applied to the target",
                "The log was restored from an older copy. Bring back the newest one; or, to go on with this one, take "
                f"a new snapshot, move {self.books.path} away and replay: every package is loaded once more.",
            )

    # --- the log ----------------------------------------------------------------------------------------------------

    def apply(self, entries: Sequence[Entry], ahead: Ahead | None = None) -> Applied:  # noqa: ARG002 - the port's
        """Apply consecutive entries after the position, and move it to the last. What cannot be applied is parked.

        Where `stopped` says so in between, what is loaded is noted, and the position stays.
        """
        if not entries:
            return Applied()
        done, whole = self._round(entries)
        if whole:
            self.books.advance(self.log.identity, entries[-1].position, entries[-1].event)
            failpoint("replay.committed")
        done.events = len(entries)
        return done

    def resume(self) -> Applied:
        """Release what waits for something that is there, once an opening of the books: the last replayer may have
        been killed just after it was noted.
        """
        if self.books and self._resumed:
            return Applied()
        self._resumed = True
        waiting = [row for row in self.books.parked() if row.needs]
        there = self.books.standings({need for row in waiting for need in row.needs})
        overdue = [row.uuid for row in waiting if any(need in there and there[need].present for need in row.needs)]
        return self._again(overdue)

    def again(self, uuids: Sequence[Uuid]) -> Applied:
        """Apply the last event of each of those objects once more, whatever was applied of them."""
        return self._again(uuids)

    def retry(self, uuids: Sequence[Uuid] | None = None) -> Applied:
        """Try parked events again, all or those of `uuids`, each as it now stands in the log."""
        return self._again([row.uuid for row in self.parked(uuids)])

    def retry_conflicts(self) -> Applied:
        """Nothing: what one transaction of DSpace refuses, the packages are tried in one by one."""
        return Applied()

    def discard(self, uuids: Sequence[Uuid]) -> int:
        """Forget parked events; the objects stay as they are on the target until their next event."""
        rows = self.parked(uuids)
        self.books.unpark([row.uuid for row in rows])
        return len(rows)

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        """What is parked, or what of `uuids` is; oldest position first."""
        return self.books.parked(uuids)

    def finish(self) -> list[SequenceChange]:
        """`database update-sequences`, if anything was loaded since the last time. What moved is not told by stock."""
        since = self.books.meta(books.SEQUENCES)
        if since is None:
            return []
        failpoint("replay.sequences")
        said = self.command("database", "update-sequences")
        if said.status or said.hung:
            if _EMPTY_SITE not in said.text:
                raise command.failure(said, "database update-sequences")
            logger.info("packager.sequences", left="handle_seq", reason="the target has no handles yet")
        self.books.forget(books.SEQUENCES, since)
        return []

    # --- rounds -----------------------------------------------------------------------------------------------------

    def _again(self, uuids: Sequence[Uuid]) -> Applied:
        if not uuids:
            return Applied()
        place = self.position()
        reached = {uuid: row.position for uuid, row in self.books.standings(uuids).items()}
        found = (self.log.latest(uuid, at=max(place, reached.get(uuid, place))) for uuid in uuids)
        entries = sorted((entry for entry in found if entry is not None), key=lambda entry: entry.position)
        done, _ = self._round(entries, again=True)
        done.released = done.written
        return done

    def _round(self, entries: Sequence[Entry], *, again: bool = False) -> tuple[Applied, bool]:
        """Apply those events; whether it came to its end. What waited for what came is applied with it."""
        works, old = plan(entries, self.books.standings({entry.event.uuid for entry in entries}), again=again)
        at = max((entry.position for entry in entries), default=0)
        done = Round(self, works, at, again=again)
        done.run()
        done.applied.old = old
        if done.stopped:
            return done.applied, False
        released = [row.uuid for row in self.books.parked() if self._comes(row, done)]
        if released:
            done.applied.add(self._again(released))
        return done.applied, True

    def _comes(self, row: Parked, done: Round) -> bool:
        """Whether the round brought what that event waits for: its parent, or anything that packages name."""
        if row.uuid in done.tried:
            return False
        if row.needs:
            return any(need in done.arrived for need in row.needs)
        return row.kind is not Kind.REGISTRY and done.new_names
