"""The repository as the log has it at one moment: objects, who contains whom, what things are called.

Invariant: everything is read as it stood at one position, whatever is appended meanwhile. Only the structure is held
in memory (a UUID, a handle, a position and the owners of each object); documents are read when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import events.aip
from events.aip.model import KIND_ORDER, Aip, Kind, Uuid
from events.event import Position, decompress
from events.log import Log


class Head(NamedTuple):
    """One object at that moment. `parents` are its containers, the owning one first."""

    uuid: Uuid
    kind: Kind
    position: Position
    handle: str | None
    parents: tuple[Uuid, ...]


class Moment:
    """The log at one position, or at its end as of now."""

    def __init__(self, log: Log, at: Position | None = None) -> None:
        self.log = log
        self.at = log.end() if at is None else min(at, log.end())
        self._last: tuple[Uuid, Aip] | None = None
        """What was read last: most objects are asked about, then written."""

    @cached_property
    def heads(self) -> dict[Uuid, Head]:
        """Every object that is there, by UUID."""
        one: dict[Uuid, Uuid] = {}  # a collection's UUID once, not once for each of its items
        found = {}
        for position, event, _ in self.log.standing(self.at):
            parents = tuple(one.setdefault(parent, parent) for parent in event.parents)
            found[event.uuid] = Head(event.uuid, event.kind, position, event.handle, parents)
        return found

    @cached_property
    def _handles(self) -> dict[str, Uuid]:
        return {head.handle: head.uuid for head in self.heads.values() if head.handle}

    @cached_property
    def _children(self) -> dict[Uuid, list[Head]]:
        children: dict[Uuid, list[Head]] = {}
        for head in self.heads.values():
            for parent in dict.fromkeys(head.parents):
                children.setdefault(parent, []).append(head)
        for each in children.values():
            each.sort(key=lambda head: (KIND_ORDER[head.kind], head.uuid))
        return children

    def uuid(self, handle: str) -> Uuid | None:
        """The object that has that handle (preferred) at that moment."""
        return self._handles.get(handle)

    def site(self) -> Head | None:
        """The site, if the log has it."""
        return next(iter(self.of(Kind.SITE)), None)

    def of(self, *kinds: Kind) -> Iterator[Head]:
        """Every object of those kinds, sorted by UUID."""
        return (head for head in self.heads.values() if head.kind in kinds)

    def children(self, uuid: Uuid) -> list[Head]:
        """What that object contains: communities, then collections, then items (mapped ones too), by UUID.

        Of the site: the communities that no other community contains.
        """
        head = self.heads.get(uuid)
        if head is not None and head.kind is Kind.SITE:
            return [each for each in self.of(Kind.COMMUNITY) if not set(each.parents) & self.heads.keys()]
        return self._children.get(uuid, [])

    def below(self, uuid: Uuid) -> Iterator[Head]:
        """Everything in that object, each once, a container before what it contains."""
        seen = {uuid}
        waiting = [uuid]
        while waiting:
            for head in self.children(waiting.pop(0)):
                if head.uuid not in seen:
                    seen.add(head.uuid)
                    waiting.append(head.uuid)
                    yield head

    def aip(self, uuid: Uuid) -> Aip | None:
        """The object itself, None if it is not there. Raises InvalidAip, ValueError for a damaged payload."""
        if self._last is not None and self._last[0] == uuid:
            return self._last[1]
        entry = self.log.latest(uuid, self.at)
        if entry is None or not entry.event.payload:
            return None
        aip = events.aip.read(decompress(entry.event.payload))
        self._last = uuid, aip
        return aip

    def aips(self, uuids: Iterable[Uuid]) -> Iterator[Aip]:
        """Those of the objects that are there, one after the other."""
        return (aip for uuid in uuids if (aip := self.aip(uuid)) is not None)
