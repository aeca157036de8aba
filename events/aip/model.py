"""One repository object as values: the rows that make it up, by natural keys.

Invariants:

* An `Aip` holds everything that one object *is*, and nothing that only one installation knows: metadata fields,
  formats, entity types and relationship types stand by name, never by the integer ids of a database.
* It is flat. A row that belongs to a part of the object (a bundle, a bitstream, a logo, the template item) says so
  in `subject`, the part's UUID. So the snapshot reader, the METS codec and the replay need no tree walks, and a
  list of rows is compared as a multiset.
* UUIDs are lower-case strings with dashes; they are those of the source. The target maps the few that differ there.
* Dates are `YYYY-MM-DD`; instants with a zone are `YYYY-MM-DDTHH:MM:SS.ffffffZ` in UTC; `timestamp` columns without a
  zone are the same without the `Z`, verbatim as stored.

Each row class names the table that it comes from (reference: DSpace 7.6 to 10 content tables). Those that name no
object, of registries and tombstones, are in `events.aip.registry_rows`.
"""

from __future__ import annotations

import hashlib
import uuid as uuids
from enum import StrEnum
from typing import Final

import msgspec

from events.aip.registry_rows import EntityType, Field, Format, RelationshipType, Schema, Tombstone
from events.aip.row import Row

Uuid = str
"""A UUID in lower case with dashes."""


class Kind(StrEnum):
    """What an event is about, in the order in which a replay must apply them."""

    REGISTRY = "registry"
    PERSON = "person"
    GROUP = "group"
    SITE = "site"
    COMMUNITY = "community"
    COLLECTION = "collection"
    ITEM = "item"
    TOMBSTONE = "tombstone"


def derived_uuid(key: str) -> Uuid:
    """The UUID of what has none of its own: a registry document or a tombstone, from its natural key.

    It is the MD5 of `aipstream/KEY`, so that SQL computes the same one: `md5('aipstream/' || key)::uuid`.
    """
    return str(uuids.UUID(hashlib.md5(f"aipstream/{key}".encode(), usedforsecurity=False).hexdigest()))


KIND_ORDER: Final[dict[Kind, int]] = {kind: rank for rank, kind in enumerate(Kind)}


# --- the object itself: exactly one row of the class of its kind --------------------------------------------


class PersonRow(Row, frozen=True):
    """`eperson`. The three password columns are None unless `people.passwords` is on; they travel together."""

    uuid: Uuid
    legacy_id: int | None
    email: str | None
    netid: str | None
    can_log_in: bool | None
    require_certificate: bool
    self_registered: bool
    sub_frequency: int | None
    password: str | None = None
    salt: str | None = None
    digest_algorithm: str | None = None


class GroupRow(Row, frozen=True):
    """`epersongroup`."""

    uuid: Uuid
    legacy_id: int | None
    name: str | None
    permanent: bool | None


class SiteRow(Row, frozen=True):
    """`site`. There is one in an installation, and its UUID differs between installations."""

    uuid: Uuid


class CommunityRow(Row, frozen=True):
    """`community`."""

    uuid: Uuid
    legacy_id: int | None
    admin: Uuid | None
    logo: Uuid | None


class CollectionRow(Row, frozen=True):
    """`collection`."""

    uuid: Uuid
    legacy_id: int | None
    submitters: Uuid | None
    admin: Uuid | None
    template: Uuid | None
    logo: Uuid | None


class ItemRow(Row, frozen=True):
    """`item`: the item itself, or the template item of a collection."""

    uuid: Uuid
    legacy_id: int | None
    in_archive: bool
    withdrawn: bool
    discoverable: bool
    last_modified: str | None
    submitter: Uuid | None
    owning_collection: Uuid | None


# --- structure ----------------------------------------------------------------------------------------------


class Member(Row, frozen=True):
    """A pair of objects: `epersongroup2eperson`, `group2group`, `community2community`, `community2collection`,
    `collection2item`. `subject` is the object that the row travels with, `other` the far end.
    """

    subject: Uuid
    other: Uuid


class BundleRow(Row, frozen=True):
    """`bundle` with `item2bundle`. `subject` is the item (or template item) that holds it."""

    subject: Uuid
    uuid: Uuid
    legacy_id: int | None
    primary: Uuid | None


class Placed(Row, frozen=True):
    """`bundle2bitstream`: where a bitstream stands in its bundle. Order is gapless from 0 within a bundle."""

    bundle: Uuid
    bitstream: Uuid
    order: int
    order_legacy: int | None


class BitstreamRow(Row, frozen=True):
    """`bitstream`, never a deleted one: in a bundle, or a logo.

    `checksum` is lower-case hex of `checksum_algorithm` (always MD5 in stock DSpace); `size` is in bytes.
    """

    uuid: Uuid
    legacy_id: int | None
    format: str | None
    checksum: str | None
    checksum_algorithm: str | None
    sequence_id: int | None
    size: int


class Stored(Row, frozen=True):
    """Where the content of a bitstream lies: in the source's assetstore, and in the blob store.

    Not part of the object's digest: a target may have to store under another id. Bitstreams of several versions
    share one `internal_id`; they share one file on the target too. `sha256` is lower-case hex, None until captured.
    """

    uuid: Uuid
    internal_id: str | None
    store_number: int
    sha256: str | None = None


# --- what any object may have -------------------------------------------------------------------------------


class Value(Row, frozen=True):
    """`metadatavalue`. `field` is `schema.element` or `schema.element.qualifier`.

    `place` is 0-based per subject and field, as stored. `lang` None, `""` and `"*"` are three different things.
    """

    subject: Uuid
    field: str
    place: int
    text: str | None
    lang: str | None = None
    authority: str | None = None
    confidence: int = -1
    security: int | None = None


class Policy(Row, frozen=True):
    """`resourcepolicy`. At least one of `group` and `person` is set; dates are plain dates."""

    subject: Uuid
    action: int
    group: Uuid | None
    person: Uuid | None
    start: str | None = None
    end: str | None = None
    name: str | None = None
    type: str | None = None
    description: str | None = None


class HandleRow(Row, frozen=True):
    """`handle`. `rank` is 0-based by `handle_id` within the subject: the lowest is the preferred one."""

    subject: Uuid
    handle: str
    rank: int
    legacy_id: int | None = None


class Doi(Row, frozen=True):
    """`doi`. `status` is DSpace's number (3 is registered), None reserved only locally."""

    subject: Uuid
    doi: str
    status: int | None
    legacy_id: int | None = None


class Subscription(Row, frozen=True):
    """`subscription` with its parameters as `name=value`, sorted, joined by newlines (`""` if there are none)."""

    subject: Uuid
    person: Uuid
    type: str | None
    parameters: str


# --- of collections -----------------------------------------------------------------------------------------


class Role(Row, frozen=True):
    """`cwf_collectionrole`: the group behind a workflow role of a collection."""

    subject: Uuid
    role: str
    group: Uuid


class HarvestSource(Row, frozen=True):
    """`harvested_collection` without its momentary state. `type`: 0 none, 1 metadata, 2 with references, 3 full."""

    subject: Uuid
    type: int
    oai_source: str | None
    oai_set: str | None
    metadata_config: str | None
    last_harvested: str | None


# --- of items -----------------------------------------------------------------------------------------------


class HarvestedItem(Row, frozen=True):
    """`harvested_item`: the record that the item was harvested from."""

    subject: Uuid
    oai_id: str | None
    last_harvested: str | None


class Relation(Row, frozen=True):
    """`relationship`. It travels with both of its items. The type is named by its two entity types and labels."""

    left: Uuid
    left_type: str
    leftward: str
    rightward: str
    right_type: str
    right: Uuid
    left_place: int
    right_place: int
    leftward_value: str | None
    rightward_value: str | None
    latest_version_status: int


class Version(Row, frozen=True):
    """`versionitem`. The whole history travels with each of its items; `item` is None for a deleted version."""

    number: int
    item: Uuid | None
    date: str | None
    summary: str | None
    person: Uuid | None


class Draft(Row, frozen=True):
    """`workspaceitem`: an item that is being submitted. Only captured with `source.drafts`."""

    subject: Uuid
    collection: Uuid | None
    multiple_titles: bool
    published_before: bool
    multiple_files: bool
    stage_reached: int | None
    page_reached: int | None


class WorkflowItem(Row, frozen=True):
    """`cwf_workflowitem`: an item that is being reviewed. Only captured with `source.drafts`."""

    subject: Uuid
    collection: Uuid | None
    multiple_titles: bool
    published_before: bool
    multiple_files: bool


class WorkflowTask(Row, frozen=True):
    """One row of `cwf_workflowitemrole`, `cwf_claimtask`, `cwf_pooltask` or `cwf_in_progress_user`, or of
    `supervision_orders`. `task` is `role`, `claim`, `pool`, `user` or `supervision`; what a task has not is None.
    """

    subject: Uuid
    task: str
    role: str | None = None
    workflow: str | None = None
    step: str | None = None
    action: str | None = None
    person: Uuid | None = None
    group: Uuid | None = None
    finished: bool | None = None


# --- the whole ----------------------------------------------------------------------------------------------


class Name(Row, frozen=True):
    """How a referenced object is called by people, for the stock sections of the AIP. Never part of the digest.

    `kind` says what is referenced; `name` is a group's name, a person's e-mail address, or an object's handle.
    """

    uuid: Uuid
    kind: Kind
    name: str | None


class Aip(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One object as it stood at one snapshot. Which lists are used follows from `kind`; the others stay empty.

    `key` is None for what has a UUID of its own, and else the natural key from which `uuid` is derived
    (`schema/dc`, `formats`, `entities`, `handle/123/4`, `doi/10.1/2`): see `derived_uuid`.
    """

    kind: Kind
    uuid: Uuid
    key: str | None = None

    person: PersonRow | None = None
    group: GroupRow | None = None
    site: SiteRow | None = None
    community: CommunityRow | None = None
    collection: CollectionRow | None = None
    items: list[ItemRow] = msgspec.field(default_factory=list)

    persons_in: list[Member] = msgspec.field(default_factory=list)
    groups_in: list[Member] = msgspec.field(default_factory=list)
    parents: list[Member] = msgspec.field(default_factory=list)

    bundles: list[BundleRow] = msgspec.field(default_factory=list)
    placed: list[Placed] = msgspec.field(default_factory=list)
    bitstreams: list[BitstreamRow] = msgspec.field(default_factory=list)
    stored: list[Stored] = msgspec.field(default_factory=list)

    values: list[Value] = msgspec.field(default_factory=list)
    policies: list[Policy] = msgspec.field(default_factory=list)
    handles: list[HandleRow] = msgspec.field(default_factory=list)
    """Of the site for information only: a target keeps its own site handle, which follows from `handle.prefix`."""
    dois: list[Doi] = msgspec.field(default_factory=list)
    subscriptions: list[Subscription] = msgspec.field(default_factory=list)

    roles: list[Role] = msgspec.field(default_factory=list)
    harvest_source: list[HarvestSource] = msgspec.field(default_factory=list)

    harvested: list[HarvestedItem] = msgspec.field(default_factory=list)
    relations: list[Relation] = msgspec.field(default_factory=list)
    versions: list[Version] = msgspec.field(default_factory=list)
    drafts: list[Draft] = msgspec.field(default_factory=list)
    workflow: list[WorkflowItem] = msgspec.field(default_factory=list)
    tasks: list[WorkflowTask] = msgspec.field(default_factory=list)

    schemas: list[Schema] = msgspec.field(default_factory=list)
    fields: list[Field] = msgspec.field(default_factory=list)
    formats: list[Format] = msgspec.field(default_factory=list)
    """The registry's formats; in any other object those that its bitstreams use, for the stock sections only."""
    entity_types: list[EntityType] = msgspec.field(default_factory=list)
    relationship_types: list[RelationshipType] = msgspec.field(default_factory=list)
    tombstone: Tombstone | None = None

    names: list[Name] = msgspec.field(default_factory=list)

    @property
    def handle(self) -> str | None:
        """The preferred handle of the object itself, not of a part."""
        own = [row for row in self.handles if row.subject == self.uuid]
        return min(own, key=lambda row: row.rank).handle if own else None
