"""What has to be done to a target so that it stands as the log has it at a position.

Invariants:

* An object that no event of the log ever spoke of is the target's own: it is left alone, and counted.
* An object of which retention took the event of that moment is not deleted: it was there, only its state is not known.
* The site is never deleted: no DSpace starts without one.
* Registries are only ever added to: a target may know more fields and formats, never fewer.
* Both sides are read in the order of their UUIDs and merged; memory holds what differs, not what is there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import events.aip
from daemon.dspace import fingerprint, snapshot
from daemon.dspace.connect import Connection
from daemon.dspace.facets import FACETS, Options
from daemon.target import ledger
from events.aip.model import KIND_ORDER, Kind, Uuid
from events.event import Position, Type, decompress
from events.log import Log
from events.log.opening import thinned_of

What = Literal["put", "delete"]


class Step(NamedTuple):
    """One object to be written as its event at `position` has it, or to be deleted. `new`: the target lacks it."""

    what: What
    uuid: Uuid
    kind: Kind
    handle: str | None
    position: Position
    new: bool = False


@dataclass
class Plan:
    """The steps in the order in which they are to be done; `same` objects need none, `own` are the target's own.

    `at` is the position whose state is wanted; where objects get states of several positions, the first of those.
    """

    at: Position
    steps: list[Step] = field(default_factory=list)
    same: int = 0
    own: int = 0

    def counts(self) -> dict[str, dict[str, int]]:
        """How many of each kind are made, changed and deleted."""
        found: dict[str, dict[str, int]] = {}
        for step in self.steps:
            what = "deleted" if step.what == "delete" else "made" if step.new else "changed"
            of = found.setdefault(step.kind.value, {"made": 0, "changed": 0, "deleted": 0})
            of[what] += 1
        return found


ORDER: Final = {kind: rank for rank, kind in enumerate(sorted(KIND_ORDER, key=KIND_ORDER.__getitem__))}


def plan(
    connection: Connection,
    log: Log,
    at: Position,
    options: Options,
    *,
    only: Mapping[Uuid, Position] | None = None,
    progress: Callable[[int], None] = lambda _count: None,
) -> Plan:
    """Compare the target with the log at that position; with `only`, just those objects (by the source's UUIDs), each
    as it was at the position given with it.

    `connection` is the target's, prepared (`ledger.create`). Reads, and writes nothing.
    """
    made = Plan(at)
    names = ledger.aliases(connection)
    back = {target: source for source, target in names.items()}
    pairs = _pairs(connection, log, at, options, names, back, only)
    for count, (uuid, kind, position, wanted, held, handle) in enumerate(pairs, 1):
        if count % 1000 == 0:
            progress(count)
        if position is None:
            then = only[uuid] if only is not None else at
            if kind in (Kind.REGISTRY, Kind.SITE) or (step := _gone(log, uuid, kind, then)) is None:
                made.own += 1
            else:
                made.steps.append(step)
        elif (held == wanted and wanted) or (
            kind is Kind.REGISTRY and _contained(connection, log, uuid, position, options)
        ):
            made.same += 1
        else:
            made.steps.append(Step("put", uuid, kind, handle, position, held is None))
    made.steps.sort(key=_order)
    return made


def _order(step: Step) -> tuple[int, int, Position]:
    """Puts before deletes, parents before children, children deleted first, tombstones last of all."""
    rank = ORDER[step.kind]
    if step.kind is Kind.TOMBSTONE:
        return (2, 0, step.position)
    return (1, -rank, step.position) if step.what == "delete" else (0, rank, step.position)


def _gone(log: Log, uuid: Uuid, kind: Kind, at: Position) -> Step | None:
    """The deletion of what is on the target, but not in the log at that moment; None if the log never knew it,
    or had it then in an event that was thinned.
    """
    if thinned_of(log).stale(at, uuid, there=True):
        return None
    known = log.latest(uuid, whole=False)
    return Step("delete", uuid, kind, known.event.handle, at) if known is not None else None


class _Pair(NamedTuple):
    """One object on both sides: position and digest in the log, the digest that is held on the target; None where it is
    not. `handle` is that of the log.
    """

    uuid: Uuid
    kind: Kind
    position: Position | None
    wanted: str
    held: str | None
    handle: str | None = None


def _pairs(
    connection: Connection,
    log: Log,
    at: Position,
    options: Options,
    names: dict[Uuid, Uuid],
    back: dict[Uuid, Uuid],
    only: Mapping[Uuid, Position] | None,
) -> Iterator[_Pair]:
    if only is not None:
        yield from _some(connection, log, options, names, only)
        return
    aside = _renamed(connection, options, back)
    here = heapq.merge(*(_of(connection, kind, options, back) for kind in fingerprint.KINDS))
    held = next(here, None)
    for position, event, _ in log.standing(at):
        while held is not None and held[0] < event.uuid:
            yield _Pair(held[0], held[1], None, "", held[2])
            held = next(here, None)
        if held is not None and held[0] == event.uuid:
            there: str | None = held[2]
            held = next(here, None)
        else:
            found = aside.pop(event.uuid, None)
            there = found[1] if found else None
        yield _Pair(event.uuid, event.kind, position, event.digest, there, event.handle)
    while held is not None:
        yield _Pair(held[0], held[1], None, "", held[2])
        held = next(here, None)
    for uuid, (kind, digest) in aside.items():
        yield _Pair(uuid, kind, None, "", digest)


def _renamed(connection: Connection, options: Options, back: dict[Uuid, Uuid]) -> dict[Uuid, tuple[Kind, str]]:
    """Kind and digest of those objects of the target that are called otherwise on the source, by the source's UUID."""
    found: dict[Uuid, tuple[Kind, str]] = {}
    for kind in (Kind.SITE, Kind.GROUP, Kind.PERSON):
        digests = fingerprint.digests(connection, kind, list(back), options)
        found.update((back[uuid], (kind, digest)) for uuid, digest in digests.items())
    return found


def _contained(connection: Connection, log: Log, uuid: Uuid, at: Position, options: Options) -> bool:
    """Whether the target's registry has every row that the log's has at that moment."""
    entry = log.latest(uuid, at)
    held = snapshot.read(connection, Kind.REGISTRY, [uuid], options).get(uuid)
    if entry is None or held is None:
        return False
    wanted = events.aip.read(decompress(entry.event.payload))
    return all(set(getattr(wanted, each.name)) <= set(getattr(held, each.name)) for each in FACETS[Kind.REGISTRY])


def _of(
    connection: Connection, kind: Kind, options: Options, back: dict[Uuid, Uuid]
) -> Iterator[tuple[Uuid, Kind, str]]:
    """The objects of a kind on the target, by UUID; those that are called otherwise on the source are left out."""
    return ((uuid, kind, digest) for uuid, digest in fingerprint.sweep(connection, kind, options) if uuid not in back)


def _some(
    connection: Connection, log: Log, options: Options, names: dict[Uuid, Uuid], only: Mapping[Uuid, Position]
) -> Iterator[_Pair]:
    for uuid, at in sorted(only.items()):
        then, known = log.latest(uuid, at, whole=False), log.latest(uuid, whole=False)
        event = then.event if then else known.event if known else None
        if event is None:
            continue
        found = fingerprint.digests(connection, event.kind, [names.get(uuid, uuid)], options)
        held = next(iter(found.values()), None)
        if then is not None and then.event.type is Type.PUT:
            yield _Pair(uuid, event.kind, then.position, then.event.digest, held, then.event.handle)
        elif held is not None:
            yield _Pair(uuid, event.kind, None, "", held)
