"""What every edit stands on: the registry of edits, the pick of an object, and the writes that most of them share.

Invariant: an edit works on the open transaction of its `Desk` and neither commits nor rolls back (the few that are
about transactions say so). It raises `NothingToEdit` before it wrote anything if the repository has no such object.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

from daemon.sample.repository import Repository
from daemon.sample.vocabulary import EPOCH

Edit = Callable[["Desk"], str]

EDITS: Final[dict[str, int]] = {}
"""Every kind of edit by name, with how often it is drawn."""

FUNCTIONS: Final[dict[str, Edit]] = {}

LIVE: Final = """
    select i.uuid from item i where (i.in_archive or i.withdrawn or exists (
        select from versionitem v where v.item_id = i.uuid))
    and not exists (select from workspaceitem w where w.item_id = i.uuid)
    and not exists (select from cwf_workflowitem w where w.item_id = i.uuid)
"""
"""Items that are content: archived, withdrawn and superseded ones, no drafts."""

ARCHIVED: Final = "select uuid from item where in_archive"

FILES: Final = f"""
    select p.bitstream_id as uuid from bundle2bitstream p join item2bundle l using (bundle_id)
    where l.item_id in ({LIVE})
"""
"""Bitstreams of such items."""


class NothingToEdit(Exception):
    """The repository has no object that this edit could be done to."""


def edit(weight: int) -> Callable[[Edit], Edit]:
    """Register an edit under its function's name."""

    def register(function: Edit) -> Edit:
        EDITS[function.__name__] = weight
        FUNCTIONS[function.__name__] = function
        return function

    return register


class Desk:
    """One connection, one generator of random numbers, and what earlier edits left to come back to."""

    def __init__(self, connection: Connection, assetstore: Path, seed: int) -> None:
        self.connection = connection
        # An editor that comes after another one with the same seed must not draw the same UUIDs again.
        drawn = self.value("select last_value from metadatavalue_seq")
        self.random = Random(f"edits {seed} after {drawn}")  # noqa: S311 - a repeatable sample, no secret
        self.repository = Repository(connection, assetstore, self.random)
        self.deleted: list[tuple[str, str, str]] = []
        """Items that were deleted: UUID, handle, collection."""
        self._now: datetime = (self.value("select max(last_modified) from item") or EPOCH).astimezone(UTC)
        connection.rollback()

    def now(self) -> datetime:
        """An instant later than every stamp so far."""
        self._now += timedelta(seconds=self.random.randrange(1, 600), microseconds=self.random.randrange(1_000_000))
        return self._now

    def run(self, sql: str, *values: object) -> int:
        """Carry out a statement; the number of rows that it touched."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return int(cursor.rowcount)

    def all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def value(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a cell
        """The first cell of a query, or None without rows."""
        rows = self.all(sql, *values)
        return rows[0][0] if rows else None

    def pick(self, sql: str, *values: object) -> str:
        """One of the UUIDs (column `uuid`) of a query, by chance, without reading them all."""
        start = str(uuids.UUID(int=self.random.getrandbits(128)))
        wanted = f"select uuid from ({sql}) candidates"
        found = self.value(f"{wanted} where uuid >= %s order by uuid limit 1", *values, start) or self.value(
            f"{wanted} order by uuid limit 1", *values
        )
        if found is None:
            raise NothingToEdit
        return str(found)

    def row(self, sql: str, *values: object) -> tuple[Any, ...]:
        """One row of a query with few rows, by chance. The query must have an order."""
        rows = self.all(sql, *values)
        if not rows:
            raise NothingToEdit
        return self.random.choice(rows)

    # --- writes that many edits share

    def touch(self, *items: str) -> None:
        """Set `last_modified`, as `ItemService.update` does."""
        for item in items:
            self.run("update item set last_modified = %s where uuid = %s", self.now(), item)

    def add_value(
        self,
        subject: str,
        field: str,
        text: str | None,
        lang: str | None = None,
        *,
        authority: str | None = None,
        confidence: int = -1,
    ) -> None:
        """One more value at the end of its field."""
        key = self.repository.registries.field(field)
        self.run(
            "insert into metadatavalue (metadata_value_id, dspace_object_id, metadata_field_id, text_value, "
            "text_lang, place, authority, confidence) select nextval('metadatavalue_seq'), %s, %s, %s, %s, "
            "coalesce(max(place) + 1, 0), %s, %s from metadatavalue "
            "where dspace_object_id = %s and metadata_field_id = %s",
            subject,
            key,
            text,
            lang,
            authority,
            confidence,
            subject,
            key,
        )

    def set_value(self, subject: str, field: str, text: str, lang: str | None = None) -> None:
        """Replace all values of a field by one: rows are deleted and one with a new id is inserted."""
        self.run(
            "delete from metadatavalue where dspace_object_id = %s and metadata_field_id = %s",
            subject,
            self.repository.registries.field(field),
        )
        self.add_value(subject, field, text, lang)

    def add_policy(
        self,
        subject: str,
        kind: int,
        action: int,
        group: str | None,
        person: str | None = None,
        start: str | None = None,
        end: str | None = None,
        name: str | None = None,
        rptype: str | None = None,
        description: str | None = None,
    ) -> None:
        """One more resource policy."""
        self.run(
            "insert into resourcepolicy (policy_id, dspace_object, resource_type_id, action_id, epersongroup_id, "
            "eperson_id, start_date, end_date, rpname, rptype, rpdescription) values "
            "(nextval('resourcepolicy_seq'), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            subject,
            kind,
            action,
            group,
            person,
            start,
            end,
            name,
            rptype,
            description,
        )

    def copy_policies(self, source: str, subject: str, kind: int) -> None:
        """Give `subject` the READ and WITHDRAWN_READ policies that `source` has."""
        self.run(
            "insert into resourcepolicy (policy_id, dspace_object, resource_type_id, action_id, epersongroup_id, "
            "eperson_id, start_date, end_date, rpname, rptype, rpdescription) "
            "select nextval('resourcepolicy_seq'), %s, %s, action_id, epersongroup_id, eperson_id, start_date, "
            "end_date, rpname, rptype, rpdescription from resourcepolicy "
            "where dspace_object = %s and action_id in (0, 12)",
            subject,
            kind,
            source,
        )

    def next_sequence_id(self, item: str) -> int:
        """The next `sequence_id` of a bitstream in an item."""
        return int(
            self.value(
                "select coalesce(max(b.sequence_id), 0) + 1 from item2bundle l "
                "join bundle2bitstream p using (bundle_id) join bitstream b on b.uuid = p.bitstream_id "
                "where l.item_id = %s",
                item,
            )
        )

    def renumber(self, bundle: str) -> None:
        """Close the gaps in the order of a bundle: the rows are deleted and inserted, the order is in their key."""
        rows = self.all(
            "delete from bundle2bitstream where bundle_id = %s "
            "returning bitstream_order, bitstream_id, bitstream_order_legacy",
            bundle,
        )
        self.place(bundle, [(bitstream, legacy) for _, bitstream, legacy in sorted(rows)])

    def place(self, bundle: str, bitstreams: list[tuple[str, int | None]]) -> None:
        """Write the order of a bundle that has none yet."""
        for order, (bitstream, legacy) in enumerate(bitstreams):
            self.run(
                "insert into bundle2bitstream (bundle_id, bitstream_id, bitstream_order, bitstream_order_legacy) "
                "values (%s, %s, %s, %s)",
                bundle,
                bitstream,
                order,
                legacy,
            )
