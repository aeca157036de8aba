"""Where everything stands: positions, lag, what is parked, the slot, the last verification.

Invariant: reading it disturbs nobody and takes no lock. Each part is found by itself; one that cannot be reached says
why, and the others are told all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daemon.capture_loop import CAPTURED
from daemon.config import Config
from daemon.hold import holder
from daemon.indexing import standing_of
from daemon.integrity.configured import last_check
from daemon.parts import lock_path, log_of, reading, state_of, state_path
from daemon.schedule import COPIED, ENDED, VERIFIED
from daemon.source.bootstrap import DONE
from daemon.source.poll import FINISHED
from daemon.source.slot import inspect
from events.errors import AipstreamError
from events.event import lsn_text
from events.log import Leased, Log

Status = dict[str, Any]


def status(config: Config) -> Status:
    """The parts `log`, `capture`, `replay` and `index` (None where the configuration has none), `lag`, `verified`,
    `checked` and `copied`.

    With several targets `targets` has `replay`, `index`, `lag` and `verified` of each by its name instead. A part that
    could not be read is `{"error": …}`. Lag: `events` and `seconds` between log and target, `bytes` of WAL between
    source and log (None where it is not known). Raises ConfigError if there is no log.
    """
    with closing(log_of(config)) as log:
        told: Status = {
            "log": {"url": config.log.url, "identity": log.identity, "end": log.end()},
            "capture": _part(lambda: _capture(config)) if config.source else None,
        }
        if isinstance(log, Leased):
            writer = log.writer()
            told["log"]["writer"] = writer and writer._asdict()
        last = next(iter(log.read(log.end() - 1, 1)), None) if log.end() else None
        if last is not None:
            told["log"] |= {"lsn": lsn_text(last.event.lsn), "commit_time": last.event.commit_time}
        if config.targets:
            told["targets"] = {one.name: _of_target(one, log, told) for one in config.each()}
        else:
            told |= _of_target(config, log, told)
    told["checked"] = _part(lambda: _checked(config))
    copied = _meta(config, COPIED)
    told["copied"] = json.loads(copied) if copied else None
    return told


def _of_target(config: Config, log: Log, of_all: Status) -> Status:
    """What concerns one target."""
    told: Status = {"replay": _part(lambda: _replay(config, log)) if config.target else None}
    told["lag"] = _lag(log, {**of_all, **told})
    told["index"] = _index(config)
    verified, ended = _meta(config, config.keyed(VERIFIED)), _meta(config, config.keyed(ENDED))
    told["verified"] = json.loads(verified) if verified else None
    if ended and told["replay"] is not None and not told["replay"].get("process"):
        told["replay"]["ended"] = json.loads(ended)
    return told


def _part(read: Callable[[], Status]) -> Status:
    try:
        return read()
    except AipstreamError as error:
        return {"error": str(error), "hint": error.hint}


def _meta(config: Config, key: str) -> str | None:
    if not Path(state_path(config)).exists():
        return None
    with closing(state_of(config)) as state:
        return state.meta(key)


def _capture(config: Config) -> Status:
    source = config.need_source()
    told: Status = {"mode": source.mode, "process": holder(lock_path(config))}
    with closing(state_of(config)) as state:
        told |= {
            "source": state.meta("source"), "bootstrapped_at": state.meta(DONE), "captured_at": state.meta(CAPTURED),
            "swept_at": state.meta(FINISHED), "objects": {kind.value: count for kind, count in state.counts().items()},
            "parked": sum(1 for _ in state.parked()),
        }  # fmt: skip
    if source.mode == "wal":
        told["slot"] = _part(lambda: _slot(source.dsn, source.slot))
    return told


def _slot(dsn: str, name: str) -> Status:
    found = inspect(dsn, name)
    if found is None:
        return {"name": name, "exists": False}
    return {
        "name": name,
        "exists": True,
        "active": found.active,
        "wal_status": found.wal_status,
        "lag": found.lag,
        "retained": found.retained,
        "safe_wal_size": found.safe_wal_size,
        "confirmed_lsn": lsn_text(found.confirmed_lsn),
    }


def _replay(config: Config, log: Log) -> Status:
    with reading(config) as books:
        return {"driver": config.need_target().driver, **books.summary(log.identity)}


def _checked(config: Config) -> Status:
    """The last whole pass over the log (None: there was none), the one that is under way, damage, and how much of the
    contents was read back.
    """
    found = last_check(config)
    if found is None:
        return {"last": None, "open": None, "damaged": 0, "contents": 0, "read": 0, "read_since": None}
    told = asdict(found)
    return {key: told[key] for key in ("last", "open", "damaged", "contents", "read", "read_since")}


def _index(config: Config) -> Status | None:
    try:
        return standing_of(config)
    except AipstreamError as error:
        return {"error": str(error), "hint": error.hint, "due": None}


def _lag(log: Log, told: Status) -> Status:
    """Seconds are the age of the oldest event that is not applied."""
    lag: Status = {"events": None, "seconds": None, "bytes": None}
    position = (told["replay"] or {}).get("position")
    if position is not None:
        lag["events"] = max(0, told["log"]["end"] - position)
        lag["seconds"] = 0.0
        if lag["events"]:
            oldest = next(iter(log.read(position, 1)))
            since = datetime.now(UTC) - datetime.fromisoformat(oldest.event.commit_time)
            lag["seconds"] = round(max(0.0, since.total_seconds()), 3)
    lag["bytes"] = ((told["capture"] or {}).get("slot") or {}).get("lag")
    return lag
