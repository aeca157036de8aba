"""What the names in a batch are on this target: UUIDs by `aipstream.alias`, registry rows by their natural keys.

Invariant: a reference to what is on neither the target nor in the batch is never written. It is left out and noted
in `missing` under the object that made it, by the source's UUIDs, so that the object can be written again when the
far end comes. A field or a relationship type that the registry lacks is an error of the object: `UnknownField`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

from events.aip.model import Aip, Kind, Uuid, derived_uuid
from events.errors import UnknownField

Far = Literal["group", "person", "community", "collection", "item", "bitstream"]
"""What a reference can be to."""

_FAR: Final[dict[Far, Kind]] = {
    "group": Kind.GROUP,
    "person": Kind.PERSON,
    "community": Kind.COMMUNITY,
    "collection": Kind.COLLECTION,
    "item": Kind.ITEM,
}

_TABLES: Final[dict[Far, str]] = {
    "group": "epersongroup",
    "person": "eperson",
    "community": "community",
    "collection": "collection",
    "item": "item",
    "bitstream": "bitstream",
}

_PRESENT: Final = " UNION ALL ".join(
    f"SELECT '{far}', uuid::text FROM {table} WHERE uuid = ANY (%({far})s::uuid[])" for far, table in _TABLES.items()
)

_ALIASES: Final = "SELECT source::text, target::text FROM aipstream.alias WHERE source = ANY (%(uuids)s::uuid[])"

_FIELDS: Final = """
    SELECT concat(s.short_id, '.', f.element, '.' || nullif(f.qualifier, '')), min(f.metadata_field_id)
    FROM metadatafieldregistry f
      JOIN metadataschemaregistry s ON s.metadata_schema_id = f.metadata_schema_id GROUP BY 1"""

_FORMATS: Final = """
    SELECT short_description, bitstream_format_id FROM bitstreamformatregistry WHERE short_description IS NOT NULL"""

_RELATIONSHIP_TYPES: Final = """
    SELECT lt.label, t.leftward_type, t.rightward_type, rt.label, t.id
    FROM relationship_type t JOIN entity_type lt ON lt.id = t.left_type JOIN entity_type rt ON rt.id = t.right_type"""


def references(aip: Aip) -> Iterator[tuple[Far, Uuid | None]]:
    """Every reference that an object makes, by the source's UUIDs; a None is no reference."""
    for policy in aip.policies:
        yield "group", policy.group
        yield "person", policy.person
    for item in aip.items:
        yield "person", item.submitter
        yield "collection", item.owning_collection
    for bundle in aip.bundles:
        yield "bitstream", bundle.primary
    parent: Far = "collection" if aip.kind is Kind.ITEM else "community"
    for row in aip.parents:
        yield parent, row.other
    for row in aip.persons_in:
        yield "person", row.other
    for row in aip.groups_in:
        yield "group", row.other
    for subscription in aip.subscriptions:
        yield "person", subscription.person
    for role in aip.roles:
        yield "group", role.group
    if aip.community:
        yield "group", aip.community.admin
    if aip.collection:
        yield "group", aip.collection.admin
        yield "group", aip.collection.submitters
    yield from _between_items(aip)


def _between_items(aip: Aip) -> Iterator[tuple[Far, Uuid | None]]:
    for relation in aip.relations:
        yield "item", relation.left
        yield "item", relation.right
    for version in aip.versions:
        yield "item", version.item
        yield "person", version.person
    for draft in aip.drafts:
        yield "collection", draft.collection
    for workflow in aip.workflow:
        yield "collection", workflow.collection
    for task in aip.tasks:
        yield "person", task.person
        yield "group", task.group


class Resolver:
    """The names of one batch. Made after the batch's registries are written, before anything else is."""

    def __init__(self, cursor: Cursor, puts: Sequence[Aip]) -> None:
        self.missing: dict[Uuid, set[Uuid]] = {}
        wanted: defaultdict[Far, set[Uuid]] = defaultdict(set)
        for aip in puts:
            for far, uuid in references(aip):
                if uuid is not None:
                    wanted[far].add(uuid)
        own = {aip.uuid for aip in puts}
        self._alias = aliases(cursor, own.union(*wanted.values()))
        self._present = self._find(cursor, wanted)
        for far, kind in _FAR.items():
            self._present[far] |= {self.uuid(aip.uuid) for aip in puts if aip.kind is kind}
        self._present["bitstream"] |= {row.uuid for aip in puts for row in aip.bitstreams}
        cursor.execute(_FIELDS)
        self._fields: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(_FORMATS)
        self._formats: dict[str, int] = dict(cursor.fetchall())
        self._types: dict[tuple[str, str, str, str], int] = {}
        if any(aip.relations for aip in puts):
            cursor.execute(_RELATIONSHIP_TYPES)
            self._types = {
                (left, leftward, rightward, right): number
                for left, leftward, rightward, right, number in cursor.fetchall()
            }
        self._unknown: dict[Uuid, tuple[str, Uuid]] = {}

    def _find(self, cursor: Cursor, wanted: dict[Far, set[Uuid]]) -> dict[Far, set[Uuid]]:
        found: dict[Far, set[Uuid]] = {far: set() for far in _TABLES}
        if any(wanted.values()):
            cursor.execute(_PRESENT, {far: [self.uuid(uuid) for uuid in wanted.get(far, ())] for far in _TABLES})
            for far, uuid in cursor.fetchall():
                found[far].add(uuid)
        return found

    def uuid(self, source: Uuid) -> Uuid:
        """The target's UUID of an object that is called so on the source."""
        return self._alias.get(source, source)

    def reference(self, owner: Uuid, far: Far, source: Uuid | None) -> Uuid | None:
        """The target's UUID of a referenced object, None (and noted) if it is not there."""
        if source is None:
            return None
        target = self._alias.get(source, source)
        if target in self._present[far]:
            return target
        self.lacks(owner, source)
        return None

    def lacks(self, owner: Uuid, source: Uuid) -> None:
        """Note that `owner` was written without its reference to `source`."""
        self.missing.setdefault(owner, set()).add(source)

    def field(self, owner: Uuid, name: str) -> int | None:
        """The id of a metadata field, None (and noted) if the registry lacks it."""
        found = self._fields.get(name)
        if found is None:
            registry = derived_uuid(f"schema/{name.partition('.')[0]}")
            self._unknown.setdefault(owner, (f"metadata field {name}", registry))
        return found

    def format(self, owner: Uuid, name: str | None) -> tuple[int | None, bool]:
        """The id of a format, and whether it is the one asked for and not (noted) `Unknown` in its place."""
        if name is None:
            return None, True
        found = self._formats.get(name)
        if found is None:
            self.lacks(owner, derived_uuid("formats"))
            return self._formats.get("Unknown"), False
        return found, True

    def relationship_type(self, owner: Uuid, key: tuple[str, str, str, str]) -> int | None:
        """The id of (left type, leftward, rightward, right type), None (and noted) if the registry lacks it."""
        found = self._types.get(key)
        if found is None:
            self._unknown.setdefault(owner, (f"relationship type {' / '.join(key)}", derived_uuid("entities")))
        return found

    def complain(self) -> None:
        """Raise UnknownField if an object of the batch named what the registries lack."""
        if self._unknown:
            uuid, (what, _) = next(iter(self._unknown.items()))
            others = f", and {len(self._unknown) - 1} more objects" if len(self._unknown) > 1 else ""
            raise UnknownField(
                f"{what} of object {uuid} is not in the target's registry{others}",
                self._unknown,
                needs={registry for _, registry in self._unknown.values()},
            )


def aliases(cursor: Cursor, uuids: Iterable[Uuid]) -> dict[Uuid, Uuid]:
    """Target UUIDs of those of the source's UUIDs that are called otherwise there."""
    cursor.execute(_ALIASES, {"uuids": list(uuids)})
    return dict(cursor.fetchall())
