"""Where the contents of new files come from, and that each of them is what its package says.

Tried in this order: the package itself; for what a package has not, the destination's own store (by SHA-256); a folder
that was named for it; and an empty file is its own content.

Invariant: a file leaves here with size and checksums that were computed from its bytes and agree with everything that
its package says of it; or its package is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from msgspec.structs import replace

from daemon.export.bundles import without
from daemon.importing.destination import Destination
from daemon.importing.options import Options
from daemon.importing.recognised import names_of, unchanged_files
from daemon.importing.refusals import ContentMissing
from daemon.importing.resolved import Plan
from events.aip.model import Aip, BitstreamRow, Uuid
from events.aip.order import canonical
from events.blobs import Digests
from events.errors import BlobMissing, ChecksumMismatch
from events.package import Package

EMPTY: Final = Digests(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e", 0
)
Opening = Callable[[], BinaryIO]


class Contents:
    """The contents of one package for its plan; `settle` reads them all, `open` one of them once more."""

    def __init__(self, package: Package, plan: Plan, options: Options, destination: Destination) -> None:
        self.package = package
        self.plan = plan
        self.options = options
        self.destination = destination
        self._openings: dict[Uuid, Opening] = {}

    def open(self, bitstream: Uuid, sha256: str) -> BinaryIO:
        """The content, for reading. Raises BlobMissing."""
        if bitstream not in self._openings:
            raise BlobMissing(f"{self.package.path}: no content {sha256} of bitstream {bitstream}")
        return self._openings[bitstream]()

    def settle(self, *, dry_run: bool = False) -> Aip:
        """The planned object with the true sizes and checksums of its new files, all taken by the destination.

        Raises ContentMissing, ChecksumMismatch, InvalidPackage. A dry run looks only whether there are contents.
        """
        aip = self.plan.aip
        assert aip is not None  # noqa: S101 - only what is written has contents
        kept = unchanged_files(self.plan.present, aip)
        taken: dict[Uuid, Digests] = {}
        lacking: set[Uuid] = set()
        stored = {row.uuid: row for row in aip.stored}
        for row in aip.bitstreams:
            if row.uuid in kept:
                continue
            expected = stored[row.uuid].sha256 if row.uuid in stored else None
            found = self._found(row, expected)
            if isinstance(found, Digests):
                taken[row.uuid] = found
            elif found is None:
                lacking.add(row.uuid)
            elif not dry_run:
                self._openings[row.uuid] = found
                with found() as content:
                    taken[row.uuid] = self._checked(row, expected, self.destination.take(content))
        aip = self._without(aip, lacking, taken)
        rows = [_true(row, taken[row.uuid]) if row.uuid in taken else row for row in aip.bitstreams]
        places = [replace(row, sha256=taken[row.uuid].sha256) if row.uuid in taken else row for row in aip.stored]
        return replace(aip, bitstreams=rows, stored=places)

    def _without(self, aip: Aip, lacking: set[Uuid], taken: dict[Uuid, Digests]) -> Aip:
        if not lacking:
            return aip
        names = names_of(aip)
        shown = ", ".join(sorted(names.get(uuid) or uuid for uuid in lacking)[:10])
        if self.options.unauthorized == "error":
            raise ContentMissing(f"{self.package.path}: no content of {shown}")
        if self.options.unauthorized == "skip":
            self.plan.notes.append(f"without content, left out: {shown}")
            return _without_files(aip, lacking)
        self.plan.notes.append(f"without content, made empty: {shown}")
        for uuid in lacking:
            self._openings[uuid] = lambda: io.BytesIO(b"")
            taken[uuid] = self.destination.take(io.BytesIO(b""))
        rows = [replace(row, checksum=None, size=0) if row.uuid in lacking else row for row in aip.bitstreams]
        return replace(aip, bitstreams=rows)

    def _found(self, row: BitstreamRow, sha256: str | None) -> Opening | Digests | None:
        """What opens the content, what it is if it need not be brought, or None."""
        origin = self.plan.origin.get(row.uuid, row.uuid)
        if origin in self.package.contents and not self.options.manifest_only:
            return lambda: self.package.open(origin)
        if sha256 and self.destination.has(sha256) == row.size:
            return Digests(sha256, row.checksum or "", row.size)
        path = self._file(row, origin)
        if path is not None:
            return lambda: path.open("rb")
        if row.size == 0:
            return lambda: io.BytesIO(b"")
        return None

    def _file(self, row: BitstreamRow, origin: Uuid) -> Path | None:
        """The file of the named folder that holds the content: called as in a package, by its checksum, or its name."""
        folder = self.options.contents
        if folder is None:
            return None
        content = self.package.contents.get(origin)
        name = names_of(self.plan.aip).get(row.uuid, "") if self.plan.aip else ""
        wanted = [content.entry if content else "", f"bitstream_{origin}", row.checksum or "", name]
        for each in wanted:
            if each and "/" not in each and each not in (".", ".."):
                path = folder / each
                if path.is_file():
                    return path
        return next((path for path in sorted(folder.glob(f"bitstream_{origin}.*")) if path.is_file()), None)

    def _checked(self, row: BitstreamRow, sha256: str | None, found: Digests) -> Digests:
        what = f"{self.package.path}: content of bitstream {row.uuid}"
        if found.size != row.size:
            raise ChecksumMismatch(f"{what} has {found.size} bytes, the package says {row.size}", _HINT)
        if sha256 and found.sha256 != sha256:
            raise ChecksumMismatch(f"{what} has the SHA-256 {found.sha256}, the package says {sha256}", _HINT)
        if row.checksum and (row.checksum_algorithm or "").upper() == "MD5" and found.md5 != row.checksum.lower():
            raise ChecksumMismatch(f"{what} has the MD5 {found.md5}, the package says {row.checksum}", _HINT)
        return found


_HINT: Final = "The file was changed or damaged since the export. Get a whole copy, or have it exported again."


def _true(row: BitstreamRow, found: Digests) -> BitstreamRow:
    """The row with a checksum, as DSpace's own checks need one."""
    if row.checksum:
        return replace(row, size=found.size)
    return replace(row, size=found.size, checksum=found.md5 or None, checksum_algorithm="MD5" if found.md5 else None)


def _without_files(aip: Aip, gone: set[Uuid]) -> Aip:
    """An object without those files, the others moved up."""
    aip = without(aip, set(), gone)
    changed: dict[str, Any] = {}
    for name in ("community", "collection"):
        container = getattr(aip, name)
        if container is not None and container.logo in gone:
            changed[name] = replace(container, logo=None)
    return canonical(replace(aip, **changed))
