"""Registry documents: metadata schemas and fields, bitstream formats, relationship types, as stock DSpace loads them.

| key           | root                     | loaded by                                              |
|---------------|--------------------------|--------------------------------------------------------|
| `schema/...`  | `dspace-dc-types`        | `registry-loader -metadata` (class `MetadataImporter`) |
| `formats`     | `dspace-bitstream-types` | `registry-loader -bitstream` (class `RegistryLoader`)  |
| anything else | `relationships`          | `initialize-entities` (class `InitializeEntities`)     |

The stock elements stand in no namespace; an `as:aip` beside them, which the loaders do not look for, says what the
document is about and holds the rows that the vocabularies cannot state: entity types without a relationship, schemas
without a namespace, values that the loaders would stumble over or take for missing.

Invariant: `""` and None differ on the way back, though to DSpace's loaders they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from lxml import etree

from events.aip import extension, markup
from events.aip.markup import AS
from events.aip.model import Aip
from events.aip.order import assembled
from events.aip.registry_rows import Field, Format, RelationshipType, Schema
from events.aip.row import Row
from events.errors import InvalidAip

FIELDS_ROOT: Final = "dspace-dc-types"
FORMATS_ROOT: Final = "dspace-bitstream-types"
TYPES_ROOT: Final = "relationships"
ROOTS: Final = frozenset({FIELDS_ROOT, FORMATS_ROOT, TYPES_ROOT})

_TILTED: Final = ("none", "left", "right")


def root_of(key: str | None) -> str:
    """The root element of the document with that natural key."""
    if key is not None and key.startswith("schema/"):
        return FIELDS_ROOT
    return FORMATS_ROOT if key == "formats" else TYPES_ROOT


def write(aip: Aip) -> str:
    """The document of one canonical registry AIP."""
    root = root_of(aip.key)
    out = [f'{markup.DECLARATION}<{root} xmlns:as="{AS}">\n']
    left: dict[str, list[Row]] = {}
    for name, element in _WRITERS[root].items():
        left[name] = []
        for row in getattr(aip, name):
            written = element(row)
            if written is None:
                left[name].append(row)
            else:
                out.append(written)
    extension.whole(aip, left, out)
    out.append(f"</{root}>\n")
    return "".join(out)


def _child(name: str, value: str | int | None) -> str:
    return "" if value is None else f"<{name}>{markup.text(str(value))}</{name}>"


def _plain(*values: str | None) -> bool:
    """Whether stock DSpace takes them as they are: it trims, and takes an empty element for a missing one."""
    return all(value is None or (value != "" and value == value.strip() and markup.holds(value)) for value in values)


def _schema(row: Schema) -> str | None:
    if row.namespace is None or not _plain(row.name, row.namespace):
        return None
    return f"<dc-schema>{_child('name', row.name)}{_child('namespace', row.namespace)}</dc-schema>\n"


def _field(row: Field) -> str | None:
    if row.element is None or not _plain(row.schema, row.element, row.qualifier):
        return None
    if not markup.holds(row.scope_note or ""):
        return None
    return (
        f"<dc-type>{_child('schema', row.schema)}{_child('element', row.element)}"
        f"{_child('qualifier', row.qualifier)}{_child('scope_note', row.scope_note)}</dc-type>\n"
    )


def _format(row: Format) -> str | None:
    if row.support < 0 or not _plain(row.short_description, row.mimetype, *row.extensions):
        return None
    if not markup.holds(row.description or ""):
        return None
    return (
        f"<bitstream-type>{_child('mimetype', row.mimetype)}{_child('short_description', row.short_description)}"
        f"{_child('description', row.description)}{_child('support_level', row.support)}"
        f"{_child('internal', 'true' if row.internal else 'false')}"
        f"{''.join(_child('extension', part) for part in row.extensions)}</bitstream-type>\n"
    )


def _relationship(row: RelationshipType) -> str | None:
    if not _plain(row.left_type, row.right_type, row.leftward, row.rightward):
        return None
    if row.tilted is not None and not 0 <= row.tilted < len(_TILTED):
        return None
    return (
        f"<type>{_child('leftType', row.left_type)}{_child('rightType', row.right_type)}"
        f"{_child('leftwardType', row.leftward)}{_child('rightwardType', row.rightward)}"
        f"<leftCardinality>{_child('min', row.left_min)}{_child('max', row.left_max)}</leftCardinality>"
        f"<rightCardinality>{_child('min', row.right_min)}{_child('max', row.right_max)}</rightCardinality>"
        f"{_child('copyToLeft', 'true' if row.copy_to_left else 'false')}"
        f"{_child('copyToRight', 'true' if row.copy_to_right else 'false')}"
        f"{_child('tilted', None if row.tilted is None else _TILTED[row.tilted])}</type>\n"
    )


_WRITERS: Final[dict[str, dict[str, Callable[[Any], str | None]]]] = {
    FIELDS_ROOT: {"schemas": _schema, "fields": _field},
    FORMATS_ROOT: {"formats": _format},
    TYPES_ROOT: {"relationship_types": _relationship},
}


class _Children:
    """The texts of an element's children by their names."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element
        self.texts: dict[str, list[str]] = {}
        self.elements: dict[str, etree._Element] = {}
        for child in element:
            self.texts.setdefault(str(child.tag), []).append(child.text or "")
            self.elements[str(child.tag)] = child

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self.texts.get(name, ()))

    def maybe(self, name: str) -> str | None:
        found = self.texts.get(name)
        return found[0] if found else None

    def need(self, name: str) -> str:
        found = self.maybe(name)
        if found is None:
            raise InvalidAip(f"{markup.place(self.element)}: element {name} is missing")
        return found

    def number(self, name: str) -> int | None:
        found = self.maybe(name)
        return None if found is None or found == "" else markup.number(found, self.element)

    def truth(self, name: str) -> bool:
        return markup.truth(self.need(name), self.element)

    def within(self, name: str) -> _Children:
        found = self.elements.get(name)
        if found is None:
            raise InvalidAip(f"{markup.place(self.element)}: element {name} is missing")
        return _Children(found)


def _read_schema(of: _Children) -> Schema:
    return Schema(of.need("name"), of.maybe("namespace"))


def _read_field(of: _Children) -> Field:
    return Field(of.need("schema"), of.maybe("element"), of.maybe("qualifier"), of.maybe("scope_note"))


def _read_format(of: _Children) -> Format:
    support = markup.number(of.need("support_level"), of.element)
    return Format(
        of.need("short_description"),
        of.maybe("mimetype"),
        of.maybe("description"),
        support,
        of.truth("internal"),
        of.all("extension"),
    )


def _read_relationship(of: _Children) -> RelationshipType:
    left, right, tilted = of.within("leftCardinality"), of.within("rightCardinality"), of.maybe("tilted")
    if tilted is not None and tilted not in _TILTED:
        raise InvalidAip(f"{markup.place(of.element)}: tilted {tilted[:40]!r} is none of {', '.join(_TILTED)}")
    return RelationshipType(
        of.need("leftType"),
        of.need("rightType"),
        of.need("leftwardType"),
        of.need("rightwardType"),
        left.number("min"),
        left.number("max"),
        right.number("min"),
        right.number("max"),
        of.truth("copyToLeft"),
        of.truth("copyToRight"),
        None if tilted is None else _TILTED.index(tilted),
    )


_READERS: Final[dict[str, tuple[str, Callable[[_Children], Row]]]] = {
    "dc-schema": ("schemas", _read_schema),
    "dc-type": ("fields", _read_field),
    "bitstream-type": ("formats", _read_format),
    "type": ("relationship_types", _read_relationship),
}


def read(root: etree._Element) -> Aip:
    """The AIP of a document that `write` made. Raises InvalidAip for whatever is missing, unknown or malformed."""
    own = [element for element in root if element.tag == extension.WHOLE]
    if len(own) != 1:
        raise InvalidAip(f"{markup.place(root)}: {len(own)} as:aip elements, expected one (a stock registry file?)")
    kind, uuid, key = extension.identity(own[0])
    into: dict[str, list[Any]] = {}
    extension.read_rows(own[0], uuid, into)
    for element in _stock(root):
        known = _READERS.get(str(element.tag))
        if known is None:
            raise InvalidAip(f"{markup.place(element)}: not a registry entry")
        into.setdefault(known[0], []).append(known[1](_Children(element)))
    return assembled(kind, uuid, key, into)


def _stock(root: etree._Element) -> Iterable[etree._Element]:
    return (element for element in root if element.tag != extension.WHOLE)
