"""Packages with a METS manifest: the zips of stock DSpace and of ours, and manifests by themselves.

Which entry of the zip holds a bitstream's content, its `file` in the manifest says; contents for which our own manifest
has no `file` (a bitstream in two bundles, in a template item) stand under `bitstream_<uuid>`.

An entry without bytes may be an empty file or one that could not be read at the export; the manifest decides: it is an
empty file only if no size above 0 is said of it, neither in METS nor in PREMIS (aip-format 9, 13).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from lxml import etree

from events.aip import links, markup, mets_in, stock, stock_roles
from events.aip.mets import payload
from events.aip.model import Aip, BitstreamRow, Kind, Uuid
from events.aip.parts import need_distinct
from events.errors import ChecksumMismatch
from events.package import Child, Content, Package, Related
from events.package.checked import HINT, verifiable
from events.package.xml import Manifest

MANIFEST: Final = "mets.xml"

_ENTRY: Final = re.compile(r"bitstream_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[^/]*)?")
_SHA256: Final = "SHA-256"
_MOST_DOUBTS: Final = 100
_LONGEST_DOUBT: Final = 300


class Named(Protocol):
    """An entry."""

    @property
    def name(self) -> str:
        """As the manifest has it."""

    @property
    def size(self) -> int:
        """Bytes of the content."""


class Archive(Protocol):
    """A zip, or what is laid out like one."""

    path: Path
    doubts: list[str]

    @property
    def entries(self) -> Mapping[str, Named]:
        """By name, without folders."""

    def open(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of an entry."""

    def close(self) -> None:
        """Give the file back."""


def manifest_package(path: Path, manifest: Manifest, archive: Archive | None) -> Package:
    """The package of a manifest, in a zip or by itself. Raises InvalidAip for what is malformed or contradictory."""
    root = manifest.root
    kind = mets_in.kind_of(root)
    whole = mets_in.is_whole(root)
    doubts = list(archive.doubts) if archive else []
    media: dict[Uuid, str] = {}
    related: tuple[Related, ...] = ()
    if whole:
        aip = mets_in.read(root)
        people, modified, anonymous = _people(root, aip), None, False
        uuids = {identity: identity.partition("_")[2] for identity in links.entries(root)}
    else:
        found = stock.opened(root, kind)
        aip, people, media, uuids = found.aip, found.people, found.media, found.uuids
        related = tuple(Related(*trace) for trace in found.related)
        modified, anonymous = found.modified, found.anonymous
        doubts += found.doubts
    need_distinct(aip)
    entries = {uuids[identity]: entry for identity, entry in links.entries(root).items() if identity in uuids}
    contents: dict[Uuid, Content] = {}
    if archive is not None:
        contents = _contents(aip, entries, archive, doubts)
    elif aip.bitstreams:
        doubts.append(f"a manifest by itself: its {len(aip.bitstreams)} files are not in it")
    return Package(
        path,
        "mets" if archive is None else "zip",
        aip,
        whole=whole,
        anonymous=anonymous,
        parent=links.parent(root),
        children=tuple(Child(*link) for link in manifest.children),
        people=people,
        contents=contents,
        media=media,
        related=related,
        modified=modified,
        doubts=shortened(doubts),
        opener=None if archive is None else _Opener(aip, contents, archive).open,
        closer=(lambda: None) if archive is None else archive.close,
    )


def shortened(doubts: list[str]) -> tuple[str, ...]:
    """The first hundred doubts, none longer than a few lines: a package may have been made to have a million."""
    first = tuple(doubt[:_LONGEST_DOUBT] for doubt in doubts[:_MOST_DOUBTS])
    if len(doubts) <= _MOST_DOUBTS:
        return first
    return (*first, f"and {len(doubts) - _MOST_DOUBTS} more")


def _people(root: etree._Element, aip: Aip) -> tuple[Aip, ...]:
    """People and groups in a package of ours, which stand there for stock DSpace."""
    for section in root.iterfind(f"./{{{markup.METS}}}amdSec/{{{markup.METS}}}techMD"):
        if any(wrap.get("OTHERMDTYPE") == "DSPACE-ROLES" for wrap in section):
            handle = None if aip.kind is Kind.SITE else aip.handle
            return stock_roles.read(payload(section), handle, aip.uuid).aips
    return ()


def _contents(aip: Aip, entries: dict[Uuid, str], archive: Archive, doubts: list[str]) -> dict[Uuid, Content]:
    by_name = {parts[1]: name for name in archive.entries if (parts := _ENTRY.fullmatch(name))}
    sha256 = {row.uuid: row.sha256 for row in aip.stored}
    contents: dict[Uuid, Content] = {}
    missing: list[str] = []
    for row in aip.bitstreams:
        name = entries.get(row.uuid) or by_name.get(row.uuid)
        entry = archive.entries.get(name) if name else None
        if entry is None or (entry.size == 0 and row.size > 0):
            if row.size:
                missing.append(name or row.uuid)
            continue
        better = sha256.get(row.uuid)
        checksum, algorithm = (better, _SHA256) if better else (row.checksum, row.checksum_algorithm)
        contents[row.uuid] = Content(entry.name, entry.size, checksum, algorithm)
        if entry.size != row.size:
            doubts.append(f"{entry.name}: {entry.size} bytes, the manifest says {row.size}")
        if checksum and not verifiable(algorithm):
            doubts.append(f"{entry.name}: its checksum of type {algorithm!r} cannot be verified")
    doubts += (f"{name}: not in the package, or without its content" for name in missing)
    used = {content.entry for content in contents.values()} | set(entries.values()) | {MANIFEST}
    other = [name for name in archive.entries if name not in used and not name.startswith("metadata_")]
    if other:
        doubts.append(f"{len(other)} entries that the manifest does not name, {other[0]!r} first: left out")
    return contents


class _Opener:
    """Opens contents with all that the manifest says of them."""

    def __init__(self, aip: Aip, contents: dict[Uuid, Content], archive: Archive) -> None:
        self.rows = {row.uuid: row for row in aip.bitstreams}
        self.contents = contents
        self.archive = archive

    def open(self, bitstream: Uuid) -> BinaryIO:
        """The content, for reading. Raises ChecksumMismatch at once if its size is not the manifest's."""
        row, content = self.rows[bitstream], self.contents[bitstream]
        if content.size != row.size:
            raise ChecksumMismatch(
                f"{self.archive.path}: {content.entry} has {content.size} bytes, the manifest says {row.size}", HINT
            )
        return self.archive.open(content.entry, list(_checksums(row, content)))


def _checksums(row: BitstreamRow, content: Content) -> Iterator[tuple[str, str]]:
    """All checksums that are said and can be verified, as pairs of algorithm and hex."""
    said = {(content.algorithm, content.checksum), (row.checksum_algorithm, row.checksum)}
    for algorithm, checksum in said:
        if algorithm and checksum and verifiable(algorithm):
            yield algorithm, checksum
