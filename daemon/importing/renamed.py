"""Objects under other UUIDs: every reference of an AIP exchanged at once. Pure.

Invariant: only columns that hold UUIDs are changed, never texts; what the mapping does not name stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from events.aip.model import Aip, Uuid
from events.aip.row import Row

_UUIDS: Final = frozenset(
    {"subject", "uuid", "other", "admin", "logo", "submitters", "template", "submitter", "owning_collection"}
    | {"primary", "bundle", "bitstream", "group", "person", "left", "right", "item", "collection"}
)
"""The columns that hold a UUID, in whatever row class."""


def renamed(aip: Aip, mapping: Mapping[Uuid, Uuid]) -> Aip:
    """The same object where `mapping` says what its UUID, its parts and what it refers to are called."""
    if not mapping:
        return aip
    changed: dict[str, Any] = {"uuid": mapping.get(aip.uuid, aip.uuid)}
    for field in msgspec.structs.fields(Aip):
        value = getattr(aip, field.name)
        if isinstance(value, Row):
            changed[field.name] = _row(value, mapping)
        elif isinstance(value, list):
            changed[field.name] = [_row(row, mapping) for row in value]
    return msgspec.structs.replace(aip, **changed)


def _row(row: Row, mapping: Mapping[Uuid, Uuid]) -> Row:
    changed = {
        name: mapping[value]
        for name in row.__struct_fields__
        if name in _UUIDS and isinstance(value := getattr(row, name), str) and value in mapping
    }
    return msgspec.structs.replace(row, **changed) if changed else row
