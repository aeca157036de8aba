"""The search index is told what changed: once, or again and again beside the replay.

Invariant: nothing that happens here reaches the replay. A failure is told in the log and by `aipstream status`, what
is due stays due, and it is tried again after longer and longer pauses; also after a restart, for the rows are kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final, NamedTuple

import structlog

from daemon.bell import Bell
from daemon.config import Config
from daemon.config_sections import Index
from daemon.index import plan as plans
from daemon.index.port import Call, Due, Indexer, Standing, Stopped
from daemon.index.telling import MOST, Progress, Told, planned, tell, tell_everything
from daemon.parts import due_of, indexer_of, keeps_due, state_of
from events.errors import AipstreamError, IndexFailed, Interrupted, Locked
from events.instants import now

logger = structlog.get_logger(__name__)

INDEXED: Final = "indexed"
"""`State.meta`: how telling the index went last, as JSON: `told_at`, `objects`, `error`, `failed_at`, `failures`."""

TOUCHED: Final = "touched"
"""Rung when the replay has written or deleted something."""

IDLE: Final = 5.0
BUSY: Final = 0.5
"""Seconds between two looks at what is due: while nothing is, and while something waits for its time."""

FIRST_PAUSE: Final = 2.0


class Indexed(NamedTuple):
    """What came of telling the index once: the error, if there was one, and how many objects are still due."""

    told: Told
    error: str = ""
    hint: str = ""
    due: int = 0


def ripe(standing: Standing, index: Index) -> bool:
    """Whether it is time to tell: nothing was touched for a while, or something has waited long enough."""
    if not standing.due:
        return False
    return standing.quiet_seconds >= index.quiet_seconds or standing.waiting_seconds >= index.most_seconds


def index_once(config: Config, *, everything: bool, stopped: Stopped, progress: Progress) -> Told:
    """Tell what is due, or the whole index. Raises IndexFailed, ConfigError, TargetUnreachable, Locked, Interrupted."""
    with _telling(config) as (due, indexer):
        try:
            if everything:
                told = tell_everything(due, indexer, stopped=stopped, progress=progress)
            else:
                told = tell(due, indexer, batch=config.index.batch, stopped=stopped, progress=progress)
        except IndexFailed as error:
            _remember(config, error=str(error))
            raise
    _remember(config, told=told)
    return told


def planned_now(config: Config, *, everything: bool) -> tuple[int, list[Call]]:
    """How many objects are due, and the runs that `index_once` would make now. Takes no lock and tells nobody."""
    with closing(indexer_of(config)) as indexer, closing(due_of(config, alone=False)) as due:
        calls = plans.everything() if everything else planned(due.pending(MOST), config.index.batch, indexer)
        return due.standing().due, calls


def index_current(
    config: Config,
    *,
    stopped: Stopped = lambda: False,
    progress: Progress = lambda _done, _of, _what: None,
) -> Indexed | None:
    """What a replay does at its end: tell what is due at once, without letting a failure be one of the replay.

    None where no index is configured. A failure is returned, and what is due stays due.
    """
    if not keeps_due(config) or stopped():
        return None
    try:
        return Indexed(index_once(config, everything=False, stopped=stopped, progress=progress))
    except (IndexFailed, Locked, Interrupted) as error:
        return Indexed(Told(), str(error), error.hint, _left(config))
    except AipstreamError as error:
        with suppress(AipstreamError):
            _remember(config, error=str(error))
        return Indexed(Told(), str(error), error.hint, _left(config))


def standing_of(config: Config) -> dict[str, Any] | None:
    """For `aipstream status`: what is due, since when, and how it went last. Takes no lock. None without an index."""
    if not keeps_due(config):
        return None
    with closing(due_of(config, alone=False)) as due:
        standing = due.standing()
    return {"mode": config.index.mode, "due": standing.due, "oldest": standing.since} | remembered(config)


def remembered(config: Config) -> dict[str, Any]:
    """How telling the index went last."""
    with closing(state_of(config)) as state:
        last = json.loads(state.meta(config.keyed(INDEXED)) or "{}")
    return {key: last.get(key) for key in ("told_at", "objects", "error", "failed_at", "failures")}


class IndexLoop:
    """Tells the index until it is stopped. `run` raises nothing: no failure of it is one of the daemon."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name = "index" if not config.others else f"index.{config.name}"
        self.bell = Bell()
        self.was_up = False
        self._pause = FIRST_PAUSE

    def run(self, stopped: Stopped) -> None:
        """Until `stopped` says so."""
        while not stopped():
            try:
                self._watch(stopped)
            except Interrupted:
                return
            except Exception as error:  # noqa: BLE001 - an index that cannot be told must never end the replay
                self._failed(error)
                self._wait(self._pause, stopped)
                self._pause = min(2 * self._pause, max(FIRST_PAUSE, self.config.run.backoff_seconds))

    def _watch(self, stopped: Stopped) -> None:
        with _telling(self.config) as (due, indexer):
            logger.info("index.begins", mode=self.config.index.mode, due=due.standing().due)
            self.was_up = True
            while not stopped():
                standing = due.standing()
                if ripe(standing, self.config.index):
                    took = self._tell(due, indexer, stopped)
                    # Where telling takes long, it takes half of the time at most.
                    self._wait(took, stopped)
                else:
                    self.bell.take(BUSY if standing.due else IDLE)

    def _tell(self, due: Due, indexer: Indexer, stopped: Stopped) -> float:
        began = time.monotonic()
        told = tell(due, indexer, batch=self.config.index.batch, stopped=stopped)
        took = time.monotonic() - began
        self._pause = FIRST_PAUSE
        logger.info("index.told", objects=told.objects, calls=told.calls, seconds=round(took, 3))
        _remember(self.config, told=told)
        return took

    def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        said = str(error) if isinstance(error, AipstreamError) else f"unexpected {kind}: {error}"
        logger.warning("index.failed", error=said, kind=kind, again_in_seconds=self._pause)
        with suppress(AipstreamError):
            _remember(self.config, error=said)

    def _wait(self, seconds: float, stopped: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while not stopped() and (left := until - time.monotonic()) > 0:
            self.bell.take(min(left, IDLE))


@contextmanager
def _telling(config: Config) -> Iterator[tuple[Due, Indexer]]:
    with closing(indexer_of(config)) as indexer, closing(due_of(config)) as due:
        yield due, indexer


def _left(config: Config) -> int:
    with suppress(AipstreamError), closing(due_of(config, alone=False)) as due:
        return due.standing().due
    return 0


def _remember(config: Config, *, told: Told | None = None, error: str = "") -> None:
    """Note how it went. What was told last stays known when telling fails; a success forgets the failure."""
    with closing(state_of(config)) as state:
        last = json.loads(state.meta(config.keyed(INDEXED)) or "{}")
        if told is not None:
            last = {"told_at": now(), "objects": told.objects, "error": None, "failed_at": None, "failures": 0}
        else:
            last |= {"error": error, "failed_at": now(), "failures": (last.get("failures") or 0) + 1}
        state.remember(meta={config.keyed(INDEXED): json.dumps(last)})
