r"""XML on the lowest level: the namespaces, escaping on the way out, a hardened parser on the way in.

Invariants:

* What `text` and `attribute` write, a conforming parser reads back unchanged: `\r`, and in attributes `\t` and `\n`,
  are written as character references, so that line-end and attribute-value normalisation do not touch them.
* XML 1.0 cannot hold some characters at all. A text with one of them is written twice: cleaned under its own name, and
  whole as base64 of its UTF-8 under that name with `64` behind it. A reader takes the second if it is there.
* No document with a DOCTYPE is parsed, so there are no entities, no external references and no bombs.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from lxml import etree

from events.errors import InvalidAip

METS: Final = "http://www.loc.gov/METS/"
XLINK: Final = "http://www.w3.org/1999/xlink"
DIM: Final = "http://www.dspace.org/xmlns/dspace/dim"
RIGHTS: Final = "http://cosimo.stanford.edu/sdr/metsrights/"
PREMIS: Final = "http://www.loc.gov/standards/premis"
AS: Final = "urn:aipstream:aip:1"

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'

MAX_DOCUMENT: Final = 512 * 1024 * 1024
"""Bytes. The limit of `events.event.decompress`, for documents that come another way."""

_PLAIN_LIMIT: Final = 9_000_000
"""Bytes. libxml2 refuses a text of 10 MB unless told otherwise; below this no text can be that long."""

_UNWRITABLE_CLASS: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_UNWRITABLE: Final = re.compile(f"[{_UNWRITABLE_CLASS}]")
_IN_TEXT: Final = re.compile(f"[&<>\r{_UNWRITABLE_CLASS}]")
_IN_ATTRIBUTE: Final = re.compile(f'[&<>"\t\n\r{_UNWRITABLE_CLASS}]')

_TEXT_TABLE: Final[dict[int, str]] = {
    **dict.fromkeys((*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), ""),
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\r"): "&#13;",
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}
_ATTRIBUTE_TABLE: Final[dict[int, str]] = {
    **_TEXT_TABLE,
    ord("\t"): "&#9;",
    ord("\n"): "&#10;",
    ord('"'): "&quot;",
}


def holds(value: str) -> bool:
    """Whether XML 1.0 can hold every character of the text."""
    return _UNWRITABLE.search(value) is None


def text(value: str) -> str:
    """The text as element content. Characters that XML cannot hold are left out."""
    return value if _IN_TEXT.search(value) is None else value.translate(_TEXT_TABLE)


def quoted(value: str) -> str:
    """The text as the inside of a double-quoted attribute. Characters that XML cannot hold are left out."""
    return value if _IN_ATTRIBUTE.search(value) is None else value.translate(_ATTRIBUTE_TABLE)


def attribute(name: str, value: str) -> str:
    """` name="value"`, and ` name64="..."` behind it if the value holds what XML cannot."""
    if _IN_ATTRIBUTE.search(value) is None:
        return f' {name}="{value}"'
    written = f' {name}="{value.translate(_ATTRIBUTE_TABLE)}"'
    return written if holds(value) else f'{written} {name}64="{in_base64(value)}"'


def in_base64(value: str) -> str:
    """Base64 of the text's UTF-8."""
    return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")


def from_base64(value: str, element: etree._Element) -> str:
    """The text of `in_base64`. Raises InvalidAip for anything else."""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError) as error:
        raise InvalidAip(f"{place(element)}: not base64 of UTF-8: {value[:40]!r}") from error


def _parser(huge: bool) -> etree.XMLParser:
    return etree.XMLParser(
        huge_tree=huge,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",  # whatever the declaration says: the search for a DOCTYPE sees what the parser sees
    )


_PARSER: Final = _parser(huge=False)
_LARGE_PARSER: Final = _parser(huge=True)


def parse(document: bytes) -> etree._Element:
    """The root element. Raises InvalidAip for what is not well-formed UTF-8 XML, has a DOCTYPE, or is too large."""
    size = len(document)
    if size > MAX_DOCUMENT:
        raise InvalidAip(f"document of {size} bytes refused: more than {MAX_DOCUMENT}")
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise InvalidAip("document type declaration refused: an AIP has no DOCTYPE and no entities")
    try:
        return etree.fromstring(document, _PARSER if size < _PLAIN_LIMIT else _LARGE_PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidAip(f"not well-formed XML: {error}") from error


def local(element: etree._Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def place(element: etree._Element) -> str:
    """How a message names an element: its local name, its ID if it has one (both not without end), and its line."""
    identity = (element.get("ID") or "")[:80]
    name = local(element)[:80]
    named = f"{name} {identity!r}" if identity else name
    return f"{named} (line {element.sourceline})"


_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


def need(element: etree._Element, name: str) -> str:
    """The attribute of that name. Raises InvalidAip if it is missing."""
    value = element.get(name)
    if value is None:
        raise InvalidAip(f"{place(element)}: attribute {name.rpartition('}')[2]} is missing")
    return value


def uuid(value: str, element: etree._Element) -> str:
    """The value, if it is a UUID in lower case with dashes. Raises InvalidAip if not."""
    if _UUID.fullmatch(value) is None:
        raise InvalidAip(f"{place(element)}: not a UUID in lower case with dashes: {value[:60]!r}")
    return value


def number(value: str, element: etree._Element) -> int:
    """The integer. Raises InvalidAip for anything but an optional minus and at most 19 digits."""
    if _NUMBER.fullmatch(value) is None:
        raise InvalidAip(f"{place(element)}: not a number: {value[:60]!r}")
    return int(value)


def truth(value: str, element: etree._Element) -> bool:
    """`true` or `false`. Raises InvalidAip for anything else."""
    if value == "true":
        return True
    if value == "false":
        return False
    raise InvalidAip(f"{place(element)}: neither true nor false: {value[:60]!r}")
