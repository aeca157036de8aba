"""What an archive has, told from the archive itself: its objects, their versions, when each came and what it changed.

Invariant: an object that cannot be read is told by name, and hides no other. Memory holds what is told.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import events.aip
from daemon.export.ocfl.index import NAME as INDEX
from daemon.export.ocfl.index import Line, lines
from daemon.history.changes import changes
from events.aip.model import Aip, Kind, Uuid
from events.errors import AipstreamError, ConfigError, InvalidPackage
from events.event import Position
from events.ocfl.layout import identifier, place, uuid_in
from events.ocfl.moments import Life
from events.ocfl.reading import OcflObject, home, objects
from events.package.ocfl import DOCUMENTS

_UNREADABLE = "Name the object by its UUID; or remove the file: the next export makes it anew."


class Version(NamedTuple):
    """One version. `message` says in words what changed by it, as it was written; `folder` is the object's own."""

    position: Position
    commit_time: str
    lsn: str
    transaction: int | None
    source: str
    type: str
    kind: Kind
    uuid: Uuid
    handle: str | None
    version: str
    thinned: bool
    message: str
    folder: str


@dataclass
class Told:
    """What was asked for, in the order of positions; how much there is; `damaged` objects with what is wrong."""

    versions: list[Version] = field(default_factory=list)
    objects: int = 0
    all_versions: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)


def versions(
    root: Path, uuid: Uuid | None = None, *, after: Position | None = None, limit: int = 20,
    looked: Callable[[int], None] = lambda _: None,
) -> Told:  # fmt: skip
    """The newest versions of the archive, or of one object of it; with `after` the first ones after that position."""
    told = Told()
    folders = objects(root) if uuid is None else iter([folder_of(root, uuid)])
    best: list[tuple[Position, int, int, Life]] = []
    for count, folder in enumerate(folders, 1):
        looked(count)
        try:
            life = Life(OcflObject(folder))
            told.objects += 1
            told.all_versions += life.newest
            for number in range(life.newest, 0, -1):
                position = life.envelope(number).position
                if after is not None and position <= after:
                    break
                order = position if after is None else -position
                if len(best) < limit:
                    heapq.heappush(best, (order, count, number, life))
                elif order > best[0][0]:
                    heapq.heapreplace(best, (order, count, number, life))
                elif after is None:
                    break
        except (AipstreamError, OSError) as error:
            told.damaged.append((str(folder), str(error)))
    told.versions = [_told(life, number) for _, _, number, life in sorted(best, key=lambda each: abs(each[0]))]
    return told


class Step(NamedTuple):
    """One version of an object with all that changed by it, sentence by sentence."""

    version: Version
    changes: list[str]


def steps(root: Path, uuid: Uuid) -> Iterator[Step]:
    """The whole life of one object. Raises InvalidPackage, ChecksumMismatch for what cannot be read of it."""
    life = Life(OcflObject(folder_of(root, uuid), identifier(uuid)))
    before: Aip | None = None
    for number in range(1, life.newest + 1):
        now = _document(life.found, f"v{number}")
        told = changes(before, now) or (["nothing changed"] if now else ["deleted"])
        told += [f"without the content of {name}, which could not be had" for name in life.envelope(number).left_out]
        before = now
        yield Step(_told(life, number), told)


def folder_of(root: Path, uuid: Uuid) -> Path:
    """Of an object, where it is or would be."""
    name = identifier(uuid)
    return home(root, name) or root / place(name)


def uuid_of(root: Path, thing: str) -> Uuid:
    """The object meant by a UUID or a handle, as the archive has it: rather one that is there. Raises ConfigError."""
    uuid = uuid_in(identifier(thing.lower()))
    if uuid is not None and home(root, identifier(uuid)):
        return uuid
    handle = thing.removeprefix("hdl:").removeprefix("http://hdl.handle.net/")
    found: Line | None = None
    for line in lines(root / INDEX, InvalidPackage, _UNREADABLE):
        if line.handle == handle and (found is None or found.deleted):
            found = line
    if found is None:
        raise ConfigError(
            f"the archive {root} has no object with the handle or UUID {thing!r}",
            f"Give the whole handle (123456789/42) or a UUID. Handles are looked up in {INDEX}.",
        )
    return found.uuid


def _document(found: OcflObject, version: str) -> Aip | None:
    there = found.inventory.files(version)
    own = next((name for name in DOCUMENTS.values() if name in there), None)
    return events.aip.read(found.read(own, version)) if own else None


def _told(life: Life, number: int) -> Version:
    envelope = life.envelope(number)
    said = life.found.inventory.versions[f"v{number}"]
    return Version(
        envelope.position, envelope.commit_time, envelope.lsn, envelope.transaction, envelope.source, envelope.type,
        envelope.kind, envelope.uuid, envelope.handle, f"v{number}", envelope.thinned, said.message or "",
        str(life.found.folder),
    )  # fmt: skip
