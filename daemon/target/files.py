"""The target's assetstore: bitstream files put where a DSpace looks for them.

Invariants:

* A file appears under its final name only when it is whole, verified against its MD5 and size, and durable.
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
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from daemon.dspace.assetstore import relative_path
from events.aip.model import Uuid
from events.blobs import Blobs
from events.blobs.durable import Durable
from events.errors import ChecksumMismatch, TargetUnreachable

_CONVENTIONAL = re.compile(r"[0-9]{6,39}")
_CHUNK = 1 << 20


class Wanted(NamedTuple):
    """A content that a bitstream row will name. `md5` is the row's checksum (lower-case hex), if it has one."""

    bitstream: Uuid
    internal_id: str | None
    sha256: str
    md5: str | None
    size: int


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
        self._owner = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None

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
        TargetUnreachable: it concerns every file.
        """
        contents: dict[tuple[str | None, str], list[Wanted]] = {}
        for each in wanted:
            contents.setdefault((each.internal_id, each.sha256), []).append(each)
        placed: dict[Uuid, str] = {}
        failed: dict[Uuid, Exception] = {}
        fresh: list[tuple[Path, Path]] = []
        try:
            with ThreadPoolExecutor(4, thread_name_prefix="place") as pool:
                outcomes = pool.map(lambda group: self._stage(group[0], blobs), contents.values())
                for group, (identifier, staged, error) in zip(contents.values(), outcomes, strict=True):
                    for each in group:
                        if error is not None:
                            failed[each.bitstream] = error
                        elif identifier is not None:
                            placed[each.bitstream] = identifier
                    if staged is not None:
                        fresh.append(staged)
                self._publish(fresh)
        except OSError as error:
            for temporary, _ in fresh:
                temporary.unlink(missing_ok=True)
            raise TargetUnreachable(
                f"[target] assetstore {self.folder}: {error}",
                "Check the free space, the mount and the rights of the folder.",
            ) from error
        return placed, failed

    def _stage(self, content: Wanted, blobs: Blobs) -> tuple[str | None, tuple[Path, Path] | None, Exception | None]:
        """The id, and the temporary and final path if a file had to be written."""
        identifier = content.internal_id or ""
        if not _CONVENTIONAL.fullmatch(identifier) or not self._free_or_same(identifier, content):
            identifier = str(secrets.randbits(127) | 1 << 126)
        final = self.path(identifier)
        if final.exists():
            return identifier, None, None
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.with_name(f".{final.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._copy(content, blobs, temporary)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        except Exception as error:  # noqa: BLE001 - one bad content must not stop the others; the caller parks it
            temporary.unlink(missing_ok=True)
            return None, None, error
        return identifier, (temporary, final), None

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
        md5 = hashlib.md5(usedforsecurity=False)
        size = 0
        with blobs.open(content.sha256) as source, path.open("xb") as file:
            while chunk := source.read(_CHUNK):
                md5.update(chunk)
                size += len(chunk)
                file.write(chunk)
            os.fchmod(file.fileno(), 0o644)
            if self._owner:
                os.fchown(file.fileno(), *self._owner)
        if size != content.size or (content.md5 and md5.hexdigest() != content.md5):
            raise ChecksumMismatch(
                f"blob {content.sha256} of bitstream {content.bitstream}: {size} bytes with MD5 {md5.hexdigest()}, "
                f"but its row says {content.size} bytes with MD5 {content.md5}"
            )

    def _publish(self, fresh: Sequence[tuple[Path, Path]]) -> None:
        """Contents to disk, then names, then folders: in this order a name never stands for missing bytes."""
        self._durable.sync([temporary for temporary, _ in fresh])
        folders: set[Path] = set()
        for temporary, final in fresh:
            temporary.rename(final)
            folders |= set(_below(final.parent, self.folder))
        if self._owner:
            for folder in folders - {self.folder}:
                with contextlib.suppress(PermissionError):
                    os.chown(folder, *self._owner)
        self._durable.sync(folders)


def _below(folder: Path, top: Path) -> Iterable[Path]:
    yield folder
    while folder != top:
        folder = folder.parent
        yield folder
