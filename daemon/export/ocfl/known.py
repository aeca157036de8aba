"""Which objects the log has, deleted ones too, and which of them an archive is to have.

Invariant: only structure is held in memory, a few hundred bytes for each object; contents and documents are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from events.aip.model import KIND_ORDER, Kind, Uuid
from events.errors import ConfigError
from events.event import Position, Type
from events.log import Log


class Known(msgspec.Struct):
    """One object: what it was last called, what last contained it, and whether it is still there."""

    kind: Kind
    handle: str | None = None
    parents: tuple[Uuid, ...] = ()
    there: bool = True


def known(
    log: Log, after: Position, until: Position, *, progress: Callable[[int], None] = lambda _count: None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[Uuid, Known]:  # fmt: skip
    """Every object that has an event after that position, up to `until`. Raises GapInLog."""
    found: dict[Uuid, Known] = {}
    one: dict[Uuid, Uuid] = {}  # a collection's UUID once, not once for each of its items
    for count, (_, event, _) in enumerate(log.read(after, until=until, whole=False), 1):
        each = found.setdefault(event.uuid, Known(event.kind))
        each.there = event.type is Type.PUT
        each.handle = event.handle or each.handle
        if each.there:
            each.parents = tuple(one.setdefault(parent, parent) for parent in event.parents)
        progress(count)
        if stopped():
            break
    return found


def named(objects: dict[Uuid, Known], things: Sequence[str], at: Position) -> list[Uuid]:
    """The objects meant by handles, UUIDs and `site`. An object that is there comes before one that had the handle.

    Raises ConfigError.
    """
    handles = {each.handle: uuid for uuid, each in objects.items() if each.handle and not each.there}
    handles |= {each.handle: uuid for uuid, each in objects.items() if each.handle and each.there}
    site = next((uuid for uuid, each in objects.items() if each.kind is Kind.SITE), None)
    found = []
    for thing in things:
        uuid = site if thing == "site" else handles.get(thing.removeprefix("hdl:"))
        if uuid is None and thing.lower() in objects:
            uuid = thing.lower()
        if uuid is None:
            raise ConfigError(
                f"up to position {at} the log has no object with the handle or UUID {thing!r}",
                "`aipstream log HANDLE` tells when it was there.",
            )
        found.append(uuid)
    return list(dict.fromkeys(found))


def below(objects: dict[Uuid, Known], roots: Iterable[Uuid]) -> list[Uuid]:
    """Those objects and everything in them, what was deleted out of them too. What was moved away is elsewhere."""
    inside: dict[Uuid, list[Uuid]] = {}
    for uuid, each in objects.items():
        for parent in dict.fromkeys(each.parents):
            inside.setdefault(parent, []).append(uuid)
    seen: dict[Uuid, None] = {}
    waiting = list(roots)
    while waiting:
        uuid = waiting.pop(0)
        if uuid not in seen:
            seen[uuid] = None
            waiting += inside.get(uuid, ())
    return list(seen)


def ordered(objects: dict[Uuid, Known], uuids: Iterable[Uuid]) -> list[Uuid]:
    """In the order of their kinds, then of their UUIDs: the same in every run."""
    return sorted(uuids, key=lambda uuid: (KIND_ORDER[objects[uuid].kind], uuid))


def due(objects: dict[Uuid, Known], log: Log, uuids: Iterable[Uuid], at: Position) -> None:
    """Add objects that an earlier run could not write."""
    for uuid in uuids:
        entry = log.latest(uuid, at, whole=False)
        if entry is not None and uuid not in objects:
            event = entry.event
            objects[uuid] = Known(event.kind, event.handle, event.parents, event.type is Type.PUT)
