"""Items, template items among them, with their bundles and bitstreams; logos are bitstreams too.

Invariants:

* Bitstreams stand before bundles and containers, which point at them.
* `bundle2bitstream` has its order in its key: a row that moves is removed and made anew, the others stay.
* A bitstream keeps `internal_id` and store unless a file was placed for it, and a row is never made without a file.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

from daemon.target.native.sets import PLAIN, Writer, among, multiset, pairs, rows_by_uuid
from daemon.target.native.stage import Stage
from events.errors import BlobMissing

_COLUMNS: Final = (
    "bitstream_id",
    "bitstream_format_id",
    "checksum",
    "checksum_algorithm",
    "sequence_id",
    "size_bytes",
    "internal_id",
    "store_number",
    "deleted",
)


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in _COLUMNS)


OBJECTS: Final = f"""
INSERT INTO dspaceobject (uuid)
SELECT uuid FROM put_subject EXCEPT SELECT d.uuid FROM dspaceobject d WHERE {among("d.uuid", "put_subject")}"""

_WITHOUT_FILE: Final = f"""
SELECT uuid::text FROM put_bitstream WHERE internal_id IS NULL
EXCEPT SELECT b.uuid::text FROM bitstream b WHERE {among("b.uuid", "put_bitstream")} LIMIT 1"""

_BITSTREAMS: Final = f"""
WITH held AS MATERIALIZED (SELECT b.uuid, {_of("b")} FROM bitstream b WHERE {among("b.uuid", "put_bitstream")}),
wanted AS (
  SELECT w.uuid, h.uuid AS held, w.bitstream_id, w.bitstream_format_id, w.checksum, w.checksum_algorithm, w.sequence_id,
         w.size_bytes, coalesce(w.internal_id, h.internal_id) AS internal_id,
         CASE WHEN w.internal_id IS NULL THEN h.store_number ELSE 0 END AS store_number, false AS deleted
  FROM put_bitstream w LEFT JOIN held h ON h.uuid = w.uuid),
differs AS MATERIALIZED (
  SELECT w.* FROM wanted w LEFT JOIN held h ON h.uuid = w.held
  WHERE h.uuid IS NULL OR ({_of("h")}) IS DISTINCT FROM ({_of("w")})),
changed AS (
  UPDATE bitstream b SET ({", ".join(_COLUMNS)}) = ROW ({_of("d")})
  FROM differs d WHERE b.uuid = d.held AND {among("b.uuid", "differs", "held")} RETURNING 1),
made AS (
  INSERT INTO bitstream (uuid, {", ".join(_COLUMNS)}) SELECT d.uuid, {_of("d")} FROM differs d WHERE d.held IS NULL
    RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_ITEMS: Final = rows_by_uuid(
    "item",
    "put_item",
    ("item_id", "in_archive", "withdrawn", "discoverable", "last_modified", "submitter_id", "owning_collection"),
)

_ITEM_IN: Final = pairs("collection2item", "item_id", "collection_id", "put_item_in", "put_item")

_BUNDLES: Final = rows_by_uuid("bundle", "put_bundle", ("bundle_id", "primary_bitstream_id"))

_BUNDLE_IN: Final = pairs("item2bundle", "item_id", "bundle_id", "put_bundle_in", "put_item")

_PLACED: Final = f"""
WITH held AS MATERIALIZED (
  SELECT t.bundle_id, t.bitstream_id, t.bitstream_order, t.bitstream_order_legacy FROM bundle2bitstream t
  WHERE {among("t.bundle_id", "put_bundle")}),
surplus AS MATERIALIZED (TABLE held EXCEPT TABLE put_placed),
gone AS (
  DELETE FROM bundle2bitstream t USING surplus s WHERE {among("t.bundle_id", "surplus", "bundle_id")}
    AND t.bundle_id = s.bundle_id AND t.bitstream_id = s.bitstream_id AND t.bitstream_order = s.bitstream_order
    AND NOT EXISTS (
      SELECT FROM put_placed w WHERE t.bundle_id = w.bundle_id AND t.bitstream_id = w.bitstream_id
        AND t.bitstream_order = w.bitstream_order) RETURNING 1),
changed AS (
  UPDATE bundle2bitstream t SET bitstream_order_legacy = w.bitstream_order_legacy FROM put_placed w
  WHERE {among("t.bundle_id", "surplus", "bundle_id")}
    AND t.bundle_id = w.bundle_id AND t.bitstream_id = w.bitstream_id AND t.bitstream_order = w.bitstream_order
    AND w.bitstream_order_legacy IS DISTINCT FROM t.bitstream_order_legacy RETURNING 1),
made AS (
  INSERT INTO bundle2bitstream (bundle_id, bitstream_id, bitstream_order, bitstream_order_legacy)
  SELECT w.* FROM put_placed w WHERE NOT EXISTS (
    SELECT FROM held h WHERE h.bundle_id = w.bundle_id AND h.bitstream_id = w.bitstream_id
      AND h.bitstream_order = w.bitstream_order) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), (SELECT count(*) FROM gone)"""

_HARVESTED: Final = multiset(
    "harvested_item",
    key="id",
    sequence="harvested_item_seq",
    stage="put_harvested",
    scope="put_item",
    owner="item_id",
    same={"item_id": PLAIN},
    rest=("oai_id", "last_harvested"),
)


def write_bitstreams(writer: Writer, stage: Stage) -> None:
    """Write the rows of all bitstreams. Raises BlobMissing for a new one without a placed file."""
    if stage.has("put_bitstream"):
        writer.cursor.execute(_WITHOUT_FILE)
        row = writer.cursor.fetchone()
        if row:
            raise BlobMissing(f"[target] bitstream {row[0]} is new, but no file was placed for it")
        writer.run("bitstream", _BITSTREAMS)


def write_items(writer: Writer, stage: Stage, rare: AbstractSet[str]) -> None:
    """Write items with bundles and the places of bitstreams; submitters, collections and bitstreams must be there."""
    if not stage.has("put_item"):
        return
    writer.run("item", _ITEMS)
    writer.run("collection2item", _ITEM_IN)
    if stage.has("put_bundle"):
        writer.run("bundle", _BUNDLES)
    writer.run("item2bundle", _BUNDLE_IN)
    if stage.has("put_bundle"):
        writer.run("bundle2bitstream", _PLACED)
    if stage.has("put_harvested") or "harvested_item" in rare:
        writer.run("harvested_item", _HARVESTED)


_RARE: Final = {
    "doi": among("t.dspace_object", "put_subject"),
    "subscription": among("t.dspace_object_id", "put_subject"),
    "harvested_item": among("t.item_id", "put_item"),
    "workspaceitem": among("t.item_id", "put_item"),
    "cwf_workflowitem": among("t.item_id", "put_item"),
    "supervision_orders": among("t.item_id", "put_item"),
    "versionitem": among("t.item_id", "put_item"),
    "relationship": f"{among('t.left_id', 'put_item')} OR {among('t.right_id', 'put_item')}",
}

_HELD: Final = "SELECT " + ", ".join(
    f"EXISTS (SELECT FROM {table} t WHERE {condition})" for table, condition in _RARE.items()
)


def rare_rows(writer: Writer) -> AbstractSet[str]:
    """The tables, of those in which most objects have no row, where the target has one of the batch's objects.

    One question spares a small batch a dozen statements that would find nothing to do.
    """
    writer.cursor.execute(_HELD)
    row = writer.cursor.fetchone()
    return {table for table, found in zip(_RARE, row or (), strict=False) if found}
