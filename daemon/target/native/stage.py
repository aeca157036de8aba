"""The rows of a batch, brought into temporary tables by COPY: one table for each list of rows of the model.

Invariants:

* What stands in a staged table has the target's UUIDs and the target's registry ids already, and refers only to what
  is on the target or in the batch: the statements that follow need no mapping and cannot meet a missing far end.
* The tables are empty before and after a batch. They are truncated at its end, and an error that comes in between
  rolls back, which empties them too.

The tables live as long as the session. Measured: making them anew for each batch, or `ON COMMIT DELETE ROWS`, costs
more than truncating the few that were used; deleting the rows is cheaper still, but lets the tables grow.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

TABLES: Final[Mapping[str, str]] = {
    # what is written: the objects and their parts, `type` being DSpace's constant
    "put_subject": "uuid uuid, type int",
    # people and groups
    "put_person": """uuid uuid, eperson_id int, email text, netid text, can_log_in boolean, require_certificate boolean,
        self_registered boolean, sub_frequency int, password text, salt text, digest_algorithm text""",
    "put_group": "uuid uuid, eperson_group_id int, name text, permanent boolean",
    "put_person_in": "subject uuid, other uuid",
    "put_group_in": "subject uuid, other uuid",
    # containers
    "put_community": "uuid uuid, community_id int, admin uuid, logo_bitstream_id uuid",
    "put_collection": """uuid uuid, collection_id int, submitter uuid, admin uuid, template_item_id uuid,
        logo_bitstream_id uuid""",
    "put_community_in": "subject uuid, other uuid",
    "put_collection_in": "subject uuid, other uuid",
    "put_role": "collection_id uuid, role_id text, group_id uuid",
    "put_harvest": """collection_id uuid, harvest_type int, oai_source text, oai_set_id text, metadata_config_id text,
        last_harvested timestamptz""",
    # items and their parts
    "put_item": """uuid uuid, item_id int, in_archive boolean, withdrawn boolean, discoverable boolean,
        last_modified timestamptz, submitter_id uuid, owning_collection uuid""",
    "put_item_in": "subject uuid, other uuid",
    "put_bundle": "uuid uuid, bundle_id int, primary_bitstream_id uuid",
    "put_bundle_in": "subject uuid, other uuid",
    "put_placed": "bundle_id uuid, bitstream_id uuid, bitstream_order int, bitstream_order_legacy int",
    "put_bitstream": """uuid uuid, bitstream_id int, bitstream_format_id int, checksum text, checksum_algorithm text,
        sequence_id int, size_bytes bigint, internal_id text""",
    "put_harvested": "item_id uuid, oai_id text, last_harvested timestamptz",
    # what any object may have
    "put_value": """dspace_object_id uuid, metadata_field_id int, place int, text_value text, text_lang text,
      authority text,
        confidence int, security_level int""",
    "put_policy": """dspace_object uuid, resource_type_id int, action_id int, epersongroup_id uuid, eperson_id uuid,
        start_date date, end_date date, rpname text, rptype text, rpdescription text""",
    "put_handle": "subject uuid, type int, handle text, rank int, legacy_id int",
    "put_doi": "subject uuid, type int, doi text, status int, legacy_id int",
    "put_subscription": "number int, subject uuid, person uuid, type text, parameters text",
    "put_parameter": "subscription int, name text, value text",
    # between items
    "put_relation": """left_id uuid, type_id int, right_id uuid, left_place int, right_place int, leftward_value text,
        rightward_value text, latest_version_status int""",
    "put_version": """history int, version_number int, item_id uuid, version_date timestamp, version_summary text,
        eperson_id uuid""",
    "put_history": "number int, id int, made boolean",
    # submissions
    "put_draft": """item_id uuid, collection_id uuid, multiple_titles boolean, published_before boolean,
      multiple_files boolean,
        stage_reached int, page_reached int""",
    "put_workflow": """item_id uuid, collection_id uuid, multiple_titles boolean, published_before boolean,
        multiple_files boolean""",
    "put_task": """item_id uuid, task text, role_id text, workflow_id text, step_id text, action_id text, person uuid,
        grp uuid, finished boolean""",
    # registries and tombstones
    "put_schema": "short_id text, namespace text",
    "put_field": "schema text, element text, qualifier text, scope_note text",
    "put_format": "short_description text, mimetype text, description text, support_level int, internal boolean",
    "put_extension": "short_description text, extension text",
    "put_entity_type": "label text",
    "put_relationship_type": """left_label text, right_label text, leftward_type text, rightward_type text,
        left_min_cardinality int, left_max_cardinality int, right_min_cardinality int, right_max_cardinality int,
        copy_to_left boolean, copy_to_right boolean, tilted int""",
    "put_tombstone": "scheme text, identifier text, type int, legacy_id int, status int",
    # what goes: filled by the statements themselves
    "drop_item": "uuid uuid",
    "drop_bundle": "uuid uuid",
    "drop_bitstream": "uuid uuid",
    "drop_container": "uuid uuid, type int",
    "drop_group": "uuid uuid",
    "drop_person": "uuid uuid",
}

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def cell(value: str | int | None) -> str:
    """A value in COPY's text format (PostgreSQL, COPY, "Text Format"). `True` and `False` are read as booleans."""
    if value is None:
        return "\\N"
    if value.__class__ is str:
        # Four searches for one character each are quicker than translating a text that has none of them.
        if "\\" in value or "\t" in value or "\n" in value or "\r" in value:
            return value.translate(_ESCAPES)
        return value
    return str(value)


class Stage:
    """Collects the lines of each staged table; `load` sends them, `clear` empties the tables again."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, list[str]] = defaultdict(list)
        self._used: set[str] = set()

    def add(self, table: str, *cells: str | int | None) -> None:
        """One row more, its cells in the order of the table's columns."""
        self._lines[table].append("\t".join(map(cell, cells)))

    def has(self, *tables: str) -> bool:
        """Whether one of them has rows."""
        return any(table in self._lines or table in self._used for table in tables)

    def load(self, cursor: Cursor) -> None:
        """Send what was collected. Raises psycopg2.DataError for a value that its column cannot read."""
        for table, lines in self._lines.items():
            text = io.BytesIO(("\n".join(lines) + "\n").encode())
            cursor.copy_expert(f"COPY {table} FROM STDIN", text)
        self._used.update(self._lines)
        self._lines.clear()

    def fills(self, *tables: str) -> None:
        """Note that a statement puts rows into these tables."""
        self._used.update(tables)

    def clear(self, cursor: Cursor) -> None:
        """Empty every table that was used."""
        if self._used:
            cursor.execute(f"TRUNCATE {', '.join(sorted(self._used))}")
        self._used.clear()


def prepare(cursor: Cursor) -> None:
    """Make the tables, unless this session has them. Needs the right TEMPORARY on the database."""
    cursor.execute("SELECT to_regclass('pg_temp.put_subject') IS NULL")
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(";".join(f"CREATE TEMPORARY TABLE {name} ({columns})" for name, columns in TABLES.items()))
