"""Retention as the configuration has it: one run at a time, on the configured log and blob store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

from daemon.config import Config
from daemon.hold import hold
from daemon.parts import blobs_of, log_of, state_path
from daemon.retention.policy import Policy, age
from daemon.retention.prune import Progress, Pruned, prune
from events.errors import ConfigError

SHORTEST: Final = timedelta(hours=1)
"""A capture that is under way may need a content that no event names yet."""


def policy_of(config: Config) -> tuple[Policy, timedelta]:
    """The policy, and how long a content waits in quarantine. Raises ConfigError."""
    section = config.retention
    spans = [age(getattr(section, key), f"[retention] {key}") for key in ("all", "hourly", "daily", "monthly")]
    quarantine = age(section.quarantine, "[retention] quarantine")
    if quarantine < SHORTEST:
        raise ConfigError("[retention] quarantine: at least 1h, for a capture may be under way", "Write 14d.")
    return Policy(*spans), quarantine


def lock_path(config: Config) -> Path:
    """Whoever takes events out of the log holds this."""
    return state_path(config).with_name(f"{state_path(config).name}.prune.lock")


def prune_configured(
    config: Config,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _what, _count: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Pruned:
    """One run. Raises ConfigError, Locked, and what log and blob store raise."""
    policy, quarantine = policy_of(config)
    with hold(lock_path(config), "prunes this log"), closing(log_of(config)) as log:
        return prune(log, blobs_of(config), policy, quarantine, dry_run=dry_run, progress=progress, stopped=stopped)
