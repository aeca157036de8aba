"""From touches to the objects that own them.

Invariant: one statement in one snapshot for a whole batch, whatever it touches, and every owner keeps the latest of the
transactions that touched it. What a touch names itself needs no lookup, so a link that is gone loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from daemon.dspace.connect import Connection
from daemon.source import Touched
from daemon.source.pgoutput import instant
from daemon.source.spool import Chunk
from daemon.source.touches import RULES, Subject
from events.aip.model import Kind, Uuid, derived_uuid

OWNERS: Final = """
WITH touch(subject, value, rank) AS MATERIALIZED (
    SELECT * FROM unnest(%(subjects)s::text[], %(values)s::text[], %(ranks)s::int[])),
object(uuid, rank) AS MATERIALIZED (
    SELECT value::uuid, rank FROM touch WHERE subject = 'object'
    UNION SELECT s.dspace_object_id, t.rank FROM touch t JOIN subscription s ON s.subscription_id = t.value::int
          WHERE t.subject = 'subscription' AND s.dspace_object_id IS NOT NULL),
file(uuid, rank) AS MATERIALIZED (
    SELECT value::uuid, rank FROM touch WHERE subject = 'bitstream'
    UNION SELECT o.uuid, o.rank FROM object o JOIN bitstream b ON b.uuid = o.uuid),
holder(uuid, rank) AS MATERIALIZED (
    SELECT value::uuid, rank FROM touch WHERE subject = 'bundle'
    UNION SELECT o.uuid, o.rank FROM object o JOIN bundle u ON u.uuid = o.uuid
    UNION SELECT bb.bundle_id, f.rank FROM file f JOIN bundle2bitstream bb ON bb.bitstream_id = f.uuid
    UNION SELECT u.uuid, f.rank FROM file f JOIN bundle u ON u.primary_bitstream_id = f.uuid),
neighbour(uuid, rank) AS MATERIALIZED (
    SELECT value::uuid, rank FROM touch WHERE subject = 'neighbours'),
history(id, rank) AS MATERIALIZED (
    SELECT value::int, rank FROM touch WHERE subject = 'history'
    UNION SELECT v.versionhistory_id, n.rank FROM neighbour n JOIN versionitem v ON v.item_id = n.uuid),
found(uuid, rank) AS MATERIALIZED (
    SELECT value::uuid, rank FROM touch WHERE subject = 'item'
    UNION SELECT o.uuid, o.rank FROM object o JOIN item i ON i.uuid = o.uuid
    UNION SELECT ib.item_id, h.rank FROM holder h JOIN item2bundle ib ON ib.bundle_id = h.uuid
    UNION SELECT r.right_id, n.rank FROM neighbour n JOIN relationship r ON r.left_id = n.uuid
    UNION SELECT r.left_id, n.rank FROM neighbour n JOIN relationship r ON r.right_id = n.uuid
    UNION SELECT v.item_id, h.rank FROM history h JOIN versionitem v ON v.versionhistory_id = h.id
    UNION SELECT w.item_id, t.rank FROM touch t JOIN cwf_workflowitem w ON w.workflowitem_id = t.value::int
          WHERE t.subject = 'workflow'),
owner(kind, uuid, rank) AS (
    SELECT 'item', f.uuid, f.rank FROM found f
     WHERE NOT EXISTS (SELECT FROM collection c WHERE c.template_item_id = f.uuid)
    UNION ALL SELECT 'collection', c.uuid, f.rank FROM found f JOIN collection c ON c.template_item_id = f.uuid
    UNION ALL SELECT 'collection', c.uuid, f.rank FROM file f JOIN collection c ON c.logo_bitstream_id = f.uuid
    UNION ALL SELECT 'community', c.uuid, f.rank FROM file f JOIN community c ON c.logo_bitstream_id = f.uuid
    UNION ALL SELECT 'collection', o.uuid, o.rank FROM object o JOIN collection c ON c.uuid = o.uuid
    UNION ALL SELECT 'community', o.uuid, o.rank FROM object o JOIN community c ON c.uuid = o.uuid
    UNION ALL SELECT 'person', o.uuid, o.rank FROM object o JOIN eperson e ON e.uuid = o.uuid
    UNION ALL SELECT 'group', o.uuid, o.rank FROM object o JOIN epersongroup g ON g.uuid = o.uuid
    UNION ALL SELECT 'site', o.uuid, o.rank FROM object o JOIN site s ON s.uuid = o.uuid
    UNION ALL SELECT 'registry', md5('aipstream/schema/' || m.short_id)::uuid, t.rank
      FROM touch t JOIN metadataschemaregistry m ON m.metadata_schema_id = t.value::int WHERE t.subject = 'schema'
    UNION ALL SELECT '', o.uuid, o.rank FROM object o
     WHERE NOT EXISTS (SELECT FROM dspaceobject d WHERE d.uuid = o.uuid))
SELECT kind, uuid::text, max(rank) FROM owner WHERE uuid IS NOT NULL GROUP BY kind, uuid"""
"""(kind, uuid, rank) of every owner; kind `""` for an object that is gone. Reads the tables of objects and their
links: item, bundle, bitstream, item2bundle, bundle2bitstream, collection, community, eperson, epersongroup, site,
relationship, versionitem, cwf_workflowitem, subscription, metadataschemaregistry, dspaceobject."""

_DIRECT: Final[Mapping[Subject, Kind]] = {
    Subject.COMMUNITY: Kind.COMMUNITY, Subject.COLLECTION: Kind.COLLECTION, Subject.PERSON: Kind.PERSON,
    Subject.GROUP: Kind.GROUP, Subject.SITE: Kind.SITE, Subject.REGISTRY: Kind.REGISTRY,
    Subject.TOMBSTONE: Kind.TOMBSTONE,
}  # fmt: skip
"""Touches that name their owner. Those of an item do as well, but it may be the template of a collection."""
_DERIVED: Final = {Kind.REGISTRY, Kind.TOMBSTONE}


class Resolved(NamedTuple):
    """The owners, each once; and the kinds that have to be compared whole, for a table was emptied or told no owner."""

    touched: list[Touched]
    sweep: frozenset[Kind]


def resolve(connection: Connection, chunks: Iterable[Chunk]) -> Resolved:
    """The owners of everything that these chunks touched, in the connection's current transaction.

    The chunks are in the order of their commits, and all of them are visible to that transaction's snapshot.
    """
    chunks = list(chunks)
    ranks: dict[tuple[str, bytes], int] = {}
    for rank, chunk in enumerate(chunks):
        for subject, values in chunk.touches.items():
            for value in values:
                ranks[subject, value] = rank
    owners: dict[tuple[Kind | None, Uuid], int] = {}
    lookups: list[tuple[str, str, int]] = []
    sweep: set[Kind] = set()
    for (name, value), rank in ranks.items():
        subject, text = Subject(name), value.decode()
        kind = _DIRECT.get(subject)
        if kind is not None:
            _latest(owners, kind, derived_uuid(text) if kind in _DERIVED else text, rank)
        elif subject is Subject.TABLE:
            sweep |= RULES[text].kinds
        else:
            lookups.append((name, text, rank))
    if lookups:
        for kind_name, uuid, rank in _look_up(connection, lookups):
            _latest(owners, Kind(kind_name) if kind_name else None, uuid, rank)
    known = {uuid for kind, uuid in owners if kind is not None}
    return Resolved(
        [
            _touched(kind, uuid, chunks[rank])
            for (kind, uuid), rank in owners.items()
            if kind is not None or uuid not in known
        ],
        frozenset(sweep),
    )


def _latest(owners: dict[tuple[Kind | None, Uuid], int], kind: Kind | None, uuid: Uuid, rank: int) -> None:
    owners[kind, uuid] = max(rank, owners.get((kind, uuid), 0))


def _look_up(connection: Connection, lookups: list[tuple[str, str, int]]) -> list[tuple[str, Uuid, int]]:
    subjects, values, ranks = zip(*lookups, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(OWNERS, {"subjects": list(subjects), "values": list(values), "ranks": list(ranks)})
        return cursor.fetchall()


def _touched(kind: Kind | None, uuid: Uuid, chunk: Chunk) -> Touched:
    return Touched(kind, uuid, chunk.lsn, instant(chunk.commit_time), chunk.xid)
