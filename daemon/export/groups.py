"""People and groups at a moment, as the packages of containers need them: who is who, and which roles a group plays.

Stock DSpace restores a site's package first, when no container is there yet. A group that is named after a container
cannot be restored then, nor can a group be given it as a member; and a member that is not found aborts the whole run
(aip-format 4.10). So:

* the site's package has everybody, all groups, and those memberships that name no group of a container;
* a container's package has its own groups, and once more every group that has one of them as a member, by then with all
  members that are there: those of containers that are restored before it, and its own.

Restored in the order of the containers, every membership that stock DSpace can hold is there in the end.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property
from typing import Final

from msgspec.structs import replace

from daemon.export.moment import Moment
from events.aip.model import Aip, Kind, Name, Uuid

_GENERATED: Final = re.compile(r"(COMMUNITY|COLLECTION|ITEM)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_.+", re.S)
_STEPS: Final = {"reviewer": "WORKFLOW_STEP_1", "editor": "WORKFLOW_STEP_2", "finaleditor": "WORKFLOW_STEP_3"}
"""The roles of DSpace's default workflow, as DSPACE-ROLES calls them."""


class Groups:
    """All groups of a moment, held in memory (a site has thousands, not millions), and people by their UUIDs."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self._emails: dict[Uuid, str | None] = {}

    @cached_property
    def all(self) -> dict[Uuid, Aip]:
        """Every group, by UUID."""
        return {aip.uuid: aip for aip in self.moment.aips(head.uuid for head in self.moment.of(Kind.GROUP))}

    @cached_property
    def container_of(self) -> dict[Uuid, Uuid]:
        """For each group that is named after a container that is there, that container."""
        found = {}
        for uuid, aip in self.all.items():
            parts = _GENERATED.fullmatch((aip.group.name if aip.group else None) or "")
            if parts is not None and parts[2] in self.moment.heads:
                found[uuid] = parts[2]
        return found

    @cached_property
    def _holders(self) -> dict[Uuid, set[Uuid]]:
        holders: dict[Uuid, set[Uuid]] = {}
        for uuid, aip in self.all.items():
            for row in aip.groups_in:
                holders.setdefault(row.other, set()).add(uuid)
        return holders

    def name(self, uuid: Uuid) -> str | None:
        """The name of a group, or the e-mail address of a person, at that moment."""
        group = self.all.get(uuid)
        if group is not None:
            return group.group.name if group.group else None
        if uuid not in self._emails:
            head = self.moment.heads.get(uuid)
            person = self.moment.aip(uuid) if head is not None and head.kind is Kind.PERSON else None
            self._emails[uuid] = person.person.email if person is not None and person.person else None
        return self._emails[uuid]

    def of_site(self, *, passwords: bool, there: frozenset[Uuid] = frozenset()) -> list[Aip]:
        """Everybody, and every group with the members that are there while only the containers in `there` are."""
        people = [self._person(aip, passwords) for aip in self.moment.aips(h.uuid for h in self.moment.of(Kind.PERSON))]
        return [self._with(aip, there) for aip in self.all.values()] + people

    def of_container(self, aip: Aip, before: Collection[Uuid]) -> tuple[list[Aip], dict[Uuid, str]]:
        """The groups for a container's package, and the roles that they play on it.

        `before` are the containers that are restored before it. Of its own groups first, then those that hold them.
        """
        types = roles_of(aip)
        own = set(types) | {group for group, container in self.container_of.items() if container == aip.uuid}
        own &= self.all.keys()
        there = frozenset({*before, aip.uuid})
        holders = set().union(*(self._holders.get(group, set()) for group in own)) - own
        holders = {group for group in holders if self.container_of.get(group, aip.uuid) in there}
        found = [self._with(self.all[group], there) for group in (*sorted(own), *sorted(holders))]
        return found, types

    def _with(self, aip: Aip, there: frozenset[Uuid]) -> Aip:
        """A group with those of its member groups that belong to no container, or to one that is there."""
        kept = [row for row in aip.groups_in if row.other in self.all and self._is_there(row.other, there)]
        people = [row for row in aip.persons_in if self.name(row.other)]
        named = [Name(row.other, Kind.GROUP, self.name(row.other)) for row in kept]
        named += [Name(row.other, Kind.PERSON, self.name(row.other)) for row in people]
        return replace(
            aip, groups_in=kept, persons_in=people, names=named + self.handles(aip.uuid, *(r.other for r in kept))
        )

    def _is_there(self, group: Uuid, there: Collection[Uuid]) -> bool:
        container = self.container_of.get(group)
        return container is None or container in there

    def handles(self, *groups: Uuid) -> list[Name]:
        """The handles of the containers after which those groups are named, by which stock DSpace names the groups."""
        found = []
        for group in groups:
            head = self.moment.heads.get(self.container_of.get(group, ""))
            if head is not None and head.handle:
                found.append(Name(head.uuid, head.kind, head.handle))
        return list(dict.fromkeys(found))

    @staticmethod
    def _person(aip: Aip, passwords: bool) -> Aip:
        row = aip.person
        if passwords or row is None:
            return aip
        return replace(aip, person=replace(row, password=None, salt=None, digest_algorithm=None))


def roles_of(aip: Aip) -> dict[Uuid, str]:
    """For each group that plays a role of that container which DSPACE-ROLES has a word for, that word."""
    found: dict[Uuid, str] = {}
    if aip.collection is not None:
        for row in aip.roles:
            if row.role in _STEPS:
                found[row.group] = _STEPS[row.role]
        if aip.collection.submitters:
            found[aip.collection.submitters] = "SUBMIT"
        if aip.collection.admin:
            found[aip.collection.admin] = "ADMIN"
    if aip.community is not None and aip.community.admin:
        found[aip.community.admin] = "ADMIN"
    return found
