"""The source's assetstore: where the content of a bitstream lies, and how it gets into the blob store.

Invariants:

* Read only, and only regular files below the folders that the configuration names, whatever an `internal_id` says.
* A content is taken for that of a bitstream only if its size and checksum are those of the bitstream's row.

Layout: DSpace's `DSBitStoreService`; reference: dspace-database §5.2.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from daemon.dspace.assetstore import relpath
from events.blobs import Blobs, Digests
from events.errors import BlobMissing, ChecksumMismatch, SourceUnreachable

_CONVENTIONAL: Final = re.compile(r"[0-9A-Za-z]+")

_MOUNT: Final = "Mount or copy the source's assetstore there, or correct [source] assetstore."

_RESTORE: Final = "Restore the file from a backup of the assetstore, then `aipstream park retry`."


class SourceFiles(Protocol):
    """Where contents are read from."""

    def open(self, internal_id: str, store_number: int) -> BinaryIO:
        """The content. Raises BlobMissing, whose message says where it was looked for."""
        ...


class Assetstore:
    """Local stores: `folders` by `store_number`. `roots` are further folders where registered files may lie, as in
    DSpace's `assetstore.allowed.roots`.
    """

    def __init__(self, folders: Mapping[int, Path], roots: Sequence[Path] = ()) -> None:
        self.folders = {number: folder.absolute() for number, folder in folders.items()}
        self.roots = tuple(root.absolute() for root in roots)

    def path(self, internal_id: str, store_number: int) -> Path:
        """Where that content is looked for. Raises BlobMissing for an unknown store or a path outside of it."""
        folder = self.folders.get(store_number)
        if folder is None:
            raise BlobMissing(
                f"store {store_number} is not configured",
                f"Name the folder of store {store_number} under [source], then `aipstream park retry`.",
            )
        if _CONVENTIONAL.fullmatch(internal_id):
            return folder / relpath(internal_id)
        if not internal_id or "\0" in internal_id:
            raise BlobMissing(f"{internal_id!r} names no file", _RESTORE)
        registered = relpath(internal_id).lstrip("/")
        real = (folder / registered).resolve()
        # DSpace appends the path to the folder, but a path that is absolute below an allowed root is meant as it is.
        candidates = [real, *([Path("/", registered).resolve()] if self.roots else [])]
        for candidate in candidates:
            if any(candidate.is_relative_to(root.resolve()) for root in (folder, *self.roots)) and candidate != folder:
                return candidate
        raise BlobMissing(
            f"{internal_id!r} lies outside of {folder} and of the allowed roots",
            "If the file is meant to be read, add its folder to the allowed roots of [source].",
        )

    def open(self, internal_id: str, store_number: int) -> BinaryIO:
        """The content, for reading. Raises BlobMissing if there is no such regular file or it cannot be read,
        SourceUnreachable if the store's whole folder is not there.
        """
        path = self.path(internal_id, store_number)
        try:
            # Not blocking: a FIFO under that name must not hold the capture up.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            folder = self.folders[store_number]
            if not folder.is_dir():  # no fault of one file: every other one would be missing too
                raise SourceUnreachable(f"[source] assetstore {store_number}: {folder} is no folder", _MOUNT) from error
            raise BlobMissing(f"{path}: {error.strerror or error}", _RESTORE) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise BlobMissing(f"{path}: not a regular file", _RESTORE)
        return os.fdopen(descriptor, "rb", buffering=0)


def capture(
    files: SourceFiles,
    blobs: Blobs,
    internal_id: str,
    store_number: int,
    *,
    size: int,
    checksum: str | None,
    algorithm: str | None,
) -> Digests:
    """Take a content into the blob store; it is durable after the store's `flush`.

    `size` in bytes, `checksum` in hex and `algorithm` are those of the row of the bitstream. An algorithm other than
    MD5 and SHA-256 is not checked. Raises BlobMissing, ChecksumMismatch, and StorageUnusable of the blob store.
    """
    with files.open(internal_id, store_number) as content:
        where = getattr(content, "name", internal_id)
        try:
            length = os.fstat(content.fileno()).st_size
            if length != size:  # told before a byte is copied
                raise ChecksumMismatch(f"the file of {internal_id} has {length} bytes, its row says {size}", _RESTORE)
            digests = blobs.put(content)
        except OSError as error:
            raise BlobMissing(f"{where} cannot be read: {error.strerror or error}", _RESTORE) from error
    if digests.size != size:
        raise ChecksumMismatch(f"the file of {internal_id} has {digests.size} bytes, its row says {size}", _RESTORE)
    found = {"MD5": digests.md5, "SHA-256": digests.sha256}.get((algorithm or "MD5").upper())
    if checksum and found and found != checksum.lower():
        raise ChecksumMismatch(
            f"the file of {internal_id} has {algorithm or 'MD5'} {found}, its row says {checksum}", _RESTORE
        )
    return digests
