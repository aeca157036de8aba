"""What a target has after the stock packager has restored a package of ours (aip-format 4), as rows.

UUIDs that a restore makes anew are natural ones (`daemon.losses.natural`), and times of the restore are `NOW`.
"""

from __future__ import annotations

from msgspec.structs import replace

from daemon.losses.natural import natural
from daemon.losses.release import Place, Release, cleaned
from daemon.losses.restored_containers import Container
from daemon.losses.restored_items import Item
from events.aip import markup, names
from events.aip.model import Aip, Kind, PersonRow, Policy, Value
from events.aip.named import reference
from events.aip.order import canonical
from events.aip.rights import ADMINISTRATOR, ANONYMOUS
from events.aip.roles import _FIELDS as PERSON_FIELDS


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
        return Item(aip, release, at, existing).restored()
    if aip.kind in (Kind.COMMUNITY, Kind.COLLECTION):
        return Container(aip, release, at, existing).restored()
    if aip.kind is Kind.REGISTRY and at.registries:
        types = [replace(row, tilted=row.tilted or 0) for row in aip.relationship_types]  # the loader knows no NULL
        return canonical(replace(aip, relationship_types=types))
    return None


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
