"""What the daemon does by the clock, on APScheduler.

Invariant: a job opens no connection of a loop. It rings the loop's bell, or works on connections of its own; one that
is still running is not started a second time, and one that fails says so and is tried again at its next turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from daemon import capture_loop, replay_loop
from daemon.capture_loop import CaptureLoop
from daemon.config import Config
from daemon.copying import copy_configured, destination
from daemon.integrity.configured import check_configured, share_of
from daemon.parts import state_of
from daemon.redaction import hide
from daemon.replay_loop import ReplayLoop
from daemon.retention.configured import prune_configured
from daemon.spot_check import spot_check
from events.errors import AipstreamError, Interrupted
from events.instants import now

logger = structlog.get_logger(__name__)

ASKED_SECONDS: Final = 5.0
PARKED_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 300.0
"""How often everything that the target could not take is tried again; what waits for a parent comes by itself."""

ASKED_CAPTURE: Final = "asked_capture"
ASKED_REPLAY: Final = "asked_replay"
"""`State.meta`: another process asks the daemon to try the parked objects of that side again."""

VERIFIED: Final = "verified"
"""`State.meta`: the last verification as JSON: `at`, `objects`, `differing`, `sample`."""

COPIED: Final = "copied"
"""`State.meta`: the last copy of the log as JSON: `at`, `position`, `missing`."""

ENDED: Final = "replay_ended"
"""`State.meta`: why the replay into one of several targets ended while the daemon went on, as JSON: `at`, `kind`,
`error`, `hint`."""

Stopped = Callable[[], bool]


def scheduled(
    config: Config, capture: CaptureLoop | None, replays: Sequence[ReplayLoop], stopped: Stopped
) -> BackgroundScheduler:
    """A scheduler with everything that is due from time to time, not yet started."""
    clock = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(2 + len(replays))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )

    def every(seconds: float, job: Callable[[], None], *, first: float | None = None) -> None:
        if seconds > 0:
            begin = datetime.now(UTC) + timedelta(seconds=seconds if first is None else first)
            clock.add_job(job, "interval", seconds=seconds, next_run_time=begin)

    if capture is not None:
        source, bell = config.need_source(), capture.bell
        if source.mode == "poll":
            every(source.poll_seconds, lambda: bell.ring(capture_loop.SWEEP))
        else:
            every(source.heartbeat_seconds, lambda: bell.ring(capture_loop.HEARTBEAT))
        every(PARKED_SECONDS, lambda: bell.ring(capture_loop.PARKED))
    for replay in replays:
        every(config.run.sequences_seconds, partial(replay.bell.ring, replay_loop.SEQUENCES))
        every(RETRY_SECONDS, partial(replay.bell.ring, replay_loop.RETRY))
        if config.source is not None and replay.config.need_target().driver == "native":
            every(config.run.verify_seconds, partial(_spot_check, replay.config, stopped))
    every(3600 * config.retention.every_hours, lambda: _prune(config, stopped))
    every(3600 * config.run.verify_log_hours, lambda: _check_log(config, stopped))
    if config.copy.into:
        every(3600 * config.copy.every_hours, lambda: _copy(config, stopped), first=0)
    every(ASKED_SECONDS, Asked(config, capture, replays))
    return clock


class Asked:
    """Hands on what another process left in the state for us. It looks often, so a failure is told once, and again only
    when it is another one, or has come back.
    """

    def __init__(self, config: Config, capture: CaptureLoop | None, replays: Sequence[ReplayLoop]) -> None:
        self.config, self.capture, self.replays = config, capture, replays
        self._failed: str | None = None

    def __call__(self) -> None:
        """Look once."""
        try:
            self._look()
        except AipstreamError as error:
            if str(error) != self._failed:
                logger.warning("asked.failed", error=str(error), hint=error.hint)
            self._failed = str(error)
        else:
            self._failed = None

    def _look(self) -> None:
        with closing(state_of(self.config)) as state:
            if self.capture is not None and state.meta(ASKED_CAPTURE):
                state.remember(meta={ASKED_CAPTURE: None})
                self.capture.bell.ring(capture_loop.RETRY)
            for replay in self.replays:
                if state.meta(asked := replay.config.keyed(ASKED_REPLAY)):
                    state.remember(meta={asked: None})
                    replay.bell.ring(replay_loop.RETRY)


def _prune(config: Config, stopped: Stopped) -> None:
    try:
        done = prune_configured(config, stopped=stopped)
    except AipstreamError as error:
        logger.warning("prune.failed", error=str(error), hint=error.hint)
        return
    logger.info("pruned", **asdict(done))


def _check_log(config: Config, stopped: Stopped) -> None:
    try:
        share = share_of(config.run.verify_log_blobs)
        done = check_configured(config, share=share, seconds=config.run.verify_log_seconds, stopped=stopped)
    except AipstreamError as error:
        logger.warning("log.check.failed", error=str(error), hint=error.hint)
        return
    for one in done.report.findings:
        objects = [effect.uuid for effect in one.effects if effect.uuid]
        logger.error("log.damaged", fault=one.fault, position=one.position, content=one.content, objects=objects)
    logger.info(
        "log.checked", complete=done.complete, bytes=done.bytes, damaged=done.report.damaged, read=done.report.covered
    )


def _copy(config: Config, stopped: Stopped) -> None:
    try:
        done = copy_configured(config, destination(config, file=Path(config.copy.into)), stopped=stopped)
        told = {"at": now(), "position": done.end, "missing": len(done.missing)}
        with closing(state_of(config)) as state:
            state.remember(meta={COPIED: json.dumps(told)})
    except Interrupted:
        return
    except AipstreamError as error:
        logger.warning("copy.failed", error=str(error), hint=error.hint)
        return
    if done.missing:
        logger.error("copy.missing", contents=done.missing[:20], count=len(done.missing))
    logger.info("copied", records=done.records, blobs=done.blobs, bytes=done.blob_bytes, position=done.end)


def _spot_check(config: Config, stopped: Stopped) -> None:
    told = logger.bind(target=config.name) if config.others else logger
    try:
        checked = spot_check(config, config.run.verify_sample, stopped=stopped)
        remember_verified(config, checked.objects, len(checked.differing), sample=True)
    except AipstreamError as error:
        told.warning("verify.failed", error=str(error))
        return
    for each in checked.differing:
        told.error("verify.differs", kind=each.kind.value, uuid=each.uuid)
    told.info("verified.sample", objects=checked.objects, differing=len(checked.differing))


def remember_ended(config: Config, error: BaseException | None) -> None:
    """Note why the replay into that target ended, or that it has begun, for `aipstream status`."""
    told = {"at": now(), "kind": type(error).__name__, "error": hide(str(error)), "hint": getattr(error, "hint", "")}
    with closing(state_of(config)) as state:
        state.remember(meta={config.keyed(ENDED): json.dumps(told) if error is not None else None})


def remember_verified(config: Config, objects: int, differing: int, *, sample: bool) -> None:
    """Note the result of a verification, for `aipstream status`."""
    told = {"at": now(), "objects": objects, "differing": differing, "sample": sample}
    with closing(state_of(config)) as state:
        state.remember(meta={config.keyed(VERIFIED): json.dumps(told)})
