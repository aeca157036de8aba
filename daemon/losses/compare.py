"""What differs between an object and what became of it, each difference under its code.

Invariant: rows are compared as multisets, after what has only got another UUID was recognised by what it is. Every row
that is missing, added or changed is counted under one code for each column that changed; `losses(x, x)` is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from daemon.losses import Loss
from daemon.losses.found import Found, Parts, difference
from daemon.losses.recognised import by_name, recognised
from daemon.losses.said import policies_of, values_of
from events.aip.model import Aip, Kind
from events.aip.row import Row

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


def losses(before: Aip, after: Aip | None) -> list[Loss]:
    """What of `before` is not in `after`, or is there besides; None is an object that did not arrive. Sorted by code.

    UUIDs of `before` are the source's; those of `after` may be anybody's.
    """
    found = Found(before)
    if after is None:
        found(_absent(before), _called(before))
        return found.losses()
    one, other = by_name(before), by_name(after)
    other = recognised(one, other, found)
    template = one.collection.template if one.collection else None
    logo = next((owner.logo for owner in (one.community, one.collection) if owner), None)
    added = {row.uuid for row in other.bitstreams} - {row.uuid for row in one.bitstreams}
    added |= {row.uuid for row in other.bundles} - {row.uuid for row in one.bundles}
    dropped = {row.uuid for row in one.bitstreams if row.size == 0} - {row.uuid for row in other.bitstreams}
    parts_of = Parts(one, template, logo, added, dropped)
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
    values_of(one, other, parts_of, found)
    policies_of(one, other, parts_of, found)
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


def _whole(name: str, one: list[Any], other: list[Any], found: Found) -> None:
    gone, more = difference(one, other)
    code = _WHOLE.get(name, "other")
    for row in gone:
        found(code, _shown(row))
    for row in more:
        found(f"added-{code}" if code == "versions" else code, _shown(row))


def _keyed(name: str, one: list[Any], other: list[Any], parts_of: Parts, found: Found) -> None:
    key, columns = _KEYS[name], _COLUMNS[name]
    gone, more = difference(one, other)
    theirs = {key(row): row for row in more}
    for row in gone:
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


def _row_gone(name: str, row: Any, parts_of: Parts) -> str:  # noqa: ANN401 - rows of three classes
    if name == "bundles":
        return "template-files" if row.uuid in parts_of.of_template else "bundles-merged"
    if name in ("placed", "bitstreams"):
        uuid = row.bitstream if name == "placed" else row.uuid
        if uuid in parts_of.of_template:
            return "template-files"
        return "empty-files" if uuid in parts_of.dropped else "bundles-merged" if name == "placed" else "files"
    return "templates" if name == "items" else "handles" if name == "handles" else "other"


def _row_added(name: str, row: Any, parts_of: Parts) -> str:  # noqa: ANN401 - rows of three classes
    if name == "placed":
        return "added-licence" if row.bitstream in parts_of.added else "bundles-merged"
    if name in ("bundles", "bitstreams"):
        return "added-licence"
    return "handles" if name == "handles" else "templates" if name == "items" else "other"


def _of_part(name: str, code: str, row: Any, parts_of: Parts) -> str:  # noqa: ANN401
    if name == "items" and row.uuid == parts_of.template and code != "legacy-ids":
        return "template-facts"
    if name == "bitstreams" and row.uuid == parts_of.logo and code != "legacy-ids":
        return "logo-facts"
    return code


def _shown(row: Row) -> str:
    """A row in a few words."""
    values = [str(value) for value in msgspec.structs.astuple(row)[1:] if value is not None]
    return " ".join(values)
