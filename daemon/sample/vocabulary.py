"""The words in which the sample speaks of DSpace: its constants, and one value, policy or file about to be written.

Invariant: plain values; nothing here knows a database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from daemon.sample.files import StoredFile

BITSTREAM, BUNDLE, ITEM, COLLECTION, COMMUNITY, SITE, GROUP, EPERSON = range(8)
"""DSpace's constants for `resource_type_id`."""

(
    READ,
    WRITE,
    DELETE,
    ADD,
    REMOVE,
    WORKFLOW_STEP_1,
    WORKFLOW_STEP_2,
    WORKFLOW_STEP_3,
    WORKFLOW_ABORT,
    DEFAULT_BITSTREAM_READ,
    DEFAULT_ITEM_READ,
    ADMIN,
    WITHDRAWN_READ,
) = range(13)
"""DSpace's constants for `action_id`."""

EPOCH: Final = datetime(2015, 1, 5, 8, 0, tzinfo=UTC)
CANONICAL_PREFIX: Final = "http://hdl.handle.net/"

FORMATS: Final = {"pdf": "Adobe PDF", "txt": "Text", "jpg": "JPEG", "png": "PNG", "xml": "XML", "csv": "CSV"}


@dataclass(frozen=True)
class Text:
    """One metadata value that is about to be written. `place` None: after those of its field."""

    field: str
    text: str | None
    lang: str | None = None
    place: int | None = None
    authority: str | None = None
    confidence: int = -1
    security: int | None = None


@dataclass(frozen=True)
class Grant:
    """One resource policy that is about to be written: whom it lets do what. `group` or `person` must be set."""

    action: int
    group: str | None
    person: str | None = None
    start: str | None = None
    end: str | None = None
    name: str | None = None
    type: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class File:
    """One bitstream that is about to be written into a bundle."""

    name: str
    stored: StoredFile
    bundle: str = "ORIGINAL"
    description: str | None = None
    more: tuple[Text, ...] = ()
    grants: tuple[Grant, ...] | None = None
    format: str | None = None


@dataclass
class MadeCollection:
    """A collection that the sample made."""

    uuid: str
    name: str
    handle: str


@dataclass
class MadeItem:
    """An item that the sample made: its bundles as (name, UUID), its bitstreams with the index of their bundle."""

    uuid: str
    handle: str | None
    collection: str | None
    bundles: list[tuple[str, str]] = field(default_factory=list)
    bitstreams: list[tuple[int, str, File]] = field(default_factory=list)
