"""Objects of an OCFL archive of ours, as packages: the newest version of each.

A version of ours is a package laid out in files: `mets.xml` with the contents beside it, or `roles.xml`. A container
brings the groups that it names, as its zip would: they lie in objects of their own in the same archive.

Invariant: an object is as hostile as any package. Its inventory and every file of it are proved by their digests, and
no path leads out of its folder (`events.ocfl.reading`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from events.aip import roles
from events.aip.model import KIND_ORDER, Aip, Kind, Uuid
from events.errors import ChecksumMismatch, InvalidAip, InvalidPackage
from events.ocfl.layout import TUPLES, identifier, place
from events.ocfl.reading import OcflObject, is_object, objects
from events.package import Package
from events.package.limits import Limits
from events.package.manifests import MANIFEST, manifest_package
from events.package.xml import parsed, parsed_manifest, refused

ROLES: Final = "roles.xml"
ENVELOPE: Final = "event.json"
_OTHER: Final = {"registry.xml": "a registry, which packages do not have", "tombstone.xml": "a retired handle or DOI"}


class Entry(NamedTuple):
    """A file of a version."""

    name: str
    size: int


class _Envelope(msgspec.Struct):
    kind: Kind
    type: str


class Version:
    """The newest version of an object, as a zip is: `entries` by name. Raises InvalidPackage."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.path = folder
        self.limits = limits
        self.doubts: list[str] = []
        try:
            self.object = OcflObject(folder)
        except ChecksumMismatch as error:
            raise InvalidPackage(str(error)) from error
        files = self.object.inventory.files()
        if len(files) > limits.entries:
            raise InvalidPackage(f"{folder}: {len(files)} files refused: more than {limits.entries}")
        self.entries: Mapping[str, Entry] = {
            name: Entry(name, self.object.size(digest)) for name, digest in files.items()
        }

    def document(self, name: str) -> BinaryIO:
        """A document, for reading. Raises InvalidPackage if it is longer than the limit."""
        if self.entries[name].size > self.limits.manifest:
            raise InvalidPackage(f"{self.path}: {name} refused: more than {self.limits.manifest} bytes")
        return self.object.open(name)

    def open(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of an entry, proved by the archive's own digest and by those."""
        return self.object.open(name, checksums=checksums)

    def close(self) -> None:
        """Nothing is held open."""


def ocfl_package(folder: Path, limits: Limits) -> Package:
    """The package of an object. Raises InvalidPackage for one that is none: deleted, or a registry."""
    version = Version(folder, limits)
    reason = _no_package(version)
    if reason is not None:
        raise InvalidPackage(f"{folder}: {reason}")
    try:
        if MANIFEST not in version.entries:
            return Package(folder, "roles", None, whole=True, people=(_account(version),))
        with version.document(MANIFEST) as stream:
            manifest = parsed_manifest(f"{folder}: {MANIFEST}", stream, version.entries[MANIFEST].size, limits)
        package = manifest_package(folder, manifest, version)
    except InvalidPackage:
        raise
    except ChecksumMismatch as error:
        raise InvalidPackage(str(error)) from error
    except InvalidAip as error:
        raise refused(str(folder), error) from error
    return replace(package, people=tuple(_groups(package.aip, folder, limits))) if package.aip else package


def no_package(folder: Path, limits: Limits) -> str | None:
    """Why an object is no package; None if it is one, or is too damaged to tell."""
    try:
        return _no_package(Version(folder, limits))
    except InvalidPackage:
        return None


def in_order(root: Path) -> list[Path]:
    """The objects of an archive, those first that others need: people, groups, then containers, then items."""
    return [folder for _, folder in sorted((_rank(folder), folder) for folder in objects(root))]


def _no_package(version: Version) -> str | None:
    if MANIFEST in version.entries or ROLES in version.entries:
        return None
    if set(version.entries) == {ENVELOPE}:
        return "was deleted"
    for name, what in _OTHER.items():
        if name in version.entries:
            return what
    return f"no object of a repository: {', '.join(sorted(version.entries)[:3])}"


def _rank(folder: Path) -> int:
    try:
        found = OcflObject(folder)
        return KIND_ORDER[msgspec.json.decode(found.read(ENVELOPE), type=_Envelope).kind]
    except (InvalidAip, ChecksumMismatch, KeyError, msgspec.MsgspecError):
        return len(KIND_ORDER)


def _account(version: Version) -> Aip:
    with version.document(ROLES) as stream:
        return roles.read(parsed(f"{version.path}: {ROLES}", stream.read(), version.limits))


def _groups(aip: Aip, folder: Path, limits: Limits) -> Iterator[Aip]:
    """The groups that play a role of a container, where the archive has them."""
    root = folder.parents[TUPLES]
    named: list[Uuid | None] = [row.group for row in aip.roles]
    if aip.community is not None:
        named.append(aip.community.admin)
    if aip.collection is not None:
        named += [aip.collection.submitters, aip.collection.admin]
    for uuid in dict.fromkeys(each for each in named if each):
        home = root / place(identifier(uuid))
        if is_object(home):
            version = Version(home, limits)
            if ROLES in version.entries:
                yield _account(version)
