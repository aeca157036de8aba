"""Rows waiting to be written, table by table, in an order that every foreign key accepts.

Invariant: nothing is written before `flush`, and `flush` writes parents first. The integer keys come from the
database's own sequences, one `nextval` per row, as DSpace draws them.
"""

from __future__ import annotations

import io
from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

Cell = str | int | bool | None
"""What a cell may hold: UUIDs, dates and instants as text, in PostgreSQL's own notation."""

TABLES: Final[dict[str, tuple[str, ...]]] = {
    "dspaceobject": ("uuid",),
    "epersongroup": ("uuid", "name", "permanent", "eperson_group_id"),
    "eperson": (
        "uuid",
        "email",
        "netid",
        "password",
        "salt",
        "digest_algorithm",
        "can_log_in",
        "require_certificate",
        "self_registered",
        "sub_frequency",
        "last_active",
        "eperson_id",
    ),
    "bitstream": (
        "uuid",
        "bitstream_format_id",
        "checksum",
        "checksum_algorithm",
        "internal_id",
        "deleted",
        "store_number",
        "sequence_id",
        "size_bytes",
        "bitstream_id",
    ),
    "community": ("uuid", "admin", "logo_bitstream_id", "community_id"),
    "community2community": ("parent_comm_id", "child_comm_id"),
    "collection": ("uuid", "submitter", "admin", "template_item_id", "logo_bitstream_id", "collection_id"),
    "community2collection": ("community_id", "collection_id"),
    "item": (
        "uuid",
        "in_archive",
        "withdrawn",
        "discoverable",
        "last_modified",
        "submitter_id",
        "owning_collection",
        "item_id",
    ),
    "collection2item": ("collection_id", "item_id"),
    "bundle": ("uuid", "primary_bitstream_id", "bundle_id"),
    "item2bundle": ("item_id", "bundle_id"),
    "bundle2bitstream": ("bundle_id", "bitstream_id", "bitstream_order", "bitstream_order_legacy"),
    "epersongroup2eperson": ("eperson_group_id", "eperson_id"),
    "group2group": ("parent_id", "child_id"),
    "metadatavalue": (
        "metadata_value_id",
        "dspace_object_id",
        "metadata_field_id",
        "text_value",
        "text_lang",
        "place",
        "authority",
        "confidence",
        "security_level",
    ),
    "resourcepolicy": (
        "policy_id",
        "dspace_object",
        "resource_type_id",
        "action_id",
        "epersongroup_id",
        "eperson_id",
        "start_date",
        "end_date",
        "rpname",
        "rptype",
        "rpdescription",
    ),
    "handle": ("handle_id", "handle", "resource_type_id", "resource_id", "resource_legacy_id"),
    "doi": ("doi_id", "doi", "resource_type_id", "dspace_object", "status", "resource_id"),
    "versionhistory": ("versionhistory_id",),
    "versionitem": (
        "versionitem_id",
        "versionhistory_id",
        "version_number",
        "item_id",
        "version_date",
        "version_summary",
        "eperson_id",
    ),
    "relationship": (
        "id",
        "left_id",
        "type_id",
        "right_id",
        "left_place",
        "right_place",
        "leftward_value",
        "rightward_value",
        "latest_version_status",
    ),
    "harvested_collection": (
        "id",
        "collection_id",
        "harvest_type",
        "oai_source",
        "oai_set_id",
        "metadata_config_id",
        "harvest_status",
        "harvest_message",
        "harvest_start_time",
        "last_harvested",
    ),
    "harvested_item": ("id", "item_id", "oai_id", "last_harvested"),
    "subscription": ("subscription_id", "eperson_id", "dspace_object_id", "type"),
    "subscription_parameter": ("subscription_parameter_id", "subscription_id", "name", "value"),
    "cwf_collectionrole": ("collectionrole_id", "role_id", "collection_id", "group_id"),
    "workspaceitem": (
        "workspace_item_id",
        "item_id",
        "collection_id",
        "multiple_titles",
        "published_before",
        "multiple_files",
        "stage_reached",
        "page_reached",
    ),
    "cwf_workflowitem": (
        "workflowitem_id",
        "item_id",
        "collection_id",
        "multiple_titles",
        "published_before",
        "multiple_files",
    ),
    "cwf_workflowitemrole": ("workflowitemrole_id", "role_id", "workflowitem_id", "group_id", "eperson_id"),
    "cwf_claimtask": ("claimtask_id", "workflowitem_id", "workflow_id", "step_id", "action_id", "owner_id"),
    "cwf_pooltask": ("pooltask_id", "workflowitem_id", "workflow_id", "step_id", "action_id", "group_id", "eperson_id"),
    "cwf_in_progress_user": ("in_progress_user_id", "workflowitem_id", "finished", "user_id"),
    "supervision_orders": ("id", "item_id", "eperson_group_id"),
    "requestitem": (
        "requestitem_id",
        "token",
        "allfiles",
        "request_email",
        "request_name",
        "request_date",
        "accept_request",
        "item_id",
        "bitstream_id",
    ),
    "registrationdata": ("registrationdata_id", "email", "token", "expires"),
    "process": ("process_id", "user_id", "creation_time", "script", "status", "parameters"),
    "process2bitstream": ("process_id", "bitstream_id"),
}
"""The columns that the sample writes, the tables in the order in which foreign keys let them be written."""

SEQUENCES: Final[dict[str, str]] = {
    "metadatavalue": "metadatavalue_seq",
    "resourcepolicy": "resourcepolicy_seq",
    "handle": "handle_id_seq",
    "doi": "doi_seq",
    "versionitem": "versionitem_seq",
    "relationship": "relationship_id_seq",
    "harvested_collection": "harvested_collection_seq",
    "harvested_item": "harvested_item_seq",
    "subscription_parameter": "subscription_parameter_seq",
    "cwf_collectionrole": "cwf_collectionrole_seq",
    "workspaceitem": "workspaceitem_seq",
    "cwf_workflowitemrole": "cwf_workflowitemrole_seq",
    "cwf_claimtask": "cwf_claimtask_seq",
    "cwf_pooltask": "cwf_pooltask_seq",
    "cwf_in_progress_user": "cwf_in_progress_user_seq",
    "supervision_orders": "supervision_orders_seq",
    "requestitem": "requestitem_seq",
    "registrationdata": "registrationdata_seq",
}
"""The tables whose first column is drawn at `flush`. The other integer keys are needed earlier: see `Rows.number`."""

_SPECIAL: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _copied(cell: Cell) -> str:
    if cell is None:
        return "\\N"
    if cell is True:
        return "t"
    if cell is False:
        return "f"
    return cell.translate(_SPECIAL) if isinstance(cell, str) else str(cell)


class Rows:
    """The rows of one transaction, or of one slice of it. Not thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, list[tuple[Cell, ...]]] = {table: [] for table in TABLES}
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_attribute where attrelid = 'metadatavalue'::regclass "
                "and attname = 'security_level' and not attisdropped"
            )
            self.has_security = cursor.fetchone() == (1,)
        self._columns = dict(TABLES)
        if not self.has_security:
            self._columns["metadatavalue"] = TABLES["metadatavalue"][:-1]

    def add(self, table: str, *cells: Cell) -> None:
        """Let a row wait. `cells` are those of `TABLES[table]`, without the key that a sequence gives."""
        self._waiting[table].append(cells)

    def number(self, sequence: str) -> int:
        """The next value of a sequence, now."""
        with self._connection.cursor() as cursor:
            cursor.execute("select nextval(%s)", (sequence,))
            row = cursor.fetchone()
        assert row is not None  # noqa: S101 - a select without from has a row
        return int(row[0])

    def numbers(self, sequence: str, count: int) -> list[int]:
        """The next `count` values of a sequence, in their order."""
        with self._connection.cursor() as cursor:
            cursor.execute("select nextval(%s) from generate_series(1, %s)", (sequence, count))
            return [row[0] for row in cursor.fetchall()]

    def discard(self) -> None:
        """Forget what waits."""
        for rows in self._waiting.values():
            rows.clear()

    def flush(self) -> None:
        """Write what waits, by `COPY`. It commits nothing."""
        for table, rows in self._waiting.items():
            if not rows:
                continue
            columns = self._columns[table]
            lines = ["\t".join(map(_copied, row)) for row in rows]
            if table in SEQUENCES:
                keys = self.numbers(SEQUENCES[table], len(rows))
                lines = [f"{key}\t{line}" for key, line in zip(keys, lines, strict=True)]
            rows.clear()
            with self._connection.cursor() as cursor:
                cursor.copy_expert(
                    f"copy {table} ({', '.join(columns)}) from stdin", io.StringIO("\n".join(lines) + "\n")
                )
