"""A process that writes shares of items, one transaction each.

Invariants: it has no lock of its own but a part in that of all workers, no position and no log; what it says and what
it raises is handed to the first process. It ends when that one is gone, or says so; its transaction is rolled back
then, or was committed whole, and the ledger knows.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import MutableMapping, Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import structlog

from daemon.dspace import version
from daemon.dspace.connect import Connection, connect
from daemon.dspace.facets import Options
from daemon.target import ledger
from daemon.target.applied import Applied
from daemon.target.batch import Ahead, OnDrift, decode_ahead
from daemon.target.parallel.divide import Link, links_of
from daemon.target.replay import NativeTarget
from events.aip.model import Uuid
from events.blobs import PLAIN, Keys, open_blobs
from events.errors import AipstreamError
from events.event import Position
from events.log import Entry, Log


class Plan(NamedTuple):
    """What a worker needs: all of it can be sent to another process."""

    dsn: str
    assetstore: Path
    blobs: str
    passwords: bool
    drafts: bool
    on_drift: OnDrift
    indexed: bool
    keys: Keys = PLAIN


class Decode(NamedTuple):
    """Asks for those events to be decoded and kept."""

    entries: Sequence[Entry]


class Decoded(NamedTuple):
    """The links of each item; of one that cannot be read none: it is parked when it is to be written."""

    links: dict[Position, frozenset[Link]]


class Write(NamedTuple):
    """Asks for a share to be written: events that are decoded by their positions, others whole."""

    known: Sequence[Position]
    others: Sequence[Entry]


Said = tuple[str, dict[str, Any]]
"""A message of the worker: its level, and what structlog was given."""


class Wrote(NamedTuple):
    """What came of a share, the objects that are there now, and what was said."""

    applied: Applied
    arrived: list[Uuid]
    said: list[Said]


class Failed(NamedTuple):
    """The share was not written, or not all of it, for a reason that concerns all of them."""

    error: BaseException
    said: list[Said]


class Share(NativeTarget):
    """The target as a worker knows it."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            plan.dsn,
            plan.assetstore,
            open_blobs(plan.blobs, keys=plan.keys),
            cast("Log", None),  # it is given its events, and never asks for others
            passwords=plan.passwords,
            drafts=plan.drafts,
            on_drift=plan.on_drift,
            indexed=plan.indexed,
        )
        self.arrived: list[Uuid] = []

    def _open(self) -> tuple[Connection, Options]:
        connection = connect(self.dsn, "target")
        try:
            repository = version.probe(connection)
            connection.commit()
            ledger.join(connection)
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection, self._options_of(repository)

    def write(self, entries: Sequence[Entry], ahead: Ahead) -> Applied:
        """Write those events, the last ones of their objects, in one transaction."""
        self._ahead = ahead
        return self._apply(entries)

    def _arrive(self, arrived: Sequence[Uuid], done: Applied) -> None:  # noqa: ARG002 - nothing is released here
        self.arrived += arrived


def main(pipe: Pipe, plan: Plan) -> None:
    """Do what is asked through the pipe until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process ends us, after the window that is under way
    threading.Thread(target=_end_with_parent, daemon=True).start()
    said: list[Said] = []
    structlog.configure(processors=[_Heard(said)], cache_logger_on_first_use=False)
    share: Share | None = None
    kept: dict[Position, Entry] = {}
    ahead: dict[Position, Any] = {}
    while True:
        try:
            asked = pipe.recv()
        except (EOFError, OSError):
            return
        if isinstance(asked, Decode):
            read = decode_ahead(asked.entries)
            kept |= {entry.position: entry for entry in asked.entries}
            ahead |= read
            links = {at: links_of(aip) for at, aip in read.items() if not isinstance(aip, Exception)}
            pipe.send(Decoded(links))
            continue
        entries = sorted([*(kept[at] for at in asked.known), *asked.others], key=lambda entry: entry.position)
        said.clear()
        try:
            share = share or Share(plan)
            share.arrived = []
            applied = share.write(entries, ahead)
            answer: Wrote | Failed = Wrote(applied, share.arrived, list(said))
        except Exception as error:  # noqa: BLE001 - whatever it is, the first process raises it
            answer = Failed(_sendable(error), list(said))
        upto = max((entry.position for entry in entries), default=0)
        kept = {at: entry for at, entry in kept.items() if at > upto}
        ahead = {at: each for at, each in ahead.items() if at > upto}
        pipe.send(answer)


class _Heard:
    """Keeps what is said instead of printing it: standard output belongs to the results of the first process."""

    def __init__(self, said: list[Said]) -> None:
        self._said = said

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        self._said.append((method, {key: value if _plain(value) else str(value) for key, value in event.items()}))
        raise structlog.DropEvent


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool | None)


def _sendable(error: Exception) -> BaseException:
    """The error, or one that says the same if it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, only to see whether it can be done
    except Exception:  # noqa: BLE001 - whatever keeps it from being sent
        return AipstreamError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """A parent that is killed cannot end its children, and they would write beside the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
