"""Packages on their way out: a zip with its manifest and contents, or a bare manifest.

Invariants:

* The same object gives the same bytes: no date of now, a fixed order, nothing that a machine or its clock adds.
* A package stands under its name only when it is whole and on disk; what a killed process leaves has another name.
* Contents are streamed, and proved against their SHA-256 on the way: a package never carries a damaged file.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from events.blobs.durable import Durable
from events.errors import ChecksumMismatch, StorageUnusable

MANIFEST: Final = "mets.xml"
COMMENT: Final = b"METS archive created by aipstream"

_CHUNK: Final = 1 << 20
_MOMENT: Final = (2002, 11, 4, 0, 0, 0)
"""What stock DSpace writes for objects without a date of their own."""
_MODE: Final = 0o100644 << 16
_ZIP64_FROM: Final = 2**31 - 2**20


class Part(NamedTuple):
    """One content of a package: its entry, its size in bytes, its SHA-256, and how it is opened."""

    entry: str
    size: int
    sha256: str
    open: Callable[[], BinaryIO]


def write_zip(path: Path, manifest: bytes, parts: Iterable[Part]) -> int:
    """Write a package under that name; its bytes. Raises StorageUnusable, and what opening a part raises.

    Raises ChecksumMismatch for a content that is not what its part says; the package is not there then.
    """
    partial = _partial(path)
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            archive.comment = COMMENT
            with archive.open(_info(MANIFEST, len(manifest)), "w") as entry:
                entry.write(manifest)
            for part in parts:
                _copy(archive, part)
        return _finished(partial, path)
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def write_manifest(path: Path, manifest: bytes) -> int:
    """Write a bare manifest under that name; its bytes. Raises StorageUnusable."""
    partial = _partial(path)
    try:
        partial.write_bytes(manifest)
        return _finished(partial, path)
    except OSError as error:
        raise _unusable(path, error) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def same(path: Path, manifest: bytes, parts: Iterable[Part] | None = None) -> int | None:
    """The bytes of a package that is there already, with that manifest and those contents to the last byte; else None.

    Without `parts`: of a bare manifest.
    """
    try:
        size = path.stat().st_size
        if parts is None:
            whole = size == len(manifest) and path.read_bytes() == manifest
        else:
            whole = _holds(
                path, [Part(MANIFEST, len(manifest), hashlib.sha256(manifest).hexdigest(), _nothing), *parts]
            )
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None
    return size if whole else None


def _nothing() -> BinaryIO:
    return io.BytesIO()


def _holds(path: Path, wanted: list[Part]) -> bool:
    """Whether a zip has those entries and no others, each with its content."""
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        # The library takes a zip that is cut off within its comment, and one with more behind it.
        file.seek(-len(COMMENT), os.SEEK_END)
        if file.read() != COMMENT or archive.comment != COMMENT:
            return False
        found = archive.infolist()
        if [(info.filename, info.file_size) for info in found] != [(part.entry, part.size) for part in wanted]:
            return False
        for info, part in zip(found, wanted, strict=True):
            digest = hashlib.sha256()
            with archive.open(info) as entry:
                while chunk := entry.read(_CHUNK):
                    digest.update(chunk)
            if digest.hexdigest() != part.sha256:
                return False
    return True


def durable(folder: Path) -> None:
    """Make everything that was written into the folder durable, once for all packages. Raises StorageUnusable."""
    try:
        Durable(folder).sync([folder])
    except OSError as error:
        raise _unusable(folder, error) from error


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _info(name: str, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _MOMENT)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = _MODE
    info.file_size = size
    return info


def _copy(archive: zipfile.ZipFile, part: Part) -> None:
    digest, size = hashlib.sha256(), 0
    info = _info(part.entry, part.size)
    with part.open() as content, archive.open(info, "w", force_zip64=part.size >= _ZIP64_FROM) as entry:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > part.size:
                break
            entry.write(chunk)
    if size != part.size or digest.hexdigest() != part.sha256:
        raise ChecksumMismatch(f"the content {part.sha256} of {part.entry} is not what it was: {size} bytes read")


def _finished(partial: Path, path: Path) -> int:
    with partial.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    partial.rename(path)
    return size


def _unusable(path: Path, error: OSError) -> StorageUnusable:
    return StorageUnusable(f"{path} cannot be written: {error.strerror or error}")
