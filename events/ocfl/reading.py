"""An OCFL object as it lies there: its inventory, proved, and the contents of any of its versions, proved.

Invariants:

* Nothing is believed unread. The inventory is what its sidecar says, a content is what its digest says.
* No link is followed below a storage root, wherever it leads: what has become one is damaged, and said to be.
* What stands where an object should is listed as one, however damaged: opening it says what is wrong.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import BinaryIO, Final

from events.errors import ChecksumMismatch, InvalidPackage, StorageUnusable
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
    return _is_file(folder / ROOT_DECLARATION)


def is_object(folder: Path) -> bool:
    """Whether the folder says that it is an OCFL object."""
    return _is_file(folder / OBJECT_DECLARATION)


def is_version(folder: Path) -> bool:
    """Whether that is the folder of one version of an OCFL object."""
    return bool(VERSION.fullmatch(folder.name)) and is_object(folder.parent)


def is_remnant(path: Path) -> bool:
    """Whether that stands below a storage root where an object should, and is a link, the rest of an object that does
    not say any more that it is one, or a folder that cannot be listed.
    """
    try:
        astray = path.is_symlink() or (
            path.is_dir() and not is_object(path) and (_undeclared(path) or _unlisted(path) is not None)
        )
        return astray and root_above(path) is not None
    except OSError:  # no right to look
        return False


def root_above(path: Path) -> Path | None:
    """The storage root below which the path lies by its name, wherever links on the way lead; None if there is none."""
    return next((folder for folder in path.absolute().parents if is_root(folder)), None)


def link_on_the_way(path: Path) -> Path | None:
    """The first link between a storage root and a path below it, or that path itself; None if there is none."""
    found = None
    here = path.absolute()
    for each in (here, *here.parents):
        if each.is_symlink():
            found = each if root_above(each) is not None else found
        elif is_root(each):
            break
    return found


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
    if is_object(found) or is_remnant(found) or link_on_the_way(found) is not None:
        return found
    aside = root / STAGING / (uuid_in(name) or "") / ASIDE
    return aside if is_object(aside) else None


def objects(root: Path) -> Iterator[Path]:
    """The folders of all objects below a storage root, by name.

    What a killed run has set aside, and nothing has taken the place of yet, is an object as well. So is each remnant
    (`is_remnant`), that nothing be passed over in silence. Raises StorageUnusable if the root itself cannot be listed.
    """
    staging = root / STAGING
    try:
        staged = sorted(staging.iterdir()) if link_on_the_way(staging) is None else []
    except OSError:  # nobody writes, or has just cleared it away
        staged = []
    for each in staged:
        if is_object(each / ASIDE) and not os.path.lexists(root / place(identifier(each.name))):
            yield each / ASIDE
    pending = [root]
    while pending:
        folder = pending.pop()
        if folder != root and (folder.is_symlink() or is_object(folder) or _undeclared(folder)):
            yield folder
            continue
        try:
            with os.scandir(folder) as listed:
                deeper = sorted(entry.path for entry in listed if _leads_on(entry))
        except FileNotFoundError:
            continue  # whoever writes has taken it away
        except OSError as error:
            if folder == root:
                raise StorageUnusable(f"{folder}: cannot be opened: {error.strerror}") from error
            yield folder
            continue
        if folder == root:
            deeper = [path for path in deeper if Path(path).name not in _NO_OBJECTS]
        pending += map(Path, reversed(deeper))


_NO_OBJECTS: Final = (EXTENSIONS, "lost+found")
"""At a root. The second is the file system's own, where the root is one."""


def _leads_on(entry: os.DirEntry[str]) -> bool:
    """Whether that is a folder, or a link to anything but a file: files have no meaning above objects."""
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and not _is_file(Path(entry.path)))


def _undeclared(folder: Path) -> bool:
    """Whether the folder has what only objects have, whether or not it says that it is one."""
    return any(os.path.lexists(folder / name) for name in (OBJECT_DECLARATION, inventories.NAME, "v1"))


def _unlisted(folder: Path) -> str | None:
    """Why the folder cannot be listed; None if it can."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no right to look
        return False


class OcflObject:
    """An object that is there. Raises InvalidPackage, ChecksumMismatch for an inventory that is not what it was."""

    def __init__(self, folder: Path, identifier: str | None = None) -> None:
        self.folder = folder
        link = link_on_the_way(folder)
        if link is not None:
            raise InvalidPackage(f"{link}: {LINK}", _NO_LINKS)
        if not is_object(folder):
            wrong = f"cannot be opened: {reason}" if (reason := _unlisted(folder)) else f"has no {OBJECT_DECLARATION}"
            raise InvalidPackage(f"{folder}: {wrong}", _HINT)
        self._real = folder.resolve()
        path = folder / inventories.NAME
        document = _read(path, inventories.MAX_BYTES)
        while True:
            self.inventory: Inventory = inventories.decoded(document, str(path))
            self.bytes = len(document)
            algorithm = self.inventory.digestAlgorithm
            name, _ = inventories.sidecar(algorithm, "")
            said = inventories.sidecar_digest(_read(folder / name, 4096))
            self.digest = hashlib.new(algorithm, document).hexdigest()
            if said == self.digest:
                break
            # Who writes may have exchanged the object for its successor between the one file and the other.
            before, document = document, _read(path, inventories.MAX_BYTES)
            if document == before:
                raise ChecksumMismatch(f"{path}: {algorithm} is {self.digest}, {name} says {said}", _HINT)
        if identifier is not None and self.inventory.id != identifier:
            raise InvalidPackage(f"{path}: is of {self.inventory.id[:120]!r}, not of {identifier}", _HINT)
        if self._real.name.startswith(_OURS) and self._real.name != place(self.inventory.id).name:
            raise InvalidPackage(f"{path}: is of {self.inventory.id[:120]!r}, which has its place elsewhere", _HINT)

    def with_inventory(self, inventory: Inventory) -> OcflObject:
        """The same object, of which only what that inventory says is known."""
        less = copy(self)
        less.inventory = inventory
        return less

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
        name = self.inventory.manifest[digest][0]
        path = self.folder / name
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:  # the second: links in a ring
            if (link := self._link(name)) is not None:
                raise InvalidPackage(f"{link}: {LINK}", _NO_LINKS) from error
            raise InvalidPackage(
                f"{path}: cannot be read: {error.strerror if isinstance(error, OSError) else error}", _HINT
            ) from error
        if real != self._real / name:
            raise InvalidPackage(f"{self._link(name) or path}: {LINK}", _NO_LINKS)
        if not real.is_file():
            raise InvalidPackage(f"{path}: is no file", _HINT)
        return path

    def _link(self, name: str) -> Path | None:
        """The first link on the way to a file of the object."""
        path = self.folder / name
        return next((each for each in reversed((path, *path.parents[: name.count("/")])) if each.is_symlink()), None)


_OURS: Final = place(identifier("")).name
"""How the names of the folders of our objects begin."""
LINK: Final = "is a link, and links in an archive are not followed"
_NO_LINKS: Final = (
    "An archive has no links (OCFL forbids them). Put what it should lead to in its place, as plain folders and files, "
    "or restore it from a copy of the archive."
)
_HINT: Final = "The object is damaged. Restore it from a copy of the archive."


def _blocks(file: SteadyFile) -> Iterator[bytes]:
    try:
        yield from file.blocks(0, file.size)
        file.unchanged()
    finally:
        file.close()


def _read(path: Path, most: int) -> bytes:
    """A small file that every object has. Raises InvalidPackage."""
    if path.is_symlink():
        raise InvalidPackage(f"{path}: {LINK}", _NO_LINKS)
    try:
        file = SteadyFile(path)
    except InvalidPackage as error:
        raise InvalidPackage(str(error), _HINT) from error
    try:
        if file.size > most:
            raise InvalidPackage(f"{path}: {file.size} bytes refused: more than {most}")
        return file.at(0, file.size)
    finally:
        file.close()
