"""Where packages go: what an import has to know of it (`Known`), and how it writes there (`Destination`).

Invariants of every destination:

* Contents are durable before anything that names them. What `put` was given comes whole or not at all.
* What was put counts as there in every question that follows, whether it is durable yet or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple, Protocol

from daemon.losses import Loss
from events.aip.model import Aip, Kind, Relation, Uuid
from events.aip.registry_rows import Field, Format, RelationshipType
from events.blobs import Digests

TypeKey = tuple[str, str, str, str]
"""A relationship type: left entity type, leftward and rightward label, right entity type."""


class Registry(NamedTuple):
    """The names that objects may use there. `fields` as `dc.title`, `schemas` by name with the namespace."""

    fields: frozenset[str]
    schemas: Mapping[str, str | None]
    formats: Mapping[str, Format]
    types: frozenset[TypeKey]

    def more(self, document: Aip) -> Registry:
        """With what a registry document says."""
        return Registry(
            self.fields | {field_name(row) for row in document.fields},
            {**self.schemas, **{row.name: row.namespace for row in document.schemas}},
            {**self.formats, **{row.short_description: row for row in document.formats}},
            self.types | {type_key(row) for row in document.relationship_types},
        )


def field_name(row: Field) -> str:
    """A metadata field as values name it."""
    return ".".join(part for part in (row.schema, row.element, row.qualifier) if part)


def type_key(row: Relation | RelationshipType) -> TypeKey:
    """What tells a relationship type from the others."""
    return row.left_type, row.leftward, row.rightward, row.right_type


class Known(Protocol):
    """What is there."""

    def kind_of(self, uuid: Uuid) -> Kind | None:
        """What the object of that UUID is; None if there is none."""
        ...

    def holder(self, handle: str) -> tuple[Kind, Uuid] | None:
        """The object that has that handle; None if none has."""
        ...

    def site(self) -> Uuid | None:
        """The site."""
        ...

    def person(self, name: str) -> Uuid | None:
        """The person with that e-mail address (in any case), or that netid."""
        ...

    def group(self, name: str) -> Uuid | None:
        """The group of exactly that name."""
        ...

    def aip(self, uuid: Uuid) -> Aip | None:
        """The object as it is there, None if it is not. The SHA-256 of its contents may not be known."""
        ...

    def registry(self) -> Registry:
        """The registries as they are now."""
        ...

    def taken(self, parts: Sequence[Uuid], owner: Uuid) -> set[Uuid]:
        """Which of those UUIDs are of something else than that object or a part of it."""
        ...


class Destination(Known, Protocol):
    """A place that can be written to, by one import at a time."""

    def mint(self) -> str:
        """A new handle, given to nobody before. Raises PreconditionError where none can be made."""
        ...

    def take(self, content: BinaryIO) -> Digests:
        """Read a content through, keep it where that is needed, and say what it is."""
        ...

    def has(self, sha256: str) -> int | None:
        """The size of a content that need not be brought, None if it must be."""
        ...

    def held_below(self, uuid: Uuid) -> set[Uuid]:
        """What a container contains, directly."""
        ...

    def put(self, aips: Sequence[Aip], opener: Opener) -> None:
        """Have those objects written by the next `flush`, in that order, all or none of them.

        The last one is what they are known by; `opener` opens the contents of new files until then.
        """
        ...

    def delete(self, objects: Sequence[tuple[Kind, Uuid]]) -> None:
        """Delete those objects, children first."""
        ...

    def flush(self) -> list[Refused]:
        """Write what was put, durably; what of it was refused, by the last object of each put."""
        ...

    def losses(self) -> list[Loss]:
        """What of the written objects has no place there after all."""
        ...

    def close(self) -> None:
        """Move sequences, give locks and connections back. What was not flushed is not written."""
        ...


class Opener(Protocol):
    """Opens the content of a bitstream of a put; closes with its package."""

    def __call__(self, bitstream: Uuid, sha256: str) -> BinaryIO:
        """The content, for reading."""
        ...


class Refused(NamedTuple):
    """An object that was put off and could not be written."""

    uuid: Uuid
    error: Exception
