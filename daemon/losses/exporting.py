"""What stock DSpace's own export says of an object, as our reader reads it back (aip-format 2, 3 and 5), as rows.

Only `packager -d -a` is meant: what a recursive export does not reach is not exported. UUIDs that a package does not
tell are natural ones (`daemon.losses.natural`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from daemon.losses.natural import bundle_uuid, natural
from daemon.losses.release import Release
from events.aip import dim, markup
from events.aip.files import NAME_FIELD
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    CollectionRow,
    GroupRow,
    HandleRow,
    ItemRow,
    Kind,
    PersonRow,
    Placed,
    Policy,
    Uuid,
    Value,
    derived_uuid,
)
from events.aip.rights import ADMINISTRATOR, ANONYMOUS
from events.aip.roles import _FIELDS as FIELDS_OF_PEOPLE
from events.aip.stock_roles import WORKFLOW

_SAID: Final = frozenset({0, 1, 2, 3, 4, 9, 10, 11})
"""The actions that METSRIGHTS has words for."""
_BLANKS: Final = " \t\r\n"


def exported(aip: Aip, release: Release, handles: Mapping[Uuid, str]) -> Aip | None:
    """What the export says of it; None if it is not exported."""
    if aip.kind is Kind.PERSON:
        return _person(aip, handles)
    if aip.kind is Kind.GROUP:
        return _group(aip, handles)
    if aip.kind is Kind.SITE:
        return natural(replace(aip, values=[], policies=[], subscriptions=[], handles=_preferred(aip)))
    if aip.kind in (Kind.COMMUNITY, Kind.COLLECTION):
        return _container(aip, handles)
    if aip.kind is Kind.ITEM:
        return _item(aip, release, handles)
    return None


def _said(text: str | None) -> str:
    """A text in DIM: without what XML cannot hold, and trimmed by whoever writes it."""
    return "".join(each for each in text or "" if markup.holds(each)).strip(_BLANKS)


def _preferred(aip: Aip) -> list[HandleRow]:
    return [replace(row, legacy_id=None) for row in aip.handles if row.subject == aip.uuid and row.handle == aip.handle]


# --- people and groups ----------------------------------------------------------------------------------------------


def _person(aip: Aip, handles: Mapping[Uuid, str]) -> Aip | None:
    row = aip.person
    if row is None or not (row.email or row.netid):
        return None
    first: dict[str, Value] = {}
    for value in sorted(aip.values, key=lambda value: value.place):
        if value.subject == aip.uuid and value.field in FIELDS_OF_PEOPLE:
            first.setdefault(value.field, Value(aip.uuid, value.field, 0, _said(value.text)))
    return natural(
        Aip(
            kind=Kind.PERSON,
            uuid=aip.uuid,
            person=PersonRow(
                aip.uuid, None, row.email, row.netid, bool(row.can_log_in), row.require_certificate,
                row.self_registered, None,
            ),
            values=[value for value in first.values() if value.text],
        ),
        handles, keep={aip.uuid},
    )  # fmt: skip


def _group(aip: Aip, handles: Mapping[Uuid, str]) -> Aip | None:
    row = aip.group
    if row is None or not row.name:
        return None
    kept = row.name in (ANONYMOUS, ADMINISTRATOR)
    group = GroupRow(aip.uuid, None, row.name, kept)
    return natural(
        Aip(kind=Kind.GROUP, uuid=aip.uuid, group=group, persons_in=aip.persons_in, groups_in=aip.groups_in,
            names=aip.names), handles, keep={aip.uuid},
    )  # fmt: skip


# --- policies, files ------------------------------------------------------------------------------------------------


def _policies(aip: Aip, subject: Uuid, named: Uuid) -> list[Policy]:
    return [
        Policy(named, row.action, row.group, None if row.group else row.person, row.start, row.end, row.name,
               "TYPE_CUSTOM")
        for row in aip.policies
        if row.subject == subject and row.action in _SAID
    ]  # fmt: skip


def _first(values: Iterable[Value], field: str) -> str:
    found = [value for value in values if value.field == field]
    return _said(min(found, key=lambda value: value.place).text) if found else ""


def _logo(aip: Aip, logo: Uuid | None) -> list[BitstreamRow]:
    uuid = derived_uuid(f"{aip.uuid}/logo")
    return [
        BitstreamRow(uuid, None, None, row.checksum, row.checksum_algorithm, None, row.size)
        for row in aip.bitstreams
        if row.uuid == logo
    ]


# --- communities and collections ------------------------------------------------------------------------------------


def _container(aip: Aip, handles: Mapping[Uuid, str]) -> Aip | None:
    row = aip.community or aip.collection
    if row is None or not aip.handle:
        return None
    spelled = dim.COMMUNITY_FIELDS if aip.kind is Kind.COMMUNITY else dim.COLLECTION_FIELDS
    own = [value for value in aip.values if value.subject == aip.uuid]
    said = {field: _first(own, field) for field in spelled if field != "dc.identifier.uri"}
    values = [Value(aip.uuid, field, 0, text) for field, text in said.items() if text and not text.startswith("hdl:")]
    bitstreams = _logo(aip, row.logo)
    logo = bitstreams[0].uuid if bitstreams else None
    found = Aip(
        kind=aip.kind, uuid=aip.uuid, handles=_preferred(aip), policies=_policies(aip, aip.uuid, aip.uuid),
        bitstreams=bitstreams, parents=aip.parents, names=aip.names, values=values,
    )  # fmt: skip
    if aip.community:
        found.parents = [row for row in aip.parents if row.subject == aip.uuid][:1]
        found.community = replace(aip.community, legacy_id=None, logo=logo)
    elif aip.collection:
        template = None
        if aip.collection.template is not None:
            template = derived_uuid(f"{aip.uuid}/template")
            found.items = [ItemRow(template, None, False, False, True, None, None, None)]
            found.values += _described(aip, aip.collection.template, template)
        found.collection = CollectionRow(
            aip.uuid, None, aip.collection.submitters, aip.collection.admin, template, logo
        )
        found.roles = [row for row in aip.roles if row.role in WORKFLOW.values()]
    return natural(found, handles)


def _described(aip: Aip, subject: Uuid, named: Uuid) -> list[Value]:
    """The metadata of an item in DIM, without what relationships derive."""
    counted: dict[str, int] = {}
    found = []
    for value in sorted((v for v in aip.values if v.subject == subject), key=lambda value: (value.field, value.place)):
        if (value.authority or "").startswith(dim.VIRTUAL):
            continue
        if value.field.startswith("relation.") and value.field.endswith(".latestForDiscovery"):
            continue
        place = counted[value.field] = counted.get(value.field, -1) + 1
        confidence = -1
        if value.authority is not None:
            confidence = value.confidence if value.confidence in dim.CONFIDENCE else 0
        found.append(Value(named, value.field, place, _said(value.text), value.lang, value.authority, confidence))
    return found


# --- items ----------------------------------------------------------------------------------------------------------


def _item(aip: Aip, release: Release, handles: Mapping[Uuid, str]) -> Aip | None:
    row = next((row for row in aip.items if row.uuid == aip.uuid), None)
    if row is None or not row.in_archive or row.withdrawn or row.owning_collection is None:
        return None
    if release.leaves_out_empty_files and any(each.size == 0 for each in aip.bitstreams):
        return None
    own = ItemRow(aip.uuid, None, True, False, True, None, row.submitter, row.owning_collection)
    found = Aip(
        kind=Kind.ITEM, uuid=aip.uuid, items=[own], parents=aip.parents, handles=_preferred(aip), names=aip.names,
        policies=_policies(aip, aip.uuid, aip.uuid), values=_described(aip, aip.uuid, aip.uuid),
    )  # fmt: skip
    bitstreams = {each.uuid: each for each in aip.bitstreams}
    seen: dict[str, int] = {}
    first_original = True
    for bundle in sorted((each for each in aip.bundles if each.subject == aip.uuid), key=lambda each: each.uuid):
        name = next((v.text or "" for v in aip.values if v.subject == bundle.uuid and v.field == NAME_FIELD), "")
        number = seen[name] = seen.get(name, -1) + 1
        uuid = bundle_uuid(aip.uuid, name, number)
        chosen = None
        placed = sorted((each for each in aip.placed if each.bundle == bundle.uuid), key=lambda each: each.order)
        for order, each in enumerate(placed):
            if name == "ORIGINAL" and first_original and each.bitstream == bundle.primary:
                chosen = each.bitstream
            found.placed.append(Placed(uuid, each.bitstream, order, None))
            _file(aip, bitstreams[each.bitstream], found)
        first_original = first_original and chosen is None
        found.bundles.append(BundleRow(aip.uuid, uuid, None, chosen))
        found.values.append(Value(uuid, NAME_FIELD, 0, name))
        found.policies += _policies(aip, bundle.uuid, uuid)
    return natural(found, handles, keep=bitstreams)


def _file(aip: Aip, row: BitstreamRow, found: Aip) -> None:
    named = row.uuid
    found.bitstreams.append(
        BitstreamRow(named, None, row.format or "Unknown", row.checksum, row.checksum_algorithm, row.sequence_id,
                     row.size)
    )  # fmt: skip
    values = [value for value in aip.values if value.subject == row.uuid]
    for field in dim.BITSTREAM_FIELDS:
        text = _first(values, field)
        if text:
            found.values.append(Value(named, field, 0, text))
    found.policies += _policies(aip, row.uuid, named)
