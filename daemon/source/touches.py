"""What a changed row says about the objects that it may have changed: one `Rule` for each content table. No I/O.

Invariant: no change of a row that a facet (`daemon.dspace.facets`) reads goes without a subject. A subject is as near
to the owner as the row itself tells: the object's own UUID, or a part, a history, a workflow item whose owner is looked
up later (`daemon.source.resolver`). Looking up late loses nothing: whoever cuts the link between a part and its owner
changes a row that names the owner, so the owner is touched by that later transaction.

Reference: dspace-database §11.1. Renaming a metadata field, a format, an entity type or a relationship type changes how
every object that uses it reads; nobody can name those cheaply, so all objects that may use it have to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from daemon.source.pgoutput import Cell, Change
from events.aip.model import Kind


class Subject(StrEnum):
    """What the value of a touch is."""

    ITEM = "item"
    COMMUNITY = "community"
    COLLECTION = "collection"
    PERSON = "person"
    GROUP = "group"
    SITE = "site"
    REGISTRY = "registry"
    """A registry's key: `schema/dc`, `formats`, `entities`."""
    TOMBSTONE = "tombstone"
    """A tombstone's key: `handle/123/4`, `doi/10.1/2`."""
    OBJECT = "object"
    """The UUID of an object of any type, parts included."""
    BUNDLE = "bundle"
    BITSTREAM = "bitstream"
    NEIGHBOURS = "neighbours"
    """An item that entered or left the scope: what is related to it, or a version of it, reads otherwise now."""
    HISTORY = "history"
    """`versionhistory_id`: all members."""
    SUBSCRIPTION = "subscription"
    """`subscription_id`."""
    WORKFLOW = "workflow"
    """`workflowitem_id`."""
    SCHEMA = "schema"
    """`metadata_schema_id`."""
    TABLE = "table"
    """A table of which nobody can tell which objects changed (TRUNCATE, a delete without its old row, a renaming)."""


Found: TypeAlias = dict[Subject, set[bytes]]
"""Touches without duplicates, by subject; values as the server prints them."""

_EVERY_OBJECT: Final = frozenset({Kind.PERSON, Kind.GROUP, Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM})
_CONTAINERS: Final = frozenset({Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM})
_WITH_FILES: Final = frozenset({Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM})


class Rule(NamedTuple):
    """How a table's rows tell their subjects.

    columns  what must be read of a row
    touch    adds the subjects of one change
    kinds    the kinds of object that the table can change at all
    full     the table needs REPLICA IDENTITY FULL: its key does not name the owner
    """

    columns: tuple[str, ...]
    touch: Callable[[Found, Change], None]
    kinds: frozenset[Kind]
    full: bool = False


def _by_column(kinds: frozenset[Kind] | Kind, *pairs: tuple[str, Subject], full: bool = False) -> Rule:
    """Each of these columns names a subject, in the old row as in the new one."""
    columns = tuple(dict.fromkeys(column for column, _ in pairs))
    places = [(columns.index(column), subject) for column, subject in pairs]

    def touch(found: Found, change: Change) -> None:
        for image in (change.old, change.new):
            if image is not None:
                for place, subject in places:
                    value = image[place]
                    if value.__class__ is bytes:
                        found[subject].add(value)

    return Rule(columns, touch, frozenset({kinds}) if isinstance(kinds, Kind) else kinds, full)


def _always(key: bytes) -> Rule:
    """Any change is a change of that registry."""

    def touch(found: Found, change: Change) -> None:  # noqa: ARG001 -- whatever the change is
        found[Subject.REGISTRY].add(key)

    return Rule((), touch, frozenset({Kind.REGISTRY}))


def _named_by(columns: tuple[str, ...], rule: Rule, users: frozenset[Kind]) -> Rule:
    """A registry whose entries are called by those columns: where one of them changes, so do the users of the entry."""
    every = tuple(dict.fromkeys(rule.columns + columns))
    places = [every.index(column) for column in columns]

    def touch(found: Found, change: Change) -> None:
        rule.touch(found, change)
        old, new = change.old, change.new
        if change.op == "update" and old and new and any(old[place] != new[place] for place in places):
            found[Subject.TABLE].add(change.relation.name.encode())

    return Rule(every, touch, rule.kinds | users, full=True)


def _text(value: Cell) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _touch_schema(found: Found, change: Change) -> None:
    for image in (change.old, change.new):
        name = _text(image[0]) if image is not None else None
        if name is not None:
            found[Subject.REGISTRY].add(b"schema/" + name)


def _touch_item(found: Found, change: Change) -> None:
    """`uuid`, `in_archive`, `withdrawn`. A flag that changed changes what the neighbours say."""
    for image in (change.old, change.new):
        uuid = _text(image[0]) if image is not None else None
        if uuid is not None:
            found[Subject.ITEM].add(uuid)
            if change.op == "update" and change.old and change.new and list(change.old[1:]) != list(change.new[1:]):
                found[Subject.NEIGHBOURS].add(uuid)


def _identifier(scheme: str) -> Callable[[Found, Change], None]:
    """(identifier, owner). Without an owner it is a tombstone; both ends of the way there and back are touched."""
    prefix = scheme.encode() + b"/"

    def touch(found: Found, change: Change) -> None:
        for image in (change.old, change.new):
            if image is None:
                continue
            name, owner = _text(image[0]), _text(image[1])
            if owner is not None:
                found[Subject.OBJECT].add(owner)
            if name is not None and owner is None:
                found[Subject.TOMBSTONE].add(prefix + name)

    return touch


def _identifiers(scheme: str, owner: str) -> Rule:
    return Rule((scheme, owner), _identifier(scheme), _CONTAINERS | {Kind.TOMBSTONE}, full=True)


S = Subject
_STATE = (("item_id", S.ITEM), ("item_id", S.NEIGHBOURS))
"""Rows that decide whether an item is in scope at all."""

RULES: Final[Mapping[str, Rule]] = {
    "site": _by_column(Kind.SITE, ("uuid", S.SITE)),
    "community": _by_column(Kind.COMMUNITY, ("uuid", S.COMMUNITY)),
    "collection": _by_column(Kind.COLLECTION, ("uuid", S.COLLECTION)),
    "item": Rule(("uuid", "in_archive", "withdrawn"), _touch_item, frozenset({Kind.ITEM, Kind.COLLECTION}), full=True),
    "bundle": _by_column(frozenset({Kind.ITEM, Kind.COLLECTION}), ("uuid", S.BUNDLE)),
    "bitstream": _by_column(_WITH_FILES, ("uuid", S.BITSTREAM)),
    "eperson": _by_column(Kind.PERSON, ("uuid", S.PERSON)),
    "epersongroup": _by_column(Kind.GROUP, ("uuid", S.GROUP)),
    "epersongroup2eperson": _by_column(Kind.GROUP, ("eperson_group_id", S.GROUP)),
    "group2group": _by_column(Kind.GROUP, ("parent_id", S.GROUP)),
    "community2community": _by_column(Kind.COMMUNITY, ("child_comm_id", S.COMMUNITY)),
    "community2collection": _by_column(Kind.COLLECTION, ("collection_id", S.COLLECTION)),
    "collection2item": _by_column(Kind.ITEM, ("item_id", S.ITEM)),
    "item2bundle": _by_column(frozenset({Kind.ITEM, Kind.COLLECTION}), ("item_id", S.ITEM)),
    "bundle2bitstream": _by_column(frozenset({Kind.ITEM, Kind.COLLECTION}), ("bundle_id", S.BUNDLE)),
    "metadatavalue": _by_column(_EVERY_OBJECT, ("dspace_object_id", S.OBJECT), full=True),
    "resourcepolicy": _by_column(_EVERY_OBJECT, ("dspace_object", S.OBJECT), full=True),
    "handle": _identifiers("handle", "resource_id"),
    "doi": _identifiers("doi", "dspace_object"),
    "subscription": _by_column(_CONTAINERS, ("dspace_object_id", S.OBJECT), full=True),
    "subscription_parameter": _by_column(_CONTAINERS, ("subscription_id", S.SUBSCRIPTION), full=True),
    "relationship": _by_column(Kind.ITEM, ("left_id", S.ITEM), ("right_id", S.ITEM), full=True),
    "versionitem": _by_column(Kind.ITEM, *_STATE, ("versionhistory_id", S.HISTORY), full=True),
    "harvested_collection": _by_column(Kind.COLLECTION, ("collection_id", S.COLLECTION), full=True),
    "harvested_item": _by_column(Kind.ITEM, ("item_id", S.ITEM), full=True),
    "cwf_collectionrole": _by_column(Kind.COLLECTION, ("collection_id", S.COLLECTION), full=True),
    "workspaceitem": _by_column(Kind.ITEM, *_STATE, full=True),
    "cwf_workflowitem": _by_column(Kind.ITEM, *_STATE, full=True),
    "cwf_workflowitemrole": _by_column(Kind.ITEM, ("workflowitem_id", S.WORKFLOW), full=True),
    "cwf_claimtask": _by_column(Kind.ITEM, ("workflowitem_id", S.WORKFLOW), full=True),
    "cwf_pooltask": _by_column(Kind.ITEM, ("workflowitem_id", S.WORKFLOW), full=True),
    "cwf_in_progress_user": _by_column(Kind.ITEM, ("workflowitem_id", S.WORKFLOW), full=True),
    "supervision_orders": _by_column(Kind.ITEM, ("item_id", S.ITEM), full=True),
    "metadataschemaregistry": _named_by(
        ("short_id",), Rule(("short_id",), _touch_schema, frozenset({Kind.REGISTRY})), _EVERY_OBJECT
    ),
    "metadatafieldregistry": _named_by(
        ("metadata_schema_id", "element", "qualifier"),
        _by_column(Kind.REGISTRY, ("metadata_schema_id", S.SCHEMA)),
        _EVERY_OBJECT,
    ),
    "bitstreamformatregistry": _named_by(("short_description",), _always(b"formats"), _WITH_FILES),
    "fileextension": _always(b"formats"),
    "entity_type": _named_by(("label",), _always(b"entities"), frozenset({Kind.ITEM})),
    "relationship_type": _named_by(
        ("left_type", "right_type", "leftward_type", "rightward_type"), _always(b"entities"), frozenset({Kind.ITEM})
    ),
}
"""The content tables: those that the facets read, by name."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {table: rule.columns for table, rule in RULES.items()}
"""What a decoder must keep of each table's rows."""

FULL: Final = frozenset(table for table, rule in RULES.items() if rule.full)
"""The tables whose deletes tell no owner unless their replica identity is FULL."""


def touch(found: Found, change: Change) -> None:
    """Add the subjects of one changed row. A table that is no content table adds none."""
    rule = RULES.get(change.relation.name)
    if rule is None:
        return
    if change.op != "insert" and rule.full and not change.whole:
        found[Subject.TABLE].add(change.relation.name.encode())
        return
    rule.touch(found, change)
