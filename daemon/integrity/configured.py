"""The check on the configured log, blob store and state: one at a time, beside everything else that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from daemon.config import Config
from daemon.hold import hold
from daemon.integrity.books import Books
from daemon.integrity.check import DONE, Budget, Check, Progress
from daemon.integrity.contents import Contents
from daemon.integrity.copies import NOTHING, Named, copied
from daemon.integrity.repair import Repair, Repaired
from daemon.integrity.report import LISTED, Lost, Report, report
from daemon.parts import blobs_of, log_of, state_of, state_path
from daemon.retention.configured import lock_path as prune_lock
from events.blobs import Blobs
from events.errors import ConfigError, Interrupted
from events.event import BEGINNING, Position
from events.log import Log
from events.log.opening import in_kafka, inspecting_of, mending_of


class Checked(NamedTuple):
    """How a run ended: whether its pass is at its end, the bytes that it read, and what the books say."""

    complete: bool
    bytes: int
    report: Report


def books_path(config: Config) -> Path:
    """The file in which a check notes how far it is: beside the state."""
    return state_path(config).with_name(f"{state_path(config).name}.check")


def lock_path(config: Config) -> Path:
    """Whoever checks or repairs holds this."""
    return books_path(config).with_name(f"{books_path(config).name}.lock")


def share_of(percent: float) -> float:
    """A share of the contents, 0 to 1. Raises ConfigError for a percentage that is none."""
    if not 0 <= percent <= 100:
        raise ConfigError(f"{percent:g} % of the contents: from 0 to 100", "Write 10% to read back a tenth.")
    return percent / 100


@contextmanager
def checking(
    config: Config,
    *,
    share: float = 0.0,
    parse: bool = False,
    budget: Budget | None = None,
    progress: Progress = lambda _what, _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Log, Blobs, Books, Check]]:
    """A check, ready to run, while this process holds the lock. Raises ConfigError, Locked, what log and books do."""
    with ExitStack() as opened:
        opened.enter_context(hold(lock_path(config), "checks this log"))
        log = opened.enter_context(closing(log_of(config, stopped=stopped)))
        blobs = blobs_of(config)
        books = opened.enter_context(closing(Books(books_path(config))))

        def sizes() -> Iterator[tuple[str, int]]:
            if state_path(config).exists():
                with closing(state_of(config)) as state:
                    yield from ((sha256, key.size) for key, sha256 in state.contents())

        def known() -> Position:
            if state_path(config).exists():
                with closing(state_of(config)) as state:
                    if state.meta("log") == log.identity:
                        return int(state.meta("log_position") or BEGINNING)
            return BEGINNING

        yield (
            log,
            blobs,
            books,
            Check(
                inspecting_of(log),
                log.identity,
                blobs,
                books,
                share=share,
                parse=parse,
                budget=budget,
                sizes=sizes,
                known=known,
                progress=progress,
                stopped=stopped,
            ),
        )


def check_configured(
    config: Config,
    *,
    share: float = 0.0,
    parse: bool = False,
    seconds: float | None = None,
    most_bytes: int | None = None,
    restart: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Checked:
    """One run; without a budget to the end of the pass. Raises as `checking`."""
    budget = Budget(seconds, most_bytes)
    with checking(config, share=share, parse=parse, budget=budget, progress=progress, stopped=stopped) as (
        log,
        _,
        books,
        check,
    ):
        complete = check.run(restart=restart)
        found = report(books, inspecting_of(log))
        if not in_kafka(log):  # there nothing is ever given up
            found.lost = [Lost(position, *claimed) for position, claimed, _ in islice(mending_of(log).lost(), LISTED)]
        return Checked(complete, budget.used, found)


def repair_configured(
    config: Config,
    *,
    named: Named = NOTHING,
    share: float = 0.0,
    restart: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Repaired:
    """Put right what the last whole check found; without one, or with `restart`, a check is done first.

    Raises ConfigError if the copy is one of another log; Interrupted; Locked; as `checking` and `Repair`.
    """
    with ExitStack() as opened:
        log, blobs, books, check = opened.enter_context(
            checking(config, share=share, progress=progress, stopped=stopped)
        )
        copy = copied(opened, config, named)
        copy.of(log.identity)
        known = books.damaged() and books.meta("log") == log.identity and books.meta("phase") == DONE
        if (restart or share or not known) and not check.run(restart=restart):
            raise Interrupted("stopped while checking the log, before anything was repaired")
        folder = books_path(config).with_name(f"{state_path(config).name}.mending")
        contents = Contents(config, inspecting_of(log), blobs, books, folder, copy.blobs)
        if not dry_run:
            opened.enter_context(hold(prune_lock(config), "prunes this log"))
        done = Repair(
            config,
            log,
            books,
            contents,
            copy=copy,
            dry_run=dry_run,
            progress=lambda count, total: progress("damage", count, total),
            stopped=stopped,
        ).run()
        with suppress(OSError):
            folder.rmdir()  # unless damaged contents were put aside there
        return done


def last_check(config: Config) -> Report | None:
    """What the books say, without a look at the log; None if there never was a check."""
    if not books_path(config).exists():
        return None
    with closing(Books(books_path(config))) as books:
        return report(books)
