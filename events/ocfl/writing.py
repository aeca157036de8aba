"""Objects on their way into a storage root: made beside it, made durable, then put into place in one step.

Invariants:

* An object is seen as it was before or as it is after, at every moment: a new one comes by one rename, with those of
  its folders above that did not exist (OCFL allows no empty folder); one that is there is exchanged for its successor
  by one `renameat2(RENAME_EXCHANGE)`. Where a file system cannot exchange, the old one is set aside first, and the next
  run puts it back if the process was killed just there.
* What has been written of an object is never written again: its successor has the same files by hard links, which are
  all gone once the old folder is. (Where links are not possible they are copied.)
* Contents are streamed, and proved on the way. They are on disk before anything gets its name.

A killed process leaves things in the folder `extensions/aipstream-staging`, and nothing else; `swept` clears it.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from events.blobs.durable import Durable
from events.durable import synced
from events.errors import ChecksumMismatch, StorageUnusable
from events.ocfl import inventory as inventories
from events.ocfl.inventory import Inventory, New
from events.ocfl.layout import ASIDE, OBJECT_DECLARATION, STAGING, Algorithm, declaration, identifier, place
from events.ocfl.reading import OcflObject

_CHUNK: Final = 1 << 20
_AT_CWD: Final = -100
_EXCHANGE: Final = 2
_CANNOT_EXCHANGE: Final = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_CANNOT_LINK: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS)

_renameat2: Final = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


class Arriving:
    """One object in the making: what is there of it, and the versions that are added. Then `finish`, once."""

    def __init__(self, root: Path, uuid: str, algorithm: Algorithm, there: OcflObject | None) -> None:
        self.root = root
        self.there = there
        self.place = root / place(identifier(uuid))
        self.staged = root / STAGING / uuid
        self.folder = self.staged / "new"
        self.inventory = there.inventory if there else Inventory(identifier(uuid), algorithm)
        self.algorithm = self.inventory.digestAlgorithm
        self.paths: list[Path] = []
        self.bytes = 0
        """Of the contents that are new."""
        self.contents = 0
        self._by_sha256 = self.inventory.known_by("sha256")
        self._version: Path | None = None
        self._files: dict[str, str] = {}
        self._new: dict[str, New] = {}
        _remove(self.staged)
        self._make(self.folder)

    # --- one version --------------------------------------------------------------------------------------------------

    def document(self, name: str, content: bytes) -> None:
        """A document of the version in the making."""
        digest = hashlib.new(self.algorithm, content).hexdigest()
        if not self._has(digest):
            self._write(self._content(name), content)
            self._count(digest, New(name), len(content))
        self._files[name] = digest

    def content(self, name: str, sha256: str, size: int, opened: Callable[[], BinaryIO], md5: str | None) -> bool:
        """A content of the version in the making, known by its SHA-256 (and MD5). What is there is not read at all.

        False if the MD5 is not that of the content, so that it is not stated. Raises ChecksumMismatch if it is damaged,
        and what opening it raises.
        """
        known = self._by_sha256.get(sha256)
        if known is not None:
            self._files[name] = known
            return True
        path = self._content(name)
        digests = self._copied(path, opened, size)
        if digests["sha256"] != sha256:
            raise ChecksumMismatch(f"the content {sha256} of {name} is not what it was: it is {digests['sha256']}")
        right = md5 is None or md5 == digests["md5"]
        digest = digests[self.algorithm]
        if self._has(digest):
            path.unlink()
            self.paths.remove(path)
        else:
            fixity = {} if self.algorithm == "sha256" else {"sha256": sha256}
            self._count(digest, New(name, fixity | ({"md5": md5} if md5 and right else {})), size)
        self._files[name] = self._by_sha256[sha256] = digest
        return right

    def version(self, created: str, message: str, user: Mapping[str, str]) -> None:
        """The version is complete. Raises ObjectTooLarge."""
        self.inventory.add(created, message, user, self._files, self._new)
        number = self.inventory.number
        if inventories.has_copy(number):
            self._proved(self._folder_of(number), self.inventory.encoded())
        self._files, self._new, self._version = {}, {}, None

    # --- all of them --------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Everything that the object needs is written. Raises ObjectTooLarge, StorageUnusable."""
        self._proved(self.folder, self.inventory.encoded())
        if self.there is None:
            self._write(self.folder / OBJECT_DECLARATION, declaration(OBJECT_DECLARATION))
        else:
            self._adopt(self.place, self.folder, top=True)

    def put(self, passed: Callable[[str], None]) -> list[Path]:
        """Put it into its place, in one step; the folders whose entries changed. Only after it is on disk."""
        try:
            if self.there is not None:
                self._exchange(passed)
                return [self.place.parent]
            above = self.place.parent
            missing: list[str] = []
            while not above.is_dir():
                missing.insert(0, above.name)
                above = above.parent
            if not missing:
                self.folder.rename(self.place)
                return [above]
            chain = self.staged / "chain"
            lowest = chain.joinpath(*missing)
            lowest.mkdir(parents=True)
            self.folder.rename(lowest / self.place.name)
            (chain / missing[0]).rename(above / missing[0])
        except OSError as error:
            raise unusable(self.place, error) from error
        return [above, above / missing[0], self.place.parent]

    def drop(self) -> None:
        """Clear away what is left of the making, or all of it if it was not put."""
        _remove(self.staged)

    def _exchange(self, passed: Callable[[str], None]) -> None:
        if _renameat2 is not None:
            new, old = os.fsencode(self.folder), os.fsencode(self.place)
            if _renameat2(_AT_CWD, new, _AT_CWD, old, _EXCHANGE) == 0:
                return
            number = ctypes.get_errno()
            if number not in _CANNOT_EXCHANGE:
                raise OSError(number, os.strerror(number))
        self.place.rename(self.staged / ASIDE)
        passed("ocfl.aside")
        self.folder.rename(self.place)

    # --- files --------------------------------------------------------------------------------------------------------

    def _folder_of(self, number: int) -> Path:
        folder = self.folder / f"v{number}"
        if self._version != folder:
            self._make(folder)
            self._version = folder
        return folder

    def _content(self, name: str) -> Path:
        folder = self._folder_of(self.inventory.number + 1) / inventories.CONTENT
        if not folder.exists():
            self._make(folder)
        return folder / name

    def _has(self, digest: str) -> bool:
        return digest in self.inventory.manifest or digest in self._new

    def _count(self, digest: str, new: New, size: int) -> None:
        self._new[digest] = new
        self.bytes += size
        self.contents += 1

    def _proved(self, folder: Path, document: bytes) -> None:
        self._write(folder / inventories.NAME, document)
        name, text = inventories.sidecar(self.algorithm, hashlib.new(self.algorithm, document).hexdigest())
        self._write(folder / name, text)

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise unusable(folder, error) from error
        self.paths.append(folder)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            path.write_bytes(content)
        except OSError as error:
            raise unusable(path, error) from error
        self.paths.append(path)

    def _copied(self, path: Path, opened: Callable[[], BinaryIO], size: int) -> dict[str, str]:
        found = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", "md5", self.algorithm}}
        written = 0
        with opened() as content, self._new_file(path) as file:
            while chunk := content.read(_CHUNK):
                for digest in found.values():
                    digest.update(chunk)
                written += len(chunk)
                rest = memoryview(chunk)
                try:
                    while rest:
                        rest = rest[file.write(rest) :]
                except OSError as error:
                    raise unusable(path, error) from error
        if written != size:
            raise ChecksumMismatch(f"the content of {path.name} has {written:,} bytes, the object says {size:,}")
        return {name: digest.hexdigest() for name, digest in found.items()}

    def _new_file(self, path: Path) -> io.FileIO:
        try:
            file = io.FileIO(path, "x")
        except OSError as error:
            raise unusable(path, error) from error
        self.paths.append(path)
        return file

    def _adopt(self, old: Path, new: Path, *, top: bool = False) -> None:
        """The same files under another folder, but for the inventory, which is new."""
        try:
            with os.scandir(old) as listed:
                entries = list(listed)
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    (new / entry.name).mkdir()
                    self._adopt(old / entry.name, new / entry.name)
                elif not (top and entry.name.startswith(inventories.NAME)):
                    _linked(old / entry.name, new / entry.name)
        except OSError as error:
            raise unusable(new, error) from error
        self.paths.append(new)


def settle(root: Path, arriving: Iterable[Arriving], passed: Callable[[str], None]) -> None:
    """Make those objects durable and put them into their places, one after the other. Raises StorageUnusable.

    `passed` is told of each place where a process may be killed.
    """
    objects = list(arriving)
    durable = Durable(root)
    try:
        durable.sync([path for each in objects for path in each.paths])
        passed("ocfl.staged")
        changed: set[Path] = set()
        for each in objects:
            changed.update(each.put(passed))
            passed("ocfl.placed")
            each.drop()
            passed("ocfl.dropped")
        durable.sync(sorted(changed))
    except OSError as error:
        raise unusable(root, error) from error
    finally:
        durable.close()


def swept(root: Path) -> None:
    """Clear away what a killed process left, and put back what it had set aside. Raises StorageUnusable."""
    staging = root / STAGING
    try:
        if not staging.is_dir():
            return
        for each in sorted(staging.iterdir()):
            aside, home = each / ASIDE, root / place(identifier(each.name))
            if aside.is_dir() and not home.exists():
                aside.rename(home)
            _remove(each)
        staging.rmdir()
    except OSError as error:
        raise unusable(staging, error) from error


def replaced(path: Path, content: bytes) -> None:
    """A small file at the root, whole and durable under its name or as it was before. Raises StorageUnusable."""
    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        synced(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise unusable(path, error) from error


def _linked(old: Path, new: Path) -> None:
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        shutil.copyfile(old, new, follow_symlinks=False)


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def unusable(path: Path, error: OSError) -> StorageUnusable:
    """The error of a disk that is full, read-only or failing."""
    return StorageUnusable(f"{path} cannot be written: {error.strerror or error}")
