"""An OCFL object as it lies there: its inventory, proved, and the contents of any of its versions, proved.

Invariant: nothing is believed unread. The inventory is what its sidecar says, a content is what its digest says, and
no path leads out of the object's folder, by a link neither.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from events.errors import ChecksumMismatch, InvalidPackage
from events.ocfl import inventory as inventories
from events.ocfl.inventory import VERSION, Inventory
from events.ocfl.layout import (
    ASIDE,
    EXTENSIONS,
    OBJECT_DECLARATION,
    ROOT_DECLARATION,
    STAGING,
    TUPLES,
    identifier,
    place,
    uuid_in,
)
from events.package.checked import checked
from events.package.file import SteadyFile

CHECKSUMS: Final[Mapping[str, str]] = {"sha512": "SHA-512", "sha256": "SHA-256"}
"""What METS, and so a package, calls the algorithms."""


_DEPTH_ASIDE: Final = STAGING.count("/") + 2
"""How many folders stand between an object that was set aside and the root."""


def is_root(folder: Path) -> bool:
    """Whether the folder says that it is an OCFL storage root."""
    return (folder / ROOT_DECLARATION).is_file()


def is_object(folder: Path) -> bool:
    """Whether the folder says that it is an OCFL object."""
    return (folder / OBJECT_DECLARATION).is_file()


def is_version(folder: Path) -> bool:
    """Whether that is the folder of one version of an OCFL object."""
    return bool(VERSION.fullmatch(folder.name)) and is_object(folder.parent)


def root_of(path: Path) -> Path | None:
    """The storage root that the path is, or in which it is the folder of an object; None if there is none."""
    path = path.resolve()
    if is_root(path):
        return path
    if not is_object(path):
        return None
    depth = _DEPTH_ASIDE if path.name == ASIDE else TUPLES
    return path.parents[depth] if len(path.parents) > depth and is_root(path.parents[depth]) else None


def home(root: Path, name: str) -> Path | None:
    """The folder of the object with that identifier: in its place, or where a killed run set it aside; None if none."""
    found = root / place(name)
    if is_object(found):
        return found
    aside = root / STAGING / (uuid_in(name) or "") / ASIDE
    return aside if is_object(aside) else None


def objects(root: Path) -> Iterator[Path]:
    """The folders of all objects below a storage root, by name; links to folders are not followed.

    What a killed run has set aside, and nothing has taken the place of yet, is an object as well.
    """
    staging = root / STAGING
    for each in sorted(staging.iterdir()) if staging.is_dir() else ():
        if is_object(each / ASIDE) and not (root / place(identifier(each.name))).exists():
            yield each / ASIDE
    pending = [root]
    while pending:
        folder = pending.pop()
        if folder != root and is_object(folder):
            yield folder
            continue
        with os.scandir(folder) as listed:
            deeper = sorted(entry.path for entry in listed if entry.is_dir(follow_symlinks=False))
        if folder == root:
            deeper = [path for path in deeper if Path(path).name != EXTENSIONS]
        pending += map(Path, reversed(deeper))


class OcflObject:
    """An object that is there. Raises InvalidPackage, ChecksumMismatch for an inventory that is not what it was."""

    def __init__(self, folder: Path, identifier: str | None = None) -> None:
        self.folder = folder
        path = folder / inventories.NAME
        document = _read(path, inventories.MAX_BYTES)
        self.inventory: Inventory = inventories.decoded(document, str(path))
        algorithm = self.inventory.digestAlgorithm
        name, _ = inventories.sidecar(algorithm, "")
        said = inventories.sidecar_digest(_read(folder / name, 4096))
        self.digest = hashlib.new(algorithm, document).hexdigest()
        if said != self.digest:
            raise ChecksumMismatch(f"{path}: {algorithm} is {self.digest}, {name} says {said}", _HINT)
        if identifier is not None and self.inventory.id != identifier:
            raise InvalidPackage(f"{path}: is of {self.inventory.id[:120]!r}, not of {identifier}")

    def open(self, name: str, version: str | None = None, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of a name in a version (the newest if None), for reading; its end proves it, by `checksums` too.

        Raises InvalidPackage, KeyError for a name that is not there.
        """
        digest = self.inventory.files(version)[name]
        path = self.path(digest)
        every = [(CHECKSUMS[self.inventory.digestAlgorithm], digest), *checksums]
        if path.stat().st_size == 0:
            return checked(iter(()), str(path), 0, every)
        file = SteadyFile(path)
        return checked(_blocks(file), str(path), file.size, every)

    def read(self, name: str, version: str | None = None, most: int = inventories.MAX_BYTES) -> bytes:
        """A whole document. Raises what `open` raises, and InvalidPackage beyond `most` bytes."""
        path = self.path(self.inventory.files(version)[name])
        if path.stat().st_size > most:
            raise InvalidPackage(f"{path}: more than {most} bytes refused")
        with self.open(name, version) as stream:
            return stream.read()

    def size(self, digest: str) -> int:
        """The bytes of a content. Raises InvalidPackage."""
        return self.path(digest).stat().st_size

    def path(self, digest: str) -> Path:
        """Where a content lies. Raises InvalidPackage if it is not there, or not within the object."""
        path = self.folder / self.inventory.manifest[digest][0]
        try:
            real = path.resolve(strict=True)
        except OSError as error:
            raise InvalidPackage(f"{path}: cannot be read: {error.strerror}", _HINT) from error
        if path.is_symlink() or not real.is_relative_to(self.folder.resolve()) or not real.is_file():
            raise InvalidPackage(f"{path}: is no file of this object")
        return path


_HINT: Final = "The object is damaged. Restore it from a copy of the archive."


def _blocks(file: SteadyFile) -> Iterator[bytes]:
    try:
        yield from file.blocks(0, file.size)
        file.unchanged()
    finally:
        file.close()


def _read(path: Path, most: int) -> bytes:
    file = SteadyFile(path)
    try:
        if file.size > most:
            raise InvalidPackage(f"{path}: {file.size} bytes refused: more than {most}")
        return file.at(0, file.size)
    finally:
        file.close()
