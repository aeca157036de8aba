"""METS AIP manifests that `events.aip.mets_out` wrote, back to AIPs.

Metadata, policies, bundles and bitstreams are taken from the sections that stock DSpace reads too; all other rows from
the extension. Sections are told by their IDs, which hold the UUID of what they belong to. A manifest without the
extension was written by DSpace itself and is read by `events.aip.stock`.

Invariant: the AIP comes back whole or not at all: what is missing or malformed raises InvalidAip, and says where.
"""

from __future__ import annotations

from typing import Any, Final

from lxml import etree

from events.aip import dim, extension, files, markup, rights, stock
from events.aip.markup import METS
from events.aip.mets import EXTENSION_ID, PROFILE, TYPES, payload
from events.aip.model import Aip, Kind, Uuid
from events.aip.order import assembled
from events.errors import InvalidAip

_KINDS: Final = {f"DSpace {name}": kind for kind, name in TYPES.items()} | {name: kind for kind, name in TYPES.items()}
_DMD, _AMD, _RIGHTS, _SOURCE, _FILES, _GROUP = (
    f"{{{METS}}}{name}"
    for name in (
        "dmdSec", "amdSec", "rightsMD", "sourceMD", "fileSec", "fileGrp",
    )
)  # fmt: skip


def kind_of(root: etree._Element) -> Kind:
    """What a manifest is about. Raises InvalidAip for a wrong PROFILE or TYPE."""
    profile = markup.need(root, "PROFILE")
    if profile != PROFILE:
        raise InvalidAip(f"mets: PROFILE {profile[:80]!r} is not that of a DSpace AIP ({PROFILE})")
    kind = _KINDS.get(markup.need(root, "TYPE"))
    if kind is None:
        raise InvalidAip(f"mets: TYPE {root.get('TYPE')!r} is none of {', '.join(map(repr, TYPES.values()))}")
    return kind


def is_whole(root: etree._Element) -> bool:
    """Whether a manifest has our extension."""
    return any(section.tag == _AMD and section.get("ID") == EXTENSION_ID for section in reversed(root))


def read(root: etree._Element) -> Aip:
    """The AIP of a manifest. Raises InvalidAip for a wrong PROFILE or TYPE, and whatever is missing or malformed."""
    kind = kind_of(root)
    identity = markup.need(root, "ID")
    if is_whole(root):
        return _read(kind, markup.uuid(identity.rpartition("DB-ID-")[2], root), list(root))
    return stock.read(root, kind)


def _read(kind: Kind, uuid: Uuid, sections: list[etree._Element]) -> Aip:
    into: dict[str, list[Any]] = {
        name: [] for name in ("values", "policies", "bundles", "placed", "bitstreams", "stored")
    }
    formats: dict[Uuid, str] = {}
    key = None
    for section in reversed(sections):
        if section.get("ID") == EXTENSION_ID and extension.complete(payload(section[0]) if len(section) else section):
            return assembled(kind, uuid, _read_extension(section, kind, uuid, into), into)
    for section in sections:
        tag = section.tag
        if tag == _DMD:
            subject = markup.uuid(markup.need(section, "ID").removeprefix("dmdSec_"), section)
            dim.read(payload(section), subject, into["values"])
        elif tag == _AMD:
            identity = markup.need(section, "ID")
            if identity == EXTENSION_ID:
                key = _read_extension(section, kind, uuid, into)
            else:
                _read_administrative(section, markup.uuid(identity.removeprefix("amd_"), section), uuid, formats, into)
        elif tag == _FILES:
            for group in section:
                if group.tag != _GROUP:
                    raise InvalidAip(f"{markup.place(group)}: expected fileGrp")
                files.read(group, uuid, formats, into)
    return assembled(kind, uuid, key, into)


def _read_administrative(
    section: etree._Element, subject: Uuid, owner: Uuid, formats: dict[Uuid, str], into: dict[str, list[Any]]
) -> None:
    for metadata in section:
        tag = metadata.tag
        if tag == _RIGHTS:
            rights.read(payload(metadata), subject, into["policies"])
        elif tag == _SOURCE and subject != owner:
            others = dim.read(payload(metadata), subject, into["values"], dim.BITSTREAM_FIELDS_READ)
            medium = others.get("dc.format.medium")
            if medium is not None:
                formats[subject] = medium


def _read_extension(section: etree._Element, kind: Kind, uuid: Uuid, into: dict[str, list[Any]]) -> str | None:
    if len(section) != 1:
        raise InvalidAip(f"{markup.place(section)}: expected one metadata section inside")
    rows = payload(section[0])
    if rows.tag != extension.WHOLE:
        raise InvalidAip(f"{markup.place(rows)}: expected as:aip")
    about = extension.identity(rows)
    if about[:2] != (kind, uuid):
        raise InvalidAip(f"{markup.place(rows)}: is about {about[0]} {about[1]}, the document about {kind} {uuid}")
    extension.read_rows(rows, uuid, into)
    return about[2]
