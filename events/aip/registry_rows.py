"""The rows of registries, and of identifiers whose object is gone: they are known by natural keys, and name no object.

Invariant: what refers to them (a value to its field, a bitstream to its format) does so by that key.
"""

from __future__ import annotations

from events.aip.row import Row


class Schema(Row, frozen=True):
    """`metadataschemaregistry`."""

    name: str
    namespace: str | None


class Field(Row, frozen=True):
    """`metadatafieldregistry`. `qualifier` is None, never `""`, for an unqualified field."""

    schema: str
    element: str | None
    qualifier: str | None
    scope_note: str | None


class Format(Row, frozen=True):
    """`bitstreamformatregistry` with its extensions, sorted. `support`: 0 unknown, 1 known, 2 supported."""

    short_description: str
    mimetype: str | None
    description: str | None
    support: int
    internal: bool
    extensions: tuple[str, ...] = ()


class EntityType(Row, frozen=True):
    """`entity_type`."""

    label: str


class RelationshipType(Row, frozen=True):
    """`relationship_type`."""

    left_type: str
    right_type: str
    leftward: str
    rightward: str
    left_min: int | None
    left_max: int | None
    right_min: int | None
    right_max: int | None
    copy_to_left: bool
    copy_to_right: bool
    tilted: int | None


class Tombstone(Row, frozen=True):
    """A `handle` or `doi` row that belongs to no object any more. `identifier` is the handle or the DOI.

    `scheme` is `handle` or `doi`; `type` the DSpace constant of what it once named; `status` is a DOI's.
    """

    scheme: str
    identifier: str
    type: int | None
    legacy_id: int | None = None
    status: int | None = None
