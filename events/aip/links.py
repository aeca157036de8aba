"""Where a METS AIP manifest points: to its parent, its children, and the entries of its files (aip-format 2.6 to 2.8).

The same for manifests of stock DSpace and of ours. Handles are taken as they stand, with or without `hdl:`.

Invariant: a manifest that could send a reader in circles or leave it undecided (it contains itself, a file without a
name, one ID for two files) raises InvalidAip.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lxml import etree

from events.aip import files, markup
from events.aip.markup import METS, XLINK
from events.aip.mets import TYPES
from events.aip.model import Kind
from events.errors import InvalidAip

_STRUCTURE, _DIV, _POINTER, _FILE = (f"{{{METS}}}{name}" for name in ("structMap", "div", "mptr", "file"))
_HREF: Final = f"{{{XLINK}}}href"
_KINDS: Final = {f"DSpace {name}": kind for kind, name in TYPES.items()}
_CONTAINED: Final = {
    Kind.SITE: (Kind.COMMUNITY,),
    Kind.COMMUNITY: (Kind.COMMUNITY, Kind.COLLECTION),
    Kind.COLLECTION: (Kind.ITEM,),
    Kind.ITEM: (),
}
_CHILDREN: Final = {f"{prefix}{name}": _CONTAINED[kind] for kind, name in TYPES.items() for prefix in ("DSpace ", "")}
"""By the TYPE of a manifest: what the object can contain."""


class Link(NamedTuple):
    """A child of the object: its handle, and the name of its package, as far as they are said."""

    kind: Kind
    handle: str | None
    package: str | None


def main(root: etree._Element) -> etree._Element:
    """The div of the object itself: the first one of the first structMap, as stock DSpace takes it."""
    for section in root:
        if section.tag == _STRUCTURE:
            for div in section:
                if div.tag == _DIV:
                    return div
            break
    raise InvalidAip("mets: no structMap with a div")


def own_handle(root: etree._Element) -> str | None:
    """The handle in OBJID; None for every form but `hdl:`. Raises InvalidAip if there is no OBJID."""
    identity = markup.need(root, "OBJID").strip()
    return _handle(identity) if identity.startswith("hdl:") else None


def parent(root: etree._Element) -> str | None:
    """The handle in the parent link, None if there is none. Raises InvalidAip if it is the object's own."""
    for section in root:
        if section.tag == _STRUCTURE and (section.get("LABEL") or "").lower() == "parent":
            for pointer in section.iter(_POINTER):
                handle = _handle(pointer.get(_HREF))
                if handle is not None and handle == own_handle(root):
                    raise InvalidAip(f"{markup.place(pointer)}: the object is its own parent")
                return handle
    return None


def child(div: etree._Element) -> Link | None:
    """What a div says of a child of the object; None for any other div.

    Works while the document is still being parsed, for a div that is complete. Raises InvalidAip if the object contains
    itself, or nothing says which object it contains.
    """
    kind = _KINDS.get(div.get("TYPE") or "")
    main = div.getparent()
    structure = main.getparent() if main is not None and main.tag == _DIV else None
    root = structure.getparent() if structure is not None and structure.tag == _STRUCTURE else None
    if kind is None or structure is None or root is None or root.getparent() is not None:
        return None
    if root.find(_STRUCTURE) is not structure or structure.find(_DIV) is not main:
        return None
    if kind not in _CHILDREN.get(root.get("TYPE") or "", ()):
        return None
    handle, package = None, None
    for pointer in div:
        if pointer.tag == _POINTER:
            place = pointer.get("LOCTYPE")
            if place == "HANDLE":
                handle = handle or _handle(pointer.get(_HREF))
            elif place == "URL":
                package = package or pointer.get(_HREF)
    if handle is not None and handle == own_handle(root):
        raise InvalidAip(f"{markup.place(div)}: the object contains itself")
    if handle is None and not package:
        raise InvalidAip(f"{markup.place(div)}: neither a handle nor a package of the {kind}")
    return Link(kind, handle, package or None)


def entries(root: etree._Element) -> dict[str, str]:
    """The zip entry of each `file`, by the file's ID."""
    found: dict[str, str] = {}
    for file in root.iter(_FILE):
        entry = files.location(file)
        if entry is None:
            raise InvalidAip(f"{markup.place(file)}: no FLocat that names its content")
        identity = markup.need(file, "ID")
        if identity in found:
            raise InvalidAip(f"{markup.place(file)}: there are two files of that ID")
        found[identity] = entry
    return found


def _handle(text: str | None) -> str | None:
    return (text or "").strip().removeprefix("hdl:") or None
