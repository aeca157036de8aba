"""Every form of package, opened: `open_package`.

What a package is, its first bytes and its entries tell, never its name:

| begins as                 | and has                   | is                                              | form       |
|---------------------------|---------------------------|-------------------------------------------------|------------|
| zip                       | `mets.xml`                | an AIP of stock DSpace or of ours               | `zip`      |
| zip, tar, gzipped tar     | `bagit.txt`               | an AIP or catalog of the Replication Task Suite | `bag`      |
| XML                       | root `mets`               | a manifest by itself                            | `mets`     |
| XML                       | root `DSpaceRoles`        | people and groups                               | `roles`    |
| a folder: an OCFL object, | `mets.xml` or `roles.xml` | the same, as our archive has them               | as above   |
| or a version of one       | another document          | a registry, a retired identifier                | `registry` |

Invariant: a package is opened whole or refused whole with InvalidPackage, which names the file; only contents are read
later, and are checked then. Nothing is written, and nothing fetched: links lead nowhere but to entries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lxml import etree

from events.aip import extension, markup, roles, stock_roles
from events.errors import ChecksumMismatch, InvalidAip, InvalidPackage
from events.event import Position
from events.ocfl.shelf import Shelf
from events.package import Package
from events.package.bags import bag_package, is_bag
from events.package.checked import checked
from events.package.file import SteadyFile
from events.package.limits import DEFAULT, Limits
from events.package.manifests import MANIFEST, manifest_package, shortened
from events.package.ocfl import is_ours, ocfl_package
from events.package.tars import Tar, is_tar
from events.package.xml import parsed_manifest, refused
from events.package.zips import MAGIC, Archive

START: Final = 512
"""Bytes at the beginning of a file that tell its form."""

_METS: Final = f"{{{markup.METS}}}mets"


def open_package(
    path: Path, limits: Limits = DEFAULT, at: Position | None = None, shelf: Shelf | None = None
) -> Package:
    """The package in that file, or in that object of an OCFL archive (its version at `at`, or the newest). Close it.

    Raises InvalidPackage, which names the file and what is wrong with it.
    """
    if is_ours(path):
        return ocfl_package(path, limits, at, shelf)
    file = SteadyFile(path)
    try:
        form = form_of(file.at(0, min(file.size, START)))
        if form == "xml":
            return _bare(file, limits)
    finally:
        file.close()
    if form == "zip":
        return _zip(path, limits)
    if form == "tar":
        return bag_package(Tar(path, limits), limits)
    raise InvalidPackage(f"{path}: neither a zip or tar, nor a manifest in XML")


def form_of(start: bytes) -> str | None:
    """`zip`, `tar` (gzipped or not) or `xml` by the first `START` bytes of a file; None for anything else."""
    if start.startswith(MAGIC):
        return "zip"
    if is_tar(start):
        return "tar"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "xml"
    return None


def _zip(path: Path, limits: Limits) -> Package:
    archive = Archive(path, limits)
    if MANIFEST not in archive.entries and is_bag(archive.entries):
        return bag_package(archive, limits)
    try:
        return _aip(archive, limits)
    except ChecksumMismatch as error:
        archive.close()
        raise InvalidPackage(str(error)) from error
    except InvalidAip as error:
        archive.close()
        if isinstance(error, InvalidPackage):
            raise
        raise refused(f"{path}: {MANIFEST}", error) from error
    except BaseException:
        archive.close()
        raise


def _aip(archive: Archive, limits: Limits) -> Package:
    where = f"{archive.path}: {MANIFEST}"
    if MANIFEST not in archive.entries:
        inner = next((name for name in archive.entries if name.lower().rpartition("/")[2] == MANIFEST), None)
        found = f"only {inner!r}, which DSpace does not look for" if inner else "so it is no AIP"
        raise InvalidPackage(f"{archive.path}: no {MANIFEST} in it, {found}")
    with archive.document(MANIFEST) as stream:
        manifest = parsed_manifest(where, stream, archive.entries[MANIFEST].size, limits)
    if manifest.root.tag != _METS:
        raise InvalidPackage(f"{where}: its root is {markup.local(manifest.root)[:80]}, not mets")
    return manifest_package(archive.path, manifest, archive)


def _bare(file: SteadyFile, limits: Limits) -> Package:
    """A document by itself: a manifest, or people and groups."""
    path = file.path
    if file.size > limits.manifest:
        raise InvalidPackage(f"{path}: {file.size} bytes of XML refused: more than {limits.manifest}")
    blocks = file.blocks(0, file.size)
    stream = checked(blocks, str(path), file.size, (), file.unchanged)
    manifest = parsed_manifest(str(path), stream, file.size, limits)
    try:
        if manifest.root.tag == _METS:
            return manifest_package(path, manifest, None)
        return _accounts(path, manifest.root)
    except InvalidAip as error:
        raise refused(str(path), error) from error


def _accounts(path: Path, root: etree._Element) -> Package:
    if markup.local(root) != roles.ROOT:
        raise InvalidAip(f"its root is {markup.local(root)[:80]}, neither mets nor {roles.ROOT}")
    if any(element.tag == extension.WHOLE for element in root):
        return Package(path, "roles", None, whole=True, people=(roles.read(root),))
    found = stock_roles.read(root)
    return Package(path, "roles", None, people=found.aips, doubts=shortened(list(found.doubts)))
