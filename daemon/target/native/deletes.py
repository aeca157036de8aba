"""Objects that the source has deleted, all of a batch at once, children before parents.

Invariants:

* Deleting what is not there is no error, and neither is deleting an owner before what it owned: links are cut, and
  what was owned has an event of its own.
* The site, Anonymous, Administrator and the registries are never deleted; a tombstone goes only while it is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.target.native.dropped import (
    CONTAINER_LINKS,
    GROUP_LINKS,
    PARTS_OF_DROPPED_ITEMS,
    PERSON_LINKS,
    Dropper,
)
from daemon.target.native.people import rebuild_cache
from daemon.target.native.resolve import aliases
from daemon.target.native.sets import Writer, among
from daemon.target.native.stage import Stage
from events.aip.model import Kind, Uuid

_ITEMS: Final = """
INSERT INTO drop_item SELECT uuid FROM item WHERE uuid = ANY (%(items)s::uuid[])
UNION SELECT i.uuid FROM collection c JOIN item i ON i.uuid = c.template_item_id
WHERE c.uuid = ANY (%(containers)s::uuid[]) AND NOT i.in_archive AND NOT i.withdrawn AND i.owning_collection IS NULL"""

_CONTAINERS: Final = """
INSERT INTO drop_container SELECT uuid, 4 FROM community WHERE uuid = ANY (%(containers)s::uuid[])
UNION ALL SELECT uuid, 3 FROM collection WHERE uuid = ANY (%(containers)s::uuid[])"""

_LOGOS: Final = """
INSERT INTO drop_bitstream
SELECT c.logo_bitstream_id FROM community c JOIN drop_container d USING (uuid) WHERE c.logo_bitstream_id IS NOT NULL
UNION SELECT b.uuid FROM collection c JOIN drop_container d USING (uuid)
  JOIN bitstream b ON b.uuid = c.logo_bitstream_id"""

_GROUPS: Final = """
INSERT INTO drop_group SELECT uuid FROM epersongroup
WHERE uuid = ANY (%(groups)s::uuid[]) AND name IS DISTINCT FROM 'Anonymous' AND name IS DISTINCT FROM 'Administrator'"""

_PERSONS: Final = "INSERT INTO drop_person SELECT uuid FROM eperson WHERE uuid = ANY (%(persons)s::uuid[])"

_FORGET: Final = """
DELETE FROM aipstream.alias a USING {drop} d WHERE a.target = d.uuid"""

# --- versions of deleted items -------------------------------------------------------------------------------------

_AFFECTED: Final = f"SELECT o.versionhistory_id FROM versionitem o WHERE {among('o.item_id', 'drop_item')}"

_REARCHIVE: Final = f"""
UPDATE item i SET in_archive = true FROM (
  SELECT DISTINCT ON (v.versionhistory_id) v.item_id, v.version_number, v.versionhistory_id FROM versionitem v
  WHERE v.item_id IS NOT NULL AND NOT EXISTS (SELECT FROM drop_item d WHERE d.uuid = v.item_id)
    AND NOT EXISTS (SELECT FROM workspaceitem w WHERE w.item_id = v.item_id)
    AND NOT EXISTS (SELECT FROM cwf_workflowitem w WHERE w.item_id = v.item_id)
    AND v.versionhistory_id IN ({_AFFECTED})
  ORDER BY v.versionhistory_id, v.version_number DESC) p
WHERE i.uuid = p.item_id AND NOT i.in_archive AND NOT i.withdrawn AND EXISTS (
  SELECT FROM versionitem o JOIN drop_item d ON d.uuid = o.item_id
  WHERE o.versionhistory_id = p.versionhistory_id AND o.version_number > p.version_number)"""
"""Deleting the newest version makes the one before it the current one again."""

_LAST_MEMBERS: Final = f"""
DELETE FROM versionitem v WHERE v.versionhistory_id IN ({_AFFECTED})
  AND NOT EXISTS (
    SELECT FROM versionitem k WHERE k.versionhistory_id = v.versionhistory_id AND k.item_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM drop_item d WHERE d.uuid = k.item_id))"""
"""A history that loses its last item goes whole, stubs included."""

_STUBS: Final = f"""
UPDATE versionitem v SET item_id = NULL, version_summary = NULL, version_date = NULL, eperson_id = NULL
WHERE {among("v.item_id", "drop_item")}"""

# --- tombstones ----------------------------------------------------------------------------------------------------

_HANDLES: Final = """
DELETE FROM handle WHERE resource_id IS NULL
  AND md5('aipstream/handle/' || handle)::uuid = ANY (%(tombstones)s::uuid[])"""

_DOIS: Final = """
DELETE FROM doi WHERE dspace_object IS NULL AND md5('aipstream/doi/' || doi)::uuid = ANY (%(tombstones)s::uuid[])"""


def write_deletes(writer: Writer, stage: Stage, deletes: Sequence[tuple[Kind, Uuid]]) -> bool:
    """Take those objects away, by the source's UUIDs. Whether a group or a membership went."""
    cursor = writer.cursor
    alias = aliases(cursor, [uuid for _, uuid in deletes])
    of: dict[Kind, list[Uuid]] = {kind: [] for kind in Kind}
    for kind, uuid in deletes:
        of[kind].append(alias.get(uuid, uuid))
    dropper = Dropper(writer)
    containers = of[Kind.COLLECTION] + of[Kind.COMMUNITY]
    if of[Kind.ITEM] or containers:
        stage.fills("drop_item", "drop_bundle", "drop_bitstream", "drop_container")
        cursor.execute(_ITEMS, {"items": of[Kind.ITEM], "containers": containers})
        cursor.execute(PARTS_OF_DROPPED_ITEMS)
        cursor.execute(_CONTAINERS, {"containers": containers})
        cursor.execute(_LOGOS)
        _items(writer, dropper)
        if containers:
            dropper.links(CONTAINER_LINKS, "drop_container")
            dropper.objects("collection", "(SELECT uuid FROM drop_container WHERE type = 3)")
            dropper.objects("community", "(SELECT uuid FROM drop_container WHERE type = 4)")
        dropper.parts()
        cursor.execute("TRUNCATE drop_item, drop_bundle, drop_bitstream")
    changed = _groups(writer, stage, dropper, of[Kind.GROUP])
    if of[Kind.PERSON]:
        stage.fills("drop_person")
        cursor.execute(_PERSONS, {"persons": of[Kind.PERSON]})
        dropper.links(PERSON_LINKS, "drop_person")
        dropper.objects("eperson", "drop_person")
        cursor.execute(_FORGET.format(drop="drop_person"))
    if of[Kind.TOMBSTONE]:
        writer.run("handle", _HANDLES, {"tombstones": of[Kind.TOMBSTONE]})
        writer.run("doi", _DOIS, {"tombstones": of[Kind.TOMBSTONE]})
    return changed


def _items(writer: Writer, dropper: Dropper) -> None:
    writer.run("item", _REARCHIVE)
    writer.run("versionitem", _LAST_MEMBERS)
    writer.run("versionitem", _STUBS)
    dropper.items()


def _groups(writer: Writer, stage: Stage, dropper: Dropper, groups: Sequence[Uuid]) -> bool:
    if not groups:
        return False
    stage.fills("drop_group")
    writer.cursor.execute(_GROUPS, {"groups": groups})
    dropper.links(GROUP_LINKS, "drop_group")
    dropper.objects("epersongroup", "drop_group")
    writer.cursor.execute(_FORGET.format(drop="drop_group"))
    rebuild_cache(writer)
    return writer.touched["epersongroup"] > 0
