"""What goes: objects that were deleted and parts that are no longer listed, taken away as DSpace's API takes them.

Invariants:

* The tables `drop_*` hold what goes; a statement for each table that may point there runs before the rows go, because
  no foreign key of DSpace is deferrable. Tables that this version lacks are passed over.
* A bitstream row never goes: it is marked deleted, keeps its metadata, and `dspace cleanup` purges it with its file.
* A handle or DOI never goes with its object: it is left as a tombstone.

Reference: dspace-database §3. Deleting what is not there is no error.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from daemon.target.native.sets import Writer, among


class Link(NamedTuple):
    """A column that points at what goes: its rows go too, or are set to NULL."""

    table: str
    column: str
    null: bool = False


_TO_DELETE: Final = 8  # TO_BE_DELETED, doi.status

ITEM_LINKS: Final = (
    Link("workspaceitem", "item_id"),
    Link("harvested_item", "item_id"),
    Link("requestitem", "item_id"),
    Link("relationship", "left_id"),
    Link("relationship", "right_id"),
    Link("qaevent_processed", "item_uuid"),
    Link("orcid_queue", "owner_id"),
    Link("orcid_queue", "entity_id"),
    Link("orcid_history", "owner_id"),
    Link("orcid_history", "entity_id"),
    Link("orcid_token", "profile_item_id", null=True),
    Link("collection", "template_item_id", null=True),
    Link("supervision_orders", "item_id"),
    Link("cwf_workflowitem", "item_id"),
    Link("collection2item", "item_id"),
    Link("item2bundle", "item_id"),
)
"""Reads as: before an item goes, the rows of these tables that point at it do."""

PERSON_LINKS: Final = (
    Link("epersongroup2eperson", "eperson_id"),
    Link("resourcepolicy", "eperson_id"),
    Link("subscription", "eperson_id"),
    Link("item", "submitter_id", null=True),
    Link("versionitem", "eperson_id", null=True),
    Link("cwf_workflowitemrole", "eperson_id"),
    Link("cwf_claimtask", "owner_id"),
    Link("cwf_pooltask", "eperson_id"),
    Link("cwf_in_progress_user", "user_id"),
    Link("orcid_token", "eperson_id"),
    Link("qaevent_processed", "eperson_uuid"),
    Link("process", "user_id", null=True),
)

GROUP_LINKS: Final = (
    Link("epersongroup2eperson", "eperson_group_id"),
    Link("group2group", "parent_id"),
    Link("group2group", "child_id"),
    Link("group2groupcache", "parent_id"),
    Link("group2groupcache", "child_id"),
    Link("resourcepolicy", "epersongroup_id"),
    Link("community", "admin", null=True),
    Link("collection", "admin", null=True),
    Link("collection", "submitter", null=True),
    Link("cwf_collectionrole", "group_id"),
    Link("cwf_workflowitemrole", "group_id"),
    Link("cwf_pooltask", "group_id"),
    Link("supervision_orders", "eperson_group_id"),
    Link("process2group", "group_id"),
)

CONTAINER_LINKS: Final = (
    Link("community2community", "parent_comm_id"),
    Link("community2community", "child_comm_id"),
    Link("community2collection", "community_id"),
    Link("community2collection", "collection_id"),
    Link("harvested_collection", "collection_id"),
    Link("cwf_collectionrole", "collection_id"),
    Link("collection2item", "collection_id"),
    Link("item", "owning_collection", null=True),
    Link("workspaceitem", "collection_id", null=True),
    Link("cwf_workflowitem", "collection_id", null=True),
)
"""An item that is still owned by a collection that goes has an event of its own: it moves, or goes too."""

_WORKFLOW_OF: Final = """
DELETE FROM {table} t WHERE t.workflowitem_id IN (SELECT f.workflowitem_id FROM cwf_workflowitem f WHERE {among})"""

_TASKS: Final = ("cwf_workflowitemrole", "cwf_claimtask", "cwf_pooltask", "cwf_in_progress_user")

_COLUMNS: Final = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))"""

# --- identifiers of what goes --------------------------------------------------------------------------------------

_HANDLES: Final = "UPDATE handle t SET resource_id = NULL WHERE {among}"
_DOIS: Final = f"UPDATE doi t SET dspace_object = NULL, status = {_TO_DELETE} WHERE {{among}}"
_DELETE: Final = "DELETE FROM {table} t WHERE {among}"
"""Of `dspaceobject` this takes metadata and policies along, by the foreign keys."""

# --- bundles and bitstreams ----------------------------------------------------------------------------------------

_STRAY_BUNDLES: Final = f"""
DELETE FROM drop_bundle WHERE uuid IN (SELECT t.bundle_id FROM item2bundle t
  WHERE {among("t.bundle_id", "drop_bundle")})"""
"""A bundle that another item holds stays."""

_KEPT_BITSTREAMS: Final = f"""
DELETE FROM drop_bitstream WHERE uuid IN (
  SELECT t.bitstream_id FROM bundle2bitstream t WHERE {among("t.bitstream_id", "drop_bitstream")}
  UNION ALL SELECT t.logo_bitstream_id FROM community t WHERE {among("t.logo_bitstream_id", "drop_bitstream")}
  UNION ALL SELECT t.logo_bitstream_id FROM collection t WHERE {among("t.logo_bitstream_id", "drop_bitstream")})"""

_UNPRIMARY: Final = f"""
UPDATE bundle t SET primary_bitstream_id = NULL WHERE {among("t.primary_bitstream_id", "drop_bitstream")}"""

_BITSTREAMS: Final = (
    f"UPDATE bitstream t SET deleted = true WHERE {among('t.uuid', 'drop_bitstream')} AND NOT t.deleted"
)

PARTS_OF_DROPPED_ITEMS: Final = f"""
INSERT INTO drop_bundle SELECT DISTINCT t.bundle_id FROM item2bundle t WHERE {among("t.item_id", "drop_item")};
INSERT INTO drop_bitstream SELECT DISTINCT t.bitstream_id FROM bundle2bitstream t WHERE t.bundle_id = ANY (ARRAY(
  SELECT i.bundle_id FROM item2bundle i WHERE {among("i.item_id", "drop_item")}))"""

_LOGO: Final = """
SELECT b.uuid FROM put_{container} w JOIN {container} c ON c.uuid = w.uuid
  JOIN bitstream b ON b.uuid = c.logo_bitstream_id
WHERE c.logo_bitstream_id IS DISTINCT FROM w.logo_bitstream_id"""

NO_LONGER_LISTED: Final = f"""
INSERT INTO drop_item SELECT c.template_item_id FROM put_collection w JOIN collection c ON c.uuid = w.uuid
  JOIN item i ON i.uuid = c.template_item_id
WHERE c.template_item_id IS DISTINCT FROM w.template_item_id AND NOT i.in_archive AND NOT i.withdrawn
  AND i.owning_collection IS NULL;
INSERT INTO drop_bundle
SELECT DISTINCT t.bundle_id FROM item2bundle t WHERE {among("t.item_id", "put_item")}
  AND NOT EXISTS (SELECT FROM put_bundle_in w WHERE w.subject = t.item_id AND w.other = t.bundle_id);
INSERT INTO drop_bitstream
SELECT t.bitstream_id FROM bundle2bitstream t WHERE t.bundle_id = ANY (ARRAY(
  SELECT i.bundle_id FROM item2bundle i WHERE {among("i.item_id", "put_item")}))
EXCEPT SELECT uuid FROM put_bitstream;
INSERT INTO drop_bitstream {_LOGO.format(container="community")} UNION {_LOGO.format(container="collection")}"""
"""What the batch's objects hold on the target and do not list any more. Runs before anything of them is written."""


class Dropper:
    """Takes away what stands in the `drop_*` tables."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._there: set[tuple[str, str]] | None = None

    def has(self, table: str, column: str) -> bool:
        """Whether this version of DSpace has that column."""
        if self._there is None:
            self.writer.cursor.execute(_COLUMNS)
            self._there = set(self.writer.cursor.fetchall())
        return (table, column) in self._there

    def links(self, links: tuple[Link, ...], drop: str) -> None:
        """Take away, or set to NULL, every row that points at what stands in `drop`."""
        for table, column, null in links:
            if self.has(table, column):
                verb = f"UPDATE {table} t SET {column} = NULL" if null else f"DELETE FROM {table} t"
                self.writer.run(table, f"{verb} WHERE {among(f't.{column}', drop)}")

    def workflow(self, drop: str) -> None:
        """Take the tasks of the items in `drop` away, which point at their workflow rows."""
        for table in _TASKS:
            self.writer.run(table, _WORKFLOW_OF.format(table=table, among=among("f.item_id", drop)))

    def objects(self, table: str, drop: str) -> None:
        """Take the rows themselves away, `dspaceobject` last; identifiers stay as tombstones."""
        self.writer.run("handle", _HANDLES.format(among=among("t.resource_id", drop)))
        self.writer.run("doi", _DOIS.format(among=among("t.dspace_object", drop)))
        self._delete("subscription", "dspace_object_id", drop)
        self._delete(table, "uuid", drop)
        self._delete("dspaceobject", "uuid", drop)

    def _delete(self, table: str, column: str, drop: str) -> None:
        self.writer.run(table, _DELETE.format(table=table, among=among(f"t.{column}", drop)))

    def items(self) -> None:
        """Take the items in `drop_item` away. Their bundles and bitstreams go by `parts`."""
        self.workflow("drop_item")
        self.links(ITEM_LINKS, "drop_item")
        self.objects("item", "drop_item")

    def parts(self) -> None:
        """Take the bundles in `drop_bundle` and the bitstreams in `drop_bitstream` away,
        unless something holds them.
        """
        cursor, run = self.writer.cursor, self.writer.run
        cursor.execute(_STRAY_BUNDLES)
        self._delete("bundle2bitstream", "bundle_id", "drop_bundle")
        self.objects("bundle", "drop_bundle")
        cursor.execute(_KEPT_BITSTREAMS)
        run("bundle", _UNPRIMARY)
        run("bitstream", _BITSTREAMS)
        self._delete("resourcepolicy", "dspace_object", "drop_bitstream")
        self._delete("requestitem", "bitstream_id", "drop_bitstream")
