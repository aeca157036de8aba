"""What belongs to several items at once, relationships and version histories: gathered and written.

Invariants:

* Both ends of a relationship list it, and every member of a history lists all of it. What the later object of a batch
  lists counts; an earlier one does not bring back what a later one has dropped.
* A row whose far end is not on the target is left out and reported, and stands when the far end has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.dspace.facets import Options, expand
from daemon.target.native.resolve import Resolver
from daemon.target.native.sets import NO_NUMBER, NO_UUID, PLAIN, Writer, among, multiset
from daemon.target.native.stage import Stage
from events.aip.model import Aip, Kind, Uuid

# --- relationships -------------------------------------------------------------------------------------------------

_RELATIONS: Final = f"""
WITH held AS MATERIALIZED (
  SELECT r.* FROM relationship r
  WHERE ({among("r.left_id", "put_item")} OR {among("r.right_id", "put_item")})
    AND EXISTS (SELECT FROM item x WHERE x.uuid = r.left_id AND $live(x))
    AND EXISTS (SELECT FROM item x WHERE x.uuid = r.right_id AND $live(x))),
differs AS MATERIALIZED (
  SELECT w.*, r.id AS id FROM put_relation w LEFT JOIN (
    SELECT * FROM relationship h WHERE {among("h.left_id", "put_relation", "left_id")}) r USING (left_id, type_id,
      right_id)
  WHERE r.id IS NULL OR (r.left_place, r.right_place, r.leftward_value, r.rightward_value, r.latest_version_status)
    IS DISTINCT FROM (w.left_place, w.right_place, w.leftward_value, w.rightward_value, w.latest_version_status)),
gone AS (
  DELETE FROM relationship r USING held h WHERE r.id = h.id AND NOT EXISTS (
    SELECT FROM put_relation w WHERE w.left_id = r.left_id AND w.type_id = r.type_id AND w.right_id = r.right_id)
  RETURNING 1),
changed AS (
  UPDATE relationship r SET left_place = d.left_place, right_place = d.right_place, leftward_value = d.leftward_value,
    rightward_value = d.rightward_value, latest_version_status = d.latest_version_status
  FROM differs d WHERE r.id = d.id RETURNING 1),
made AS (
  INSERT INTO relationship (id, left_id, type_id, right_id, left_place, right_place, leftward_value, rightward_value,
                            latest_version_status)
  SELECT nextval('relationship_id_seq'), left_id, type_id, right_id, left_place, right_place, leftward_value,
         rightward_value, latest_version_status FROM differs WHERE id IS NULL RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), (SELECT count(*) FROM gone)"""
"""Writes relationship; reads item, versionitem, workspaceitem,
  cwf_workflowitem. A relationship with an item that is out
of scope, as somebody's draft on the target is, is not looked at."""


def gather_relations(puts: Sequence[Aip], stage: Stage, names: Resolver) -> None:
    """Stage each relationship once, as the last of its ends in the batch has it."""
    order = {aip.uuid: number for number, aip in enumerate(puts) if aip.kind is Kind.ITEM}
    for number, aip in enumerate(puts):
        for row in aip.relations:
            if max(order.get(row.left, -1), order.get(row.right, -1)) != number:
                continue
            left = names.reference(aip.uuid, "item", row.left)
            right = names.reference(aip.uuid, "item", row.right)
            kind = names.relationship_type(aip.uuid, (row.left_type, row.leftward, row.rightward, row.right_type))
            if left and right:
                stage.add(
                    "put_relation",
                    left,
                    kind,
                    right,
                    row.left_place,
                    row.right_place,
                    row.leftward_value,
                    row.rightward_value,
                    row.latest_version_status,
                )


def write_relations(writer: Writer, options: Options) -> None:
    """Make the relationships of the batch's items as staged. The items must be there, and their histories too."""
    writer.run("relationship", expand(_RELATIONS, options, some=False))


# --- version histories ---------------------------------------------------------------------------------------------

_FIND: Final = f"""
INSERT INTO put_history (number, id, made)
SELECT number, id, false FROM (
  SELECT DISTINCT ON (v.versionhistory_id) w.history AS number, v.versionhistory_id AS id
  FROM put_version w JOIN versionitem v ON v.item_id = w.item_id
  WHERE {among("v.item_id", "put_version", "item_id")} AND v.versionhistory_id IS NOT NULL AND w.history >= 0
  ORDER BY v.versionhistory_id, w.history) f"""
"""Each history of the target that has a member of a staged one belongs to one staged history (a split leaves it with
the first), and a staged history may have found several (a merge)."""

_NEW: Final = """
INSERT INTO put_history (number, id, made)
SELECT n.history, nextval('versionhistory_seq'), true
FROM (SELECT DISTINCT history FROM put_version WHERE history >= 0) n
WHERE NOT EXISTS (SELECT FROM put_history h WHERE h.number = n.history)"""

_MAKE: Final = "INSERT INTO versionhistory (versionhistory_id) SELECT id FROM put_history WHERE made"

_LEAVE: Final = f"""
DELETE FROM versionitem v USING put_version w
WHERE v.item_id = w.item_id AND {among("v.item_id", "put_version", "item_id")} AND NOT EXISTS (
  SELECT FROM put_history h WHERE h.number = w.history AND h.id = v.versionhistory_id
    AND h.id = (SELECT min(o.id) FROM put_history o WHERE o.number = w.history))"""
"""A member leaves every history but the one that its staged rows go into; history -1 is that of items without one."""

_VERSIONS: Final = multiset(
    "versionitem",
    key="versionitem_id",
    sequence="versionitem_seq",
    scope="put_history",
    scope_column="id",
    stage="""(SELECT (SELECT min(h.id) FROM put_history h
      WHERE h.number = v.history) AS versionhistory_id, v.version_number,
              v.item_id, v.version_date, v.version_summary, v.eperson_id FROM put_version v WHERE v.history >= 0)""",
    owner="versionhistory_id",
    same={"versionhistory_id": PLAIN, "version_number": NO_NUMBER, "item_id": NO_UUID},
    rest=("version_date", "version_summary", "eperson_id"),
    where="$where",
)


def gather_versions(puts: Sequence[Aip], stage: Stage, names: Resolver) -> None:
    """Stage each history once, as the last member in the batch lists it; an item without one under history -1."""
    decided: set[Uuid] = set()
    for number in range(len(puts) - 1, -1, -1):
        aip = puts[number]
        if aip.kind is not Kind.ITEM or aip.uuid in decided:
            continue
        if not aip.versions:
            stage.add("put_version", -1, None, aip.uuid, None, None, None)
        for row in aip.versions:
            if row.item is not None and row.item in decided:
                continue
            item = names.reference(aip.uuid, "item", row.item)
            if item is not None or row.item is None:
                stage.add(
                    "put_version",
                    number,
                    row.number,
                    item,
                    row.date,
                    row.summary,
                    names.reference(aip.uuid, "person", row.person),
                )
        decided |= {row.item for row in aip.versions if row.item is not None} | {aip.uuid}


def write_versions(writer: Writer, stage: Stage, options: Options) -> None:
    """Make the histories of the batch's items as staged. The items must be there."""
    stage.fills("put_history")
    writer.cursor.execute(_FIND)
    writer.cursor.execute(_NEW)
    writer.run("versionhistory", _MAKE)
    writer.run("versionitem", _LEAVE)
    # A version whose item is somebody's draft on the target is not looked at.
    live = expand("$live(x)", options, some=False)
    where = f"t.item_id IS NULL OR EXISTS (SELECT FROM item x WHERE x.uuid = t.item_id AND {live})"
    writer.run("versionitem", _VERSIONS.replace("$where", where))
