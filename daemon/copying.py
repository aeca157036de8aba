"""A log and its contents copied into another log and another blob store: off-site, or from one back end to another.

Invariants, in this order for every batch (a crash between any two is mended by doing the same again):

1. the contents that its events need are in the other store, durably;
2. its records are in the other log, durably: positions, chain and identity as they are.

So the copy is at any moment a whole log up to its own end, with every content that it needs; its end says where to go
on, and a target that was replayed from the one log goes on with the other.

Nobody has to believe it: the chain of both logs is compared at the end, and each content proves itself by its name
while it is read. What the copy has and the other log has thinned since stays in the copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec.structs import replace

from daemon.config import Config, load
from daemon.failpoint import failpoint
from daemon.hold import hold
from daemon.parts import blobs_of, lock_path, log_of, with_log
from daemon.redaction import concealed
from events.blobs import Blobs, open_blobs
from events.errors import BlobMissing, ConfigError, GapInLog, Interrupted
from events.event import BEGINNING, Position
from events.log import Log
from events.log.chain import Record
from events.log.opening import copying_of, open_log, retention_of

MOST_RECORDS: Final = 1000
MOST_BYTES: Final = 16 * 1024 * 1024
"""Payloads of one batch: memory does not grow with the log."""

MOST_KNOWN: Final = 200_000
"""Names of contents that are remembered to be there, so that the other store is asked once for each."""

INTO: Final = "AIPSTREAM_INTO_"
"""Begins the names of the environment variables that go over the configuration of the copy."""

Progress = Callable[[Position, Position], None]
"""Told the position reached, and the one to reach."""

Stopped = Callable[[], bool]


@dataclass
class Copied:
    """What a copy did, or would do. `begin` and `end` are positions; `missing` the contents that are nowhere."""

    begin: Position = BEGINNING
    end: Position = BEGINNING
    records: int = 0
    thinned: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    healed: int = 0
    seal: str = ""
    marks: int = 0
    missing: list[str] = field(default_factory=list)


class Copy:
    """One copy from a log and a store into others, either of which may be the same one.

    `read_back`: every content that was copied is read from the other store, and proved.
    """

    def __init__(self, log: Log, blobs: Blobs, into: Log, store: Blobs, *, read_back: bool = False) -> None:
        self.log, self.blobs, self.into, self.store = log, blobs, into, store
        self.read_back = read_back
        self.done = Copied()
        self._there: dict[str, None] = {}

    def run(self, progress: Progress = lambda _at, _of: None, stopped: Stopped = lambda: False) -> None:
        """Copy what the copy lacks, up to the end of the log as of now.

        Raises GapInLog for damage, or if the two are no longer the same log; ConfigError if they never were.
        """
        begin, end = self.into.end(), self.log.end()
        self.done.begin = begin
        self._same(begin)
        copying_of(self.into).adopt(self.log.identity)
        for records in batches(copying_of(self.log).records(begin)):
            if stopped():
                raise Interrupted("stopped while a log was copied")
            self._contents(self._needed(records))
            failpoint("copy.blobs")
            copying_of(self.into).extend(records)
            failpoint("copy.extended")
            self.done.records += len(records)
            self.done.thinned += sum(record.thinned for record in records)
            progress(records[-1].position, max(end, records[-1].position))
        self._proved()
        self._marks()

    def plan(
        self,
        progress: Progress = lambda _at, _of: None,
        stopped: Stopped = lambda: False,
        *,
        after: Position | None = None,
    ) -> None:
        """Count what `run` would do, and write nothing. Raises the same. `after`: contents from there on too."""
        begin, end = self.into.end(), self.log.end()
        self._same(begin)
        self.done.begin, self.done.end = begin, end
        for records in batches(copying_of(self.log).records(begin if after is None else after)):
            if stopped():
                raise Interrupted("stopped while a log was looked through")
            for name in self._needed(records):
                if self._lacks(name):
                    self._there[name] = None
                    if self.blobs.has(name):
                        self.done.blobs += 1
                        self.done.blob_bytes += self.blobs.size(name)
                    else:
                        self.done.missing.append(name)
            if after is None:
                self.done.records += len(records)
                self.done.thinned += sum(record.thinned for record in records)
            progress(records[-1].position, max(end, records[-1].position))

    def heal(self, progress: Progress = lambda _at, _of: None, stopped: Stopped = lambda: False) -> None:
        """Put back every content that the copy needs and lacks. Walks all of it."""
        end = self.into.end()
        before = self.done.blobs
        for records in batches(copying_of(self.into).records(BEGINNING)):
            if stopped():
                raise Interrupted("stopped while contents were looked for")
            self._contents(self._needed(records))
            progress(records[-1].position, end)
        self.done.healed = self.done.blobs - before

    @staticmethod
    def _needed(records: Iterable[Record]) -> dict[str, None]:
        """The contents that whole events among them need, each once."""
        return dict.fromkeys(name for record in records if not record.thinned for name in record.event.blobs)

    def _same(self, end: Position) -> None:
        """Raise unless the copy is the beginning of the log."""
        if end == BEGINNING:
            return
        if self.into.identity != self.log.identity:
            raise ConfigError(
                f"the other log has {end} events and is {self.into.identity}, no copy of {self.log.identity}",
                "Copy into a log that is not there yet.",
            )
        if end > self.log.end():
            raise GapInLog(
                f"the copy ends at position {end}, the log at {self.log.end()}: the log was cut off, or is older",
                "Copy the other way round: the copy has what the log has lost.",
            )
        if self.into.seal() != self.log.seal(end):
            raise GapInLog(
                f"the copy and the log differ at or before position {end}: one of them was changed",
                "`aipstream verify --log` on each says which one is whole. Nothing was written.",
            )

    def _contents(self, names: Iterable[str]) -> None:
        """Copy those that are not there, all durable when it returns."""
        copied = [name for name in names if self._lacks(name) and self._content(name)]
        self.store.flush()
        for name in copied:
            if self.read_back:
                self.store.verify(name)
            self._there[name] = None
        while len(self._there) > MOST_KNOWN:
            del self._there[next(iter(self._there))]

    def _lacks(self, name: str) -> bool:
        if name in self._there:
            return False
        if self.store.has(name):
            self._there[name] = None
            return False
        return True

    def _content(self, name: str) -> bool:
        """Copy one; whether it could be had. One that is not what its name says is as good as missing."""
        try:
            with self.blobs.open(name) as content:
                found = self.store.put(content)
        except BlobMissing:
            self.done.missing.append(name)
            return False
        if found.sha256 != name:
            self.done.missing.append(name)
            return False
        self.done.blobs += 1
        self.done.blob_bytes += found.size
        return True

    def _proved(self) -> None:
        end = self.into.end()
        seal = self.into.seal()
        if self.log.seal(end) != seal:
            raise GapInLog(f"the copy differs from the log at position {end} although every record was proved")
        self.done.end, self.done.seal = end, seal.hex()

    def _marks(self) -> None:
        """The kept moments too, where both back ends know such."""
        with suppress(ConfigError):
            theirs, ours = retention_of(self.into), retention_of(self.log)
            known = {mark.name for mark in theirs.marks()}
            for mark in ours.marks():
                if mark.name not in known and mark.position <= self.done.end:
                    theirs.mark(mark.name, mark.position, mark.made)
                    self.done.marks += 1


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Runs of at most `MOST_RECORDS` and about `MOST_BYTES`; of what is before damage too, which is then raised."""
    run: list[Record] = []
    size = 0
    try:
        for record in records:
            run.append(record)
            size += len(record.event.payload)
            if len(run) >= MOST_RECORDS or size >= MOST_BYTES:
                yield run
                run, size = [], 0
    except GapInLog:
        if run:
            yield run
        raise
    if run:
        yield run


def destination(
    config: Config, *, file: Path | None = None, log: str | None = None, blobs: str | None = None
) -> Config:
    """The configuration of the copy: another file's, or this one's, with the log and the store that are named.

    One of the two may be that of this configuration: then only the other one is copied. Raises ConfigError if both are.
    """
    other = concealed(load(file, _theirs(os.environ))) if file else config
    if log:
        other = with_log(other, log)
    if blobs:
        other = replace(other, blobs=replace(other.blobs, url=blobs))
    if (config.log.url, config.blobs.url) == (other.log.url, other.blobs.url):
        raise ConfigError(
            f"{config.log.url} with {config.blobs.url} is what is copied",
            "Name another log, another store or both: `aipstream copy --log URL --blobs URL`, or `--into FILE`.",
        )
    return other


def _theirs(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that go over the other file: our own would lead both to one place."""
    return {
        f"AIPSTREAM_{name.removeprefix(INTO)}": value for name, value in environment.items() if name.startswith(INTO)
    }


def copy_configured(
    config: Config,
    other: Config,
    *,
    dry_run: bool = False,
    heal: bool = False,
    read_back: bool = False,
    progress: Progress = lambda _at, _of: None,
    stopped: Stopped = lambda: False,
) -> Copied:
    """Copy from the one configuration's log and store into the other's, which are made if they are not there.

    Nobody else may capture or copy into the other log meanwhile. Raises Locked, and what `Copy` raises.
    """
    with ExitStack() as open_now:
        log = open_now.enter_context(closing(log_of(config, stopped=stopped)))
        same_log = config.log.url == other.log.url
        if not same_log:
            open_now.enter_context(hold(lock_path(other), "captures or copies into that log"))
        blobs = blobs_of(config)
        nothing = Path(open_now.enter_context(TemporaryDirectory())) if dry_run else None
        into = open_now.enter_context(closing(_log_into(other, nothing, stopped)))
        copy = Copy(log, blobs, into, _store_into(other, nothing), read_back=read_back)
        if dry_run:
            copy.plan(progress, stopped, after=BEGINNING if same_log else None)
            return copy.done
        if not same_log:
            open_now.enter_context(into.writing())
        copy.run(progress, stopped)
        if heal or same_log:
            copy.heal(progress, stopped)
        return copy.done


def _log_into(other: Config, nothing: Path | None, stopped: Stopped) -> Log:
    """The log of the copy, made if it is not there; in a dry run an empty one in the folder `nothing` instead."""
    try:
        return log_of(other, create=nothing is None, stopped=stopped)
    except ConfigError:
        if nothing is None:
            raise
        return open_log(f"sqlite:///{nothing}/log.sqlite", create=True)


def _store_into(other: Config, nothing: Path | None) -> Blobs:
    """The store of the copy, in the same way."""
    try:
        return blobs_of(other, create=nothing is None)
    except ConfigError:
        if nothing is None:
            raise
        return open_blobs(f"file://{nothing}/blobs", create=True)
