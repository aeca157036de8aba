"""What an object gives up, and what it gets, on its way from a package to here. Pure.

Invariant: what is left out and was worth something is noted in words, or the package is refused; never in silence.
"""

from __future__ import annotations

import re
import uuid as uuids
from typing import Any, Final

from msgspec.structs import replace

from events.aip.model import Aip, HandleRow, Kind, Policy, Stored, Uuid, Value
from events.aip.rights import ADMINISTRATOR
from events.errors import NameUnknown
from events.package import Package

_URI: Final = "dc.identifier.uri"
_READ: Final = 0


def filed(aip: Aip) -> list[Stored]:
    """Where each file is to lie: one that does not say it gets an id of its own, always the same."""
    said = {row.uuid: row for row in aip.stored}
    rows = [said.get(row.uuid) or Stored(row.uuid, None, 0) for row in aip.bitstreams]
    return [replace(row, internal_id=row.internal_id or str(uuids.UUID(row.uuid).int | 1 << 126)) for row in rows]


def without(package: Package, aip: Aip, lacking: dict[Uuid, str], notes: list[str]) -> Aip:
    """The object without what it can do without and is not here. Raises NameUnknown for all else."""
    if not lacking:
        return aip
    changed: dict[str, Any] = {}

    def refuse(what: str, uuid: Uuid | None) -> None:
        if uuid in lacking:
            raise NameUnknown(f"{package.path}: {what} {lacking[uuid]!r}, which is not there")

    policies: list[Policy] = []
    for row in aip.policies:
        if row.group in lacking and lacking[row.group or ""] == ADMINISTRATOR:
            continue  # who may do everything needs no policy
        refuse("a policy names the group", row.group)
        refuse("a policy names the person", row.person)
        policies.append(row)
    changed["policies"] = policies
    for role in aip.roles:
        refuse(f"the workflow role {role.role!r} is that of the group", role.group)
    if aip.community:
        refuse("its administrators are the group", aip.community.admin)
    if aip.collection:
        refuse("its administrators are the group", aip.collection.admin)
        refuse("its submitters are the group", aip.collection.submitters)
    changed["items"] = []
    for item in aip.items:
        if item.submitter in lacking:
            notes.append(f"submitter {lacking[item.submitter or '']} is not there: left out")
            item = replace(item, submitter=None)
        changed["items"].append(item)
    notes += [f"not in {lacking[row.other]}, which is not there" for row in aip.parents if row.other in lacking]
    changed["parents"] = [row for row in aip.parents if row.other not in lacking]
    changed["versions"] = [replace(row, person=None) if row.person in lacking else row for row in aip.versions]
    changed["subscriptions"] = [row for row in aip.subscriptions if row.person not in lacking]
    changed["drafts"] = [row for row in aip.drafts if row.collection not in lacking]
    changed["workflow"] = [row for row in aip.workflow if row.collection not in lacking]
    changed["tasks"] = [row for row in aip.tasks if row.person not in lacking and row.group not in lacking]
    for name in ("subscriptions", "drafts", "workflow", "tasks"):
        lost = len(getattr(aip, name)) - len(changed[name])
        if lost:
            notes.append(f"{lost} {name}: who or what they name is not there")
    return replace(aip, **changed)


def a_copy(aip: Aip, notes: list[str]) -> Aip:
    """The object as another one: without what only one object can have."""
    for name, what in (("dois", "DOIs"), ("versions", "version history"), ("relations", "relationships")):
        if getattr(aip, name):
            notes.append(f"{what} of the original: not of a copy")
    items = [
        replace(row, in_archive=not row.withdrawn, legacy_id=None)
        if row.uuid == aip.uuid
        else replace(row, legacy_id=None)
        for row in aip.items
    ]
    return replace(
        aip,
        items=items,
        dois=[],
        versions=[],
        relations=[],
        subscriptions=[],
        harvested=[],
        drafts=[],
        workflow=[],
        tasks=[],
        handles=[replace(row, legacy_id=None) for row in aip.handles if row.rank == 0],
        bundles=[replace(row, legacy_id=None) for row in aip.bundles],
        bitstreams=[replace(row, legacy_id=None) for row in aip.bitstreams],
        stored=[replace(row, internal_id=None) for row in aip.stored],
        community=replace(aip.community, legacy_id=None) if aip.community else None,
        collection=replace(aip.collection, legacy_id=None) if aip.collection else None,
    )


def under_handle(aip: Aip, old: str | None, handle: str) -> Aip:
    """The object under a new handle, also in its identifiers."""

    def renewed(row: Value) -> Value:
        if row.field != _URI or row.subject != aip.uuid or not old or not (row.text or "").endswith(old):
            return row
        return replace(row, text=(row.text or "").removesuffix(old) + handle)

    return replace(aip, handles=[HandleRow(aip.uuid, handle, 0)], values=[renewed(row) for row in aip.values])


def with_times(aip: Aip, modified: str | None, now: str, *, anew: bool) -> Aip:
    """An item that was last modified at some time: DSpace's own code takes that for granted."""
    if aip.kind is not Kind.ITEM:
        return aip
    said = (
        f"{modified[:19]}.000000Z" if modified and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", modified) else now
    )
    items = [
        replace(row, last_modified=now if anew else row.last_modified or said) if row.uuid == aip.uuid else row
        for row in aip.items
    ]
    return replace(aip, items=items)


def with_policies(package: Package, aip: Aip) -> Aip:
    """A new object with policies where its package has no words for them: a logo is read by whoever reads its
    container, and so is a bundle of a bag with its item.
    """
    if package.whole:
        return aip
    parts_ = {row.logo for row in (aip.community, aip.collection) if row and row.logo}
    parts_ |= {row.uuid for row in aip.bundles} if package.form == "bag" else set()
    spoken = {row.subject for row in aip.policies}
    readers = [row for row in aip.policies if row.subject == aip.uuid and row.action == _READ]
    more = [replace(row, subject=part) for part in sorted(parts_ - spoken) for row in readers]
    return replace(aip, policies=aip.policies + more)
