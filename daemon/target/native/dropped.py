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

from daemon.target.native.sets import Writer


class Link(NamedTuple):
    """A column that points at what goes: its rows go too, or are set to NULL."""

    table: str
    column: str
    null: bool = False


_TO_DELETE: Final = 8  # TO_BE_DELETED, doi.status

ITEM_LINKS: Final = (
    Link("workspaceitem", "item_id"), Link("harvested_item", "item_id"), Link("requestitem", "item_id"),
    Link("relationship", "left_id"), Link("relationship", "right_id"), Link("qaevent_processed", "item_uuid"),
    Link("orcid_queue", "owner_id"), Link("orcid_queue", "entity_id"), Link("orcid_history", "owner_id"),
    Link("orcid_history", "entity_id"), Link("orcid_token", "profile_item_id", null=True),
    Link("collection", "template_item_id", null=True), Link("supervision_orders", "item_id"),
    Link("cwf_workflowitem", "item_id"), Link("collection2item", "item_id"), Link("item2bundle", "item_id"),
)
"""Reads as: before an item goes, the rows of these tables that point at it do."""

PERSON_LINKS: Final = (
    Link("epersongroup2eperson", "eperson_id"), Link("resourcepolicy", "eperson_id"), Link("subscription", "eperson_id"),
    Link("item", "submitter_id", null=True), Link("versionitem", "eperson_id", null=True),
    Link("cwf_workflowitemrole", "eperson_id"), Link("cwf_claimtask", "owner_id"), Link("cwf_pooltask", "eperson_id"),
    Link("cwf_in_progress_user", "user_id"), Link("orcid_token", "eperson_id"), Link("qaevent_processed", "eperson_uuid"),
    Link("process", "user_id", null=True),
)

GROUP_LINKS: Final = (
    Link("epersongroup2eperson", "eperson_group_id"), Link("group2group", "parent_id"), Link("group2group", "child_id"),
    Link("group2groupcache", "parent_id"), Link("group2groupcache", "child_id"), Link("resourcepolicy", "epersongroup_id"),
    Link("community", "admin", null=True), Link("collection", "admin", null=True),
    Link("collection", "submitter", null=True), Link("cwf_collectionrole", "group_id"),
    Link("cwf_workflowitemrole", "group_id"), Link("cwf_pooltask", "group_id"), Link("supervision_orders", "eperson_group_id"),
    Link("process2group", "group_id"),
)

CONTAINER_LINKS: Final = (
    Link("community2community", "parent_comm_id"), Link("community2community", "child_comm_id"),
    Link("community2collection", "community_id"), Link("community2collection", "collection_id"),
    Link("harvested_collection", "collection_id"), Link("cwf_collectionrole", "collection_id"),
    Link("collection2item", "collection_id"), Link("item", "owning_collection", null=True),
    Link("workspaceitem", "collection_id", null=True), Link("cwf_workflowitem", "collection_id", null=True),
)
"""An item that is still owned by a collection that goes has an event of its own: it moves, or goes too."""

_WORKFLOW_OF: Final = """
DELETE FROM {table} t USING cwf_workflowitem f, {drop} d WHERE t.workflowitem_id = f.workflowitem_id AND f.item_id = d.uuid"""

_TASKS: Final = ("cwf_workflowitemrole", "cwf_claimtask", "cwf_pooltask", "cwf_in_progress_user")

_COLUMNS: Final = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))"""

# --- identifiers of what goes ------------------------------------------------------------------------------------------

_HANDLES: Final = "UPDATE handle h SET resource_id = NULL FROM {drop} d WHERE h.resource_id = d.uuid"
_DOIS: Final = f"UPDATE doi o SET dspace_object = NULL, status = {_TO_DELETE} FROM {{drop}} d WHERE o.dspace_object = d.uuid"
_SUBSCRIPTIONS: Final = "DELETE FROM subscription u USING {drop} d WHERE u.dspace_object_id = d.uuid"
_OBJECT: Final = "DELETE FROM dspaceobject o USING {drop} d WHERE o.uuid = d.uuid"
"""Takes metadata and policies along, by the foreign keys."""

# --- bundles and bitstreams --------------------------------------------------------------------------------------------

_STRAY_BUNDLES: Final = "DELETE FROM drop_bundle d USING item2bundle i WHERE i.bundle_id = d.uuid"
"""A bundle that another item holds stays."""

_BUNDLE_CONTENT: Final = "DELETE FROM bundle2bitstream b USING drop_bundle d WHERE b.bundle_id = d.uuid"
_BUNDLES: Final = "DELETE FROM bundle b USING drop_bundle d WHERE b.uuid = d.uuid"

_KEPT_BITSTREAMS: Final = """
DELETE FROM drop_bitstream d WHERE EXISTS (SELECT FROM bundle2bitstream b WHERE b.bitstream_id = d.uuid)
  OR EXISTS (SELECT FROM community c WHERE c.logo_bitstream_id = d.uuid)
  OR EXISTS (SELECT FROM collection c WHERE c.logo_bitstream_id = d.uuid)"""

_UNPRIMARY: Final = "UPDATE bundle b SET primary_bitstream_id = NULL FROM drop_bitstream d WHERE b.primary_bitstream_id = d.uuid"
_BITSTREAMS: Final = "UPDATE bitstream b SET deleted = true FROM drop_bitstream d WHERE b.uuid = d.uuid AND NOT b.deleted"
_POLICIES: Final = "DELETE FROM resourcepolicy r USING drop_bitstream d WHERE r.dspace_object = d.uuid"
_REQUESTS: Final = "DELETE FROM requestitem r USING drop_bitstream d WHERE r.bitstream_id = d.uuid"

PARTS_OF_DROPPED_ITEMS: Final = """
INSERT INTO drop_bundle SELECT DISTINCT ib.bundle_id FROM drop_item d JOIN item2bundle ib ON ib.item_id = d.uuid;
INSERT INTO drop_bitstream SELECT DISTINCT bb.bitstream_id
FROM drop_item d JOIN item2bundle ib ON ib.item_id = d.uuid JOIN bundle2bitstream bb ON bb.bundle_id = ib.bundle_id"""

NO_LONGER_LISTED: Final = """
INSERT INTO drop_item SELECT c.template_item_id FROM put_collection w JOIN collection c ON c.uuid = w.uuid
  JOIN item i ON i.uuid = c.template_item_id
WHERE c.template_item_id IS DISTINCT FROM w.template_item_id AND NOT i.in_archive AND NOT i.withdrawn
  AND i.owning_collection IS NULL;
INSERT INTO drop_bundle SELECT DISTINCT ib.bundle_id FROM put_item i JOIN item2bundle ib ON ib.item_id = i.uuid
WHERE NOT EXISTS (SELECT FROM put_bundle_in w WHERE w.subject = i.uuid AND w.other = ib.bundle_id);
INSERT INTO drop_bitstream
SELECT DISTINCT bb.bitstream_id FROM put_item i JOIN item2bundle ib ON ib.item_id = i.uuid
  JOIN bundle2bitstream bb ON bb.bundle_id = ib.bundle_id
WHERE NOT EXISTS (SELECT FROM put_bitstream w WHERE w.uuid = bb.bitstream_id)
UNION SELECT c.logo_bitstream_id FROM put_community w JOIN community c ON c.uuid = w.uuid
WHERE c.logo_bitstream_id IS DISTINCT FROM w.logo_bitstream_id AND c.logo_bitstream_id IS NOT NULL
UNION SELECT c.logo_bitstream_id FROM put_collection w JOIN collection c ON c.uuid = w.uuid JOIN bitstream b ON b.uuid = c.logo_bitstream_id
WHERE c.logo_bitstream_id IS DISTINCT FROM w.logo_bitstream_id"""
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
                verb = f"UPDATE {table} t SET {column} = NULL FROM" if null else f"DELETE FROM {table} t USING"
                self.writer.run(table, f"{verb} {drop} d WHERE t.{column} = d.uuid")

    def workflow(self, drop: str) -> None:
        """Take the tasks of the items in `drop` away, which point at their workflow rows."""
        for table in _TASKS:
            self.writer.run(table, _WORKFLOW_OF.format(table=table, drop=drop))

    def objects(self, table: str, drop: str) -> None:
        """Take the rows themselves away, `dspaceobject` last; identifiers stay as tombstones."""
        self.writer.run("handle", _HANDLES.format(drop=drop))
        self.writer.run("doi", _DOIS.format(drop=drop))
        self.writer.run("subscription", _SUBSCRIPTIONS.format(drop=drop))
        self.writer.run(table, f"DELETE FROM {table} t USING {drop} d WHERE t.uuid = d.uuid")
        self.writer.run("dspaceobject", _OBJECT.format(drop=drop))

    def items(self) -> None:
        """Take the items in `drop_item` away. Their bundles and bitstreams go by `parts`."""
        self.workflow("drop_item")
        self.links(ITEM_LINKS, "drop_item")
        self.objects("item", "drop_item")

    def parts(self) -> None:
        """Take the bundles in `drop_bundle` and the bitstreams in `drop_bitstream` away, unless something holds them."""
        cursor, run = self.writer.cursor, self.writer.run
        cursor.execute(_STRAY_BUNDLES)
        run("bundle2bitstream", _BUNDLE_CONTENT)
        self.objects("bundle", "drop_bundle")
        cursor.execute(_KEPT_BITSTREAMS)
        run("bundle", _UNPRIMARY)
        run("bitstream", _BITSTREAMS)
        run("resourcepolicy", _POLICIES)
        run("requestitem", _REQUESTS)
