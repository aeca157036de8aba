"""A package as the object that is to be written: names turned into UUIDs, what is new given its own.

Invariants:

* An object that leaves here refers only to what is there, or comes before it. What it refers to and is not there is
  refused by name, or, where DSpace can do without, left out and noted: never written as it stands.
* Nothing is written here; the same package and the same destination give the same object (but for mode submit).
"""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec.structs import replace

from daemon.export.bundles import filtered
from daemon.importing import documents, formats
from daemon.importing.adapted import a_copy, filed, under_handle, with_policies, with_times, without
from daemon.importing.destination import Known
from daemon.importing.merged import merged, same
from daemon.importing.names import Names
from daemon.importing.options import Mode, Options
from daemon.importing.people import Account, Accounts
from daemon.importing.recognised import same_parts
from daemon.importing.refusals import Contradiction, ParentMissing, ParentRefused
from daemon.importing.renamed import renamed
from daemon.target.native.resolve import references
from events.aip.model import (
    Aip,
    Kind,
    Member,
    Uuid,
    derived_uuid,
)
from events.aip.parts import parts
from events.errors import AlreadyThere
from events.package import Package

Action = Literal["create", "replace", "unchanged", "keep", "skip"]

FAR: Final = {"group": Kind.GROUP, "person": Kind.PERSON, "community": Kind.COMMUNITY, "collection": Kind.COLLECTION}


@dataclass
class Plan:
    """What becomes of one object. `origin` says of each file which one of the package it is."""

    action: Action
    kind: Kind
    uuid: Uuid
    handle: str | None
    aip: Aip | None = None
    present: Aip | None = None
    registries: list[Aip] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    origin: dict[Uuid, Uuid] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Resolver(Names):
    """Resolves the packages of one run, one after the other."""

    def __init__(self, known: Known, options: Options, now: str) -> None:
        super().__init__(known, options, now)
        self.accounts = Accounts(self)

    # --- one object -----------------------------------------------------------------------------------------------

    def plan(self, package: Package, mint: Any) -> Plan:  # noqa: ANN401 - a function without arguments that gives a handle
        """What becomes of the object of that package. Raises whatever it is refused for.

        `mint` gives a new handle; it is only asked when one is needed.
        """
        incoming = package.aip
        assert incoming is not None  # noqa: S101 - the caller deals with packages that have no object
        if incoming.kind in (Kind.REGISTRY, Kind.TOMBSTONE):
            plan = Plan("create", incoming.kind, incoming.uuid, incoming.key, present=self.known.aip(incoming.uuid))
            documents.decide(plan, self.known, package, incoming, self.options.mode)
            return plan
        if incoming.kind is Kind.SITE:
            return self._site(package, incoming)
        if self.options.mode is Mode.SUBMIT:
            return self._created(package, incoming, mint)
        there = self._there(package, incoming)
        if there is None:
            return self._created(package, incoming, mint)
        if self.options.mode is Mode.KEEP:
            self.register(incoming, there)
            return Plan("keep", incoming.kind, there, incoming.handle)
        return self._replaced(package, incoming, there)

    def _there(self, package: Package, incoming: Aip) -> Uuid | None:
        """The object that the package is about, if it is there: by handle and UUID, which must not disagree."""
        what = f"{package.path}: {incoming.kind} {incoming.handle or incoming.uuid}"
        holder = self.known.holder(incoming.handle) if incoming.handle and not self.options.new_handle else None
        kind = None if package.anonymous else self.known.kind_of(incoming.uuid)
        if holder and holder[0] is not incoming.kind:
            raise Contradiction(f"{what}: that handle is of a {holder[0]} there")
        if kind is not None and kind is not incoming.kind:
            raise Contradiction(f"{what}: the UUID {incoming.uuid} is of a {kind} there")
        if holder and kind and holder[1] != incoming.uuid:
            raise Contradiction(
                f"{what}: that handle is of {holder[1]} there, while {incoming.uuid} is of another object"
            )
        if kind and not holder and incoming.handle and not self.options.new_handle:
            present = self.known.aip(incoming.uuid)
            if present is not None and present.handle not in (None, incoming.handle):
                raise Contradiction(f"{what}: the object of that UUID has the handle {present.handle} there")
        return holder[1] if holder else incoming.uuid if kind else None

    def _site(self, package: Package, incoming: Aip) -> Plan:
        """Of a site only its people and groups are imported, unless the package says everything."""
        site = self.known.site()
        self.objects[incoming.uuid] = site or incoming.uuid
        plan = Plan("keep", Kind.SITE, site or incoming.uuid, incoming.handle)
        if not package.whole or (site is not None and self.options.mode is not Mode.REPLACE):
            return plan
        aip = self._settled(package, incoming, {incoming.uuid: plan.uuid}, plan)
        aip = replace(aip, handles=[])
        plan.present = self.known.aip(site) if site else None
        if plan.present is not None:
            aip = replace(aip, handles=plan.present.handles)
            plan.action = "unchanged" if same(aip, plan.present) else "replace"
        else:
            plan.action = "create"
            aip = replace(aip, handles=incoming.handles)
        plan.aip = aip
        return plan

    def _created(self, package: Package, incoming: Aip, mint: Any) -> Plan:  # noqa: ANN401
        submit = self.options.mode is Mode.SUBMIT
        owner = self._owner(package, incoming)
        incoming = filtered(incoming, self.options.bundles)
        mapping = self._new_names(incoming, owner) if submit else self._free_names(incoming)
        uuid = mapping.get(incoming.uuid, incoming.uuid)
        plan = Plan("create", incoming.kind, uuid, incoming.handle)
        if submit and self.options.once and self.known.kind_of(uuid):
            plan.action = "unchanged"
            self.register(incoming, uuid)
            present = self.known.aip(uuid)
            plan.handle = present.handle if present else None
            return plan
        if submit:
            incoming = a_copy(incoming, plan.notes)
        incoming = self._placed(incoming, owner)
        aip = self._settled(package, incoming, mapping, plan)
        aip = with_policies(package, aip)
        if self.options.new_handle:
            handle = mint()
            aip = under_handle(aip, plan.handle, handle)
            plan.handle = handle
        if self.options.use_collection_template and aip.kind is Kind.ITEM:
            aip = self._with_template(aip)
        plan.aip = with_times(aip, package.modified, self.now, anew=submit)
        return plan

    def _replaced(self, package: Package, incoming: Aip, there: Uuid) -> Plan:
        present = self.known.aip(there)
        if present is None:
            raise Contradiction(f"{package.path}: {incoming.kind} {there} is there, but is being submitted or reviewed")
        plan = Plan("replace", incoming.kind, there, present.handle, present=present)
        incoming = filtered(incoming, self.options.bundles)
        if package.whole:
            incoming = self._placed(incoming, self._owner(package, incoming))
        mapping = {incoming.uuid: there}
        incoming = self._settled(package, incoming, mapping, plan)
        exchange = same_parts(present, incoming)
        incoming = renamed(incoming, exchange)
        plan.origin = {exchange.get(uuid, uuid): origin for uuid, origin in plan.origin.items()}
        taken = self.known.taken(parts(incoming), there)
        others = {uuid: derived_uuid(f"import/{there}/{uuid}") for uuid in taken}
        incoming = renamed(incoming, others)
        plan.origin = {others.get(uuid, uuid): origin for uuid, origin in plan.origin.items()}
        silent = {row.uuid for row in incoming.bundles} if package.form == "bag" else set()
        after = merged(
            present, incoming, whole=package.whole, now=self.now, bundles=self.options.bundles, silent=silent
        )
        if same(after, present):
            plan.action = "unchanged"
        elif self.options.mode is Mode.RESTORE:
            raise AlreadyThere(f"{package.path}: {incoming.kind} {present.handle or there} is there, and is different")
        plan.aip = after
        return plan

    # --- identity -------------------------------------------------------------------------------------------------

    def _new_names(self, aip: Aip, owner: Uuid | None) -> dict[Uuid, Uuid]:
        """New UUIDs for the object and its parts; with `once` always the same for the same package and place."""

        def new(old: Uuid) -> Uuid:
            return derived_uuid(f"submitted/{owner}/{old}") if self.options.once else str(uuids.uuid4())

        return {old: new(old) for old in (aip.uuid, *parts(aip))}

    def _free_names(self, aip: Aip) -> dict[Uuid, Uuid]:
        """Other UUIDs for parts whose own are of something else here."""
        return {uuid: derived_uuid(f"import/{aip.uuid}/{uuid}") for uuid in self.known.taken(parts(aip), aip.uuid)}

    # --- the container --------------------------------------------------------------------------------------------

    def _owner(self, package: Package, aip: Aip) -> Uuid | None:
        """The container of the object; None for a community at the top. Raises ParentMissing."""
        above: tuple[Kind, ...] = (Kind.COLLECTION,) if aip.kind is Kind.ITEM else (Kind.COMMUNITY,)
        above += (Kind.SITE,) if aip.kind is Kind.COMMUNITY else ()
        handle = package.parent
        if self.options.given_parent and handle not in self.listed:
            handle = self.options.given_parent
            if handle.lower() == "site" and aip.kind is Kind.COMMUNITY:
                return None
        elif uuid := self._said_owner(aip):
            return uuid
        elif aip.kind is Kind.COMMUNITY and (handle is None or handle.endswith("/0")):
            return None
        what = f"{package.path}: {aip.kind} {aip.handle or aip.uuid}"
        if handle is None:
            raise ParentMissing(f"{what} does not say what it belongs to")
        found = self.container(handle)
        if found is None and handle in self.refused:
            raise ParentRefused(f"{what} waits for {handle}, which was refused")
        if found is None:
            raise ParentMissing(f"{what} belongs to {handle}, which is not there")
        if found[0] not in above:
            raise ParentMissing(f"{what} cannot be in {handle}, which is a {found[0]}")
        return None if found[0] is Kind.SITE else found[1]

    def _said_owner(self, aip: Aip) -> Uuid | None:
        """The owner by the UUID that the package has, if that is here."""
        own = [row.owning_collection for row in aip.items if row.uuid == aip.uuid]
        said = own if aip.kind is Kind.ITEM else [row.other for row in aip.parents]
        kind = Kind.COLLECTION if aip.kind is Kind.ITEM else Kind.COMMUNITY
        for uuid in filter(None, said):
            here = self.objects.get(uuid, uuid)
            if self.known.kind_of(here) is kind:
                return here
        return None

    def _placed(self, aip: Aip, owner: Uuid | None) -> Aip:
        """The object in that container, first of all. Other containers that it has stay, where they are here."""
        given = self.options.given_parent
        others = list(aip.parents)
        if aip.kind is Kind.ITEM:
            old = next((row.owning_collection for row in aip.items if row.uuid == aip.uuid), None)
            others = [row for row in others if row.other not in (old, owner)]
            items = [replace(row, owning_collection=owner) if row.uuid == aip.uuid else row for row in aip.items]
            aip = replace(aip, items=items)
        elif given or owner is None:
            others = []
        else:
            others = [row for row in others if self._here(row.other, aip) != owner]
        return replace(aip, parents=([Member(aip.uuid, owner)] if owner else []) + others)

    def _here(self, uuid: Uuid, aip: Aip) -> Uuid | None:
        name = next((row.name for row in aip.names if row.uuid == uuid), None)
        return self.far(Kind.COMMUNITY, uuid, name)

    # --- everything it names --------------------------------------------------------------------------------------

    def _settled(self, package: Package, aip: Aip, mapping: dict[Uuid, Uuid], plan: Plan) -> Aip:
        """The object with this place's UUIDs, fields and formats."""
        own = {aip.uuid, *parts(aip)}
        names = {row.uuid: row.name for row in aip.names}
        lacking: dict[Uuid, str] = {}
        mapping = dict(mapping)
        if aip.kind is not Kind.SITE:
            self.register(aip, plan.uuid)  # the names of its groups have it
            plan.accounts = self.accounts.plan(package.people)
        for far, uuid in references(aip):
            if uuid is None or uuid in own or far not in FAR or uuid in mapping or uuid in lacking:
                continue
            here = self.far(FAR[far], uuid, names.get(uuid))
            if here is None:
                lacking[uuid] = names.get(uuid) or uuid
            elif here != uuid:
                mapping[uuid] = here
        aip = without(package, aip, lacking, plan.notes)
        nothing = [row for row in aip.policies if row.action < 0]
        if nothing:
            plan.notes.append(f"{len(nothing)} policies that permit nothing that METSRIGHTS has words for")
            aip = replace(aip, policies=[row for row in aip.policies if row.action >= 0])
        plan.registries += self.fields_of(aip, str(package.path))
        aip, made = formats.settled(package, aip, self.known.registry())
        plan.registries += made
        mapping |= {uuid: self.objects[uuid] for uuid in _far_items(aip) if uuid in self.objects}
        plan.origin = {mapping.get(row.uuid, row.uuid): row.uuid for row in aip.bitstreams}
        aip = renamed(aip, mapping)
        aip = replace(aip, names=[], stored=filed(aip))
        if package.related:
            plan.notes.append(f"relationships: a stock package has only traces of them ({len(package.related)})")
        return aip

    def _with_template(self, aip: Aip) -> Aip:
        """The item with the metadata of its collection's template in every field that it has not itself."""
        owner = next((row.owning_collection for row in aip.items if row.uuid == aip.uuid), None)
        collection = self.known.aip(owner) if owner else None
        template = collection.collection.template if collection and collection.collection else None
        if collection is None or template is None:
            return aip
        own = {row.field for row in aip.values if row.subject == aip.uuid}
        more = [
            replace(row, subject=aip.uuid)
            for row in collection.values
            if row.subject == template and row.field not in own
        ]
        return replace(aip, values=aip.values + more)


def _far_items(aip: Aip) -> set[Uuid]:
    return {uuid for far, uuid in references(aip) if far == "item" and uuid}
