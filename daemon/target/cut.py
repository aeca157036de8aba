"""Objects that lose a reference because what it names is deleted: a policy its group, a group a member, a version the
one after it.

On the source whoever refers to what is deleted changes too, and its event stands before the deletion. A target may
have it otherwise: one that goes back to between the two, or an object that is parked or was edited.

Invariant: asked before the deletion is written. Both UUIDs of a pair are the source's. What belongs to the batch itself
is left out, and so is what nothing can delete (`daemon.target.native.deletes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from daemon.dspace.connect import Connection
from events.aip.model import Kind, Uuid

_GONE: Final = """
WITH gone(source, uuid) AS MATERIALIZED (
  SELECT g.uuid, coalesce(a.target, g.uuid) FROM unnest(%(gone)s::uuid[]) g(uuid)
    LEFT JOIN aipstream.alias a ON a.source = g.uuid
  WHERE NOT EXISTS (SELECT FROM epersongroup e WHERE e.uuid = coalesce(a.target, g.uuid)
    AND e.name IN ('Anonymous', 'Administrator'))),
"""

_PEOPLE_AND_CONTAINERS: Final = f"""{_GONE}
named(uuid, source) AS (
  SELECT r.dspace_object, g.source FROM gone g JOIN resourcepolicy r ON r.epersongroup_id = g.uuid
  UNION ALL SELECT r.dspace_object, g.source FROM gone g JOIN resourcepolicy r ON r.eperson_id = g.uuid
  UNION ALL SELECT u.dspace_object_id, g.source FROM gone g JOIN subscription u ON u.eperson_id = g.uuid
  UNION ALL SELECT m.eperson_group_id, g.source FROM gone g JOIN epersongroup2eperson m ON m.eperson_id = g.uuid
  UNION ALL SELECT m.parent_id, g.source FROM gone g JOIN group2group m ON m.child_id = g.uuid
  UNION ALL SELECT c.uuid, g.source FROM gone g JOIN community c ON c.admin = g.uuid
  UNION ALL SELECT c.uuid, g.source FROM gone g JOIN collection c ON g.uuid IN (c.admin, c.submitter)
  UNION ALL SELECT r.collection_id, g.source FROM gone g JOIN cwf_collectionrole r ON r.group_id = g.uuid
  UNION ALL SELECT i.uuid, g.source FROM gone g JOIN item i ON i.submitter_id = g.uuid
  UNION ALL SELECT o.item_id, g.source FROM gone g JOIN versionitem v ON v.eperson_id = g.uuid
    JOIN versionitem o ON o.versionhistory_id = v.versionhistory_id
  UNION ALL SELECT w.item_id, g.source FROM gone g JOIN (
      SELECT r.workflowitem_id, r.eperson_id AS person, r.group_id FROM cwf_workflowitemrole r
      UNION ALL SELECT c.workflowitem_id, c.owner_id, NULL FROM cwf_claimtask c
      UNION ALL SELECT p.workflowitem_id, p.eperson_id, p.group_id FROM cwf_pooltask p
      UNION ALL SELECT u.workflowitem_id, u.user_id, NULL FROM cwf_in_progress_user u) t
      ON g.uuid IN (t.person, t.group_id)
    JOIN cwf_workflowitem w ON w.workflowitem_id = t.workflowitem_id
  UNION ALL SELECT o.item_id, g.source FROM gone g JOIN supervision_orders o ON o.eperson_group_id = g.uuid
  UNION ALL SELECT m.child_comm_id, g.source FROM gone g JOIN community2community m ON m.parent_comm_id = g.uuid
  UNION ALL SELECT m.collection_id, g.source FROM gone g JOIN community2collection m ON m.community_id = g.uuid
  UNION ALL SELECT m.item_id, g.source FROM gone g JOIN collection2item m ON m.collection_id = g.uuid
  UNION ALL SELECT i.uuid, g.source FROM gone g JOIN item i ON i.owning_collection = g.uuid
  UNION ALL SELECT w.item_id, g.source FROM gone g JOIN workspaceitem w ON w.collection_id = g.uuid
  UNION ALL SELECT w.item_id, g.source FROM gone g JOIN cwf_workflowitem w ON w.collection_id = g.uuid),
part(uuid, source) AS (
  SELECT uuid, source FROM named
  UNION SELECT b.bundle_id, n.source FROM named n JOIN bundle2bitstream b ON b.bitstream_id = n.uuid),
whole(uuid, source) AS (
  SELECT uuid, source FROM part
  UNION SELECT b.item_id, p.source FROM part p JOIN item2bundle b ON b.bundle_id = p.uuid
  UNION SELECT c.uuid, p.source FROM part p JOIN community c ON c.logo_bitstream_id = p.uuid
  UNION SELECT c.uuid, p.source FROM part p JOIN collection c ON c.logo_bitstream_id = p.uuid),
owner(uuid, source) AS (
  SELECT uuid, source FROM whole
  UNION SELECT c.uuid, w.source FROM whole w JOIN collection c ON c.template_item_id = w.uuid)
"""
"""Reads the tables of `dropped.PERSON_LINKS`, `GROUP_LINKS` and `CONTAINER_LINKS` that make up an object
(`daemon.dspace.facets`), and those that say which object a bundle, a file, a logo or a template belongs to."""

_ITEMS: Final = f"""{_GONE}
owner(uuid, source) AS (
  SELECT r.right_id, g.source FROM gone g JOIN relationship r ON r.left_id = g.uuid
  UNION SELECT r.left_id, g.source FROM gone g JOIN relationship r ON r.right_id = g.uuid
  UNION SELECT o.item_id, g.source FROM gone g JOIN versionitem v ON v.item_id = g.uuid
    JOIN versionitem o ON o.versionhistory_id = v.versionhistory_id)
"""
"""Reads relationship, versionitem."""

_KNOWN: Final = """
SELECT DISTINCT l.uuid::text, o.source::text FROM owner o
  LEFT JOIN aipstream.alias a ON a.target = o.uuid
  JOIN aipstream.ledger l ON l.uuid = coalesce(a.source, o.uuid)
WHERE NOT l.deleted AND l.uuid <> ALL (%(own)s::uuid[])"""


class Cut(NamedTuple):
    """`uuid` names `gone`, and will not any more."""

    uuid: Uuid
    gone: Uuid


def cut(connection: Connection, own: Sequence[Uuid], deletes: Sequence[tuple[Kind, Uuid]]) -> list[Cut]:
    """Which objects of the ledger refer to one of those that are to be deleted. `own` are the objects of the batch."""
    found: list[Cut] = []
    items = [uuid for kind, uuid in deletes if kind is Kind.ITEM]
    others = [uuid for kind, uuid in deletes if kind not in (Kind.ITEM, Kind.TOMBSTONE)]
    for statement, gone in ((_ITEMS, items), (_PEOPLE_AND_CONTAINERS, others)):
        if gone:
            with connection.cursor() as cursor:
                cursor.execute(statement + _KNOWN, {"gone": gone, "own": list(own)})
                found += (Cut(*row) for row in cursor.fetchall())
    return found
