"""Differences in what is said of an object and its parts: metadata and policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from daemon.losses.found import Found, Parts, difference
from daemon.losses.release import cleaned
from daemon.losses.restored_items import ACCESSIONED, IDENTIFIER, PROVENANCE, RESTORED
from events.aip.dim import VIRTUAL
from events.aip.files import NAME_FIELD
from events.aip.model import Aip, Kind, Policy, Uuid, Value


def values_of(one: Aip, other: Aip, parts_of: Parts, found: Found) -> None:
    """Tell what became of the metadata."""
    gone, more = difference(one.values, other.values)
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


def _value_changed(value: Value, match: Value, parts_of: Parts) -> Iterable[str]:
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


def _of_subject(value: Value, parts_of: Parts, item: str) -> str:
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


def _value_gone(value: Value, parts_of: Parts) -> str:
    if value.subject in parts_of.dropped:
        return "empty-files"
    if (value.authority or "").startswith(VIRTUAL):
        return "virtual"
    if value.subject == parts_of.uuid and value.field == IDENTIFIER:
        return "identifier-uri"
    return _of_subject(value, parts_of, "item-metadata")


def _value_added(value: Value, parts_of: Parts) -> str:
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


def policies_of(one: Aip, other: Aip, parts_of: Parts, found: Found) -> None:
    """Tell what became of the policies."""
    gone, more = difference(one.policies, other.policies)
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


def _policy_changed(policy: Policy, match: Policy, parts_of: Parts) -> Iterable[str]:
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


def _policy_gone(policy: Policy, parts_of: Parts) -> str:
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
