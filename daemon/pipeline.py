"""The daemon: capture and replay side by side, each in a thread, started again when a failure is one that passes.

Invariants:

* A signal ends it after the slice that is captured and the batch that is applied: what is in the log is remembered,
  what is applied is committed, and the next start goes on behind it.
* An error that waiting cannot mend ends the whole program with that error's exit code; nothing goes on half.
* The two loops know nothing of each other but a bell. The log between them is the only way for events.
* A third one tells the target's search index what changed, if one is configured; its failures end nothing.
* Each of several targets has a replay and an index loop of its own. An error that waiting cannot mend ends the loops of
  that target alone, is told by `aipstream status`, and is the exit code when the program ends, be it by a signal. The
  program ends by itself when the last target's loop has ended so, or when capture does.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, Protocol

import structlog

from daemon.bell import Bell
from daemon.capture_loop import CaptureLoop
from daemon.config import Config
from daemon.indexing import TOUCHED, IndexLoop
from daemon.parts import keeps_due
from daemon.replay_loop import NEWS, ReplayLoop
from daemon.schedule import remember_ended, scheduled
from events.errors import (
    AipstreamError,
    ConfigError,
    Interrupted,
    Locked,
    SourceUnreachable,
    StorageUnusable,
    TargetUnreachable,
)

logger = structlog.get_logger(__name__)

PASSING: Final = (SourceUnreachable, TargetUnreachable, StorageUnusable)
"""What may be mended by somebody else while we wait: a server that is down, a disk that is full."""

FIRST_PAUSE: Final = 1.0

TELL: Final = 10.0
"""Seconds after which a loop that does not end, and again each time, is named."""

LOOK: Final = 0.25
"""Seconds between two looks of who waits for the end: a signal only notes that it came."""


class Loop(Protocol):
    """What a thread runs. `was_up`: it has worked before, so a lock may be that of its own lost connection."""

    name: str
    was_up: bool
    bell: Bell

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until `stopped` says so."""
        ...


class Stop:
    """Whether the program should end, and the error because of which it does."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signalled = False
        self.error: BaseException | None = None

    def __call__(self) -> bool:
        """Whether to end."""
        return self._signalled or self._event.is_set()

    def now(self, error: BaseException | None = None) -> None:
        """End; the first error counts."""
        if error is not None and self.error is None:
            self.error = error
        self._event.set()

    def later(self, error: BaseException) -> None:
        """Go on, and end with that error when it is time; the first one counts."""
        if self.error is None:
            self.error = error

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is to end, at most so long; whether it is."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        while not self() and (left := until - time.monotonic()) > 0:
            self._event.wait(min(left, LOOK))
        return self()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """End on SIGTERM and SIGINT. The second one ends the process at once, which loses nothing."""
        both = (signal.SIGTERM, signal.SIGINT)

        def stop(_number: int, _frame: FrameType | None) -> None:
            # No lock here, not even that of an Event: this thread may be interrupted while it holds it.
            for number in both:
                signal.signal(number, signal.SIG_DFL)
            self._signalled = True

        before = {number: signal.signal(number, stop) for number in both}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(config: Config, stop: Stop | None = None) -> None:
    """Capture and replay (what the configuration has sections for) until a signal comes.

    Raises the error that ended it, if one did.
    """
    targets = config.each()
    if config.source is None and not targets:
        raise ConfigError("the configuration has neither [source] nor [target]", "Add at least one of them.")
    stop = stop or Stop()
    sides = [Side(one) for one in targets]
    replays = [side.replay for side in sides]

    def news() -> None:
        for replay in replays:
            replay.bell.ring(NEWS)

    capture = CaptureLoop(config, news) if config.source else None
    loops: list[Loop] = [*([capture] if capture else []), *(loop for side in sides for loop in side.loops)]
    clock = scheduled(config, capture, replays, stop)
    going = Going(sides, stop)
    threads = [
        threading.Thread(target=_thread, args=(loop, config, stop, going), name=loop.name, daemon=True)
        for loop in loops
    ]
    with stop.on_signals():
        logger.info("started", loops=[loop.name for loop in loops])
        for thread in threads:
            thread.start()
        clock.start()
        stop.wait()
        logger.info("stopping")
        clock.shutdown(wait=False)
        for loop in loops:
            loop.bell.ring("stop")
        await_end(threads)
    logger.info("stopped")
    if stop.error is not None:
        raise stop.error


def await_end(threads: Sequence[threading.Thread], tell: float = TELL) -> None:
    """Wait until all of them have ended. Who waits for a server that answers nothing is named every `tell` seconds."""
    for thread in threads:
        thread.join(tell)
        while thread.is_alive():
            logger.warning(
                "stopping.waits", loop=thread.name, hint="A second signal ends the program at once; nothing is lost."
            )
            thread.join(tell)


class Side:
    """The loops of one target."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.index = IndexLoop(config) if keeps_due(config) else None
        self.replay = ReplayLoop(config, self._touched)
        self.loops: list[Loop] = [self.replay, *([self.index] if self.index else [])]

    def _touched(self) -> None:
        if self.index:
            self.index.bell.ring(TOUCHED)


class Going:
    """Which of several targets are still served."""

    def __init__(self, sides: Sequence[Side], stop: Stop) -> None:
        self._left = {side.replay.name: side for side in sides}
        self._several = len(sides) > 1
        self._stop = stop
        self._lock = threading.Lock()
        if self._several:
            for side in sides:
                remember_ended(side.config, None)

    def ended(self, loop: Loop, error: BaseException) -> None:
        """That loop cannot go on: nor can the program, unless it is that of one target among others."""
        with self._lock:
            side = self._left.pop(loop.name, None) if self._several else None
            if side is None or not self._left:
                self._stop.now(error)
            else:
                self._stop.later(error)
        if side is not None:
            hint = getattr(error, "hint", "")
            logger.error("replay.ended", error=str(error), kind=type(error).__name__, hint=hint)
            with suppress(AipstreamError):
                remember_ended(side.config, error)


def _thread(loop: Loop, config: Config, stop: Stop, going: Going) -> None:
    side = getattr(loop, "config", config)
    if side.others:
        structlog.contextvars.bind_contextvars(target=side.name)
    supervise(loop, config, stop, going.ended)


def supervise(
    loop: Loop, config: Config, stop: Stop, ended: Callable[[Loop, BaseException], None] | None = None
) -> None:
    """Run a loop until it is to stop; again, after longer and longer pauses, as long as its failures are passing.

    Any other failure ends the program, or is told to `ended`.
    """
    pause = FIRST_PAUSE
    while not stop():
        began = time.monotonic()
        try:
            loop.run(stop)
        except BaseException as raised:  # noqa: BLE001 - whatever ends a loop ends the program, or is tried again
            error: BaseException = raised
        else:
            return
        if stop() and isinstance(error, (*PASSING, Interrupted)):
            return
        if not isinstance(error, PASSING) and not (loop.was_up and isinstance(error, Locked)):
            if ended is not None:
                ended(loop, error)
            else:
                stop.now(error)
            return
        if time.monotonic() - began > config.run.backoff_seconds:
            pause = FIRST_PAUSE
        logger.warning(f"{loop.name}.failed", error=str(error), kind=type(error).__name__, again_in_seconds=pause)
        stop.wait(pause)
        pause = min(2 * pause, config.run.backoff_seconds)
