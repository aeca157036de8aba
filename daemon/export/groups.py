"""People and groups at a moment, as the packages of containers need them: who is who, and which roles a group plays.

Stock DSpace restores a site's package first, when no container is there yet. A group that is named after a container
cannot be restored then, nor can a group be given it as a member; and a member that is not found aborts the whole run
(aip-format 4.10). So where a restore begins with the site:

* the site's package has everybody, all groups, and those memberships that name no group of a container;
* a container's package has its own groups, and once more every group that has one of them as a member, by then with all
  members that are there: those of containers that are restored before it, and its own.

Restored in the order of the containers, every membership that stock DSpace can hold is there in the end. Where it does
not begin with the site, a container's package has no groups but those of containers that are restored with it, as stock
DSpace writes it: one that is there already would stop a restore that does not replace.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import Final, NamedTuple

from msgspec.structs import replace

from daemon.export.layout import LAST, Layout
from events.aip import markup
from events.aip.model import Aip, Kind, Name, Uuid
from events.aip.names import exported

_GENERATED: Final = re.compile(
    r"(COMMUNITY|COLLECTION)_(?:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(\d+))_(.+)", re.S
)
_STEPS: Final = {"reviewer": "WORKFLOW_STEP_1", "editor": "WORKFLOW_STEP_2", "finaleditor": "WORKFLOW_STEP_3"}
"""The roles of DSpace's default workflow, as DSPACE-ROLES calls them."""


class _Own(NamedTuple):
    """That a group is named after a container, by its UUID or, before DSpace 6, by its number."""

    container: Uuid
    kind: str
    rest: str


class Groups:
    """All groups of a moment, held in memory (a site has thousands, not millions), and people by their UUIDs."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.moment = layout.moment
        self._emails: dict[Uuid, str | None] = {}

    @cached_property
    def all(self) -> dict[Uuid, Aip]:
        """Every group that has a name, by UUID."""
        found = self.moment.aips(head.uuid for head in self.moment.of(Kind.GROUP))
        return {aip.uuid: aip for aip in found if aip.group is not None and aip.group.name}

    @cached_property
    def _numbered(self) -> dict[tuple[str, int], Uuid]:
        """The containers by the numbers that they had before DSpace 6."""
        found = {}
        if any((parts := _GENERATED.fullmatch(_name(aip))) and parts[3] for aip in self.all.values()):
            for aip in self.moment.aips(head.uuid for head in self.moment.of(Kind.COMMUNITY, Kind.COLLECTION)):
                row = aip.community or aip.collection
                if row is not None and row.legacy_id is not None:
                    found[aip.kind.value.upper(), row.legacy_id] = aip.uuid
        return found

    @cached_property
    def owners(self) -> dict[Uuid, _Own]:
        """The groups that are named after a container that is there."""
        found = {}
        for uuid, aip in self.all.items():
            parts = _GENERATED.fullmatch(_name(aip))
            if parts is not None:
                container = parts[2] or self._numbered.get((parts[1], int(parts[3])))
                if container in self.moment.heads:
                    found[uuid] = _Own(container, parts[1], parts[4])
        return found

    @cached_property
    def called(self) -> dict[Uuid, str]:
        """How stock packages name the groups: those of a container after its handle, the others as they are."""
        found = {}
        for uuid, aip in self.all.items():
            name, own = _name(aip), self.owners.get(uuid)
            if own is not None:
                handle = self.moment.heads[own.container].handle
                whole = f"{own.kind}_{own.container}_{own.rest}"
                spelled = exported(whole, {own.container: handle} if handle else {})
                name = name if spelled == whole else spelled
            if markup.holds(name):
                found[uuid] = name
        often = {name for name, count in Counter(found.values()).items() if count > 1}
        return {uuid: _name(self.all[uuid]) if name in often else name for uuid, name in found.items()}

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
            return _name(group)
        if uuid not in self._emails:
            head = self.moment.heads.get(uuid)
            person = self.moment.aip(uuid) if head is not None and head.kind is Kind.PERSON else None
            self._emails[uuid] = person.person.email if person is not None and person.person else None
        return self._emails[uuid]

    def later(self, group: Uuid, rank: int) -> bool:
        """Whether a group is of a container that a recursive restore makes only after that rank."""
        own = self.owners.get(group)
        return own is not None and self.layout.ranks.get(own.container, -1) > rank

    def of_site(self, *, passwords: bool, notes: list[str]) -> list[Aip]:
        """Everybody, and every group with the members that are there. `notes` gets what no package of the site has."""
        people, nameless = [], 0
        for aip in self.moment.aips(head.uuid for head in self.moment.of(Kind.PERSON)):
            row = aip.person
            if row is None or not (row.email or row.netid):
                nameless += 1
                continue
            self._emails[aip.uuid] = row.email
            people.append(
                aip if passwords else replace(aip, person=replace(row, password=None, salt=None, digest_algorithm=None))
            )
        if nameless:
            notes.append(
                f"{some(nameless, 'person', 'people')} without an e-mail address and a netid not in the package"
            )
        groups = []
        for uuid, aip in self.all.items():
            if "hdl:" in self.called.get(uuid, "") or not (self.layout.from_site and self.later(uuid, 0)):
                groups.append(self._with(aip, 0))
        lost = sum(not self.name(row.other) for aip in self.all.values() for row in aip.persons_in)
        if lost:
            notes.append(f"{some(lost, 'membership')} of people without an e-mail address not in the packages")
        unnamed = sum(1 for _ in self.moment.of(Kind.GROUP)) - len(self.called)
        if unnamed:
            notes.append(f"{some(unnamed, 'group')} without a name that XML can hold not in the package")
        return groups + people

    def of_container(self, aip: Aip) -> tuple[list[Aip], dict[Uuid, str]]:
        """The groups for a container's package, its own first, then those that hold them; the roles that they play."""
        types = roles_of(aip)
        own = (
            set(types) | {uuid for uuid, each in self.owners.items() if each.container == aip.uuid}
        ) & self.all.keys()
        rank = self.layout.ranks.get(aip.uuid, LAST)
        holders = {group for group in self._around(own) if self._comes_along(group) and not self.later(group, rank)}
        return [self._with(self.all[group], rank) for group in (*sorted(own), *sorted(holders))], types

    def apart(self, aip: Aip) -> int:
        """How many groups have groups of that container as members, without being restored together with it."""
        own = {uuid for uuid, each in self.owners.items() if each.container == aip.uuid}
        return sum(not self._comes_along(group) for group in self._around(own))

    def _around(self, own: set[Uuid]) -> set[Uuid]:
        return set().union(*(self._holders.get(group, set()) for group in own)) - own

    def _comes_along(self, group: Uuid) -> bool:
        own = self.owners.get(group)
        return self.layout.from_site or (own is not None and own.container in self.layout.ranks)

    def _with(self, aip: Aip, rank: int) -> Aip:
        """A group with those of its members that have a name and are there at that rank of a restore."""
        kept = [row for row in aip.groups_in if row.other in self.called and not self.later(row.other, rank)]
        people = [row for row in aip.persons_in if self.name(row.other)]
        named = [Name(row.other, Kind.PERSON, self.name(row.other)) for row in people]
        return replace(aip, groups_in=kept, persons_in=people, names=named)


def _name(aip: Aip) -> str:
    return (aip.group.name if aip.group else None) or ""


def some(count: int, one: str, many: str = "") -> str:
    """`1 group`, `2 groups`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


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
