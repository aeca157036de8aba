"""The loop that brings the target to the end of the log, and keeps its sequences ahead.

Invariant: the target's own position says where to go on. Whatever is due besides is done between two batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from daemon import replayer
from daemon.bell import Bell
from daemon.config import Config
from daemon.parts import replaying
from daemon.target.applied import Applied
from daemon.target.port import Bulk, Target
from events.event import Position

logger = structlog.get_logger(__name__)

LOOK: Final = 1.0
"""Seconds after which an idle loop looks at the log's end: somebody else may capture into it."""

SETTLE: Final = 5.0
"""Seconds at least between two looks at the sequences because something was written."""

QUIET, MOST_QUIET = 3.0, 60.0
"""Seconds without news after which a target is replayed into that wants large batches, and seconds that it waits for
them at most."""

NEWS, SEQUENCES, RETRY = "news", "sequences", "retry"
"""What may be due: the log has grown, the sequences, everything that is parked."""

Stopped = Callable[[], bool]


def told(applied: Applied) -> dict[str, int]:
    """The counts of a replay that are not zero, for a message."""
    counts = {
        "events": applied.events, "written": applied.written, "deleted": applied.deleted,
        "unchanged": applied.unchanged, "already_applied": applied.old, "parked": applied.parked,
        "released": applied.released, "files": applied.files, "drifted": len(applied.drifted),
        "lost_values": len(applied.losses), "differing": len(applied.differing),
    }  # fmt: skip
    return {name: count for name, count in counts.items() if count}


class ReplayLoop:
    """Replays until it is stopped."""

    def __init__(self, config: Config, touched: Callable[[], None] = lambda: None) -> None:
        """`touched` is called after the target was written to."""
        self.config = config
        self.name = "replay" if not config.others else f"replay.{config.name}"
        self.bell = Bell()
        self._touched = touched
        self.was_up = False
        self._moved = False
        self._looked = 0.0

    def run(self, stopped: Stopped) -> None:
        """Until `stopped` says so. Raises AipstreamError; the same call again goes on."""
        with replaying(self.config, stopped=stopped) as target:
            at = target.position()
            logger.info("replay.begins", position=at, end=target.log.end())
            self.was_up = self._moved = True
            resumed = target.resume()
            if resumed.released:
                self._told("replay.resumed", resumed)
            while not stopped():
                if target.log.end() != at:
                    at = self._replay(target, stopped)
                due = self.bell.take(0.0 if stopped() or target.log.end() != at else LOOK)
                if RETRY in due:
                    self._retry(target)
                idle = target.log.end() == at and time.monotonic() - self._looked >= SETTLE
                if SEQUENCES in due or (self._moved and idle):
                    self._sequences(target)
            if self._moved:
                self._sequences(target)

    def _gather(self, target: Target, stopped: Stopped) -> None:
        """Wait until the log is quiet, if the target wants large batches."""
        began = since = time.monotonic()
        end = target.log.end()
        while isinstance(target, Bulk) and not stopped():
            if target.log.end() != end:
                end, since = target.log.end(), time.monotonic()
            if time.monotonic() - since >= QUIET or time.monotonic() - began >= MOST_QUIET:
                return
            time.sleep(LOOK / 4)

    def _replay(self, target: Target, stopped: Stopped) -> Position:
        self._gather(target, stopped)
        began, batch = time.monotonic(), self.config.need_target().batch
        applied = replayer.replay(target, target.log, batch=batch, stopped=stopped)
        self._told("replayed", applied, seconds=round(time.monotonic() - began, 3))
        return target.position()

    def _retry(self, target: Target) -> None:
        if target.parked():
            self._told("replay.retried", target.retry())

    def _told(self, event: str, applied: Applied, **more: object) -> None:
        if applied.written or applied.deleted:
            self._moved = True
            self._touched()
        logger.info(event, **told(applied), **more)
        for drifted in applied.drifted:
            logger.warning(
                "replay.drifted",
                kind=drifted.kind.value,
                uuid=drifted.uuid,
                handle=drifted.handle,
                on_drift=self.config.need_target().on_drift,
            )

    def _sequences(self, target: Target) -> None:
        for change in replayer.finish(target):
            logger.info("sequence.moved", sequence=change.sequence, next=change.next_after)
        self._moved, self._looked = False, time.monotonic()
