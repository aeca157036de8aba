"""The sequences of DSpace, which column each one feeds, and how they are moved forward after rows came from elsewhere.

Invariant: a sequence is never moved back, and what `nextval` gives after `advance` is in no row of its column.

DSpace's own `update-sequences` sets `subscription_parameter_seq` from the wrong column, forgets four sequences, fails
on a repository without a numbered handle, and lets handles of foreign prefixes push `handle_seq`. This list is
complete, and held against the schemas of all versions by a test.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

from daemon.dspace.cursors import AnyConnection, cursor_of


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sequence and the column that takes its values. Version 7 stands for 7.6.

    `column` is None for `handle_seq`, which feeds the suffix of new handles and not a column.
    """

    sequence: str
    table: str
    column: str | None
    since: int = 7


@dataclass(frozen=True, slots=True)
class SequenceChange:
    """A sequence that was moved (or would be): what `nextval` would have given before, and what it gives now."""

    sequence: str
    next_before: int
    next_after: int


# fmt: off
SEQUENCES: Final = (
    Drawn("alert_id_seq", "systemwidealert", "alert_id"),
    Drawn("bitstreamformatregistry_seq", "bitstreamformatregistry", "bitstream_format_id"),
    Drawn("checksum_history_check_id_seq", "checksum_history", "check_id"),
    Drawn("cwf_claimtask_seq", "cwf_claimtask", "claimtask_id"),
    Drawn("cwf_collectionrole_seq", "cwf_collectionrole", "collectionrole_id"),
    Drawn("cwf_in_progress_user_seq", "cwf_in_progress_user", "in_progress_user_id"),
    Drawn("cwf_pooltask_seq", "cwf_pooltask", "pooltask_id"),
    Drawn("cwf_workflowitem_seq", "cwf_workflowitem", "workflowitem_id"),
    Drawn("cwf_workflowitemrole_seq", "cwf_workflowitemrole", "workflowitemrole_id"),
    Drawn("doi_seq", "doi", "doi_id"),
    Drawn("entity_type_id_seq", "entity_type", "id"),
    Drawn("fileextension_seq", "fileextension", "file_extension_id"),
    Drawn("handle_id_seq", "handle", "handle_id"),
    Drawn("handle_seq", "handle", None),
    Drawn("harvested_collection_seq", "harvested_collection", "id"),
    Drawn("harvested_item_seq", "harvested_item", "id"),
    Drawn("metadatafieldregistry_seq", "metadatafieldregistry", "metadata_field_id"),
    Drawn("metadataschemaregistry_seq", "metadataschemaregistry", "metadata_schema_id"),
    Drawn("metadatavalue_seq", "metadatavalue", "metadata_value_id"),
    Drawn("notifypatterns_to_trigger_id_seq", "notifypatterns_to_trigger", "id", since=8),
    Drawn("notifyservice_id_seq", "notifyservice", "id", since=8),
    Drawn("notifyservice_inbound_pattern_id_seq", "notifyservice_inbound_pattern", "id", since=8),
    Drawn("openurltracker_seq", "openurltracker", "tracker_id"),
    Drawn("orcid_history_id_seq", "orcid_history", "id"),
    Drawn("orcid_queue_id_seq", "orcid_queue", "id"),
    Drawn("orcid_token_id_seq", "orcid_token", "id"),
    Drawn("process_id_seq", "process", "process_id"),
    # The sequence of registrationdata_metadata; its name is the oldest name of the table.
    Drawn("registrationdata_metadatavalue_seq", "registrationdata_metadata", "registrationdata_metadata_id", since=9),
    Drawn("registrationdata_seq", "registrationdata", "registrationdata_id"),
    Drawn("relationship_id_seq", "relationship", "id"),
    Drawn("relationship_type_id_seq", "relationship_type", "id"),
    Drawn("requestitem_seq", "requestitem", "requestitem_id"),
    Drawn("resourcepolicy_seq", "resourcepolicy", "policy_id"),
    Drawn("subscription_parameter_seq", "subscription_parameter", "subscription_parameter_id"),
    Drawn("subscription_seq", "subscription", "subscription_id"),
    Drawn("supervision_orders_seq", "supervision_orders", "id"),
    Drawn("versionhistory_seq", "versionhistory", "versionhistory_id"),
    Drawn("versionitem_seq", "versionitem", "versionitem_id"),
    Drawn("webapp_seq", "webapp", "webapp_id"),
    Drawn("workspaceitem_seq", "workspaceitem", "workspace_item_id"),
)
# fmt: on

PRESENT: Final = """
    SELECT pair.sequence
      FROM unnest(%(sequences)s, %(tables)s) AS pair (sequence, holder)
     WHERE to_regclass(pair.sequence) IS NOT NULL AND to_regclass(pair.holder) IS NOT NULL
"""

STATE: Final = """
    SELECT {name} AS sequence, last_value + CASE WHEN is_called THEN 1 ELSE 0 END AS next, ({largest}) AS largest
      FROM {sequence}
"""

# The largest number n of the handles <own prefix>/n and <own prefix>/n.<version>. The own prefix is that of the site's
# handle, <prefix>/0. Suffixes of more than 18 digits do not fit a bigint and no sequence ever gave them. Most suffixes
# are plain numbers, and ltrim finds that out in a quarter of the time of a regular expression.
LARGEST_SUFFIX: Final = """
    WITH own AS (
        SELECT regexp_replace(handle.handle, '/0$', '') || '/' AS start
          FROM handle JOIN site ON site.uuid = handle.resource_id
         WHERE handle.handle LIKE '%%/0'
         ORDER BY handle.handle_id LIMIT 1
    ), suffix AS (
        SELECT substr(given.handle, length(own.start) + 1) AS whole
          FROM {given}, own
         WHERE starts_with(given.handle, own.start)
    ), number AS (
        SELECT CASE WHEN length(whole) <= 18 AND ltrim(whole, '0123456789') = '' THEN nullif(whole, '')
                    ELSE substring(whole FROM '^([0-9]{{1,18}})([.][0-9]+)?$') END AS digits
          FROM suffix
    )
    SELECT max(digits::bigint) FROM number
"""
ALL_HANDLES: Final = sql.SQL("handle AS given")
THESE_HANDLES: Final = sql.SQL("unnest(%(handles)s::text[]) AS given (handle)")

# GREATEST again, for a running DSpace may have drawn values since the state was read.
MOVE: Final = "SELECT setval({name}, GREATEST(%(largest)s, last_value), true) FROM {sequence}"


def _largest(drawn: Drawn, handles: sql.SQL) -> sql.Composable:
    if drawn.column is None:
        return sql.SQL(LARGEST_SUFFIX).format(given=handles)
    return sql.SQL("SELECT max({column})::bigint FROM {table}").format(
        column=sql.Identifier(drawn.column), table=sql.Identifier(drawn.table)
    )


def _present(cursor: Cursor) -> list[Drawn]:
    cursor.execute(
        PRESENT,
        {"sequences": [drawn.sequence for drawn in SEQUENCES], "tables": [drawn.table for drawn in SEQUENCES]},
    )
    there = {row[0] for row in cursor.fetchall()}
    return [drawn for drawn in SEQUENCES if drawn.sequence in there]


def advance(
    connection: AnyConnection, *, dry_run: bool = False, handles: Collection[str] | None = None
) -> list[SequenceChange]:
    """Move every sequence that lags behind its column to the column's largest value, and tell which those are.

    Sequences and tables that this version of DSpace has not are passed over; with `dry_run` nothing is changed.
    `handles` are the only ones that `handle_seq` has to respect, those of a batch say; None reads the whole table
    (0.2 s for 300,000 handles), and is right after anything but a batch.
    PostgreSQL does not roll `setval` back: what was moved stays moved even if the caller's transaction fails.
    """
    with cursor_of(connection) as cursor:
        present = _present(cursor)
        if not present:
            return []
        source = ALL_HANDLES if handles is None else THESE_HANDLES
        states = [
            sql.SQL(STATE).format(
                name=sql.Literal(drawn.sequence),
                sequence=sql.Identifier(drawn.sequence),
                largest=_largest(drawn, source),
            )
            for drawn in present
        ]
        cursor.execute(sql.SQL(" UNION ALL ").join(states), {"handles": list(handles or ())})
        lagging = [(name, next_, largest) for name, next_, largest in cursor.fetchall()
                   if largest is not None and largest >= max(next_, 1)]
        for name, _, largest in [] if dry_run else lagging:
            move = sql.SQL(MOVE).format(name=sql.Literal(name), sequence=sql.Identifier(name))
            cursor.execute(move, {"largest": largest})
        return [SequenceChange(name, next_, largest + 1) for name, next_, largest in sorted(lagging)]
