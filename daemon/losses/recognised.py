"""Parts and references of two objects that are the same, whatever UUIDs they have.

Invariant: what is recognised has the first object's UUID afterwards; that it had another one is told as a loss.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from daemon.losses.found import Found
from daemon.losses.natural import SITE, named, renamed
from daemon.losses.release import cleaned
from events.aip.files import NAME_FIELD
from events.aip.model import Aip, Kind, Uuid
from events.aip.order import canonical
from events.aip.rights import ADMINISTRATOR, ANONYMOUS

_OWN: Final = frozenset({ANONYMOUS, ADMINISTRATOR})
"""Groups that every installation makes for itself."""


def by_name(aip: Aip) -> Aip:
    """References by name, and what every installation has under a UUID of its own."""
    called = named(aip)
    called.pop(aip.uuid, None)
    if aip.kind is Kind.SITE:
        called[aip.uuid] = SITE
    return canonical(renamed(aip, called, {}))


def recognised(one: Aip, other: Aip, found: Found) -> Aip:
    """`other` with the UUIDs of `one` for the parts that are the same; what has got another UUID is a loss."""
    called: dict[Uuid, Uuid] = {}
    if one.uuid != other.uuid:
        called[other.uuid] = one.uuid
        if one.kind is Kind.PERSON:
            found("person-uuid", one.person.email or "" if one.person else "")
        elif one.kind is Kind.GROUP and one.group and one.group.name not in _OWN:
            found("group-uuid", one.group.name or "")
    mine, theirs = (aip.collection.template if aip.collection else None for aip in (one, other))
    if mine and theirs and mine != theirs:
        called[theirs] = mine
        found("template-uuid")
    for mine, theirs in _logos(one, other):
        if mine != theirs:
            called[theirs] = mine
            found("logo-uuid")
    for code, pairs in (("bundle-uuid", _bundles(one, other)), ("bitstream-uuid", _bitstreams(one, other))):
        for mine, theirs in pairs:
            if mine != theirs:
                called[theirs] = mine
                found(code, mine)
    return canonical(renamed(other, called, {})) if called else other


def _logos(one: Aip, other: Aip) -> list[tuple[Uuid, Uuid]]:
    logos = [next((owner.logo for owner in (aip.community, aip.collection) if owner), None) for aip in (one, other)]
    return [(logos[0], logos[1])] if logos[0] and logos[1] else []


def _names(aip: Aip) -> dict[Uuid, str]:
    found: dict[Uuid, str] = {}
    for value in aip.values:
        if value.field == NAME_FIELD and value.subject not in found:
            found[value.subject] = value.text or ""
    return found


def _bundles(one: Aip, other: Aip) -> list[tuple[Uuid, Uuid]]:
    """Bundles of one and of the other that are the same: by UUID, else by name."""
    names = _names(one), _names(other)
    same = {row.uuid for row in one.bundles} & {row.uuid for row in other.bundles}
    left: dict[str, list[Uuid]] = defaultdict(list)
    for row in one.bundles:
        if row.uuid not in same:
            left[cleaned(names[0].get(row.uuid, ""))].append(row.uuid)
    pairs = []
    for row in other.bundles:
        known = left[cleaned(names[1].get(row.uuid, ""))] if row.uuid not in same else None
        if known:
            pairs.append((known.pop(0), row.uuid))
    return pairs


def _bitstreams(one: Aip, other: Aip) -> list[tuple[Uuid, Uuid]]:
    """Bitstreams that are the same: by UUID, else by bundle name, number and content."""
    same = {row.uuid for row in one.bitstreams} & {row.uuid for row in other.bitstreams}
    pairs: list[tuple[Uuid, Uuid]] = []
    known: list[dict[Uuid, tuple[Any, ...]]] = []
    for aip in (one, other):
        names, facts = _names(aip), {row.uuid: row for row in aip.bitstreams}
        logos = {owner.logo for owner in (aip.community, aip.collection) if owner}
        known.append({
            row.bitstream: (names.get(row.bundle, ""), facts[row.bitstream].checksum, facts[row.bitstream].size,
                            facts[row.bitstream].sequence_id)
            for row in sorted(aip.placed, key=lambda row: (row.bundle, row.order))
            if row.bitstream in facts and row.bitstream not in same and row.bitstream not in logos
        })  # fmt: skip
    mine, theirs = known
    for width in (4, 3):
        left: dict[tuple[Any, ...], list[Uuid]] = defaultdict(list)
        for uuid, key in mine.items():
            left[key[:width]].append(uuid)
        for uuid, key in list(theirs.items()):
            if left[key[:width]]:
                partner = left[key[:width]].pop(0)
                pairs.append((partner, uuid))
                del mine[partner], theirs[uuid]
    return pairs
