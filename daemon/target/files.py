"""The target's assetstore: bitstream files put where a DSpace looks for them.

Invariants:

* A file appears under its final name only when it is whole, verified against its SHA-256 and size, and durable.
  (Capture has held the SHA-256 against the row's own checksum, which may be absent or of another algorithm.)
* Until then it lies in `.aipstream/`, which an error leaves empty, and the next replayer after a kill empties.
* A file that is there is never overwritten: if it holds other bytes, the new content gets another id.
* Bitstreams that share an `internal_id` on the source share one file here too.

Layout: `internal_id` 5436... lies at `54/36/45/5436...` (DSpace's DSBitStoreService; dspace-database §5).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

from daemon.dspace.assetstore import relative_path
from daemon.failpoint import failpoint
from events.aip.model import Aip, Uuid
from events.blobs import Blobs
from events.blobs.durable import Durable
from events.blobs.together import together
from events.errors import BlobMissing, ChecksumMismatch, StorageUnusable, TargetUnreachable

_CONVENTIONAL = re.compile(r"[0-9]{6,39}")
_CHUNK = 1 << 20
_LARGE = 4 << 20


class Wanted(NamedTuple):
    """A content that a bitstream row will name. `md5` is the row's checksum (lower-case hex), if it has one."""

    bitstream: Uuid
    internal_id: str | None
    sha256: str
    md5: str | None
    size: int


def contents(aip: Aip) -> list[Wanted]:
    """What the bitstreams of an object need."""
    stored = {row.uuid: row for row in aip.stored}
    return [
        Wanted(row.uuid, stored[row.uuid].internal_id, stored[row.uuid].sha256 or "", row.checksum, row.size)
        for row in aip.bitstreams
        if row.uuid in stored
    ]


class Fresh(NamedTuple):
    """A file to be written: the bitstreams that will name it, and its temporary and final path."""

    group: list[Wanted]
    temporary: Path
    final: Path


class Assetstore:
    """The folder `assetstore.dir` of the target (store number 0)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise TargetUnreachable(
                f"[target] assetstore: {folder} is no folder",
                "Make it (the target DSpace's assetstore.dir), or mount it.",
            )
        self._durable = Durable(folder)
        owner = folder.stat()
        mine = (os.geteuid(), os.getegid()) == (owner.st_uid, owner.st_gid)
        self._owner = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 and not mine else None

        self._incoming = folder / ".aipstream"
        try:
            self._incoming.mkdir(mode=0o750, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def clear(self) -> None:
        """Remove what a killed process left on its way in. Only for whoever has the target's lock: nobody else
        writes there then.
        """
        for path in self._incoming.iterdir():
            path.unlink(missing_ok=True)

    def _unusable(self, error: OSError) -> TargetUnreachable:
        return TargetUnreachable(
            f"[target] assetstore {self.folder}: {error}",
            "Check the free space, the mount and the rights of the folder.",
        )

    def path(self, internal_id: str) -> Path:
        """Where the file of that id lies."""
        return self.folder / relative_path(internal_id)

    def holds(self, internal_id: str | None, size: int) -> bool:
        """Whether a file of that id and size is there."""
        if not internal_id:
            return False
        try:
            return self.path(internal_id).stat().st_size == size
        except OSError:
            return False

    def place(self, wanted: Sequence[Wanted], blobs: Blobs) -> tuple[dict[Uuid, str], dict[Uuid, Exception]]:
        """Put the contents in place, durably, each once.

        Returns the id under which each bitstream's file lies, and the error of each bitstream whose content could
        not be placed (BlobMissing, ChecksumMismatch). An OSError of the folder itself (full, read-only) is raised as
        TargetUnreachable, and the blob store's StorageUnusable as it is: they concern every file.
        """
        placed, fresh = self.named(wanted)
        failed = self.fill(fresh, blobs)
        return {bitstream: name for bitstream, name in placed.items() if bitstream not in failed}, failed

    def named(self, wanted: Sequence[Wanted]) -> tuple[dict[Uuid, str], list[Fresh]]:
        """The id under which each bitstream's file will lie, and the files that have to be written for that, by `fill`.
        Raises TargetUnreachable.
        """
        contents: dict[tuple[str | None, str, int], list[Wanted]] = {}  # whose row lies of its size is wrong alone
        for each in wanted:
            contents.setdefault((each.internal_id, each.sha256, each.size), []).append(each)
        named: dict[Uuid, str] = {}
        fresh: list[Fresh] = []
        claimed: set[str] = set()
        try:
            for group in contents.values():
                identifier = self._identifier(group[0], claimed)
                claimed.add(identifier)
                named.update((each.bitstream, identifier) for each in group)
                final = self.path(identifier)
                if not final.exists():
                    fresh.append(Fresh(group, self._incoming / f"{final.name}.{secrets.token_hex(4)}", final))
        except OSError as error:
            raise self._unusable(error) from error
        return named, fresh

    def fill(self, fresh: Sequence[Fresh], blobs: Blobs) -> dict[Uuid, Exception]:
        """Write those files, durably; returns and raises as `place`."""
        failed: dict[Uuid, Exception] = {}
        try:
            for done, error in self._copied(fresh, blobs):
                if error is not None:
                    failed.update((each.bitstream, error) for each in done.group)
            failpoint("replay.staged")
            self._publish([each for each in fresh if each.group[0].bitstream not in failed])
        except (OSError, StorageUnusable) as error:
            for file in fresh:
                file.temporary.unlink(missing_ok=True)
            if isinstance(error, StorageUnusable):
                raise
            raise self._unusable(error) from error
        return failed

    def _identifier(self, content: Wanted, claimed: set[str]) -> str:
        """The source's id if it is a usual one and free here, or holds this content already; else one that follows
        from it and the content, so that who shares the file is given the same one in whatever batch it comes.
        """
        identifier = content.internal_id or ""
        usual = [identifier] if _CONVENTIONAL.fullmatch(identifier) else []
        for each in [*usual, _derived(content)] if identifier else []:
            if each not in claimed and self._free_or_same(each, content):
                return each
        return str(secrets.randbits(127) | 1 << 126)

    def _copied(self, fresh: Sequence[Fresh], blobs: Blobs) -> Iterator[tuple[Fresh, Exception | None]]:
        """Each of the files with the error of its content, if there is one. Large files by several threads: hashing
        lets go of the interpreter, small files do not (but asking a distant store for them does).
        """
        small = [each for each in fresh if each.group[0].size < _LARGE]
        large = [each for each in fresh if each.group[0].size >= _LARGE]
        yield from zip(small, together(blobs, lambda each: self._attempted(each, blobs), small), strict=True)
        if large:
            with ThreadPoolExecutor(4, thread_name_prefix="place") as pool:
                yield from zip(large, pool.map(lambda each: self._attempted(each, blobs), large), strict=True)

    def _attempted(self, each: Fresh, blobs: Blobs) -> Exception | None:
        try:
            self._copy(each.group[0], blobs, each.temporary)
        except (OSError, StorageUnusable):
            raise
        except Exception as error:  # noqa: BLE001 - one bad content must not stop the others; the caller parks it
            each.temporary.unlink(missing_ok=True)
            return error
        return None

    def _free_or_same(self, identifier: str, content: Wanted) -> bool:
        """Whether that id is free, or its file holds this content already (placed before a crash, or shared)."""
        path = self.path(identifier)
        if not path.exists():
            return True
        if path.stat().st_size != content.size:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == content.sha256

    def _copy(self, content: Wanted, blobs: Blobs, path: Path) -> None:
        digest = hashlib.sha256()
        size = 0
        with blobs.open(content.sha256) as source, path.open("xb") as file:
            while chunk := _read(source, content):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
            os.fchmod(file.fileno(), 0o644)
            if self._owner:
                os.fchown(file.fileno(), *self._owner)
        if size != content.size or digest.hexdigest() != content.sha256:
            raise ChecksumMismatch(
                f"blob {content.sha256} of bitstream {content.bitstream} holds {size} bytes with SHA-256 "
                f"{digest.hexdigest()}; its row says {content.size} bytes",
                "Restore the blob from a copy, or remove it and run `aipstream snapshot`, which takes what is missing "
                "from the source; then `aipstream park retry`.",
            )

    def _publish(self, fresh: Sequence[Fresh]) -> None:
        """Contents to disk, then names, then folders: in this order a name never stands for missing bytes."""
        self._durable.sync([each.temporary for each in fresh])
        folders: set[Path] = set()
        for each in fresh:
            if each.final.parent not in folders:
                each.final.parent.mkdir(parents=True, exist_ok=True)
                folders.update(_below(each.final.parent, self.folder))
            each.temporary.rename(each.final)
        if self._owner:
            for folder in folders - {self.folder}:
                with contextlib.suppress(PermissionError):
                    os.chown(folder, *self._owner)
        self._durable.sync(folders)


def _derived(content: Wanted) -> str:
    """An id as DSpace makes them, of 38 digits."""
    named = hashlib.sha256(f"aipstream/{content.internal_id}/{content.sha256}".encode()).digest()
    return str(int.from_bytes(named[:16]) >> 1 | 1 << 126)


def _read(source: BinaryIO, content: Wanted) -> bytes:
    """The next bytes of a blob. One that cannot be read is as good as missing, and no fault of the assetstore."""
    try:
        return source.read(_CHUNK)
    except OSError as error:
        raise BlobMissing(f"blob {content.sha256} of bitstream {content.bitstream} cannot be read: {error}") from error


def _below(folder: Path, top: Path) -> Iterable[Path]:
    yield folder
    while folder != top:
        folder = folder.parent
        yield folder
