"""What a target has after the stock packager has restored a package of ours (aip-format 4), as rows.

What the package says is asked of those who write it (`dim.write`, `rights.write`, `files.take` hand back what they
cannot state), so that the two cannot disagree. What DSpace makes of it is told here.

UUIDs that a restore makes anew are natural ones (`daemon.losses.natural`), and times of the restore are `NOW`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from daemon.losses.natural import bitstream_uuid, bundle_uuid, natural
from daemon.losses.release import NOW, Place, Release, cleaned, stored
from events.aip import dim, files, markup, names, rights
from events.aip.files import NAME_FIELD, Remaining, entry_name
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    CollectionRow,
    CommunityRow,
    HandleRow,
    ItemRow,
    Kind,
    Member,
    PersonRow,
    Placed,
    Policy,
    Uuid,
    Value,
    Version,
    derived_uuid,
)
from events.aip.named import reference
from events.aip.order import canonical
from events.aip.rights import ADMINISTRATOR, ANONYMOUS
from events.aip.roles import _FIELDS as PERSON_FIELDS
from events.aip.stock_roles import WORKFLOW

ACCESSIONED: Final = "dc.date.accessioned"
PROVENANCE: Final = "dc.description.provenance"
IDENTIFIER: Final = "dc.identifier.uri"
RESTORED: Final = "Restored into DSpace on"
LICENCE_BUNDLE: Final = "LICENSE"
LICENCE_NAME: Final = "license.txt"
LICENCE_FORMAT: Final = "License"
VERSION_SUMMARY: Final = "Restoring from AIP Service"

_NOTHING: Final = -1
_UNNUMBERED: Final = -1
_UNSAID: Final = frozenset({5, 6, 7, 8, 12})
_RENAMED: Final = {"CONTENT": "ORIGINAL", "MANIFESTMD": "METADATA"}
_VERSIONED: Final = re.compile(r".*\.([0-9]+)")
_FORM: Final = re.compile(r"(?:hdl:|info:hdl/|https?://hdl\.handle\.net/|https?://.+/handle/).*")


def restored(aip: Aip, release: Release, at: Place, existing: Aip | None) -> Aip | None:
    """The object on the target; None if it is not there afterwards. `aip` has its UUIDs, `existing` is natural."""
    if aip.kind is Kind.PERSON:
        return _person(aip, existing)
    if aip.kind is Kind.GROUP:
        return _group(aip, existing)
    if aip.kind is Kind.SITE:
        site = natural(aip)
        own = Policy(site.uuid, 0, reference(Kind.GROUP, ANONYMOUS), None)
        return existing or replace(site, values=[], policies=[own], subscriptions=[])
    if aip.kind is Kind.ITEM:
        return _Item(aip, release, at, existing).restored()
    if aip.kind in (Kind.COMMUNITY, Kind.COLLECTION):
        return _Container(aip, release, at, existing).restored()
    if aip.kind is Kind.REGISTRY and at.registries:
        types = [replace(row, tilted=row.tilted or 0) for row in aip.relationship_types]  # the loader knows no NULL
        return canonical(replace(aip, relationship_types=types))
    return None


# --- people and groups ----------------------------------------------------------------------------------------------


def _person(aip: Aip, existing: Aip | None) -> Aip | None:
    row = aip.person
    if row is None or not (row.email or row.netid):
        return None
    texts = (row.email, row.netid, row.password, row.salt, row.digest_algorithm)
    if not all(markup.holds(text or "") for text in texts):
        return None
    uuid = reference(Kind.PERSON, row.email or row.netid or "")
    values: dict[str, Value] = {}
    for value in aip.values:
        plain = Value(aip.uuid, value.field, 0, value.text)
        said = value.field in PERSON_FIELDS and value == plain and value.text is not None and markup.holds(value.text)
        if said and value.field not in values:
            values[value.field] = Value(uuid, value.field, 0, cleaned(value.text or ""))
    kept = [value for value in existing.values if value.field not in values] if existing else []
    return canonical(
        Aip(
            kind=Kind.PERSON,
            uuid=uuid,
            person=PersonRow(
                uuid,
                existing.person.legacy_id if existing and existing.person else None,
                row.email,
                None if row.email else row.netid,
                bool(row.can_log_in),
                row.require_certificate,
                row.self_registered,
                existing.person.sub_frequency if existing and existing.person else None,
                row.password,
                row.salt if row.password is not None else None,
                row.digest_algorithm if row.password is not None else None,
            ),
            values=[*values.values(), *kept],
            policies=existing.policies if existing else [],
        )
    )


def _group(aip: Aip, existing: Aip | None) -> Aip | None:
    row = aip.group
    if row is None or not row.name or not markup.holds(row.name):
        return None
    known = names.known(aip)
    whole = replace(
        aip,
        persons_in=[member for member in aip.persons_in if member.other in known],
        groups_in=[member for member in aip.groups_in if member.other in known],
        values=[],
        policies=[],
        group=replace(
            row, legacy_id=None, permanent=row.permanent if row.name in (ANONYMOUS, ADMINISTRATOR) else False
        ),
    )
    found = natural(whole)
    if existing is None:
        return found
    return canonical(replace(found, group=existing.group, values=existing.values, policies=existing.policies))


# --- what communities, collections and items share ------------------------------------------------------------------


class _Object:
    def __init__(self, aip: Aip, release: Release, at: Place, existing: Aip | None) -> None:
        self.aip = canonical(aip)
        self.release = release
        self.at = at
        self.existing = existing
        self.names = names.known(aip)
        self.uuid = aip.uuid
        self.values: list[Value] = []
        self.policies: list[Policy] = []
        self.bitstreams: list[BitstreamRow] = []

    def declared(self, subject: Uuid, named: Uuid) -> list[Policy]:
        """The policies of `subject` as METSRIGHTS brings them, for `named`."""
        asked = [policy for policy in self.aip.policies if policy.subject == subject]
        unsaid = set(map(id, rights.write(asked, self.names, [])))
        return [
            Policy(
                named,
                _NOTHING if policy.action in _UNSAID or not 0 <= policy.action <= 12 else policy.action,
                policy.group,
                None if policy.group else policy.person,
                policy.start,
                policy.end,
                policy.name,
                self.release.policy_type,
            )
            for policy in asked
            if id(policy) not in unsaid
        ]

    def said(self, values: Iterable[Value], spelled: Mapping[str, str] | None = None) -> list[Value]:
        """Those of the values that DIM says, with what of their texts XML holds."""
        values = list(values)
        unsaid = set(map(id, dim.write(values, [], spelled)))
        return [
            replace(value, text=_written(value.text)) if value.text and not markup.holds(value.text) else value
            for value in values
            if id(value) not in unsaid
        ]

    def of(self, subject: Uuid) -> list[Value]:
        return [value for value in self.aip.values if value.subject == subject]

    def handles(self) -> list[HandleRow]:
        if self.existing is not None:
            return self.existing.handles
        return [HandleRow(self.uuid, self.aip.handle or "", 0)]

    def finished(self, **rows: Any) -> Aip:  # noqa: ANN401 - lists of rows
        """The rows as an AIP, with natural references, and what an existing object keeps."""
        made = Aip(
            kind=self.aip.kind,
            uuid=self.uuid,
            handles=self.handles(),
            values=self.values,
            policies=self.policies,
            bitstreams=self.bitstreams,
            names=self.aip.names,
            formats=self.aip.formats,
            **rows,
        )
        found = natural(made)
        if self.existing is not None:
            kept = ("dois", "subscriptions", "harvest_source", "harvested", "relations", "versions", "drafts",
                    "workflow", "tasks", "roles")  # fmt: skip
            found = replace(found, **{name: getattr(self.existing, name) for name in kept})
        return canonical(found)


def _written(text: str) -> str:
    return "".join(each for each in text if markup.holds(each))


# --- communities and collections ------------------------------------------------------------------------------------


class _Container(_Object):
    def restored(self) -> Aip | None:
        aip, existing = self.aip, self.existing
        row = aip.community or aip.collection
        if row is None or not aip.handle:
            return None
        spelled = dim.COMMUNITY_FIELDS if aip.kind is Kind.COMMUNITY else dim.COLLECTION_FIELDS
        said = {
            value.field: stored(replace(value, lang=None), 0, self.at)
            for value in self.said(self.of(self.uuid), spelled)
        }
        self.values = list(said.values())
        if existing is not None:
            self.values += [value for value in existing.values if value.subject == self.uuid
                            and not (value.field in said and value.lang is None)]  # fmt: skip
        self.policies = self.declared(self.uuid, self.uuid)
        logo = self._logo(row.logo)
        if aip.kind is Kind.COMMUNITY:
            before = existing.community if existing else None
            admin = before.admin if before else self._typed(row.admin)
            own: dict[str, Any] = {"community": CommunityRow(self.uuid, None, admin, logo)}
        else:
            own = self._collection(logo)
        if existing is not None:
            own["parents"] = existing.parents
        else:
            own["parents"] = [row for row in aip.parents if row.other in self.names][:1]
        return self.finished(**own)

    def _logo(self, logo: Uuid | None) -> Uuid | None:
        remaining = Remaining.of(self.aip)
        file = files.take_logo(logo, remaining)
        if file is None:
            return None
        uuid = derived_uuid(f"{self.uuid}/logo")
        row = file.bitstream
        self.bitstreams.append(BitstreamRow(uuid, None, "Unknown", row.checksum, "MD5", _UNNUMBERED, row.size))
        self.policies += [replace(policy, subject=uuid) for policy in self.policies if policy.action == 0]
        return uuid

    def _collection(self, logo: Uuid | None) -> dict[str, Any]:
        aip, existing = self.aip, self.existing
        collection = aip.collection
        assert collection is not None  # noqa: S101 -- a collection has its row
        template: Uuid | None = derived_uuid(f"{self.uuid}/template")
        items: list[ItemRow] = []
        before = existing.collection if existing else None
        if existing is not None:
            template = before.template if before else None
            items = existing.items
            self.values += [value for value in existing.values if value.subject == template and template]
        elif collection.template is None or collection.template == aip.uuid:
            template = None
        else:
            assert template is not None  # noqa: S101
            items = [ItemRow(template, None, False, False, True, NOW, None, None)]
            counted: dict[str, int] = {}
            for value in self.said(self.of(collection.template)):
                place = counted[value.field] = counted.get(value.field, -1) + 1
                self.values.append(stored(replace(value, subject=template), place, self.at))
        return {
            "items": items,
            "collection": CollectionRow(
                self.uuid,
                None,
                before.submitters if before else self._typed(collection.submitters),
                before.admin if before else self._typed(collection.admin),
                template,
                logo,
            ),
            "roles": [row for row in aip.roles if row.role in WORKFLOW.values() and self._typed(row.group)],
        }

    def _typed(self, group: Uuid | None) -> Uuid | None:
        """A group of a role, if the package brings it as such."""
        return group if group in self.names else None


# --- items ----------------------------------------------------------------------------------------------------------


class _Item(_Object):
    withdrawn = False

    def restored(self) -> Aip | None:
        aip = self.aip
        row = next((row for row in aip.items if row.uuid == aip.uuid), None)
        if row is None or not aip.handle or row.owning_collection not in self.names:
            return None
        if row.withdrawn and self.at.withdraws:
            self.withdrawn = True
        elif row.withdrawn or not row.in_archive:
            return None
        self.bundles: list[BundleRow] = []
        self.placed: list[Placed] = []
        self.formats = {row.short_description: row for row in aip.formats}
        self._metadata()
        self._files()
        self._licence()
        self.policies += self.declared(self.uuid, self.uuid)
        if self.withdrawn:
            # the second package states no rights: the item keeps its own, bundles and files come without any
            own = [row for row in self.policies if row.subject == self.uuid]
            self.policies = [replace(row, action=12) if row.action in (0, -1) else row for row in own]
        return self.finished(
            bundles=self.bundles, placed=self.placed, items=[self._row(row)], parents=self._parents(row),
            **self._versions(),
        )  # fmt: skip

    def _row(self, row: ItemRow) -> ItemRow:
        known = row.submitter is not None and row.submitter in self.names
        before = next((item for item in self.existing.items if item.uuid == self.uuid), None) if self.existing else None
        if before is not None:
            submitter = row.submitter if known else before.submitter
            return replace(before, last_modified=NOW, submitter=submitter, legacy_id=before.legacy_id)
        there = not self.withdrawn
        who = row.submitter if known else self.at.person
        return ItemRow(self.uuid, None, there, self.withdrawn, True, NOW, who, row.owning_collection)

    def _parents(self, row: ItemRow) -> list[Member]:
        mapped = [parent for parent in self.aip.parents if parent.other in self.names]
        owner = Member(self.uuid, row.owning_collection or "")
        found = [*mapped, *([owner] if owner not in mapped else [])]
        if self.existing is None:
            return found
        by_name = {parent.other: reference(Kind.COLLECTION, self.names[parent.other]) for parent in found}
        had = {parent.other for parent in self.existing.parents}
        return self.existing.parents + [parent for parent in mapped if by_name[parent.other] not in had]

    def _versions(self) -> dict[str, Any]:
        numbered = _VERSIONED.fullmatch(self.aip.handle or "")
        if numbered is None or self.existing is not None:
            return {}
        return {"versions": [Version(int(numbered[1]), self.uuid, NOW, VERSION_SUMMARY, self.at.person)]}

    # --- metadata -----------------------------------------------------------------------------------------------------

    def _metadata(self) -> None:
        own = self.of(self.uuid)
        said = self.said(own)
        if not any(value.field == "dc.title" for value in said):
            said.append(Value(self.uuid, "dc.title", 0, "Untitled"))
        if self.existing is None:
            said = self._installed(said)
        counted: dict[str, int] = {}
        for value in said:
            place = counted[value.field] = counted.get(value.field, -1) + 1
            self.values.append(stored(value, place, self.at))

    def _installed(self, said: list[Value]) -> list[Value]:
        """What the installation of a restored item changes: the link of its handle, dates, provenance."""
        handle = self.aip.handle or ""
        prefix = handle.partition("/")[0]
        others = [value for value in said if value.field != IDENTIFIER or not _is_handle(value.text, prefix)]
        link = Value(self.uuid, IDENTIFIER, 0, self._link(handle, said))
        dates = [] if any(value.field == ACCESSIONED for value in said) else [Value(self.uuid, ACCESSIONED, 0, NOW)]
        return [*others, link, *dates, Value(self.uuid, PROVENANCE, 0, RESTORED, "en")]

    def _link(self, handle: str, said: list[Value]) -> str:
        """The canonical form of the handle: as the target is set up, or as the item has it already."""
        if self.at.canonical is not None:
            return self.at.canonical + handle
        links = [value.text or "" for value in said if value.field == IDENTIFIER]
        for known in (handle, *(row.handle for row in self.aip.handles)):
            for link in links:
                if link.endswith(f"/{known}") and "://" in link:
                    return link.removesuffix(known) + handle
        return f"https://hdl.handle.net/{handle}"

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> None:
        primary = self._primary(bundles := files.take(self.aip, Remaining.of(self.aip)))
        by_name: dict[str, Uuid] = {}
        rights_of: dict[Uuid, list[Policy]] = {}
        orders: dict[Uuid, int] = {}
        chosen: dict[Uuid, Uuid] = {}
        for bundle in bundles:
            name = _RENAMED.get(bundle.name, bundle.name)
            uuid = by_name.setdefault(name, bundle_uuid(self.uuid, name))
            for file in bundle.files:
                if file.bitstream.size == 0 and self.release.leaves_out_empty_files:
                    continue
                order = orders[uuid] = orders.get(uuid, -1) + 1
                bitstream = bitstream_uuid(uuid, order)
                self.placed.append(Placed(uuid, bitstream, order, None))
                self._bitstream(file, bitstream)
                if file.bitstream.uuid == primary:
                    chosen[uuid] = bitstream
            rights_of[uuid] = self.declared(bundle.row.uuid, uuid)
        for name, uuid in by_name.items():
            self.bundles.append(BundleRow(self.uuid, uuid, None, chosen.get(uuid)))
            self.values.append(Value(uuid, NAME_FIELD, 0, cleaned(name)))
            self.policies += rights_of[uuid]

    def _primary(self, bundles: list[files.Bundle]) -> Uuid | None:
        for bundle in bundles:
            if bundle.name == "ORIGINAL" and any(file.bitstream.uuid == bundle.row.primary for file in bundle.files):
                return bundle.row.primary
        return None

    def _bitstream(self, file: files.File, uuid: Uuid) -> None:
        row = file.bitstream
        self.bitstreams.append(
            BitstreamRow(uuid, None, row.format or "Unknown", row.checksum, "MD5", row.sequence_id, row.size)
        )
        said = {value.field: value for value in self.said(file.values, dim.BITSTREAM_FIELDS)}
        said.pop("dc.format", None)
        if NAME_FIELD not in said:
            said[NAME_FIELD] = Value(row.uuid, NAME_FIELD, 0, file.name or entry_name(row.uuid, file.name))
        self.values += [
            stored(replace(value, subject=uuid, lang=None, authority=None), 0, self.at) for value in said.values()
        ]
        self.policies += self.declared(row.uuid, uuid)

    def _licence(self) -> None:
        """DSpace adds the licence of the collection to an item without any. Its text is not known here."""
        uuid = bundle_uuid(self.uuid, LICENCE_BUNDLE)
        if any(placed.bundle == uuid for placed in self.placed):
            return
        if not any(bundle.uuid == uuid for bundle in self.bundles):
            self.bundles.append(BundleRow(self.uuid, uuid, None, None))
            self.values.append(Value(uuid, NAME_FIELD, 0, LICENCE_BUNDLE))
        bitstream = bitstream_uuid(uuid, 0)
        self.placed.append(Placed(uuid, bitstream, 0, None))
        number = max((row.sequence_id or 0 for row in self.bitstreams), default=0) + 1
        self.bitstreams.append(BitstreamRow(bitstream, None, LICENCE_FORMAT, NOW, "MD5", max(number, 1), 0))
        self.values += [Value(bitstream, field, 0, LICENCE_NAME) for field in (NAME_FIELD, "dc.source")]


def _is_handle(text: str | None, prefix: str) -> bool:
    """Whether DSpace takes the text for a handle, of itself or another repository."""
    text = text or ""
    return text.startswith(f"{prefix}/") or _FORM.fullmatch(text) is not None
