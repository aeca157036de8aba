"""Documents of packages, parsed within limits; manifests without holding what they list.

The manifest of a collection has an element for each of its items, and that of a large collection would, parsed, fill a
gigabyte. So its children are taken out while it is parsed, and only their links are kept.

Invariant: no document with a DOCTYPE is parsed to its end, every one is read as UTF-8, and nothing outside of it is
ever asked for: as in `events.aip.markup`.
"""

from __future__ import annotations

from typing import BinaryIO, Final, NamedTuple

from lxml import etree

from events.aip import links, markup
from events.aip.links import Link
from events.aip.markup import METS
from events.errors import InvalidAip, InvalidPackage
from events.package.limits import Limits

_DIV: Final = f"{{{METS}}}div"
_PLAIN: Final = 9_000_000
_FORBIDDEN: Final = (b"<!DOCTYPE", b"<!ENTITY")
_OVERLAP: Final = max(map(len, _FORBIDDEN)) - 1


class Manifest(NamedTuple):
    """A document without the children of its object, which are beside it."""

    root: etree._Element
    children: tuple[Link, ...]


_LONGEST: Final = 500


def refused(where: str, error: InvalidAip) -> InvalidPackage:
    """The refusal of a package for what is wrong in a document. What the document says in it has an end."""
    return InvalidPackage(f"{where}: {str(error)[:_LONGEST]}")


def parsed(where: str, content: bytes, limits: Limits) -> etree._Element:
    """The root of a document of a package. Raises InvalidPackage for what is not well-formed, or refused."""
    marks = content.count(b"<") + content.count(b"=")
    if marks > limits.marks:
        raise InvalidPackage(f"{where}: {marks} elements and attributes refused: more than {limits.marks}")
    try:
        return markup.parse(content)
    except InvalidAip as error:
        raise refused(where, error) from error


def parsed_manifest(where: str, stream: BinaryIO, size: int, limits: Limits) -> Manifest:
    """The document in a stream of that many bytes; any XML, but only a METS manifest has children.

    Raises InvalidPackage for what is not well-formed, refused, or is contained in itself.
    """
    children: list[Link] = []
    try:
        parsing = etree.iterparse(
            _Watched(where, stream, limits),
            events=("end",),
            tag=_DIV,
            huge_tree=size >= _PLAIN,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            remove_comments=True,
            remove_pis=True,
            encoding="utf-8",
        )
        for _, div in parsing:
            link = links.child(div)
            if link is not None:
                children.append(link)
                _thin(div)
        root = parsing.root
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidPackage(f"{where}: not well-formed XML: {error}") from error
    except InvalidPackage:
        raise
    except InvalidAip as error:
        raise refused(where, error) from error
    return Manifest(root, tuple(children))


def _thin(div: etree._Element) -> None:
    """Empty a child, and take away the one before it. (The one at hand is still the parser's.)"""
    div.clear()
    parent, before = div.getparent(), div.getprevious()
    if parent is not None and before is not None and before.tag == _DIV and not len(before) and not before.attrib:
        parent.remove(before)


class _Watched:
    """A stream on its way to the parser, looked through for what is refused."""

    def __init__(self, where: str, stream: BinaryIO, limits: Limits) -> None:
        self._where = where
        self._stream = stream
        self._limits = limits
        self._marks = 0
        self._tail = b""

    def read(self, length: int = -1) -> bytes:
        block = self._stream.read(length)
        seen = self._tail + block
        if any(word in seen for word in _FORBIDDEN):
            raise InvalidPackage(
                f"{self._where}: document type declaration refused: a manifest has no DOCTYPE and no entities"
            )
        self._tail = seen[-_OVERLAP:]
        self._marks += block.count(b"<") + block.count(b"=")
        if self._marks > self._limits.marks:
            raise InvalidPackage(f"{self._where}: more than {self._limits.marks} elements and attributes refused")
        return block
