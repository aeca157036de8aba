"""Who is who, and who is there: natural keys into aliases, and the owners that an object cannot be without.

Invariants:

* An alias is only made for an object whose own UUID is not on the target, and only to one that no other object of the
  source is: not aliased, not in the batch and not in the ledger under its own UUID.
* Site to site; groups by name (Anonymous and Administrator exist everywhere, role groups may clash); people by
  e-mail in lower case, then by netid. Reference: dspace-database §2.1, §2.6, pitfalls 11 to 13.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from daemon.dspace.connect import Connection
from events.aip.model import Aip, Kind, Uuid

_SITE: Final = """
    INSERT INTO aipstream.alias (source, target, kind)
    SELECT w.source, s.uuid, 'site' FROM unnest(%(sources)s::uuid[]) w(source) CROSS JOIN site s
    WHERE s.uuid <> w.source
      AND NOT EXISTS (SELECT FROM aipstream.alias a WHERE a.source = w.source OR a.target = s.uuid)
    ON CONFLICT DO NOTHING"""

_BY_NAME: Final = """
    INSERT INTO aipstream.alias (source, target, kind)
    SELECT DISTINCT ON (t.uuid) w.source, t.uuid, '{kind}'
    FROM unnest(%(sources)s::uuid[], %(names)s::text[]) w(source, name) JOIN {table} t ON t.{column} = w.name
    WHERE NOT EXISTS (SELECT FROM {table} o WHERE o.uuid = w.source)
      AND NOT EXISTS (SELECT FROM aipstream.alias a WHERE a.source = w.source OR a.target = t.uuid)
      AND NOT EXISTS (SELECT FROM aipstream.ledger l WHERE l.uuid = t.uuid AND NOT l.deleted)
      AND t.uuid <> ALL (%(own)s::uuid[])
    ORDER BY t.uuid, w.source
    ON CONFLICT DO NOTHING"""

_CONTAINERS: Final = """
    SELECT uuid::text FROM community WHERE uuid = ANY (%(uuids)s::uuid[])
    UNION ALL SELECT uuid::text FROM collection WHERE uuid = ANY (%(uuids)s::uuid[])"""


def match(connection: Connection, puts: Sequence[Aip]) -> None:
    """Add to `aipstream.alias` what those objects are on the target, where they are there under another UUID."""
    groups = [(aip.uuid, aip.group.name) for aip in puts if aip.group and aip.group.name is not None]
    emails = [(aip.uuid, aip.person.email.lower()) for aip in puts if aip.person and aip.person.email]
    netids = [(aip.uuid, aip.person.netid) for aip in puts if aip.person and aip.person.netid]
    sites = [aip.uuid for aip in puts if aip.kind is Kind.SITE]
    own = [aip.uuid for aip in puts if aip.kind in (Kind.GROUP, Kind.PERSON)]
    with connection.cursor() as cursor:
        if sites:
            cursor.execute(_SITE, {"sources": sites})
        for kind, table, column, rows in (
            ("group", "epersongroup", "name", groups),
            ("person", "eperson", "email", emails),
            ("person", "eperson", "netid", netids),
        ):
            if rows:
                sql = _BY_NAME.format(kind=kind, table=table, column=column)
                cursor.execute(
                    sql, {"sources": [row[0] for row in rows], "names": [row[1] for row in rows], "own": own}
                )


def _owners(aip: Aip) -> set[Uuid]:
    """The containers of which an object needs one."""
    if aip.kind is Kind.ITEM:
        return {row.owning_collection for row in aip.items if row.uuid == aip.uuid and row.owning_collection}
    if aip.kind in (Kind.COLLECTION, Kind.COMMUNITY):
        return {row.other for row in aip.parents}
    return set()


def missing_parents(connection: Connection, puts: Iterable[Aip]) -> dict[Uuid, set[Uuid]]:
    """The owners that exist neither on the target nor in the batch, for each object that cannot be written for it.

    An item needs its owning collection if it has one; a collection and a community one of the communities that they
    list, if they list any. An object whose owner is in the batch but itself lacks one lacks its owner.
    """
    needs = {aip.uuid: owners for aip in puts if (owners := _owners(aip))}
    if not needs:
        return {}
    there = {aip.uuid for aip in puts if aip.kind in (Kind.COLLECTION, Kind.COMMUNITY)}
    with connection.cursor() as cursor:
        cursor.execute(_CONTAINERS, {"uuids": list(set().union(*needs.values()))})
        present = {row[0] for row in cursor.fetchall()}
    missing: dict[Uuid, set[Uuid]] = {}
    while orphans := {
        uuid
        for uuid, owners in needs.items()
        if uuid not in missing and not owners & (present | there - missing.keys())
    }:
        missing |= {uuid: needs[uuid] for uuid in orphans}
    return missing
