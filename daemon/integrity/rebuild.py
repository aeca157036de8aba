"""A torn SQLite log exchanged for a new file with everything that is left of it.

Invariants, in this order:

1. Nobody writes into the log meanwhile: who captures, prunes or checks is kept out.
2. The new file is made beside the torn one, which is only read. It is filled from a copy, as far as its chain proves
   what that gives, and looked through, before anything is exchanged.
3. The torn file gets a second name, under which it stays; then the new one takes its place, in one step. Its WAL is
   folded into it before, which SQLite does as soon as nobody reads: it would take it for that of the new file.

A kill leaves the torn log in its place, or the new one. What was half made is thrown away by the next run, which begins
again; one that finds a sound file has nothing to rebuild. What is damaged still is damage in a sound file, of which
`Repair` asks source and target, as always.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from daemon.config import Config
from daemon.failpoint import failpoint
from daemon.hold import hold
from daemon.integrity.books import Books
from daemon.integrity.check import Check, Progress
from daemon.integrity.configured import books_path, lock_path, repair_configured
from daemon.integrity.contents import Contents
from daemon.integrity.copies import NOTHING, Copied, Named, copied
from daemon.integrity.repair import LEFT, MENDED, Repair, Repaired
from daemon.integrity.report import Finding, report
from daemon.parts import blobs_of, in_kafka, log_of, state_of, state_path
from daemon.parts import lock_path as capture_lock
from daemon.retention.configured import lock_path as prune_lock
from events.durable import synced
from events.errors import AipstreamError, ConfigError, GapInLog, Interrupted, Locked, StorageUnusable, UnknownLogFormat
from events.event import BEGINNING
from events.log.opening import inspecting_of, mending_of, open_log
from events.log.sqlite_file import fold, path_of
from events.log.sqlite_rebuild import Known, Rebuilt, made_anew

BESIDE: Final = ("", "-wal", "-shm")
"""What SQLite keeps under the name of a file."""


@dataclass
class Exchanged:
    """What was done, or would be. `rebuilt` None: the file is sound. `kept` is the torn one; `left` what is damaged
    still, with its objects and moments.
    """

    rebuilt: Rebuilt | None = None
    kept: Path | None = None
    repaired: Repaired = field(default_factory=Repaired)
    left: list[Finding] = field(default_factory=list)


def mended(
    config: Config,
    *,
    rebuild: bool = False,
    restart: bool = False,
    named: Named = NOTHING,
    share: float = 0.0,
    dry_run: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Exchanged:
    """Repair what can be; with `rebuild` exchange the file before, if it is torn. A `dry_run` makes the new file, looks
    at it, and throws it away. Raises ConfigError, Locked, GapInLog, Interrupted, StorageUnusable.
    """
    done = Exchanged()
    if rebuild:
        _exchanged(config, done, named, dry_run=dry_run, progress=progress, stopped=stopped)
        if dry_run and done.rebuilt is not None:
            return done
    more = repair_configured(
        config,
        named=named,
        share=share,
        restart=restart or rebuild,
        dry_run=dry_run,
        progress=progress,
        stopped=stopped,
    )
    done.repaired.steps += more.steps
    with closing(log_of(config)) as log, closing(Books(books_path(config))) as books:
        done.left = _left(done.repaired, report(books, inspecting_of(log)).findings)
    return done


def _exchanged(
    config: Config, done: Exchanged, named: Named, *, dry_run: bool, progress: Progress, stopped: Callable[[], bool]
) -> None:
    if in_kafka(config):
        raise ConfigError("only a log in a SQLite file is rebuilt", "`aipstream copy` makes another topic.")
    torn = path_of(config.log.url).resolve()  # what a link leads to: there SQLite has the WAL, too
    new = torn.with_name(f"{torn.name}.rebuilding")
    with alone(config), ExitStack() as opened:
        _tidy(torn, new)
        if not _torn(config):
            return
        copy = copied(opened, config, named)
        try:
            fold(torn)
            before = Signature.of(torn)
            if before.wal:
                raise Locked(f"another process still reads the log {torn}", "Stop it, then start again.")
            done.rebuilt = made_anew(torn, new, _known(config, copy), progress=progress, stopped=stopped)
            if not done.rebuilt.records:
                raise GapInLog(
                    f"no record of a log is in {torn}: it was left as it is",
                    "If [log] url is right, put a copy in its place, or move it away, with what lies beside it under "
                    "its name (-wal): then `aipstream init` and `aipstream snapshot`.",
                )
            _filled(config, new, copy, done, dry_run=dry_run, progress=progress, stopped=stopped)
            if not dry_run:
                done.kept = _exchange(torn, new, before)
        finally:
            _clear(new)


@contextmanager
def alone(config: Config) -> Iterator[None]:
    """Keep out whoever writes into the log, or checks it. Raises Locked."""
    with (
        hold(lock_path(config), "checks this log"),
        hold(capture_lock(config)),
        hold(prune_lock(config), "prunes this log"),
    ):
        yield


def _torn(config: Config) -> bool:
    """Whether the file is to be made anew: its structure is damaged, or it cannot even be opened. One that is not known
    as a log may have lost what says so: the records in its pages tell.
    """
    try:
        with closing(log_of(config)) as log:
            return mending_of(log).unsound() is not None
    except GapInLog:
        return True
    except UnknownLogFormat:
        raise
    except ConfigError:
        if path_of(config.log.url).is_file():
            return True
        raise


def _known(config: Config, copy: Copied) -> Known:
    """What state and copy know of the log; of another log than the copy's the state is no witness."""
    identity, end = copy.identity, BEGINNING
    if state_path(config).exists():
        with suppress(AipstreamError, ValueError), closing(state_of(config)) as state:
            seen = state.meta("log")
            if seen and identity in (None, seen):
                identity, end = seen, int(state.meta("log_position") or BEGINNING)
    return Known(identity, end)


def _filled(
    config: Config,
    new: Path,
    copy: Copied,
    done: Exchanged,
    *,
    dry_run: bool,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """Look through the new file, and put in what the copy has of what it lacks. In a dry run it is looked what would
    become of the rest, too. Its books are as short-lived as its name.
    """
    with ExitStack() as opened:
        log = opened.enter_context(closing(open_log(f"sqlite:///{new}")))
        copy.of(log.identity)
        books = opened.enter_context(closing(Books(_books(new))))
        blobs, inspecting = blobs_of(config), inspecting_of(log)
        check = Check(inspecting, log.identity, blobs, books, progress=progress, stopped=stopped)
        if not check.run(alone=not dry_run):
            raise Interrupted("stopped while the new file was looked through", "The same command begins again.")
        folder = new.with_name(f"{new.name}.mending")
        repair = Repair(
            config,
            log,
            books,
            Contents(config, inspecting, blobs, books, folder, copy.blobs),
            copy=copy,
            dry_run=dry_run,
            progress=lambda count, total: progress("damage", count, total),
            stopped=stopped,
        )
        if dry_run:
            done.repaired = repair.run()
            done.left = _left(done.repaired, report(books, inspecting).findings)
        else:
            done.repaired.steps = [step for step in repair.alone().steps if step.became == MENDED]
        with suppress(OSError):
            folder.rmdir()


def _left(repaired: Repaired, findings: list[Finding]) -> list[Finding]:
    """Those findings of which something is, or would be, damaged still."""
    left = {(step.damage.position, step.damage.content) for step in repaired.steps if step.became == LEFT}
    return [
        one
        for one in findings
        if any((place, one.content) in left for place in range(one.position, one.last + 1))
    ]


# --- the files --------------------------------------------------------------------------------------------------------


def _exchange(torn: Path, new: Path, before: Signature) -> Path:
    """The name under which the torn file is kept from now on."""
    kept = torn.with_name(f"{torn.name}.torn-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    try:
        status = torn.stat()
        new.chmod(status.st_mode & 0o7777)
        with suppress(PermissionError):  # its owner is the one who may write it, whoever rebuilds it
            os.chown(new, status.st_uid, status.st_gid)
        synced(new)
        if Signature.of(torn) != before:
            raise Locked(f"the log {torn} was written while it was read", "Stop who writes, then start again.")
        failpoint("rebuild.built")
        os.link(torn, kept)
        failpoint("rebuild.kept")
        for beside in BESIDE[1:]:
            Path(f"{torn}{beside}").unlink(missing_ok=True)
        new.replace(torn)
        synced(torn.parent)
    except OSError as error:
        raise StorageUnusable(f"the log {torn} cannot be exchanged: {error.strerror or error}") from error
    failpoint("rebuild.exchanged")
    return kept


def _tidy(torn: Path, new: Path) -> None:
    """Take back what a run that was killed has left."""
    _clear(new)
    if not torn.exists():
        return
    for kept in torn.parent.glob(f"{torn.name}.torn-*Z"):
        if kept.samefile(torn):
            kept.unlink()


def _clear(new: Path) -> None:
    for path in (new, _books(new)):
        for beside in BESIDE:
            Path(f"{path}{beside}").unlink(missing_ok=True)


def _books(new: Path) -> Path:
    return new.with_name(f"{new.name}.check")


class Signature(NamedTuple):
    """By which a file that was written is known."""

    inode: int
    size: int
    written: int
    wal: int

    @classmethod
    def of(cls, path: Path) -> Signature:
        """As it is now."""
        status, wal = path.stat(), Path(f"{path}-wal")
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, wal.stat().st_size if wal.exists() else 0)
