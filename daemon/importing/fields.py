"""Registry documents for what packages name and a registry lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daemon.importing.destination import Registry, TypeKey
from events.aip.model import Aip, Kind, derived_uuid
from events.aip.registry_rows import EntityType, Field, RelationshipType, Schema


def new_fields(names: Iterable[str], registry: Registry) -> list[Aip]:
    """Registry documents that make those metadata fields, and their schemas where they are missing."""
    by_schema: dict[str, list[Field]] = {}
    for name in names:
        schema, _, rest = name.partition(".")
        element, _, qualifier = rest.partition(".")
        by_schema.setdefault(schema, []).append(Field(schema, element, qualifier or None, None))
    return [
        Aip(
            kind=Kind.REGISTRY,
            uuid=derived_uuid(f"schema/{schema}"),
            key=f"schema/{schema}",
            schemas=[Schema(schema, registry.schemas.get(schema) or f"http://dspace.org/namespace/{schema}/")],
            fields=rows,
        )
        for schema, rows in by_schema.items()
    ]


def new_types(keys: Sequence[TypeKey]) -> list[Aip]:
    """The registry document that makes those relationship types, without limits to their numbers."""
    if not keys:
        return []
    labels = sorted({label for left, _, _, right in keys for label in (left, right)})
    rows = [
        RelationshipType(left, right, leftward, rightward, 0, None, 0, None, False, False, 0)
        for left, leftward, rightward, right in keys
    ]
    return [
        Aip(
            kind=Kind.REGISTRY,
            uuid=derived_uuid("entities"),
            key="entities",
            entity_types=[EntityType(label) for label in labels],
            relationship_types=rows,
        )
    ]
