"""AIPs without the UUIDs that a restore makes anew: what has a new UUID is named after what it is, and where it stands.

A stock restore keeps the UUIDs of communities, collections and items, and gives new ones to everything else. So does
`natural`, but with UUIDs that follow from names: groups, people and containers that are referred to are called by
`events.aip.stock.reference`, bundles by their item and name, bitstreams by their bundle and place, a template and a
logo by their container. Two repositories that hold the same objects have the same natural AIPs.

Invariant: `natural(natural(x)) == natural(x)`, and no row is added, dropped or changed but for UUIDs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from events.aip import names
from events.aip.files import NAME_FIELD
from events.aip.model import Aip, Kind, Name, Uuid, derived_uuid
from events.aip.named import reference
from events.aip.order import LISTS, canonical
from events.aip.row import Row

R = TypeVar("R", bound=Row)

SITE: Final = reference(Kind.SITE, "site")
"""Every installation has one, under a UUID of its own."""


def natural(aip: Aip, handles: Mapping[Uuid, str] | None = None, *, keep: Collection[Uuid] = ()) -> Aip:
    """The same object, canonical, with natural UUIDs but for those of `keep`.

    `handles` are further handles of containers, by UUID.
    """
    called = {**named(aip, handles), **parts(aip)}
    called[aip.uuid] = _itself(aip, handles or {})
    for uuid in keep:
        called.pop(uuid, None)
    return canonical(renamed(aip, called, handles or {}))


def _itself(aip: Aip, handles: Mapping[Uuid, str]) -> Uuid:
    if aip.kind is Kind.SITE:
        return SITE
    if aip.person:
        name = aip.person.email or aip.person.netid
        return reference(Kind.PERSON, name) if name else aip.uuid
    if aip.group and aip.group.name:
        return reference(Kind.GROUP, names.exported(aip.group.name, handles))
    return aip.uuid


def named(aip: Aip, handles: Mapping[Uuid, str] | None = None) -> dict[Uuid, Uuid]:
    """What stands for each object that the AIP refers to and knows the name of."""
    known = dict(handles or {})
    known |= {row.uuid: row.name for row in aip.names if row.name and row.kind not in (Kind.GROUP, Kind.PERSON)}
    if aip.handle:
        known[aip.uuid] = aip.handle
    found = {}
    for row in aip.names:
        if row.kind is Kind.SITE:
            found[row.uuid] = SITE
        elif row.name:
            text = names.exported(row.name, known) if row.kind is Kind.GROUP else row.name
            found[row.uuid] = reference(row.kind, text)
    return found


def parts(aip: Aip) -> dict[Uuid, Uuid]:
    """What stands for each part: bundles, bitstreams, the template, the logo."""
    found: dict[Uuid, Uuid] = {}
    if aip.collection and aip.collection.template:
        found[aip.collection.template] = derived_uuid(f"{aip.uuid}/template")
    for owner in (aip.community, aip.collection):
        if owner and owner.logo:
            found[owner.logo] = derived_uuid(f"{aip.uuid}/logo")
    titles = {row.subject: row.text or "" for row in aip.values if row.field == NAME_FIELD and row.place == 0}
    alike: dict[tuple[Uuid, str], list[Uuid]] = {}
    for bundle in aip.bundles:
        alike.setdefault((bundle.subject, titles.get(bundle.uuid, "")), []).append(bundle.uuid)
    holds = _holds(aip, titles) if any(len(uuids) > 1 for uuids in alike.values()) else {}
    for (subject, title), uuids in alike.items():
        numbers = {bundle_uuid(found.get(subject, subject), title, number): number for number in range(len(uuids))}
        # One that is named already keeps its name; of the others what is in them decides, which a restore keeps.
        ordered = sorted(uuids, key=lambda uuid: (numbers.get(uuid, len(uuids)), holds.get(uuid, []), uuid))
        found |= zip(ordered, numbers, strict=True)
    for placed in sorted(aip.placed, key=lambda row: (found.get(row.bundle, row.bundle), row.order)):
        if placed.bundle in found and placed.bitstream not in found:
            found[placed.bitstream] = bitstream_uuid(found[placed.bundle], placed.order)
    return found


def _holds(aip: Aip, titles: Mapping[Uuid, str]) -> dict[Uuid, list[tuple[Any, ...]]]:
    """What tells the files of each bundle, in order."""
    files = {row.uuid: (row.checksum or "", row.size, titles.get(row.uuid, "")) for row in aip.bitstreams}
    found: dict[Uuid, list[tuple[Any, ...]]] = {}
    for placed in sorted(aip.placed, key=lambda row: (row.bundle, row.order)):
        found.setdefault(placed.bundle, []).append((placed.order, *files.get(placed.bitstream, ("", 0, ""))))
    return found


def bundle_uuid(item: Uuid, name: str, number: int = 0) -> Uuid:
    """What stands for a bundle: the number counts bundles of one name."""
    return derived_uuid(f"{item}/bundle/{number}/{name}")


def bitstream_uuid(bundle: Uuid, order: int) -> Uuid:
    """What stands for the bitstream at that place of a bundle."""
    return derived_uuid(f"{bundle}/bitstream/{order}")


def renamed(aip: Aip, called: Mapping[Uuid, Uuid], handles: Mapping[Uuid, str]) -> Aip:
    """The AIP with those UUIDs exchanged, wherever they stand."""
    changed: dict[str, Any] = {"uuid": called.get(aip.uuid, aip.uuid)}
    for name in (*LISTS, "person", "group", "site", "community", "collection"):
        rows = getattr(aip, name)
        if isinstance(rows, list):
            if rows:
                changed[name] = [exchanged(row, called) for row in rows]
        elif rows is not None:
            changed[name] = exchanged(rows, called)
    group = changed.get("group")
    if group is not None and group.name:
        changed["group"] = msgspec.structs.replace(group, name=names.exported(group.name, handles))
    if "names" in changed:
        changed["names"] = list({row.uuid: row for row in map(_exported(aip, handles), changed["names"])}.values())
    return msgspec.structs.replace(aip, **changed)


def _exported(aip: Aip, handles: Mapping[Uuid, str]) -> Callable[[Name], Name]:
    known = {**handles, **{row.uuid: row.name for row in aip.names if row.name}}
    if aip.handle:
        known[aip.uuid] = aip.handle

    def name(row: Name) -> Name:
        if row.kind is not Kind.GROUP or not row.name:
            return row
        return Name(row.uuid, row.kind, names.exported(row.name, known))

    return name


@lru_cache(maxsize=64)
def uuid_fields(row: type[Row]) -> tuple[str, ...]:
    """The fields of a row class that hold UUIDs."""
    return tuple(
        field.name for field in msgspec.structs.fields(row) if str(row.__annotations__[field.name]).startswith("Uuid")
    )


def exchanged(row: R, called: Mapping[Uuid, Uuid]) -> R:
    """The row with those UUIDs exchanged."""
    changes = {}
    for name in uuid_fields(type(row)):
        now = getattr(row, name)
        if now in called and called[now] != now:
            changes[name] = called[now]
    return msgspec.structs.replace(row, **changes) if changes else row
