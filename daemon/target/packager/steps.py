"""What a run of the log asks of the packager, in the order in which it has to be done. Pure.

Invariants:

* Of several events of one object only the last counts; one at or before the position in the books asks nothing.
* What others need comes first: registries, people and groups, communities (parents first), collections, the groups of
  roles (a container has to make its own, else stock never links them to it), items; deletions come last, contents
  before containers, people after everything that could name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from daemon.target.packager.books import Standing
from events.aip.model import Kind, Uuid
from events.event import Event, Position, Type
from events.log import Entry

_OF_ROLES: Final = re.compile(r"(?:COMMUNITY|COLLECTION)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_.+", re.DOTALL)


class Phase(IntEnum):
    """When a piece of work has its turn."""

    REGISTRIES = 0
    PEOPLE = 1
    GROUPS = 2
    COMMUNITIES = 3
    COLLECTIONS = 4
    ROLE_GROUPS = 5
    ITEMS = 6
    NOTHING = 7
    GONE_ITEMS = 8
    GONE_GROUPS = 9
    GONE_PEOPLE = 10
    GONE_CONTAINERS = 11


_PUT: Final = {
    Kind.REGISTRY: Phase.REGISTRIES,
    Kind.PERSON: Phase.PEOPLE,
    Kind.GROUP: Phase.GROUPS,
    Kind.SITE: Phase.NOTHING,
    Kind.COMMUNITY: Phase.COMMUNITIES,
    Kind.COLLECTION: Phase.COLLECTIONS,
    Kind.ITEM: Phase.ITEMS,
    Kind.TOMBSTONE: Phase.NOTHING,
}
_GONE: Final = {
    Kind.REGISTRY: Phase.GONE_CONTAINERS,
    Kind.PERSON: Phase.GONE_PEOPLE,
    Kind.GROUP: Phase.GONE_GROUPS,
    Kind.SITE: Phase.NOTHING,
    Kind.COMMUNITY: Phase.GONE_CONTAINERS,
    Kind.COLLECTION: Phase.GONE_CONTAINERS,
    Kind.ITEM: Phase.GONE_ITEMS,
    Kind.TOMBSTONE: Phase.NOTHING,
}


class Work(NamedTuple):
    """One object that is to be brought to its event. `before` is what the books say of it."""

    phase: Phase
    position: Position
    uuid: Uuid
    kind: Kind
    event: Event
    before: Standing | None = None

    @property
    def gone(self) -> bool:
        """Whether the object is to be deleted."""
        return self.event.type is Type.DELETE

    @property
    def parent(self) -> Uuid | None:
        """The container that has to be there before it, None if the site is."""
        return self.event.parents[0] if self.event.parents and not self.gone else None


def container_of_role(name: str | None) -> Uuid | None:
    """The community or collection whose role a group of that name holds."""
    found = _OF_ROLES.fullmatch(name or "")
    return found[1] if found else None


def plan(
    entries: Iterable[Entry], standings: Mapping[Uuid, Standing], *, again: bool = False
) -> tuple[list[Work], int]:
    """What those events come to, in order, and how many of the objects stand there already. `again`: also those."""
    last = {entry.event.uuid: entry for entry in entries}
    works, old = [], 0
    for entry in last.values():
        event, before = entry.event, standings.get(entry.event.uuid)
        if before is not None and before.position >= entry.position and not again:
            old += 1
            continue
        phase = _GONE[event.kind] if event.type is Type.DELETE else _PUT[event.kind]
        works.append(Work(phase, entry.position, event.uuid, event.kind, event, before))
    return ordered(works), old


def ordered(works: Sequence[Work]) -> list[Work]:
    """Sorted by phase; communities by their depth (deepest first where they go), everything else as in the log."""
    parents = {work.uuid: work.parent for work in works}

    def depth(uuid: Uuid | None) -> int:
        steps, seen = 0, set()
        while uuid is not None and uuid in parents and uuid not in seen:
            seen.add(uuid)
            uuid, steps = parents[uuid], steps + 1
        return steps

    return sorted(works, key=lambda work: (work.phase, 0 if work.gone else depth(work.uuid), work.position))
