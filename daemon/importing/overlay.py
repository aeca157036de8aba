"""What was put into a destination and is not written yet, so that it counts as there.

Invariant: a question is answered from here first. After `written` nothing is left; in a dry run, where nothing is ever
written, containers, people and groups stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from daemon.importing.destination import Opener
from events.aip.model import Aip, Kind, Uuid
from events.aip.parts import parts


class Put(NamedTuple):
    """Objects that are written together, and what opens their contents."""

    aips: list[Aip]
    opener: Opener

    @property
    def uuid(self) -> Uuid:
        """What it is known by."""
        return self.aips[-1].uuid


class Overlay:
    """The puts, and their objects by all that they may be asked for."""

    def __init__(self) -> None:
        self.puts: list[Put] = []
        self.aips: dict[Uuid, Aip] = {}
        self.handles: dict[str, tuple[Kind, Uuid]] = {}
        self.groups: dict[str, Uuid] = {}
        self.people: dict[str, Uuid] = {}
        self.parts: dict[Uuid, Uuid] = {}

    def add(self, aips: Sequence[Aip], opener: Opener) -> None:
        """One put more."""
        self.puts.append(Put(list(aips), opener))
        self._index(aips)

    def _index(self, aips: Iterable[Aip]) -> None:
        for aip in aips:
            if aip.kind is Kind.REGISTRY:
                continue
            self.aips[aip.uuid] = aip
            self.parts |= dict.fromkeys(parts(aip), aip.uuid)
            if aip.handle and aip.kind is not Kind.SITE:
                self.handles[aip.handle] = (aip.kind, aip.uuid)
            if aip.group and aip.group.name:
                self.groups[aip.group.name] = aip.uuid
            if aip.person:
                if aip.person.email:
                    self.people[aip.person.email.lower()] = aip.uuid
                if aip.person.netid:
                    self.people.setdefault(aip.person.netid, aip.uuid)

    def written(self, *, pretended: bool = False) -> list[Put]:
        """Take the puts out. `pretended`: nothing was written, so the few that others refer to stay."""
        puts, self.puts = self.puts, []
        kept = [aip for aip in self.aips.values() if aip.kind is not Kind.ITEM] if pretended else []
        for index in (self.aips, self.handles, self.groups, self.people, self.parts):
            index.clear()
        self._index(kept)
        return puts
