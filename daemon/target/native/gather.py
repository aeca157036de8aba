"""The objects of a batch as rows of the staged tables, with the target's names. Pure but for the `Resolver`'s tables.

Invariants:

* A part (bundle, bitstream, logo, template item) that several objects of the batch list is staged once, as the last of
  them has it.
* An object writes to itself and its parts only: a row about anything else makes its document an invalid one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from daemon.dspace.facets import Options
from daemon.losses import Loss
from daemon.target.native.between import gather_relations, gather_versions
from daemon.target.native.resolve import Resolver
from daemon.target.native.stage import Stage
from events.aip.model import Aip, Kind, Uuid
from events.errors import InvalidAip

BITSTREAM, BUNDLE, ITEM, COLLECTION, COMMUNITY, SITE, GROUP, PERSON = range(8)
"""DSpace's constants for `resource_type_id` (dspace-database §1.4)."""

_TYPES: Final = {
    Kind.ITEM: ITEM,
    Kind.COLLECTION: COLLECTION,
    Kind.COMMUNITY: COMMUNITY,
    Kind.SITE: SITE,
    Kind.GROUP: GROUP,
    Kind.PERSON: PERSON,
}

PUBLIC: Final = 0
"""The security level that says no more than none does (`metadatavalue.security_level`, DSpace 10)."""


def parts(aip: Aip) -> dict[Uuid, int]:
    """The object and its parts with DSpace's constant of what each is."""
    if aip.kind not in _TYPES:
        return {}
    found = {aip.uuid: _TYPES[aip.kind]}
    found |= {row.uuid: ITEM for row in aip.items}
    found |= {row.uuid: BUNDLE for row in aip.bundles}
    found |= {row.uuid: BITSTREAM for row in aip.bitstreams}
    return found


def check(aip: Aip) -> None:
    """Raise InvalidAip if a row of the document is about anything but the object and its parts."""
    own = {aip.uuid, aip.collection.template if aip.collection else aip.uuid}
    bundles, bitstreams = {row.uuid for row in aip.bundles}, {row.uuid for row in aip.bitstreams}
    of_it = (aip.parents, aip.roles, aip.harvest_source, aip.harvested, aip.drafts, aip.workflow, aip.tasks)
    subjects = {row.subject for rows in of_it for row in rows} - {aip.uuid}
    subjects |= {row.uuid for row in aip.items} - own | {row.subject for row in aip.bundles} - own
    subjects |= {row.bundle for row in aip.placed} - bundles | {row.bitstream for row in aip.placed} - bitstreams
    if aip.kind in _TYPES:
        of_parts = (aip.values, aip.policies, aip.handles, aip.dois, aip.subscriptions)
        subjects |= {row.subject for rows in of_parts for row in rows} - parts(aip).keys()
    for owner in (aip.community, aip.collection):
        if owner is not None and owner.logo is not None and owner.logo not in bitstreams:
            subjects.add(owner.logo)
    if subjects:
        raise InvalidAip(f"{aip.kind} {aip.uuid} has a row of {min(subjects)}, which is no part of it")


class Gatherer:
    """Turns objects into staged rows. `losses` are what this target has no place for."""

    def __init__(self, stage: Stage, names: Resolver, options: Options, internal_ids: Mapping[Uuid, str]) -> None:
        self.stage = stage
        self.names = names
        self.options = options
        self.internal_ids = internal_ids
        self.losses: list[Loss] = []
        self._subscriptions_staged = 0

    def gather(self, puts: Sequence[Aip]) -> None:
        """Stage all of them. Raises InvalidAip, and UnknownField through `Resolver.complain`."""
        claims: dict[Uuid, int] = {}
        types: list[dict[Uuid, int]] = []
        for number, aip in enumerate(puts):
            check(aip)
            types.append(parts(aip))
            claims |= dict.fromkeys(types[-1], number)
        for number, aip in enumerate(puts):
            own = {uuid: type_ for uuid, type_ in types[number].items() if claims[uuid] == number}
            for uuid, type_ in own.items():
                self.stage.add("put_subject", self.names.uuid(uuid), type_)
            self._itself(aip)
            self._structure(aip, own)
            self._common(aip, own)
            self._submission(aip)
        gather_relations(puts, self.stage, self.names)
        gather_versions(puts, self.stage, self.names)
        self.names.complain()

    # --- the object itself -----------------------------------------------------------------------------------------

    def _itself(self, aip: Aip) -> None:
        add, names = self.stage.add, self.names
        target = names.uuid(aip.uuid)
        if person := aip.person:
            add(
                "put_person",
                target,
                person.legacy_id,
                person.email,
                person.netid,
                person.can_log_in,
                person.require_certificate,
                person.self_registered,
                person.sub_frequency,
                person.password,
                person.salt,
                person.digest_algorithm,
            )
        elif group := aip.group:
            add("put_group", target, group.legacy_id, group.name, group.permanent)
        elif community := aip.community:
            add(
                "put_community",
                target,
                community.legacy_id,
                names.reference(aip.uuid, "group", community.admin),
                community.logo,
            )
        elif collection := aip.collection:
            add(
                "put_collection",
                target,
                collection.legacy_id,
                names.reference(aip.uuid, "group", collection.submitters),
                names.reference(aip.uuid, "group", collection.admin),
                collection.template,
                collection.logo,
            )
        elif tombstone := aip.tombstone:
            add(
                "put_tombstone",
                tombstone.scheme,
                tombstone.identifier,
                tombstone.type,
                tombstone.legacy_id,
                tombstone.status,
            )
        for row in aip.persons_in:
            if other := names.reference(aip.uuid, "person", row.other):
                add("put_person_in", target, other)
        for row in aip.groups_in:
            if other := names.reference(aip.uuid, "group", row.other):
                add("put_group_in", target, other)

    # --- structure -------------------------------------------------------------------------------------------------

    def _structure(self, aip: Aip, own: Mapping[Uuid, int]) -> None:
        add, names = self.stage.add, self.names
        for item in (row for row in aip.items if row.uuid in own):
            add(
                "put_item",
                item.uuid,
                item.legacy_id,
                item.in_archive,
                item.withdrawn,
                item.discoverable,
                item.last_modified,
                names.reference(aip.uuid, "person", item.submitter),
                names.reference(aip.uuid, "collection", item.owning_collection),
            )
        into = {Kind.ITEM: "put_item_in", Kind.COLLECTION: "put_collection_in", Kind.COMMUNITY: "put_community_in"}
        for row in aip.parents:
            if other := names.reference(aip.uuid, "collection" if aip.kind is Kind.ITEM else "community", row.other):
                add(into[aip.kind], row.subject, other)
        for bundle in aip.bundles:
            add("put_bundle_in", bundle.subject, bundle.uuid)
            if bundle.uuid in own:
                primary = names.reference(aip.uuid, "bitstream", bundle.primary)
                add("put_bundle", bundle.uuid, bundle.legacy_id, primary)
        for placed in aip.placed:
            if placed.bundle in own:
                add("put_placed", placed.bundle, placed.bitstream, placed.order, placed.order_legacy)
        for bitstream in aip.bitstreams:
            if bitstream.uuid in own:
                format_id, exact = names.format(aip.uuid, bitstream.format)
                if not exact:
                    lost = f"the format {bitstream.format} of {bitstream.uuid} is not registered: Unknown was written"
                    self.losses.append(Loss(aip.uuid, aip.kind, aip.handle, "format", 1, lost))
                add(
                    "put_bitstream",
                    bitstream.uuid,
                    bitstream.legacy_id,
                    format_id,
                    bitstream.checksum,
                    bitstream.checksum_algorithm,
                    bitstream.sequence_id,
                    bitstream.size,
                    self.internal_ids.get(bitstream.uuid),
                )
        self._of_collection(aip)
        for harvested in aip.harvested:
            add("put_harvested", harvested.subject, harvested.oai_id, harvested.last_harvested)

    def _of_collection(self, aip: Aip) -> None:
        for role in aip.roles:
            if group := self.names.reference(aip.uuid, "group", role.group):
                self.stage.add("put_role", role.subject, role.role, group)
        for source in aip.harvest_source:
            self.stage.add(
                "put_harvest",
                source.subject,
                source.type,
                source.oai_source,
                source.oai_set,
                source.metadata_config,
                source.last_harvested,
            )

    # --- what any object may have ----------------------------------------------------------------------------------

    def _common(self, aip: Aip, own: Mapping[Uuid, int]) -> None:
        add, names = self.stage.add, self.names
        for value in aip.values:
            if value.subject in own and self._may_stand(aip, value.subject, value.field, value.security):
                add(
                    "put_value",
                    names.uuid(value.subject),
                    names.field(aip.uuid, value.field),
                    value.place,
                    value.text,
                    value.lang,
                    value.authority,
                    value.confidence,
                    value.security,
                )
        for policy in aip.policies:
            group = names.reference(aip.uuid, "group", policy.group)
            person = names.reference(aip.uuid, "person", policy.person)
            # A policy without one of its grantees would say something else than on the source: it waits whole.
            whole = (group is None) == (policy.group is None) and (person is None) == (policy.person is None)
            if policy.subject in own and whole:
                add(
                    "put_policy",
                    names.uuid(policy.subject),
                    own[policy.subject],
                    policy.action,
                    group,
                    person,
                    policy.start,
                    policy.end,
                    policy.name,
                    policy.type,
                    policy.description,
                )
        if aip.kind is not Kind.SITE:
            for handle in aip.handles:
                if handle.subject in own:
                    add(
                        "put_handle",
                        names.uuid(handle.subject),
                        own[handle.subject],
                        handle.handle,
                        handle.rank,
                        handle.legacy_id,
                    )
        for doi in aip.dois:
            if doi.subject in own:
                add("put_doi", names.uuid(doi.subject), own[doi.subject], doi.doi, doi.status, doi.legacy_id)
        self._subscriptions(aip, own)

    def _may_stand(self, aip: Aip, subject: Uuid, field: str, security: int | None) -> bool:
        """A restricted value is not made public on a target that cannot restrict it."""
        if security is None or self.options.security:
            return True
        done = "its level was left out" if security == PUBLIC else "it was left out, for here everybody could read it"
        lost = f"{field} of {subject} has security level {security}, which this DSpace lacks: {done}"
        self.losses.append(Loss(aip.uuid, aip.kind, aip.handle, "security", 1, lost))
        return security == PUBLIC

    def _subscriptions(self, aip: Aip, own: Mapping[Uuid, int]) -> None:
        for row in aip.subscriptions:
            person = self.names.reference(aip.uuid, "person", row.person)
            if person is None or row.subject not in own:
                continue
            number = self._subscriptions_staged = self._subscriptions_staged + 1
            self.stage.add("put_subscription", number, self.names.uuid(row.subject), person, row.type, row.parameters)
            for parameter in row.parameters.split("\n") if row.parameters else ():
                name, _, value = parameter.partition("=")
                self.stage.add("put_parameter", number, name, value)

    # --- submissions -----------------------------------------------------------------------------------------------

    def _submission(self, aip: Aip) -> None:
        add, names = self.stage.add, self.names
        for draft in aip.drafts:
            add(
                "put_draft",
                draft.subject,
                names.reference(aip.uuid, "collection", draft.collection),
                draft.multiple_titles,
                draft.published_before,
                draft.multiple_files,
                draft.stage_reached,
                draft.page_reached,
            )
        for row in aip.workflow:
            add(
                "put_workflow",
                row.subject,
                names.reference(aip.uuid, "collection", row.collection),
                row.multiple_titles,
                row.published_before,
                row.multiple_files,
            )
        for task in aip.tasks:
            person = names.reference(aip.uuid, "person", task.person)
            group = names.reference(aip.uuid, "group", task.group)
            if (person is None) == (task.person is None) and (group is None) == (task.group is None):
                add(
                    "put_task",
                    task.subject,
                    task.task,
                    task.role,
                    task.workflow,
                    task.step,
                    task.action,
                    person,
                    group,
                    task.finished,
                )
