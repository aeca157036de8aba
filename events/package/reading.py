"""Every form of package, opened: `open_package`.

What a package is, its first bytes and its entries tell, never its name. A zip with `mets.xml` is an AIP of DSpace or of
ours; an XML file a bare manifest, or a document of people and groups.

Invariant: a package is opened whole or refused whole with InvalidPackage, which names the file; only contents are read
later, and are checked then.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from lxml import etree

from events.aip import document, links, markup, mets_in
from events.aip.files import entry_name, file_name
from events.aip.mets import EXTENSION_ID
from events.aip.model import Aip, BitstreamRow, Uuid
from events.errors import InvalidAip, InvalidPackage
from events.package import Child, Content, Package
from events.package.checked import verifiable
from events.package.file import SteadyFile
from events.package.limits import DEFAULT, Limits
from events.package.zips import MAGIC, Archive

MANIFEST: Final = "mets.xml"
_METS: Final = f"{{{markup.METS}}}mets"


def open_package(path: Path, limits: Limits = DEFAULT) -> Package:
    """The package in that file. Close it. Raises InvalidPackage, which names the file and what is wrong with it."""
    file = SteadyFile(path)
    try:
        start = file.at(0, min(file.size, 512))
        if start.startswith(MAGIC):
            return _zip(path, limits)
        if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
            if file.size > limits.manifest:
                raise InvalidPackage(f"{path}: {file.size} bytes of XML refused: more than {limits.manifest}")
            content = file.at(0, file.size)
            file.unchanged()
            return _bare(path, content, limits)
    finally:
        file.close()
    raise InvalidPackage(f"{path}: neither a zip, nor a manifest in XML")


def parsed(where: str, content: bytes, limits: Limits) -> etree._Element:
    """The root of a document of a package. Raises InvalidPackage for what is not well-formed, or refused."""
    marks = content.count(b"<") + content.count(b"=")
    if marks > limits.marks:
        raise InvalidPackage(f"{where}: {marks} elements and attributes refused: more than {limits.marks}")
    try:
        return markup.parse(content)
    except InvalidAip as error:
        raise InvalidPackage(f"{where}: {error}") from error


def _zip(path: Path, limits: Limits) -> Package:
    archive = Archive(path, limits)
    try:
        if MANIFEST not in archive.entries:
            raise InvalidPackage(f"{path}: no {MANIFEST} in it, so it is no AIP")
        where = f"{path}: {MANIFEST}"
        root = parsed(where, archive.read(MANIFEST), limits)
        if root.tag != _METS:
            raise InvalidPackage(f"{where}: its root is {markup.local(root)}, not mets")
        try:
            return _of_manifest(path, root, archive)
        except InvalidAip as error:
            raise InvalidPackage(f"{where}: {error}") from error
    except BaseException:
        archive.close()
        raise


def _bare(path: Path, content: bytes, limits: Limits) -> Package:
    root = parsed(str(path), content, limits)
    try:
        if root.tag == _METS:
            return _of_manifest(path, root, None)
        if markup.local(root) == "DSpaceRoles":
            return Package(path, "roles", None, whole=True, people=(document.read(content),))
    except InvalidAip as error:
        raise InvalidPackage(f"{path}: {error}") from error
    raise InvalidPackage(f"{path}: its root is {markup.local(root)}, neither mets nor DSpaceRoles")


def _of_manifest(path: Path, root: etree._Element, archive: Archive | None) -> Package:
    aip = mets_in.read(root)
    whole = any(section.get("ID") == EXTENSION_ID for section in root)
    contents: dict[Uuid, Content] = {}
    if archive is not None:
        names = {row.uuid: _entry(root, aip, row, archive) for row in aip.bitstreams}
        sha256 = {row.uuid: row.sha256 for row in aip.stored}
        for row in aip.bitstreams:
            name = names[row.uuid]
            if name is not None and name in archive.entries:
                known = (
                    (sha256.get(row.uuid), "SHA-256")
                    if sha256.get(row.uuid)
                    else (row.checksum, row.checksum_algorithm)
                )
                contents[row.uuid] = Content(name, archive.entries[name].size, *known)

    def opener(bitstream: Uuid) -> BinaryIO:
        content = contents[bitstream]
        assert archive is not None
        checks = (
            [(content.algorithm, content.checksum)]
            if content.checksum and content.algorithm and verifiable(content.algorithm)
            else []
        )
        return archive.open(content.entry, checks)

    return Package(
        path,
        "mets" if archive is None else "zip",
        aip,
        whole=whole,
        parent=links.parent(root),
        children=tuple(Child(*link) for link in links.children(root, aip.kind)),
        contents=contents,
        opener=opener,
        closer=archive.close if archive else lambda: None,
    )


def _entry(root: etree._Element, aip: Aip, row: BitstreamRow, archive: Archive) -> str | None:
    for identity, entry in links.entries(root).items():
        if identity.endswith(row.uuid):
            return entry
    return entry_name(row.uuid, file_name([value for value in aip.values if value.subject == row.uuid]))
