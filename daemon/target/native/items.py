"""Items, template items among them, with their bundles and bitstreams; logos are bitstreams too.

Invariants:

* Bitstreams stand before bundles and containers, which point at them.
* `bundle2bitstream` has its order in its key: a row that moves is removed and made anew, the others stay.
* A bitstream keeps `internal_id` and store unless a file was placed for it, and a row is never made without a file.
"""

from __future__ import annotations

from typing import Final

from daemon.target.native.sets import PLAIN, Writer, multiset, pairs, rows_by_uuid
from daemon.target.native.stage import Stage
from events.errors import BlobMissing

OBJECTS: Final = """
INSERT INTO dspaceobject (uuid) SELECT s.uuid FROM put_subject s
WHERE NOT EXISTS (SELECT FROM dspaceobject d WHERE d.uuid = s.uuid)"""

_WITHOUT_FILE: Final = """
SELECT w.uuid::text FROM put_bitstream w
WHERE w.internal_id IS NULL AND NOT EXISTS (SELECT FROM bitstream b WHERE b.uuid = w.uuid) LIMIT 1"""

_BITSTREAMS: Final = """
WITH changed AS (
  UPDATE bitstream b SET bitstream_id = w.bitstream_id, bitstream_format_id = w.bitstream_format_id, checksum = w.checksum,
    checksum_algorithm = w.checksum_algorithm, sequence_id = w.sequence_id, size_bytes = w.size_bytes, deleted = false,
    internal_id = coalesce(w.internal_id, b.internal_id),
    store_number = CASE WHEN w.internal_id IS NULL THEN b.store_number ELSE 0 END
  FROM put_bitstream w WHERE b.uuid = w.uuid
    AND ((b.bitstream_id, b.bitstream_format_id, b.checksum, b.checksum_algorithm, b.sequence_id, b.size_bytes, b.deleted)
      IS DISTINCT FROM (w.bitstream_id, w.bitstream_format_id, w.checksum, w.checksum_algorithm, w.sequence_id,
                        w.size_bytes, false)
      OR (w.internal_id IS NOT NULL AND (b.internal_id, b.store_number) IS DISTINCT FROM (w.internal_id, 0)))
  RETURNING 1),
made AS (
  INSERT INTO bitstream (uuid, bitstream_id, bitstream_format_id, checksum, checksum_algorithm, sequence_id, size_bytes,
                         internal_id, store_number, deleted)
  SELECT w.uuid, w.bitstream_id, w.bitstream_format_id, w.checksum, w.checksum_algorithm, w.sequence_id, w.size_bytes,
         w.internal_id, 0, false
  FROM put_bitstream w WHERE NOT EXISTS (SELECT FROM bitstream b WHERE b.uuid = w.uuid) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""

_ITEMS: Final = rows_by_uuid(
    "item", "put_item",
    ("item_id", "in_archive", "withdrawn", "discoverable", "last_modified", "submitter_id", "owning_collection"))

_ITEM_IN: Final = pairs("collection2item", "item_id", "collection_id", "put_item_in", "put_item")

_BUNDLES: Final = rows_by_uuid("bundle", "put_bundle", ("bundle_id", "primary_bitstream_id"))

_BUNDLE_IN: Final = pairs("item2bundle", "item_id", "bundle_id", "put_bundle_in", "put_item")

_PLACED: Final = """
WITH gone AS (
  DELETE FROM bundle2bitstream t USING put_bundle s WHERE t.bundle_id = s.uuid AND NOT EXISTS (
    SELECT FROM put_placed w WHERE w.bundle_id = t.bundle_id AND w.bitstream_id = t.bitstream_id
      AND w.bitstream_order = t.bitstream_order) RETURNING 1),
changed AS (
  UPDATE bundle2bitstream t SET bitstream_order_legacy = w.bitstream_order_legacy FROM put_placed w
  WHERE w.bundle_id = t.bundle_id AND w.bitstream_id = t.bitstream_id AND w.bitstream_order = t.bitstream_order
    AND w.bitstream_order_legacy IS DISTINCT FROM t.bitstream_order_legacy RETURNING 1),
made AS (
  INSERT INTO bundle2bitstream (bundle_id, bitstream_id, bitstream_order, bitstream_order_legacy)
  SELECT w.bundle_id, w.bitstream_id, w.bitstream_order, w.bitstream_order_legacy FROM put_placed w WHERE NOT EXISTS (
    SELECT FROM bundle2bitstream t WHERE w.bundle_id = t.bundle_id AND w.bitstream_id = t.bitstream_id
      AND w.bitstream_order = t.bitstream_order) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), (SELECT count(*) FROM gone)"""

_HARVESTED: Final = multiset(
    "harvested_item", key="id", sequence="harvested_item_seq", stage="put_harvested", scope="put_item", owner="item_id",
    same={"item_id": PLAIN}, rest=("oai_id", "last_harvested"))


def write_bitstreams(writer: Writer, stage: Stage) -> None:
    """Write the rows of all bitstreams. Raises BlobMissing for a new one without a placed file."""
    if stage.has("put_bitstream"):
        writer.cursor.execute(_WITHOUT_FILE)
        row = writer.cursor.fetchone()
        if row:
            raise BlobMissing(f"[target] bitstream {row[0]} is new, but no file was placed for it")
        writer.run("bitstream", _BITSTREAMS)


def write_items(writer: Writer, stage: Stage) -> None:
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
    writer.run("harvested_item", _HARVESTED)
