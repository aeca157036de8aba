"""Metadata values in DIM, the vocabulary in which DSpace itself writes metadata (aip-format 3.1 and 3.3).

Where a value has something that DIM has no word for, it stands beside the stock attributes in our namespace:
`as:place` if it is not the number of values of that field before it, `as:confidence` if the stock attribute cannot say
it, `as:security`, `as:null` for a value without text, `as:text64` for a text that XML cannot hold.

Invariants:

* Never an empty qualifier, and never a `virtual::` authority: stock DSpace refuses the one and, from version 10, the
  other. `write` hands such values back, to be stated elsewhere.
* `read(write(values)) + handed back == values`, as multisets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from lxml import etree

from events.aip import markup
from events.aip.markup import AS, DIM
from events.aip.model import Uuid, Value
from events.errors import InvalidAip

CONFIDENCE: Final[dict[int, str]] = {
    -1: "UNSET",
    0: "NOVALUE",
    100: "REJECTED",
    200: "FAILED",
    300: "NOTFOUND",
    400: "AMBIGUOUS",
    500: "UNCERTAIN",
    600: "ACCEPTED",
}
"""DSpace's numbers of the eight confidences (class `Choices`)."""
_CONFIDENCE_OF: Final = {symbol: number for number, symbol in CONFIDENCE.items()}

COLLECTION_FIELDS: Final[dict[str, str]] = {
    name: name
    for name in (
        "dc.description",
        "dc.description.abstract",
        "dc.description.tableofcontents",
        "dc.identifier.uri",
        "dc.provenance",
        "dc.rights",
        "dc.rights.license",
        "dc.title",
    )
}
"""The only fields that stock DSpace takes from a collection's DIM; one value of each."""
COMMUNITY_FIELDS: Final[dict[str, str]] = {
    name: name for name in COLLECTION_FIELDS if name not in {"dc.provenance", "dc.rights.license"}
}
BITSTREAM_FIELDS: Final[dict[str, str]] = {
    "dc.title": "dc.title",
    "dc.source": "dc.title.alternative",
    "dc.description": "dc.description",
    "dc.format": "dc.format",
}
"""How AIP-TECHMD names the metadata of a bitstream: the field, and what stands for it."""
BITSTREAM_FIELDS_READ: Final = {spelled: field for field, spelled in BITSTREAM_FIELDS.items()}

VIRTUAL: Final = "virtual::"
_FIELD: Final = f"{{{DIM}}}field"
_PLACE, _CONFIDENCE, _SECURITY, _NULL, _TEXT64, _STAND_IN = (
    f"{{{AS}}}{name}" for name in ("place", "confidence", "security", "null", "text64", "stand-in")
)


@lru_cache(maxsize=8192)
def _opening(field: str) -> str | None:
    """The start of the element for a field, or None if DIM cannot name it."""
    parts = field.split(".", 2)
    if len(parts) < 2 or not all(parts) or not markup.holds(field):
        return None
    written = f'<dim:field mdschema="{markup.quoted(parts[0])}" element="{markup.quoted(parts[1])}"'
    return written if len(parts) == 2 else f'{written} qualifier="{markup.quoted(parts[2])}"'


def write(values: Iterable[Value], out: list[str], spelled: Mapping[str, str] | None = None) -> list[Value]:
    """Append a `dim:field` per value, and return the values that DIM cannot state.

    The values are those of one subject in canonical order. With `spelled`, only those fields are written, under
    the names given there, and only the first value of each.
    """
    rest: list[Value] = []
    previous, expected = "", 0
    for value in values:
        field = value.field
        if field == previous:
            expected += 1
        else:
            previous, expected = field, 0
        if spelled is None:
            opening = _opening(field)
        else:
            name = spelled.get(field)
            opening = None if name is None or expected > 0 else _opening(name)
        if opening is None or not _stated(value):
            rest.append(value)
            if spelled is None:
                expected -= 1
            continue
        out.append(_element(value, opening, expected))
    return rest


def _stated(value: Value) -> bool:
    authority, lang = value.authority, value.lang
    if authority is not None and (authority.startswith(VIRTUAL) or not markup.holds(authority)):
        return False
    return lang is None or markup.holds(lang)


def _element(value: Value, opening: str, expected: int) -> str:
    written = opening
    lang, authority, text = value.lang, value.authority, value.text
    if lang is not None:
        written += f' lang="{markup.quoted(lang)}"'
    symbol = None
    if authority is not None:
        symbol = CONFIDENCE.get(value.confidence, "NOVALUE")
        written += f' authority="{markup.quoted(authority)}" confidence="{symbol}"'
    if value.confidence != _CONFIDENCE_OF.get(symbol or "UNSET"):
        written += f' as:confidence="{value.confidence}"'
    if value.place != expected:
        written += f' as:place="{value.place}"'
    if value.security is not None:
        written += f' as:security="{value.security}"'
    if text is None:
        return f'{written} as:null="true"/>\n'
    if markup.holds(text):
        return f"{written}>{markup.text(text)}</dim:field>\n"
    return f'{written} as:text64="{markup.in_base64(text)}">{markup.text(text)}</dim:field>\n'


def plain(field: str, text: str) -> str:
    """A `dim:field` that is no metadata value but says something else, as in AIP-TECHMD."""
    return f"{_opening(field)}>{markup.text(text)}</dim:field>"


STAND_IN_TITLE: Final = '<dim:field mdschema="dc" element="title" as:stand-in="true">Untitled</dim:field>\n'
"""Stock DSpace refuses an item without any dc.title, and shows such an item as `Untitled`."""


def read(
    parent: etree._Element, subject: Uuid, into: list[Value], spelled: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Add the values of a `dim:dim` to `into`.

    With `spelled` (name in the document to field), fields that are not in it are no values, and are returned by name.
    Raises InvalidAip for other elements, missing attributes and bad numbers.
    """
    others: dict[str, str] = {}
    counted: dict[str, int] = {}
    for element in parent:
        if element.tag != _FIELD:
            raise InvalidAip(f"{markup.place(element)}: expected dim:field")
        given: dict[str, str] = dict(element.attrib)  # type: ignore[arg-type]
        schema, name = given.pop("mdschema", None), given.pop("element", None)
        if not schema or not name:
            raise InvalidAip(f"{markup.place(element)}: mdschema or element is missing")
        qualifier = given.pop("qualifier", None)
        field = f"{schema}.{name}.{qualifier}" if qualifier else f"{schema}.{name}"
        text: str | None = element.text or ""
        if spelled is not None:
            if field not in spelled:
                others[field] = text or ""
                continue
            field = spelled[field]
        expected = counted.get(field, 0)
        counted[field] = expected + 1
        if not given:  # as most are
            into.append(Value(subject, field, expected, text))
            continue
        if _STAND_IN in given:
            continue
        into.append(_value(element, given, Value(subject, field, expected, text)))
    return others


def _value(element: etree._Element, given: dict[str, str], start: Value) -> Value:
    text, place, confidence, security = start.text, start.place, -1, None
    authority = given.get("authority")
    if authority is not None:
        confidence = _CONFIDENCE_OF.get(given.get("confidence", "UNSET").upper(), 0)
    if _CONFIDENCE in given:
        confidence = markup.number(given[_CONFIDENCE], element)
    if _PLACE in given:
        place = markup.number(given[_PLACE], element)
    if _SECURITY in given:
        security = markup.number(given[_SECURITY], element)
    if _TEXT64 in given:
        text = markup.from_base64(given[_TEXT64], element)
    elif _NULL in given:
        text = None
    return Value(start.subject, start.field, place, text, given.get("lang"), authority, confidence, security)
