"""Objects read whole: `Aip`s from rows, many objects per query.

Invariant: everything of one call is read in the connection's own transaction, so (in repeatable read) an object and
its digest are of one snapshot. One query per facet, not one per object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from daemon.dspace.connect import Connection
from daemon.dspace.facets import FACETS, REGISTRY_KEYS, SINGLE, Options, query
from events.aip.model import Aip, Kind, Name, Uuid
from events.aip.row import Row

_KEYS = {Kind.REGISTRY: f"SELECT k.owner::text, k.key FROM ({REGISTRY_KEYS}) k JOIN scope s ON s.owner = k.owner"}

_NAMES = """
    SELECT uuid::text, 'group', name FROM epersongroup WHERE uuid = ANY (%(groups)s::uuid[])
    UNION ALL SELECT uuid::text, 'person', coalesce(email, netid) FROM eperson WHERE uuid = ANY (%(people)s::uuid[])
    UNION ALL
    SELECT o.uuid::text, o.kind,
           (SELECT h.handle FROM handle h WHERE h.resource_id = o.uuid ORDER BY h.handle_id LIMIT 1)
    FROM (SELECT uuid, 'community' AS kind FROM community UNION ALL SELECT uuid, 'collection' FROM collection
          UNION ALL SELECT uuid, 'site' FROM site) o
    WHERE o.uuid = ANY (%(containers)s::uuid[]) OR (o.kind = 'site' AND %(site)s)"""
"""Reads epersongroup, eperson, community, collection, site, handle."""


def read(connection: Connection, kind: Kind, uuids: Sequence[Uuid], options: Options) -> dict[Uuid, Aip]:
    """Those objects that are there and in scope, whole. `stored.sha256` is not known here and stays None."""
    found: dict[Uuid, Aip] = {}
    for facet in FACETS[kind]:
        make: Any = facet.row
        single = facet.name in SINGLE
        for owner, *columns in _fetch(connection, query(kind, facet.sql, options, some=True), uuids):
            aip = found.get(owner)
            if aip is None:
                aip = found[owner] = Aip(kind=kind, uuid=owner)
            if facet.name == "formats":
                columns[-1] = tuple(columns[-1])
            row: Row = make(*columns)
            if single:
                setattr(aip, facet.name, row)
            else:
                getattr(aip, facet.name).append(row)
    if kind in _KEYS:
        for owner, key in _fetch(connection, query(kind, _KEYS[kind], options, some=True), uuids):
            if owner in found:
                found[owner].key = key
    for aip in found.values():
        if aip.tombstone:
            aip.key = f"{aip.tombstone.scheme}/{aip.tombstone.identifier}"
    _add_names(connection, found)
    return found


def _fetch(connection: Connection, sql: str, uuids: Sequence[Uuid]) -> Iterator[list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"uuids": list(uuids)})
        yield from map(list, cursor)


def _referenced(aip: Aip) -> tuple[set[Uuid], set[Uuid], set[Uuid]]:
    """The groups, people and containers that an object names."""
    groups = {row.group for row in aip.policies} | {row.group for row in aip.roles} | {row.group for row in aip.tasks}
    people = {row.person for row in aip.policies} | {row.person for row in aip.subscriptions}
    people |= {row.submitter for row in aip.items} | {row.person for row in aip.versions}
    people |= {row.other for row in aip.persons_in} | {row.person for row in aip.tasks}
    groups |= {row.other for row in aip.groups_in}
    containers = {row.other for row in aip.parents} | {row.owning_collection for row in aip.items}
    containers |= {row.collection for row in aip.drafts} | {row.collection for row in aip.workflow}
    if aip.community:
        groups.add(aip.community.admin)
    if aip.collection:
        groups |= {aip.collection.admin, aip.collection.submitters}
    return ({uuid for uuid in groups if uuid}, {uuid for uuid in people if uuid}, {uuid for uuid in containers if uuid})


def _add_names(connection: Connection, found: dict[Uuid, Aip]) -> None:
    wanted = {uuid: _referenced(aip) for uuid, aip in found.items()}
    site = any(aip.kind is Kind.COMMUNITY for aip in found.values())
    if not site and not any(any(sets) for sets in wanted.values()):
        return
    union: list[set[Uuid]] = [set().union(*column) for column in zip(*wanted.values(), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            _NAMES, {"groups": list(union[0]), "people": list(union[1]), "containers": list(union[2]), "site": site}
        )
        names = {uuid: Name(uuid, Kind(kind), name) for uuid, kind, name in cursor.fetchall()}
    sites = [name for name in names.values() if name.kind is Kind.SITE]
    for uuid, aip in found.items():
        aip.names = [names[ref] for ref in sorted(set().union(*wanted[uuid])) if ref in names]
        if aip.kind is Kind.COMMUNITY:
            aip.names += sites
