"""Which objects the target's search index has still to be told of: the rows of `aipstream.reindex` that a batch adds.

Invariant: they are added in the transaction that changes the objects, so that no change is ever forgotten, and only
for what an index document is made of. A batch that changes nothing adds none.

What DSpace 7.6 to 10 put into a document (`org.dspace.discovery`), and what therefore makes an object due:

* An item, collection or community that was written so that it reads otherwise than before, or that was deleted.
* `location.comm`, `location.coll`, and the rights to administrate (`read`, `admin`, `edit`, `submit`) come down from
  the containers: a container that moves, or whose administrators change, makes everything below it due (`below`).
* `latestVersion`: an item's place in its version history, so the other versions are due when the history changes.
* Virtual metadata: the far end of a relationship that came, went or moved.
* Metadata fields have documents of their own, for the form that edits metadata.

Groups, memberships and people make nothing due: a document holds the UUIDs that policies grant to, and who belongs to
a group is asked for at every search. A UUID that is gone matches nobody. Drafts are not told: `aipstream index --all`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from daemon.dspace.connect import Connection
from daemon.target.batch import Put
from events.aip.model import Aip, Kind, Uuid
from events.event import Event

SHOWN: Final = """({item}.in_archive OR {item}.withdrawn OR (
    EXISTS (SELECT FROM versionitem _v WHERE _v.item_id = {item}.uuid)
    AND NOT EXISTS (SELECT FROM workspaceitem _w WHERE _w.item_id = {item}.uuid)
    AND NOT EXISTS (SELECT FROM cwf_workflowitem _f WHERE _f.item_id = {item}.uuid)))"""
"""Whether an item has a document of its own: archived, withdrawn or an older version, but no draft (DSpace's
`ItemIndexFactoryImpl.getIndexableObjects`)."""

_ADMIN: Final = 11  # Constants.ADMIN, the action of a policy

_HASH: Final = "sum(hashtextextended({row}::text, 0))::text"

_ADMINS: Final = f"""(SELECT {_HASH.format(row="(p.epersongroup_id, p.eperson_id, p.start_date, p.end_date)")}
    FROM resourcepolicy p WHERE p.dspace_object = c.uuid AND p.action_id = {_ADMIN})"""

_SHAPES: Final = f"""
WITH histories(id) AS MATERIALIZED (
  SELECT DISTINCT v.versionhistory_id FROM versionitem v WHERE v.item_id = ANY (%(items)s::uuid[]))
SELECT 'shown' AS facet, 'item' AS kind, i.uuid::text AS uuid, false AS below, '' AS shape
  FROM item i WHERE i.uuid = ANY (%(items)s::uuid[]) AND {SHOWN.format(item="i")}
UNION ALL SELECT 'related', 'item', r.far::text, false, {_HASH.format(row="r.line")} FROM (
    SELECT right_id AS far, n::text AS line FROM relationship n WHERE left_id = ANY (%(items)s::uuid[])
    UNION ALL SELECT left_id, n::text FROM relationship n WHERE right_id = ANY (%(items)s::uuid[])) r
  JOIN item i ON i.uuid = r.far AND {SHOWN.format(item="i")} GROUP BY r.far
UNION ALL SELECT 'versions', 'item', o.item_id::text, false,
    {_HASH.format(row="(v.versionitem_id, v.version_number, v.item_id, i.in_archive, i.withdrawn)")}
  FROM histories h JOIN versionitem o ON o.versionhistory_id = h.id JOIN versionitem v ON v.versionhistory_id = h.id
  LEFT JOIN item i ON i.uuid = v.item_id WHERE o.item_id IS NOT NULL GROUP BY o.item_id
UNION ALL SELECT 'shape', 'community', c.uuid::text, true, (c.admin, {_ADMINS}, (
    SELECT {_HASH.format(row="n")} FROM community2community n WHERE n.child_comm_id = c.uuid))::text
  FROM community c WHERE c.uuid = ANY (%(containers)s::uuid[])
UNION ALL SELECT 'shape', 'collection', c.uuid::text, true, (c.admin, {_ADMINS}, (
    SELECT {_HASH.format(row="n")} FROM community2collection n WHERE n.collection_id = c.uuid))::text
  FROM collection c WHERE c.uuid = ANY (%(containers)s::uuid[])
UNION ALL SELECT 'parent', 'community', child_comm_id::text, true, {_HASH.format(row="n")}
  FROM community2community n WHERE parent_comm_id = ANY (%(dropped)s::uuid[]) GROUP BY child_comm_id
UNION ALL SELECT 'parent', 'collection', collection_id::text, true, {_HASH.format(row="n")}
  FROM community2collection n WHERE community_id = ANY (%(dropped)s::uuid[]) GROUP BY collection_id
UNION ALL SELECT 'parent', 'item', item_id::text, false, {_HASH.format(row="n")}
  FROM collection2item n WHERE collection_id = ANY (%(dropped)s::uuid[]) GROUP BY item_id"""
"""Around the objects of a batch, what their documents and those of others depend on, as one text for each (facet,
object): whatever differs after the batch makes its object due.

Reads item, versionitem, relationship, community, collection, community2community, community2collection,
collection2item, resourcepolicy.
"""

_ADD: Final = """
INSERT INTO aipstream.reindex AS r (uuid, kind, handle, deleted, below)
SELECT w.uuid, w.kind, coalesce(w.handle, (
    SELECT h.handle FROM handle h WHERE h.resource_id = w.uuid ORDER BY h.handle_id LIMIT 1)), w.deleted, w.below
FROM unnest(%(uuids)s::uuid[], %(kinds)s::text[], %(handles)s::text[], %(deleted)s::boolean[], %(below)s::boolean[])
  w(uuid, kind, handle, deleted, below) ORDER BY w.uuid
ON CONFLICT (uuid) DO UPDATE SET kind = excluded.kind, handle = coalesce(excluded.handle, r.handle),
  deleted = excluded.deleted, below = r.below OR excluded.below, touched = clock_timestamp()"""
"""A row that is due already stays due since its first time, and `touched` moves: who told the index of the state
before does not strike it off."""


class Shapes(NamedTuple):
    """What stood around a batch before it was written."""

    anchors: Mapping[str, list[Uuid]]
    found: Mapping[tuple[str, str, Uuid], tuple[bool, str]]


class _Row(NamedTuple):
    kind: str
    handle: str | None
    deleted: bool
    below: bool


def before(connection: Connection, puts: Sequence[Aip], deletes: Sequence[tuple[Kind, Uuid]]) -> Shapes:
    """What has to be known of the target before that batch is written. Items and containers have no aliases."""
    every = [(aip.kind, aip.uuid) for aip in puts] + list(deletes)
    containers = (Kind.COMMUNITY, Kind.COLLECTION)
    anchors = {
        "items": [uuid for kind, uuid in every if kind is Kind.ITEM],
        "containers": [uuid for kind, uuid in every if kind in containers],
        "dropped": [uuid for kind, uuid in deletes if kind in containers],
    }
    return Shapes(anchors, _shapes(connection, anchors))


def note(connection: Connection, shapes: Shapes, changed: Sequence[Put], deleted: Sequence[Event]) -> int:
    """Add what the batch has made due; how many rows. `changed` are the objects that read otherwise than before it."""
    now = _shapes(connection, shapes.anchors)
    rows: dict[Uuid, _Row] = {}
    for facet, kind, uuid in shapes.found.keys() | now.keys():
        was, stands = shapes.found.get((facet, kind, uuid)), now.get((facet, kind, uuid))
        # Below a container that is new there is nothing yet which the index could know.
        if was != stands and not (facet == "shape" and was is None):
            below = (was or stands or (False, ""))[0]
            rows[uuid] = _Row(kind, None, False, below or (uuid in rows and rows[uuid].below))
    for event in (put.event for put in changed):
        shown = event.kind in (Kind.COMMUNITY, Kind.COLLECTION) or any(
            ("shown", "item", event.uuid) in each for each in (shapes.found, now)
        )
        if event.kind in (Kind.ITEM, Kind.COMMUNITY, Kind.COLLECTION) and shown:
            below = event.uuid in rows and rows[event.uuid].below
            rows[event.uuid] = _Row(event.kind.value, event.handle, False, below)
    for put in changed:
        if put.event.kind is Kind.REGISTRY and (put.aip.schemas or put.aip.fields):
            rows[put.event.uuid] = _Row(Kind.REGISTRY.value, None, False, False)
    there = {uuid for facet, _, uuid in shapes.found if facet in ("shown", "shape")}
    for event in deleted:
        rows.pop(event.uuid, None)
        if event.uuid in there:
            rows[event.uuid] = _Row(event.kind.value, event.handle, True, False)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                _ADD,
                {
                    "uuids": list(rows),
                    "kinds": [row.kind for row in rows.values()],
                    "handles": [row.handle for row in rows.values()],
                    "deleted": [row.deleted for row in rows.values()],
                    "below": [row.below for row in rows.values()],
                },
            )
    return len(rows)


def _shapes(connection: Connection, anchors: Mapping[str, list[Uuid]]) -> dict[tuple[str, str, Uuid], tuple[bool, str]]:
    if not any(anchors.values()):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SHAPES, anchors)
        return {(facet, kind, uuid): (below, shape) for facet, kind, uuid, below, shape in cursor.fetchall()}
