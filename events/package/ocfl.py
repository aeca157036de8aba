"""Objects of an OCFL archive of ours, as packages: of each the newest version, or the one that stood at a moment.

A version of ours is a package laid out in files: `mets.xml` with the contents beside it, `roles.xml`, `registry.xml` or
`tombstone.xml`. A container brings the groups that it names, as its zip would: they lie in objects of their own in the
same archive, and are taken as they were at the same moment.

Invariant: an object is as hostile as any package. Its inventory and every file of it are proved by their digests, and
no path leads out of its folder (`events.ocfl.reading`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import events.aip
from events.aip import roles
from events.aip.mets import TYPES
from events.aip.model import KIND_ORDER, Aip, Kind, Uuid
from events.errors import ChecksumMismatch, InvalidAip, InvalidPackage
from events.event import Position
from events.ocfl.layout import identifier
from events.ocfl.moments import ENVELOPE
from events.ocfl.reading import home, is_object, is_remnant, is_version, root_above
from events.ocfl.shelf import Shelf
from events.package import Package
from events.package.limits import Limits
from events.package.manifests import MANIFEST, manifest_package
from events.package.xml import parsed, parsed_manifest, refused

ROLES: Final = "roles.xml"
REGISTRY: Final = "registry.xml"
TOMBSTONE: Final = "tombstone.xml"
DOCUMENTS: Final[Mapping[Kind, str]] = {
    **dict.fromkeys(TYPES, MANIFEST),
    Kind.PERSON: ROLES,
    Kind.GROUP: ROLES,
    Kind.REGISTRY: REGISTRY,
    Kind.TOMBSTONE: TOMBSTONE,
}
"""What a version says of its object, unless that is deleted."""
DELETED: Final = "was deleted"
LATER: Final = "was not there yet"
"""Why an object of an archive is no package."""


class Entry(NamedTuple):
    """A file of a version."""

    name: str
    size: int


class Version:
    """A version of an object, as a zip is: `entries` by name. Raises InvalidPackage.

    `path` is the object, of which the version is taken that stood at position `at` (None: the newest), or the folder of
    one of its versions. With `number` 0 the object was not there yet.
    """

    def __init__(self, path: Path, limits: Limits, at: Position | None, shelf: Shelf) -> None:
        self.path = path
        self.limits = limits
        self.shelf = shelf
        self.doubts: list[str] = []
        try:
            self.number, self.at = _stood(path, at, shelf)  # the second: when its groups are taken
            self.object = shelf.whole(_folder(path))
        except ChecksumMismatch as error:
            raise InvalidPackage(str(error)) from error
        files = self.object.inventory.files(self._name) if self.number else {}
        if len(files) > limits.entries:
            raise InvalidPackage(f"{path}: {len(files)} files refused: more than {limits.entries}")
        self.entries: Mapping[str, Entry] = {
            name: Entry(name, self.object.size(digest)) for name, digest in files.items()
        }

    @property
    def _name(self) -> str:
        return f"v{self.number}"

    def document(self, name: str) -> BinaryIO:
        """A document, for reading. Raises InvalidPackage if it is longer than the limit."""
        if self.entries[name].size > self.limits.manifest:
            raise InvalidPackage(f"{self.path}: {name} refused: more than {self.limits.manifest} bytes")
        return self.object.open(name, self._name)

    def open(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of an entry, proved by the archive's own digest and by those."""
        return self.object.open(name, self._name, checksums)

    def close(self) -> None:
        """Nothing is held open."""


def ocfl_package(path: Path, limits: Limits, at: Position | None = None, shelf: Shelf | None = None) -> Package:
    """The package of an object, or of one of its versions. Raises InvalidPackage for one that is none: deleted, say."""
    version = Version(path, limits, at, shelf or Shelf())
    reason = _no_package(version.number, set(version.entries))
    if reason is not None:
        raise InvalidPackage(f"{path}: {reason}")
    try:
        if MANIFEST not in version.entries:
            return _document(version)
        with version.document(MANIFEST) as stream:
            manifest = parsed_manifest(f"{path}: {MANIFEST}", stream, version.entries[MANIFEST].size, limits)
        package = manifest_package(path, manifest, version)
        return replace(package, people=tuple(_groups(package.aip, version))) if package.aip else package
    except InvalidPackage:
        raise
    except ChecksumMismatch as error:
        raise InvalidPackage(str(error)) from error
    except InvalidAip as error:
        raise refused(str(path), error) from error


def no_package(path: Path, at: Position | None, shelf: Shelf) -> str | None:
    """Why an object, or a version, is no package; None if it is one, or is too damaged to tell."""
    try:
        number, _ = _stood(path, at, shelf)
        files = shelf.whole(_folder(path)).inventory.files(f"v{number}") if number else {}
        return _no_package(number, set(files))
    except (InvalidPackage, ChecksumMismatch):
        return None


def kind_of(path: Path, shelf: Shelf) -> Kind | None:
    """Of the object in an archive, as it says itself; None if that cannot be read, or it is no object."""
    if not is_ours(path):
        return None
    try:
        return shelf.life(_folder(path)).kind
    except (InvalidAip, ChecksumMismatch):
        return None


def is_ours(path: Path) -> bool:
    """Whether that is the folder of an object, or what is left of one, or the folder of a version of one."""
    return is_object(path) or is_version(path) or is_remnant(path)


def in_order(root: Path, shelf: Shelf) -> list[Path]:
    """The objects of an archive, those first that others need: registries, people, groups, containers, then items."""

    def rank(folder: Path) -> int:
        kind = kind_of(folder, shelf)
        return len(KIND_ORDER) if kind is None else KIND_ORDER[kind]

    return [folder for _, folder in sorted((rank(folder), folder) for folder in shelf.objects(root))]


def _folder(path: Path) -> Path:
    """Of the object, of which a version may be named."""
    return path.parent if is_version(path) else path


def _stood(path: Path, at: Position | None, shelf: Shelf) -> tuple[int, Position | None]:
    """The number of the version that is meant, and the moment at which its groups are taken."""
    life = shelf.life(_folder(path))
    if not is_version(path):
        return life.newest if at is None else life.at(at), at
    number = int(path.name[1:])
    if number > life.newest:
        raise InvalidPackage(f"{path}: the inventory of its object has only {life.newest} versions")
    return number, life.envelope(number).position


def _no_package(number: int, names: set[str]) -> str | None:
    if not number:
        return LATER
    if any(name in names for name in DOCUMENTS.values()):
        return None
    if names == {ENVELOPE}:
        return DELETED
    return f"no object of a repository: {', '.join(sorted(names)[:3])}"


def _document(version: Version) -> Package:
    """What has no manifest: people and groups, a registry, a retired handle or DOI."""
    if ROLES in version.entries:
        return Package(version.path, "roles", None, whole=True, people=(_account(version),))
    name, kind = (REGISTRY, Kind.REGISTRY) if REGISTRY in version.entries else (TOMBSTONE, Kind.TOMBSTONE)
    with version.document(name) as stream:
        content = stream.read()
    parsed(f"{version.path}: {name}", content, version.limits)
    aip = events.aip.read(content)
    if aip.kind is not kind:
        raise InvalidPackage(f"{version.path}: {name} is of a {aip.kind}")
    return Package(version.path, "registry", aip, whole=True)


def _account(version: Version) -> Aip:
    with version.document(ROLES) as stream:
        return roles.read(parsed(f"{version.path}: {ROLES}", stream.read(), version.limits))


def _groups(aip: Aip, version: Version) -> Iterator[Aip]:
    """The groups that play a role of a container, where the archive has them."""
    root = root_above(_folder(version.path).absolute())
    named: list[Uuid | None] = [row.group for row in aip.roles]
    if aip.community is not None:
        named.append(aip.community.admin)
    if aip.collection is not None:
        named += [aip.collection.submitters, aip.collection.admin]
    for uuid in dict.fromkeys(each for each in named if each):
        folder = home(root, identifier(uuid)) if root is not None else None
        if folder is not None:
            group = Version(folder, version.limits, version.at, version.shelf)
            if ROLES in group.entries:
                yield _account(group)
