"""The blob store in a local folder: `ab/cd/<sha256>`, and `tmp/` for what is on its way in.

Invariant: a file stands under its SHA-256 only after all of it is on disk, for the steps are always, in this order:

1. `put` writes the content to a file in `tmp/`, hashing it as it goes by;
2. `flush` syncs those files;
3. then renames them into place (atomic: the same file system);
4. then syncs the folders, and only then returns.

A process killed in between leaves files in `tmp/` and nothing else; `from_url` clears them away when they are old.
"""

from __future__ import annotations

import io
import os
import re
import threading
import time
import uuid as uuids
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Final, Self, cast
from urllib.parse import unquote

from events.blobs import Digests
from events.blobs.content import CHUNK, SHA256, Hashing, chunks, place_of
from events.blobs.durable import Durable
from events.blobs.quarantine import Quarantine
from events.errors import BlobMissing, ChecksumMismatch, ConfigError, StorageUnusable

STALE_SECONDS: Final = 3600
"""A file in `tmp/` that nobody wrote to for so long belongs to a process that is gone."""

YOUNG_SECONDS: Final = 120
"""A blob renamed into place so lately may not be durable yet: the process that did it may be before its step 4."""

MARK: Final = "encrypted"
"""An empty file that says of a store that its blobs are encrypted."""

_PREFIX: Final = re.compile(r"[0-9a-f]{2}")


class LocalBlobs:
    """Blobs in a folder; see `events.blobs.Blobs`. Threads and processes may put and read side by side.

    Raises ConfigError if the folder is no blob store; `LocalBlobs.from_url` makes one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._incoming = self.folder / "tmp"
        if not self._incoming.is_dir():
            raise ConfigError(f"[blobs] url: there is no blob store in {self.folder}", "`aipstream init` makes it.")
        self._durable = Durable(self.folder)
        self._quarantine = Quarantine(self.folder)
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._pending: dict[str, Path] = {}
        self._unsynced: set[Path] = set()
        self._failed: StorageUnusable | None = None

    @classmethod
    def from_url(cls, url: str, *, create: bool = False) -> LocalBlobs:
        """The store at `file:///absolute/folder`, made if `create`, with stale files in `tmp/` cleared away.

        Raises ConfigError for another URL or a folder that is no blob store, StorageUnusable if it cannot be made.
        """
        match = re.fullmatch(r"file://(?:localhost)?(/[^?#]+)", url)
        if match is None:
            raise ConfigError(f"[blobs] url: {url!r} names no folder", "Use file:///absolute/path/to/folder")
        folder = Path(unquote(match[1]))
        if create:
            try:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                (folder / "tmp").mkdir(mode=0o750, exist_ok=True)
            except OSError as error:
                raise _unusable(folder, "cannot be made", error) from error
        store = cls(folder)
        store._clear_stale()
        return store

    def put(self, content: BinaryIO) -> Digests:
        """Take in a content, in chunks. What the store has already is read and hashed, and not kept again.

        Errors of reading `content` go through as they are; those of writing are raised as StorageUnusable.
        """
        self._refuse_if_failed()
        hashing, parts = Hashing(), chunks(content)
        first = next(parts, b"")
        hashing.update(first)
        if len(first) < CHUNK:
            # All of it is here: a content that is known costs no file at all.
            digests = hashing.digests()
            if not self._known(digests.sha256, lambda size: size == digests.size):
                with self._temporary() as file:
                    file.write(first)
                self._keep(digests.sha256, file.path)
            return digests
        with self._temporary() as file:
            file.write(first)
            for chunk in parts:
                hashing.update(chunk)
                file.write(chunk)
        digests = hashing.digests()
        if self._known(digests.sha256, lambda size: size == digests.size):
            file.path.unlink()
        else:
            self._keep(digests.sha256, file.path)
        return digests

    def spool(self) -> IO[bytes]:
        """A file in `tmp/`, removed when it is closed and not kept."""
        self._refuse_if_failed()
        return cast("IO[bytes]", _Spool(self._incoming / _fresh()))

    def keep(self, sha256: str, spool: IO[bytes], stands: Callable[[int], bool]) -> None:
        """Take the spool in under that name, unless what is there `stands`."""
        assert isinstance(spool, _Spool)  # noqa: S101 - it is one of ours
        self._path(sha256)
        with spool:
            if not self._known(sha256, stands):
                spool.finish()
                self._keep(sha256, spool.path)

    def peek(self, sha256: str, length: int) -> tuple[bytes, int]:
        """The first bytes, and how many there are. Raises BlobMissing."""
        with self.open(sha256) as content:
            return content.read(length), os.fstat(content.fileno()).st_size

    def marked(self) -> bool:
        """Whether the file `encrypted` is there."""
        return (self.folder / MARK).exists()

    def mark(self) -> None:
        """Make it."""
        try:
            (self.folder / MARK).touch(mode=0o640)
            self._durable.sync((self.folder / MARK, self.folder))
        except OSError as error:
            raise _unusable(self.folder, "cannot be marked as encrypted", error) from error

    def flush(self) -> None:
        """Steps 2 to 4. Raises StorageUnusable, and then on every later call too: open the store anew and put again.

        After a failed sync the kernel may have dropped the pages, and a second sync would succeed over nothing; and
        another thread's puts may have been in this flush, so it must hear of it as well.
        """
        with self._flushing:
            self._refuse_if_failed()
            with self._lock:
                pending, self._pending = self._pending, {}
                folders, self._unsynced = self._unsynced, set()
            if not pending and not folders:
                return
            try:
                self._durable.sync(tuple(pending.values()))
                for sha256, path in pending.items():
                    folders |= self._place(path, self._path(sha256))
                self._durable.sync(tuple(folders))
            except OSError as error:
                self._failed = _unusable(self.folder, "could not make blobs durable", error)
                for path in pending.values():
                    with suppress(OSError):
                        path.unlink()
                raise self._failed from error

    def open(self, sha256: str) -> BinaryIO:
        """The content. Follows no symbolic link. Raises BlobMissing."""
        path = self._path(sha256)
        if not path.is_file():
            self._rescued(sha256)
        try:
            # O_NONBLOCK: nothing is waited for, should a pipe lie there.
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except FileNotFoundError as error:
            raise self._missing(sha256) from error
        except OSError as error:
            raise _unusable(self.folder, f"cannot read {sha256}", error) from error

    def has(self, sha256: str) -> bool:
        """Whether the blob is in its place, or comes back to it out of quarantine."""
        path = self._path(sha256)
        # Another may have brought it back between the first two.
        return path.is_file() or self._rescued(sha256) or path.is_file()

    def size(self, sha256: str) -> int:
        """Bytes. Raises BlobMissing."""
        self.has(sha256)
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError as error:
            raise self._missing(sha256) from error
        except OSError as error:
            raise _unusable(self.folder, f"cannot look at {sha256}", error) from error

    def list(self) -> Iterator[str]:
        """All that is in place, folder by folder."""
        for upper in self._folders(self.folder):
            for lower in self._folders(upper):
                with os.scandir(lower) as found:
                    names = [entry.name for entry in found if entry.is_file(follow_symlinks=False)]
                for name in names:
                    if SHA256.fullmatch(name) and name[:4] == upper.name + lower.name:
                        yield name

    def delete(self, names: Iterable[str]) -> None:
        """Unlink the files. One that was put and not flushed is not touched."""
        for sha256 in names:
            try:
                self._path(sha256).unlink(missing_ok=True)
            except OSError as error:
                raise _unusable(self.folder, f"cannot delete {sha256}", error) from error

    def quarantine(self, names: Iterable[str]) -> int:
        """Put blobs aside; see `events.blobs.Sweeping`."""
        try:
            return sum(self._quarantine.take(sha256, self._path(sha256)) for sha256 in names)
        except OSError as error:
            raise _unusable(self.folder, "cannot put blobs into quarantine", error) from error

    def quarantined(self) -> Iterator[tuple[str, float]]:
        """What is put aside, with the seconds since then."""
        return self._quarantine.list()

    def purge(self, names: Iterable[str]) -> int:
        """Delete for good what is put aside."""
        try:
            return self._quarantine.purge(names)
        except OSError as error:
            raise _unusable(self.folder, "cannot delete blobs in quarantine", error) from error

    def verify(self, sha256: str) -> Digests:
        """Read it all. Raises BlobMissing or ChecksumMismatch."""
        with self.open(sha256) as content:
            return self._stream(sha256, content, None)

    def link_or_copy(self, sha256: str, destination: Path) -> Digests:
        """Copy the blob to a new file, proving its checksum as it goes by. The caller syncs and renames as it needs.

        It is never a hard link: whoever changed the one file would change the other. Raises BlobMissing,
        ChecksumMismatch, FileExistsError, StorageUnusable; whatever it raises, no half file stays.
        """
        with self.open(sha256) as content, _NewFile(destination) as file:
            return self._stream(sha256, content, file)

    def _stream(self, sha256: str, content: BinaryIO, copy: _NewFile | None) -> Digests:
        hashing = Hashing()
        while chunk := content.read(CHUNK):
            hashing.update(chunk)
            if copy is not None:
                copy.write(chunk)
        found = hashing.digests()
        if found.sha256 != sha256:
            raise ChecksumMismatch(f"the blob {sha256} in {self.folder} holds {found.size} bytes of {found.sha256}")
        return found

    def _path(self, sha256: str) -> Path:
        return self.folder / place_of(sha256)

    def _rescued(self, sha256: str) -> bool:
        try:
            return self._quarantine.rescue(sha256, self._path(sha256))
        except OSError as error:
            raise _unusable(self.folder, f"cannot bring {sha256} back out of quarantine", error) from error

    def _known(self, sha256: str, stands: Callable[[int], bool]) -> bool:
        """Whether the content is there or on its way. A file that will not do under its name is damage: replace it."""
        with self._lock:
            if sha256 in self._pending:
                return True
        path = self._path(sha256)
        self.has(sha256)
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        if not stands(status.st_size):
            return False
        if time.time() - status.st_ctime < YOUNG_SECONDS:
            with self._lock:
                self._unsynced |= {path.parent, path.parent.parent, self.folder}
        return True

    def _keep(self, sha256: str, path: Path) -> None:
        with self._lock:
            kept = self._pending.setdefault(sha256, path)
        if kept != path:
            path.unlink()

    def _temporary(self) -> _NewFile:
        return _NewFile(self._incoming / _fresh())

    def _refuse_if_failed(self) -> None:
        if self._failed is not None:
            raise StorageUnusable(f"the blob store was given up after an error: {self._failed}")

    def _place(self, path: Path, place: Path) -> set[Path]:
        """Step 3 for one blob: the folders whose entries changed, or may have been changed just now by another."""
        try:
            path.rename(place)
        except FileNotFoundError:
            place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            path.rename(place)
        return {place.parent, place.parent.parent, self.folder}

    def _folders(self, above: Path) -> Iterator[Path]:
        with os.scandir(above) as found:
            entries = [entry for entry in found if _PREFIX.fullmatch(entry.name)]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)

    def _clear_stale(self) -> None:
        before = time.time() - STALE_SECONDS
        for path in self._incoming.iterdir():
            with suppress(OSError):
                if path.lstat().st_mtime < before:
                    path.unlink()

    def _missing(self, sha256: str) -> BlobMissing:
        return BlobMissing(f"there is no blob {sha256} in {self.folder}")


class _NewFile:
    """A file that is made, written and closed, or not there: an exception within the context removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o640)
        except FileExistsError:
            raise
        except OSError as error:
            raise _unusable(path.parent, "cannot be written", error) from error

    def write(self, chunk: bytes) -> None:
        """All of the chunk. Raises StorageUnusable."""
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _unusable(self.path.parent, "cannot be written", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _value: object, _trace: TracebackType | None) -> None:
        os.close(self._descriptor)
        if kind is not None:
            with suppress(OSError):
                self.path.unlink()


class _Spool(io.BufferedRandom):
    """A file that is made, written, and removed when it is closed, unless it is finished before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._finished = True  # nothing to remove yet
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW
        try:
            raw = io.FileIO(path, "r+b", opener=lambda name, _: os.open(name, flags, 0o640))
        except OSError as error:
            raise _unusable(path.parent, "cannot be written", error) from error
        super().__init__(raw)
        self._finished = False

    def finish(self) -> None:
        """All of it is written. Raises StorageUnusable."""
        try:
            self.flush()
        except OSError as error:
            raise _unusable(self.path.parent, "cannot be written", error) from error
        self._finished = True

    def close(self) -> None:
        """Close it, and remove it if it is not finished."""
        finished, self._finished = self._finished, True
        try:
            with suppress(OSError):
                super().close()
        finally:
            if not finished:
                self.path.unlink(missing_ok=True)


def _fresh() -> str:
    return f"{os.getpid()}-{uuids.uuid4().hex}"


def _unusable(folder: Path, what: str, error: OSError) -> StorageUnusable:
    return StorageUnusable(f"the folder {folder} {what}: {error.strerror or error}")
