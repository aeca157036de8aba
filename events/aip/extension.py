"""Rows of an AIP in our own namespace: what the vocabularies of DSpace cannot state, and nothing of what they can.

The form follows from the row classes and needs no code of its own for any of them: an element per row, an attribute
per field, named as in `events.aip.model`. None, and a field's default, is an absent attribute; `""` an empty one.
`subject` and `uuid` are absent where they are the UUID of the object that the document is about.

Invariant: `read_rows(rows(x)) == x` for every row; an element or attribute that is not known is an error, because a
reader that skips what it does not know loses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Final, get_args, get_origin

import msgspec
from lxml import etree

from events.aip import markup, model, registry_rows
from events.aip.markup import AS
from events.aip.row import Row
from events.errors import InvalidAip

ELEMENTS: Final[dict[str, tuple[str, type[Row]]]] = {
    "person": ("person", model.PersonRow),
    "group": ("group", model.GroupRow),
    "site": ("site", model.SiteRow),
    "community": ("community", model.CommunityRow),
    "collection": ("collection", model.CollectionRow),
    "tombstone": ("gone", registry_rows.Tombstone),
    "items": ("item", model.ItemRow),
    "persons_in": ("person-member", model.Member),
    "groups_in": ("group-member", model.Member),
    "parents": ("parent", model.Member),
    "bundles": ("bundle", model.BundleRow),
    "placed": ("placed", model.Placed),
    "bitstreams": ("bitstream", model.BitstreamRow),
    "stored": ("stored", model.Stored),
    "values": ("value", model.Value),
    "policies": ("policy", model.Policy),
    "handles": ("handle", model.HandleRow),
    "dois": ("doi", model.Doi),
    "subscriptions": ("subscription", model.Subscription),
    "roles": ("role", model.Role),
    "harvest_source": ("harvest-source", model.HarvestSource),
    "harvested": ("harvested", model.HarvestedItem),
    "relations": ("relation", model.Relation),
    "versions": ("version", model.Version),
    "drafts": ("draft", model.Draft),
    "workflow": ("workflow-item", model.WorkflowItem),
    "tasks": ("task", model.WorkflowTask),
    "schemas": ("schema", registry_rows.Schema),
    "fields": ("field", registry_rows.Field),
    "formats": ("format", registry_rows.Format),
    "entity_types": ("entity-type", registry_rows.EntityType),
    "relationship_types": ("relationship-type", registry_rows.RelationshipType),
    "names": ("name", model.Name),
}
"""For each field of `Aip` that holds rows: the element of one row (in our namespace), and its class."""

SINGLE: Final = frozenset({"person", "group", "site", "community", "collection", "tombstone"})
"""The fields of `Aip` that hold one row or None, not a list."""

WHOLE: Final = f"{{{AS}}}aip"
"""The element that holds the rows of one AIP."""

_NOTHING: Final = object()
_Convert = Callable[[str, etree._Element], Any]


class _Column(msgspec.Struct, frozen=True):
    """One field of a row class: how it is written, and how it is read back."""

    name: str
    own: bool
    repeated: bool
    convert: _Convert | None
    missing: Any
    """What an absent attribute means; `_NOTHING` if it has to be there."""


def _kind(value: str, element: etree._Element) -> model.Kind:
    try:
        return model.Kind(value)
    except ValueError as error:
        raise InvalidAip(f"{markup.place(element)}: not a kind of object: {value[:60]!r}") from error


_CONVERT: Final[dict[object, _Convert]] = {
    int: markup.number,
    bool: markup.truth,
    model.Kind: _kind,
}


def _columns(row_class: type[Row]) -> tuple[_Column, ...]:
    columns = []
    for field in msgspec.structs.fields(row_class):
        arguments = get_args(field.type)
        optional = NoneType in arguments
        repeated = get_origin(field.type) is tuple
        plain = next(part for part in arguments if part is not NoneType) if optional else field.type
        convert = _CONVERT.get(plain)
        if "Uuid" in str(row_class.__annotations__[field.name]):
            convert = markup.uuid
        missing = _NOTHING
        if field.default is not msgspec.NODEFAULT:
            missing = field.default
        elif optional:
            missing = None
        own = field.name in {"subject", "uuid"}
        columns.append(_Column(field.name, own, repeated, convert, missing))
    return tuple(columns)


_COLUMNS: Final = {row_class: _columns(row_class) for _, row_class in ELEMENTS.values()}
_BY_TAG: Final = {
    f"{{{AS}}}{element}": (name, row_class, _COLUMNS[row_class]) for name, (element, row_class) in ELEMENTS.items()
}


def rows(of: Mapping[str, Sequence[Row]], owner: model.Uuid, out: list[str]) -> None:
    """Append the elements of all rows, given by the names of the fields of `Aip`; `owner` is the object's UUID."""
    for name, (element, row_class) in ELEMENTS.items():
        found = of.get(name)
        if found:
            columns = _COLUMNS[row_class]
            out += [_row(row, element, columns, owner) for row in found]


def _row(row: Row, element: str, columns: tuple[_Column, ...], owner: model.Uuid) -> str:
    written = [f"<as:{element}"]
    inner = ""
    for column in columns:
        name = column.name
        value = getattr(row, name)
        if value is None or value == column.missing or (column.own and value == owner):
            continue
        if value is True:
            written.append(f' {name}="true"')
        elif value is False:
            written.append(f' {name}="false"')
        elif isinstance(value, str):
            written.append(markup.attribute(name, value))
        elif column.repeated:
            inner += "".join(f"<as:{name}{markup.attribute('text', part)}/>" for part in value)
        else:
            written.append(f' {name}="{value}"')
    written.append(f">{inner}</as:{element}>\n" if inner else "/>\n")
    return "".join(written)


def read_rows(parent: etree._Element, owner: model.Uuid, into: dict[str, list[Any]]) -> None:
    """Add the rows below `parent` to the lists by the names of the fields of `Aip`.

    Raises InvalidAip for an unknown element or attribute, a missing one, and a value of the wrong form.
    """
    for element in parent:
        known = _BY_TAG.get(element.tag)
        if known is None:
            raise InvalidAip(f"{markup.place(element)}: not a row that this version knows")
        name, row_class, columns = known
        into.setdefault(name, []).append(_read_row(element, row_class, columns, owner))


def _read_row(element: etree._Element, row_class: type[Row], columns: tuple[_Column, ...], owner: model.Uuid) -> Row:
    given: dict[str, str] = dict(element.attrib)  # type: ignore[arg-type]
    arguments: list[Any] = []
    for column in columns:
        value = given.pop(column.name, None)
        if value is None:
            if column.own:
                arguments.append(owner)
            elif column.repeated:
                arguments.append(tuple(read_text(part, "text") for part in element))
            elif column.missing is _NOTHING:
                raise InvalidAip(f"{markup.place(element)}: attribute {column.name} is missing")
            else:
                arguments.append(column.missing)
        elif column.convert is None:
            arguments.append(value)
        else:
            arguments.append(column.convert(value, element))
    if given:
        _take_encoded(element, given, columns, arguments)
    return row_class(*arguments)


def _take_encoded(
    element: etree._Element, given: dict[str, str], columns: tuple[_Column, ...], arguments: list[Any]
) -> None:
    for index, column in enumerate(columns):
        encoded = given.pop(f"{column.name}64", None)
        if encoded is not None:
            arguments[index] = markup.from_base64(encoded, element)
    if given:
        raise InvalidAip(f"{markup.place(element)}: unknown attribute {next(iter(given))!r}")


def read_text(element: etree._Element, name: str) -> str:
    """The attribute that `markup.attribute` wrote under that name, decoded. Raises InvalidAip if it is missing."""
    encoded = element.get(f"{name}64")
    return markup.need(element, name) if encoded is None else markup.from_base64(encoded, element)


def whole(aip: model.Aip, stated: Mapping[str, Sequence[Row]] | None, out: list[str], namespace: bool = False) -> None:
    """Append an `as:aip` that says what the AIP is about, with all of its rows.

    `stated` has, for fields that the document states elsewhere, the rows that are left of them (maybe none). Without it
    every row is here, whatever the document states elsewhere too, and the element says so.
    """
    every: dict[str, Sequence[Row]] = {}
    for name in ELEMENTS:
        if stated is not None and name in stated:
            every[name] = stated[name]
            continue
        found = getattr(aip, name)
        if found:
            every[name] = (found,) if name in SINGLE else found
    key = "" if aip.key is None else markup.attribute("key", aip.key)
    declared = f' xmlns:as="{AS}"' if namespace else ""
    complete = ' rows="all"' if stated is None else ""
    out.append(f'<as:aip{declared} kind="{aip.kind}" uuid="{aip.uuid}"{key}{complete}>\n')
    rows(every, aip.uuid, out)
    out.append("</as:aip>\n")


def identity(element: etree._Element) -> tuple[model.Kind, model.Uuid, str | None]:
    """Kind, UUID and key of what `whole` wrote. Raises InvalidAip if they are not there, or malformed."""
    kind = _kind(markup.need(element, "kind"), element)
    uuid = markup.uuid(markup.need(element, "uuid"), element)
    return kind, uuid, key(element)


def complete(element: etree._Element) -> bool:
    """Whether an `as:aip` has every row of the AIP, so that the document's other sections are for stock DSpace only."""
    return element.get("rows") == "all"


def key(element: etree._Element) -> str | None:
    """The natural key on an `as:aip`, None if it has none."""
    return read_text(element, "key") if element.get("key") is not None else None
