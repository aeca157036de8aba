"""What differs between an object and what became of it, each difference under its code.

Invariant: rows are compared as multisets, after what has only got another UUID was recognised by what it is. Every row
that is missing, added or changed is counted under one code for each column that changed; `losses(x, x)` is empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from daemon.losses import Loss
from daemon.losses.natural import SITE, named, renamed
from daemon.losses.release import cleaned
from daemon.losses.restoring import ACCESSIONED, IDENTIFIER, PROVENANCE, RESTORED
from events.aip.dim import VIRTUAL
from events.aip.files import NAME_FIELD
from events.aip.model import Aip, Kind, Policy, Row, Uuid, Value
from events.aip.order import canonical
from events.aip.rights import ADMINISTRATOR, ANONYMOUS

_DERIVED: Final = frozenset({"names", "formats", "stored", "values", "policies"})
"""Rows that say nothing of the object itself, and the two that have rules of their own."""

_WHOLE: Final = {
    "persons_in": "members",
    "groups_in": "members",
    "dois": "dois",
    "subscriptions": "subscriptions",
    "handles": "handles",
    "roles": "workflow-roles",
    "harvest_source": "harvest",
    "harvested": "harvest",
    "relations": "relationships",
    "versions": "versions",
    "drafts": "drafts",
    "workflow": "workflow",
    "tasks": "workflow",
    "parents": "parents",
    "schemas": "registries",
    "fields": "registries",
    "formats": "registries",
    "entity_types": "registries",
    "relationship_types": "registries",
}
"""Rows that are there or not."""

_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "person": {"legacy_id": "legacy-ids", "netid": "netid", "password": "passwords", "salt": "passwords",
               "digest_algorithm": "passwords", "*": "person-facts"},
    "group": {"legacy_id": "legacy-ids", "*": "group-facts"},
    "community": {"legacy_id": "legacy-ids", "admin": "role-links", "logo": "files"},
    "collection": {"legacy_id": "legacy-ids", "admin": "role-links", "submitters": "role-links", "logo": "files",
                   "template": "templates"},
    "items": {"legacy_id": "legacy-ids", "discoverable": "discoverable", "last_modified": "last-modified",
              "submitter": "submitter", "owning_collection": "moved", "*": "state"},
    "bundles": {"legacy_id": "legacy-ids", "primary": "primary"},
    "placed": {"order_legacy": "order", "order": "order"},
    "bitstreams": {"legacy_id": "legacy-ids", "*": "bitstream-facts"},
}  # fmt: skip
"""Rows that are found again by their keys: the code of each column."""

_KEYS: Final[dict[str, Callable[[Any], Any]]] = {
    "person": lambda _: None,
    "group": lambda _: None,
    "community": lambda _: None,
    "collection": lambda _: None,
    "items": lambda row: row.uuid,
    "bundles": lambda row: row.uuid,
    "placed": lambda row: (row.bundle, row.bitstream),
    "bitstreams": lambda row: row.uuid,
    "handles": lambda row: row.handle,
}
_COLUMNS["handles"] = {"legacy_id": "legacy-ids", "rank": "handles"}

_OWN: Final = frozenset({ANONYMOUS, ADMINISTRATOR})
"""Groups that every installation makes for itself."""


class _Found:
    """Losses as they are found: rows and an example by code."""

    def __init__(self, aip: Aip) -> None:
        self.aip = aip
        self.rows: Counter[str] = Counter()
        self.details: dict[str, str] = {}

    def __call__(self, code: str, detail: str = "", rows: int = 1) -> None:
        self.rows[code] += rows
        self.details.setdefault(code, detail[:200])

    def losses(self) -> list[Loss]:
        aip = self.aip
        return [
            Loss(aip.uuid, aip.kind, aip.handle, code, rows, self.details[code])
            for code, rows in sorted(self.rows.items())
        ]


def losses(before: Aip, after: Aip | None) -> list[Loss]:
    """What of `before` is not in `after`, or is there besides; None is an object that did not arrive. Sorted by code.

    UUIDs of `before` are the source's; those of `after` may be anybody's.
    """
    found = _Found(before)
    if after is None:
        found(_absent(before), _called(before))
        return found.losses()
    one, other = _by_name(before), _by_name(after)
    other = _recognised(one, other, found)
    template = one.collection.template if one.collection else None
    logo = next((owner.logo for owner in (one.community, one.collection) if owner), None)
    added = {row.uuid for row in other.bitstreams} - {row.uuid for row in one.bitstreams}
    added |= {row.uuid for row in other.bundles} - {row.uuid for row in one.bundles}
    dropped = {row.uuid for row in one.bitstreams if row.size == 0} - {row.uuid for row in other.bitstreams}
    parts_of = _Parts(one, template, logo, added, dropped)
    for name in msgspec.structs.asdict(one):
        if name in ("kind", "uuid", "key", "site", "tombstone") or (
            name in _DERIVED and before.kind is not Kind.REGISTRY
        ):
            continue
        rows = _rows(one, name), _rows(other, name)
        if name in _KEYS:
            _keyed(name, *rows, parts_of, found)
        else:
            _whole(name, *rows, found)
    _values(one, other, parts_of, found)
    _policies(one, other, parts_of, found)
    return found.losses()


def _rows(aip: Aip, name: str) -> list[Any]:
    rows = getattr(aip, name)
    return rows if isinstance(rows, list) else [rows] if rows is not None else []


def _absent(aip: Aip) -> str:
    """Why an object does not arrive."""
    if aip.kind is Kind.REGISTRY:
        return "registries"
    if aip.kind is Kind.TOMBSTONE:
        return "tombstones"
    if aip.kind in (Kind.PERSON, Kind.GROUP):
        return "nameless"
    if aip.kind is Kind.ITEM:
        row = next((row for row in aip.items if row.uuid == aip.uuid), None)
        if aip.drafts or aip.workflow:
            return "drafts"
        if row is not None and row.withdrawn:
            return "withdrawn"
        if row is None or not row.in_archive:
            return "not-archived"
        if aip.handle and row.owning_collection is None:
            return "no-owner"
        if aip.handle and any(bitstream.size == 0 for bitstream in aip.bitstreams):
            return "empty-files-stop"
    if not aip.handle:
        return "no-handle"
    return "no-owner" if aip.kind is Kind.ITEM else "other"


def _called(aip: Aip) -> str:
    return next((row.text or "" for row in aip.values if row.subject == aip.uuid and row.field == "dc.title"), "")


# --- UUIDs ------------------------------------------------------------------------------------------------------------


def _by_name(aip: Aip) -> Aip:
    """References by name, and what every installation has under a UUID of its own."""
    called = named(aip)
    called.pop(aip.uuid, None)
    if aip.kind is Kind.SITE:
        called[aip.uuid] = SITE
    return canonical(renamed(aip, called, {}))


def _recognised(one: Aip, other: Aip, found: _Found) -> Aip:
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


# --- rows -------------------------------------------------------------------------------------------------------------


class _Parts:
    """Which part of the object a UUID is."""

    def __init__(
        self, aip: Aip, template: Uuid | None, logo: Uuid | None, added: set[Uuid], dropped: set[Uuid]
    ) -> None:
        self.uuid = aip.uuid
        self.kind = aip.kind
        self.template = template
        self.logo = logo
        self.added = added
        self.dropped = dropped
        self.bundles = {row.uuid for row in aip.bundles}
        self.bitstreams = {row.uuid for row in aip.bitstreams}
        of_template = {row.uuid for row in aip.bundles if template and row.subject == template}
        self.of_template = of_template | {row.bitstream for row in aip.placed if row.bundle in of_template}


def _difference(one: list[Any], other: list[Any]) -> tuple[list[Any], list[Any]]:
    mine, theirs = Counter(one), Counter(other)
    return list((mine - theirs).elements()), list((theirs - mine).elements())


def _whole(name: str, one: list[Any], other: list[Any], found: _Found) -> None:
    gone, more = _difference(one, other)
    code = _WHOLE.get(name, "other")
    for row in gone:
        found(code, _shown(row))
    for row in more:
        found(f"added-{code}" if code == "versions" else code, _shown(row))


def _keyed(name: str, one: list[Any], other: list[Any], parts_of: _Parts, found: _Found) -> None:
    key, columns = _KEYS[name], _COLUMNS[name]
    theirs = {key(row): row for row in other}
    for row in one:
        match = theirs.pop(key(row), None)
        if match is None:
            found(_row_gone(name, row, parts_of), _shown(row))
            continue
        for column in msgspec.structs.fields(type(row)):
            if getattr(row, column.name) != getattr(match, column.name):
                code = columns.get(column.name, columns.get("*", "other"))
                if name == "placed" and column.name == "order" and parts_of.dropped:
                    code = "empty-files"
                found(_of_part(name, code, row, parts_of), f"{column.name} {getattr(row, column.name)!r}")
    for row in theirs.values():
        found(_row_added(name, row, parts_of), _shown(row))


def _row_gone(name: str, row: Any, parts_of: _Parts) -> str:  # noqa: ANN401 - rows of three classes
    if name == "bundles":
        return "template-files" if row.uuid in parts_of.of_template else "bundles-merged"
    if name in ("placed", "bitstreams"):
        uuid = row.bitstream if name == "placed" else row.uuid
        if uuid in parts_of.of_template:
            return "template-files"
        return "empty-files" if uuid in parts_of.dropped else "bundles-merged" if name == "placed" else "files"
    return "templates" if name == "items" else "handles" if name == "handles" else "other"


def _row_added(name: str, row: Any, parts_of: _Parts) -> str:  # noqa: ANN401 - rows of three classes
    if name == "placed":
        return "added-licence" if row.bitstream in parts_of.added else "bundles-merged"
    if name in ("bundles", "bitstreams"):
        return "added-licence"
    return "handles" if name == "handles" else "templates" if name == "items" else "other"


def _of_part(name: str, code: str, row: Any, parts_of: _Parts) -> str:  # noqa: ANN401
    if name == "items" and row.uuid == parts_of.template and code != "legacy-ids":
        return "template-facts"
    if name == "bitstreams" and row.uuid == parts_of.logo and code != "legacy-ids":
        return "logo-facts"
    return code


def _shown(row: Row) -> str:
    """A row in a few words."""
    values = [str(value) for value in msgspec.structs.astuple(row)[1:] if value is not None]
    return " ".join(values)


# --- metadata ---------------------------------------------------------------------------------------------------------


def _values(one: Aip, other: Aip, parts_of: _Parts, found: _Found) -> None:
    gone, more = _difference(one.values, other.values)
    waiting: dict[tuple[Uuid, str], list[Value]] = defaultdict(list)
    for value in sorted(more, key=lambda value: value.place):
        waiting[value.subject, value.field].append(value)
    for value in sorted(gone, key=lambda value: (value.subject, value.field, value.place)):
        match = _partner(value, waiting[value.subject, value.field])
        if match is None:
            found(_value_gone(value, parts_of), f"{value.field} {value.text or ''}")
            continue
        waiting[value.subject, value.field].remove(match)
        for code in _value_changed(value, match, parts_of):
            found(code, f"{value.field} {value.text!r}")
    for value in (value for values in waiting.values() for value in values):
        found(_value_added(value, parts_of), f"{value.field} {value.text or ''}")


def _partner(value: Value, candidates: Iterable[Value]) -> Value | None:
    plain = cleaned(value.text or "")
    exact = [each for each in candidates if each.text == value.text]
    alike = exact or [each for each in candidates if _squeezed(each.text or "") == _squeezed(plain)]
    return min(alike, key=lambda each: (each.lang != value.lang, abs(each.place - value.place)), default=None)


def _squeezed(text: str) -> str:
    return "".join(text.split()).translate(_CONTROLS)


_CONTROLS: Final = dict.fromkeys([*range(32), *range(127, 160), 0xFFFE, 0xFFFF])


def _value_changed(value: Value, match: Value, parts_of: _Parts) -> Iterable[str]:
    """The codes of what changed in a value; a value that only moved up behind a lost one is not told twice."""
    container = value.subject == parts_of.uuid and parts_of.kind in (Kind.COMMUNITY, Kind.COLLECTION)
    if value.text != match.text:
        yield "text"
    if value.lang != match.lang:
        yield "container-languages" if container else _of_subject(value, parts_of, "language")
    if value.authority != match.authority:
        yield "authority"
    elif value.confidence != match.confidence:
        yield "confidence"
    if value.security != match.security:
        yield "security"
    if value.place != match.place:
        yield "identifier-uri" if value.field == IDENTIFIER else "places"


def _of_subject(value: Value, parts_of: _Parts, item: str) -> str:
    """The code for a value by what it describes; `item` for one of the item itself or its template."""
    subject = value.subject
    if subject in parts_of.of_template:
        return "template-files"
    if subject in parts_of.bundles:
        return "bundle-metadata"
    if subject == parts_of.logo:
        return "logo-facts"
    if subject in parts_of.bitstreams:
        return "user-format" if value.field == "dc.format" else "bitstream-metadata"
    if subject == parts_of.uuid:
        return {
            Kind.SITE: "site-metadata",
            Kind.PERSON: "person-metadata",
            Kind.GROUP: "group-metadata",
            Kind.COMMUNITY: "container-metadata",
            Kind.COLLECTION: "container-metadata",
        }.get(parts_of.kind, item)
    return item


def _value_gone(value: Value, parts_of: _Parts) -> str:
    if value.subject in parts_of.dropped:
        return "empty-files"
    if (value.authority or "").startswith(VIRTUAL):
        return "virtual"
    if value.subject == parts_of.uuid and value.field == IDENTIFIER:
        return "identifier-uri"
    return _of_subject(value, parts_of, "item-metadata")


def _value_added(value: Value, parts_of: _Parts) -> str:
    if value.subject in parts_of.added:
        return "added-licence"
    if value.field == ACCESSIONED or (value.field == PROVENANCE and (value.text or "").startswith(RESTORED)):
        return "added-provenance"
    if value.field == IDENTIFIER and value.subject == parts_of.uuid:
        return "identifier-uri"
    if value.field == NAME_FIELD and value.subject in parts_of.bitstreams:
        return "bitstream-name"
    if value.field == "dc.title" and value.subject == parts_of.uuid and value.text == "Untitled":
        return "added-title"
    return "added-values"


# --- policies ---------------------------------------------------------------------------------------------------------


def _policies(one: Aip, other: Aip, parts_of: _Parts, found: _Found) -> None:
    gone, more = _difference(one.policies, other.policies)
    left = list(more)
    for policy in sorted(gone, key=lambda row: (row.subject, row.action)):
        match = _granting(policy, left)
        if match is None:
            found(_policy_gone(policy, parts_of), _granted(policy))
            continue
        left.remove(match)
        for code in _policy_changed(policy, match, parts_of):
            found(code, _granted(policy))
    for policy in left:
        code = "added-licence" if policy.subject in parts_of.added else "added-policies"
        found("logo-policies" if policy.subject == parts_of.logo else code, _granted(policy))


def _granting(policy: Policy, candidates: list[Policy]) -> Policy | None:
    """The policy that this one became: the same right of the same group or person, or else another action of it."""
    alike = [
        each
        for each in candidates
        if each.subject == policy.subject
        and (each.group, each.start, each.end, each.name) == (policy.group, policy.start, policy.end, policy.name)
        and (each.person == policy.person or (policy.group is not None and each.person is None))
        and (each.action == policy.action or each.action == -1)
    ]
    return min(
        alike, key=lambda each: (each.action != policy.action, each.person != policy.person, each.type != policy.type),
        default=None,
    )  # fmt: skip


def _policy_changed(policy: Policy, match: Policy, parts_of: _Parts) -> Iterable[str]:
    if policy.subject == parts_of.logo:
        yield "logo-policies"
        return
    if policy.action != match.action:
        yield "policy-action"
    if policy.person != match.person:
        yield "policy-person"
    if policy.type != match.type:
        yield "policy-type"
    if policy.description != match.description:
        yield "policy-description"


def _policy_gone(policy: Policy, parts_of: _Parts) -> str:
    if policy.subject in parts_of.dropped:
        return "empty-files"
    if policy.subject == parts_of.logo:
        return "logo-policies"
    if policy.subject == parts_of.template:
        return "template-policies"
    if policy.subject in parts_of.of_template:
        return "template-files"
    if parts_of.kind is Kind.SITE:
        return "site-policies"
    return "policy-action" if policy.action in (5, 6, 7, 8, 12) else "policies"


def _granted(policy: Policy) -> str:
    return " ".join(str(part) for part in (policy.action, policy.name, policy.type, policy.description) if part)
