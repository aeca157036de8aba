"""Where everything stands: positions, lag, what is parked, the slot, the last verification.

Invariants:

* Reading it disturbs nobody and takes no lock.
* Each part is found by itself; one that does not answer says why, within seconds, and the others are told all the same.
  Of a log whose brokers are away that is what this machine has read of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from daemon.capture_loop import CAPTURED
from daemon.config import Config
from daemon.hold import holder
from daemon.indexing import standing_of
from daemon.integrity.configured import last_check
from daemon.parts import blobs_of, lock_path, log_of, read_before, reading, state_of, state_path
from daemon.schedule import COPIED, ENDED, VERIFIED
from daemon.source.bootstrap import DONE
from daemon.source.poll import FINISHED
from daemon.source.slot import inspect
from events.errors import AipstreamError, StorageUnusable
from events.event import Event, Position, lsn_text
from events.log import Entry, Leased
from events.log.chain import Record

T = TypeVar("T")
Status = dict[str, Any]

SECONDS: Final = 5.0
"""How long brokers and the server of the contents may take to answer."""


class _Known(NamedTuple):
    """The log as far as it answers, or as this machine has read it: None where that is nothing.

    `identity` may be known without the rest. `after` gives the first event behind a position, without its payload.
    """

    identity: str | None = None
    end: Position | None = None
    after: Callable[[Position], Event | None] = lambda _position: None


def status(config: Config) -> Status:
    """The parts `log`, `blobs`, `capture`, `replay` and `index` (None where the configuration has none), `lag`,
    `verified`, `checked` and `copied`.

    With several targets `targets` has `replay`, `index`, `lag` and `verified` of each by its name instead. A part that
    could not be read has `error` and `hint`; of the log beside what is known of it. Lag: `events` and `seconds` between
    log and target, `bytes` of WAL between source and log (None where it is not known). Raises ConfigError if there is
    no log.
    """
    told: Status = {"log": {"url": config.log.url, "identity": None, "end": None}}
    with ExitStack() as stack:
        log = _log(config, told["log"], stack)
        told["blobs"] = {"url": config.blobs.url, **_part(lambda: _blobs(config))}
        told["capture"] = _part(lambda: _capture(config)) if config.source else None
        if config.targets:
            told["targets"] = {one.name: _of_target(one, log, told) for one in config.each()}
        else:
            told |= _of_target(config, log, told)
    told["checked"] = _part(lambda: _checked(config))
    told["copied"] = _noted(config, COPIED)
    return told


def _log(config: Config, told: Status, stack: ExitStack) -> _Known:
    """The log, told and to be asked further until the stack is closed."""
    try:
        log = stack.enter_context(closing(log_of(config, patience=SECONDS)))
        known = _Known(log.identity, log.end(), lambda after: _first(log.read(after, 1, whole=False)))
        if isinstance(log, Leased):
            writer = log.writer()
            told["writer"] = writer and writer._asdict()
    except StorageUnusable as error:
        told |= {"error": str(error), "hint": error.hint}
        index = read_before(config)
        if index is None:
            known = _Known((_part(lambda: {"log": _meta(config, "log")})).get("log"))
        else:
            stack.callback(index.close)
            known = _Known(index.identity, index.end(), lambda after: _first(index.headers(after, 1)))
    told |= {"identity": known.identity, "end": known.end}
    last = known.after(known.end - 1) if known.end else None
    if last is not None:
        told |= {"lsn": lsn_text(last.lsn), "commit_time": last.commit_time}
    return known


def _first(found: Iterable[Entry | Record]) -> Event | None:
    return next((each.event for each in found), None)


def _blobs(config: Config) -> Status:
    """Nothing where the contents answer."""
    try:
        close = getattr(blobs_of(config, seconds=SECONDS), "close", None)
    except OSError as error:
        raise StorageUnusable(f"the blob store {config.blobs.url} cannot be reached: {error}") from error
    if close:
        close()
    return {}


def _of_target(config: Config, log: _Known, of_all: Status) -> Status:
    """What concerns one target."""
    told: Status = {"replay": _part(lambda: _replay(config, log)) if config.target else None}
    told["lag"] = _lag(log, {**of_all, **told})
    told["index"] = _index(config)
    told["verified"], ended = _noted(config, config.keyed(VERIFIED)), _noted(config, config.keyed(ENDED))
    if ended and "kind" in ended and told["replay"] is not None and not told["replay"].get("process"):
        told["replay"]["ended"] = ended
    return told


def _part(read: Callable[[], T]) -> T | Status:
    """What it gives, or why it gives nothing."""
    try:
        return read()
    except AipstreamError as error:
        return {"error": str(error), "hint": error.hint}


def _noted(config: Config, key: str) -> Status | None:
    """What the state has under that key; None if it has nothing."""
    return _part(lambda: json.loads(_meta(config, key) or "null"))


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


def _replay(config: Config, log: _Known) -> Status:
    with reading(config) as books:
        told = {"driver": config.need_target().driver, **books.summary(log.identity or "")}
    return told if log.identity else {**told, "position": None, "lsn": None, "commit_time": None}


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


def _lag(log: _Known, told: Status) -> Status:
    """Seconds are the age of the oldest event that is not applied. Nothing of a log that does not answer: what was read
    of it may be old.
    """
    lag: Status = {"events": None, "seconds": None, "bytes": None}
    position = (told["replay"] or {}).get("position")
    if position is not None and log.end is not None and "error" not in told["log"]:
        lag["events"] = max(0, log.end - position)
        lag["seconds"] = 0.0
        oldest = log.after(position) if lag["events"] else None
        if oldest is not None:
            since = datetime.now(UTC) - datetime.fromisoformat(oldest.commit_time)
            lag["seconds"] = round(max(0.0, since.total_seconds()), 3)
    lag["bytes"] = ((told["capture"] or {}).get("slot") or {}).get("lag")
    return lag
