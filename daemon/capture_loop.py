"""The loop that turns the source's changes into durable events.

Invariant: a batch is confirmed to the server only after its events are in the log and remembered in the state. A loop
that ends, by a signal or by an error, leaves behind what comes again or is known already. A signal is heeded
between two slices of a batch or of a sweep.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from daemon.beginning import begin, changed
from daemon.bell import Bell
from daemon.config import Config
from daemon.failpoint import failpoint
from daemon.parts import Capturing, capturing
from daemon.source import Emitted
from daemon.source.bootstrap import Progress
from daemon.source.emitter import added
from daemon.source.poll import PollSource
from daemon.source.state import SEEN
from daemon.source.wal import Batch, WalSource
from events.aip.model import Kind
from events.errors import Interrupted
from events.event import lsn_text
from events.instants import now

logger = structlog.get_logger(__name__)

LOOK: Final = 1.0
"""Seconds after which an idle loop looks whether it should stop, or something is due."""

STAMP: Final = 10.0
"""Seconds between two notes of how far the capture is: each costs a question and a write to the disk."""

CAPTURED: Final = "captured_at"
"""`State.meta`: a moment, by our clock; everything that was committed before it is captured. It moves while the capture
is busy too: it is as old as the capture is behind, and up to `STAMP` (or the time between two sweeps) more."""

SWEEP, HEARTBEAT, PARKED, RETRY = "sweep", "heartbeat", "parked", "retry"
"""What may be due: a sweep, a WAL message, the parked objects whose turn it is, all parked objects."""

Stopped = Callable[[], bool]


def watched(stopped: Stopped, progress: Progress | None) -> Progress:
    """The progress of a bootstrap that ends it (Interrupted) when it should stop."""

    def told(done: int, total: int, kind: Kind) -> None:
        if stopped():
            raise Interrupted("stopped while everything was being captured")
        if progress:
            progress(done, total, kind)

    return told


class WalCapture:
    """Batches of one stream into the log."""

    def __init__(self, parts: Capturing, wal: WalSource) -> None:
        self.parts = parts
        self.wal = wal
        self.total = Emitted()
        self._sweep: frozenset[Kind] = frozenset()
        self._asked = -math.inf
        self._mark: tuple[str, int] | None = None
        """A moment, and where the WAL ended then or a little later."""

    def take(self, batch: Batch) -> Emitted:
        """Emit a batch and confirm it."""
        done = self.parts.emitter.emit(batch.touched)
        self._sweep |= batch.sweep
        if self._sweep and batch.transactions:  # of a large transaction, after its last slice
            done = added(done, PollSource(self.parts.emitter).sweep(self._sweep, (batch.lsn, batch.commit_time)))
            self._sweep = frozenset()
        self.wal.confirm(batch.lsn)
        failpoint("capture.confirmed")
        self.total = added(self.total, done)
        return done

    def stamp(self) -> None:
        """See from time to time where the WAL ends, and note that moment when everything up to there is confirmed.

        That nothing comes says little: the server may be at work on a large transaction. Raises as `WalSource` does.
        """
        if self._mark is None:
            if time.monotonic() - self._asked < STAMP:
                return
            self._asked = time.monotonic()
            self._mark = now(), self.wal.written()
        moment, lsn = self._mark
        if self.wal.confirmed >= lsn:
            self._mark = None
            self.note(moment)
        else:
            self.wal.ask()

    def note(self, moment: str | None = None) -> None:
        """Note how far the source was seen, and that everything up to that moment is captured."""
        meta: dict[str, str | None] = {SEEN: str(self.wal.confirmed)}
        self.parts.state.remember(meta=meta if moment is None else {**meta, CAPTURED: moment})


def stream(parts: Capturing, folder: Path, stopped: Stopped = lambda: False) -> WalSource:
    """The stream of that capture; touches that wait are spilled into `folder`."""
    return WalSource(parts.source.dsn, parts.source.slot, parts.source.slot, folder=folder, stopped=stopped)


def capture_current(
    config: Config, *, progress: Progress | None = None, stopped: Stopped = lambda: False
) -> tuple[Emitted, int]:
    """Capture all that is committed as of this call; what was emitted, and how many objects are parked.

    Raises Interrupted if it was stopped before its end, and what a capture raises.
    """
    with capturing(config, stopped=stopped) as parts:
        moment = now()
        begun = begin(parts, watched(stopped, progress))
        total = begun.captured or Emitted()
        if parts.source.mode == "wal":
            with stream(parts, parts.state.path.parent, stopped) as wal:
                capture, moment = WalCapture(parts, wal), now()
                for batch in wal.until_current():
                    capture.take(batch)
                    parts.emitter.heed()
                capture.note()
                total = added(total, capture.total)
        elif begun.captured is None:
            total = added(total, PollSource(parts.emitter).sweep())
        if begun.captured is None:
            total = added(total, parts.emitter.retry_parked())
        parts.state.remember(meta={CAPTURED: moment})
        return total, sum(1 for _ in parts.state.parked())


class CaptureLoop:
    """Captures until it is stopped. `appended` is called after events were added to the log."""

    name = "capture"

    def __init__(self, config: Config, appended: Callable[[], None]) -> None:
        self.config = config
        self.appended = appended
        self.bell = Bell()
        self.was_up = False
        """Whether it has ever worked: a lock that is found then is that of our own lost connection."""

    def run(self, stopped: Stopped) -> None:
        """Until `stopped` says so. Raises AipstreamError; the same call again goes on."""
        with capturing(self.config, stopped=stopped) as parts:
            self._begin(parts, stopped)
            self.was_up = True
            if parts.source.mode == "wal":
                self._stream(parts, stopped)
            else:
                self._sweeps(parts, stopped)

    def _begin(self, parts: Capturing, stopped: Stopped) -> None:
        begun = begin(parts, watched(stopped, None))
        for statement in begun.statements:
            logger.info("source.prepared", sql=statement)
        if begun.captured is not None:
            logger.info("captured.everything", **_told(begun.captured))
            self.appended()

    def _stream(self, parts: Capturing, stopped: Stopped) -> None:
        with stream(parts, parts.state.path.parent, stopped) as wal:
            logger.info("capture.streaming", slot=parts.source.slot, lsn=lsn_text(wal.confirmed))
            capture = WalCapture(parts, wal)
            while not stopped():
                capture.stamp()
                for batch in wal.batches(LOOK):
                    self._told(capture.take(batch), lsn=lsn_text(batch.lsn), commit_time=batch.commit_time)
                    if stopped():
                        break
                    capture.stamp()
                    self._due(parts, stopped, wal)
                self._due(parts, stopped, wal)
            capture.note()

    def _sweeps(self, parts: Capturing, stopped: Stopped) -> None:
        poll, wanted = PollSource(parts.emitter), True
        logger.info("capture.polling", seconds=parts.source.poll_seconds)
        while not stopped():
            if wanted:
                began, moment = time.monotonic(), now()
                self._told(poll.sweep(), seconds=round(time.monotonic() - began, 3))
                parts.state.remember(meta={CAPTURED: moment})
            wanted = SWEEP in self._due(parts, stopped, timeout=LOOK)

    def _due(
        self, parts: Capturing, stopped: Stopped, wal: WalSource | None = None, timeout: float = 0.0
    ) -> set[str]:
        due = self.bell.take(timeout)
        if stopped():
            return set()
        if HEARTBEAT in due and wal is not None and not wal.heartbeat():
            logger.debug("heartbeat.forbidden")
        if PARKED in due and wal is not None and changed(parts):
            self._begin(parts, stopped)
        if due & {PARKED, RETRY}:
            self._told(parts.emitter.retry_parked(force=RETRY in due))
        return due

    def _told(self, done: Emitted, **more: object) -> None:
        if done.put or done.deleted:
            self.appended()
        if done.put or done.deleted or done.parked:
            logger.info("captured", **_told(done), **more)
        if done.parked:
            logger.warning("capture.parked", objects=done.parked, hint="`aipstream park` lists them.")


def _told(done: Emitted) -> dict[str, int]:
    return {name: count for name, count in done._asdict().items() if count}
