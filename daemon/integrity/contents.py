"""Contents that are missing or damaged, found again where else they may be: a copy, the source, the target.

Invariants, in this order for every content (a kill between any two is mended by the next run):

1. it is copied into a folder of our own, and proved by its SHA-256 on the way, and durable there;
2. the damaged one is kept beside it;
3. only then is the damaged one taken out of the store,
4. and the good one put in; only when that is durable is the copy of step 1 removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import psycopg2

from daemon.config import Config
from daemon.dspace.assetstore import relative_path
from daemon.dspace.connect import connect
from daemon.failpoint import failpoint
from daemon.integrity.books import Books
from daemon.parts import state_of, state_path, stores_of
from daemon.source.assetstore import Assetstore
from events.aip import read
from events.blobs import Blobs, beneath
from events.blobs.unreadable import unreadable
from events.errors import AipstreamError, BlobMissing, ChecksumMismatch, InvalidAip, StorageUnusable
from events.event import decompress
from events.log.inspecting import Inspecting

CHUNK: Final = 1024 * 1024
MOST_TRIED: Final = 20
"""So many objects that need a content are asked where it lies."""

_INTERNAL: Final = "SELECT internal_id FROM bitstream WHERE uuid = %s"
_STORE: Final = "SELECT store_number FROM bitstream WHERE internal_id = %s AND NOT deleted LIMIT 1"

Opened = tuple[str, Callable[[], BinaryIO]]
"""Where a content may be, in words, and how it is opened."""


class Place(NamedTuple):
    """Where a bitstream with a content lay on the source."""

    bitstream: str
    internal_id: str
    store_number: int


class Contents:
    """Looks for contents. `folder` is ours; `copy` another blob store. Raises StorageUnusable."""

    def __init__(
        self, config: Config, inspecting: Inspecting, blobs: Blobs, books: Books, folder: Path, copy: Blobs | None
    ) -> None:
        self.config, self.inspecting, self.blobs, self.books = config, inspecting, blobs, books
        self.folder, self.copy = folder, copy
        self._known: dict[str, list[tuple[str, int]]] | None = None

    def mend(self, sha256: str, *, dry_run: bool) -> tuple[str, str]:
        """(where it was found, "") when it is in its place and whole; ("", why not) else."""
        try:
            self.blobs.verify(sha256)
        except (BlobMissing, ChecksumMismatch):
            pass
        except (StorageUnusable, OSError) as error:
            if unreadable(error) is None:
                raise
        else:
            return "it is whole now", ""
        try:
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            where, why = self._found(sha256)
            if where and dry_run:
                (self.folder / sha256).unlink()
            elif where:
                failpoint("repair.found")
                self._replace(sha256, self.folder / sha256)
        except OSError as error:
            raise StorageUnusable(f"the folder {self.folder} cannot be written: {error.strerror or error}") from error
        return where, why

    def _found(self, sha256: str) -> tuple[str, str]:
        """Step 1: (where it was found, "") or ("", why nowhere)."""
        kept = self.folder / sha256
        if _is(kept, sha256):
            return "found by an earlier repair", ""
        why: list[str] = []
        for place, opened in self._places(sha256):
            try:
                with opened() as content:
                    if _copied(content, kept, sha256):
                        return f"fetched from {place}", ""
                why.append(f"{place} has another content in its place")
            except (AipstreamError, ValueError, OSError) as error:
                why.append(f"{place}: {error}")
        return "", "; ".join(dict.fromkeys(why[:5])) or "nothing says where it was"

    def _replace(self, sha256: str, good: Path) -> None:
        """Steps 2 to 4."""
        if self.blobs.has(sha256):
            self._aside(sha256)
            self.blobs.delete([sha256])
        failpoint("repair.aside")
        with good.open("rb") as content:
            self.blobs.put(content)
        self.blobs.flush()
        self.blobs.verify(sha256)
        good.unlink()

    def _aside(self, sha256: str) -> None:
        """What can be read of the damaged one."""
        try:
            with beneath(self.blobs).open(sha256) as content, (self.folder / f"{sha256}.damaged").open("wb") as aside:
                shutil.copyfileobj(content, aside, CHUNK)
        except (StorageUnusable, OSError) as error:
            if unreadable(error) is None:
                raise

    # --- where it may be ------------------------------------------------------------------------------------------

    def _places(self, sha256: str) -> Iterator[Opened]:
        if self.copy is not None:
            yield "the copy", partial(self.copy.open, sha256)
        places = list(dict.fromkeys(self._named(sha256)))
        if self.config.source is not None:
            store = Assetstore(stores_of(self.config.source))
            for place in places:
                yield "the source", partial(store.open, place.internal_id, place.store_number)
            for internal_id, number in self._remembered(sha256):
                yield "the source", partial(store.open, internal_id, number)
        target = self.config.target
        if target is not None and target.driver == "native":
            for bitstream in dict.fromkeys(place.bitstream for place in places):
                yield "the target", partial(self._on_target, bitstream)

    def _named(self, sha256: str) -> Iterator[Place]:
        """By the documents of events that need it."""
        for one in self.books.affected(sha256, MOST_TRIED):
            for position in {one.first, one.last}:
                found = next(iter(self.inspecting.walk(position - 1, position)), None)
                if found is None or found.record is None or not found.record.event.payload:
                    continue
                try:
                    aip = read(decompress(found.record.event.payload))
                except (ValueError, InvalidAip):
                    continue
                for row in aip.stored:
                    if row.sha256 == sha256 and row.internal_id:
                        yield Place(row.uuid, row.internal_id, row.store_number)

    def _remembered(self, sha256: str) -> list[tuple[str, int]]:
        """By what the capture remembers of files that it has read; in the store that the database names, else in 0."""
        if self._known is None:
            self._known = {}
            wanted = {one.content for one in self.books.damages() if one.content}
            if state_path(self.config).exists():
                with closing(state_of(self.config)) as state:
                    for key, name in state.contents():
                        if name in wanted:
                            self._known.setdefault(name, []).append((key.internal_id, 0))
        found = self._known.get(sha256, [])
        if found and self.config.source is not None:
            with (
                suppress(AipstreamError, psycopg2.Error),
                closing(connect(self.config.source.dsn, "source")) as source,
                source.cursor() as cursor,
            ):
                for place, (internal_id, _) in enumerate(found):
                    cursor.execute(_STORE, [internal_id])
                    found[place] = (internal_id, (cursor.fetchone() or (0,))[0])
        return found

    def _on_target(self, bitstream: str) -> BinaryIO:
        target = self.config.need_target()
        with closing(connect(target.dsn, "target", readonly=True)) as connection, connection.cursor() as cursor:
            cursor.execute(_INTERNAL, [bitstream])
            row = cursor.fetchone()
        if row is None or not row[0]:
            raise BlobMissing(f"the target has no bitstream {bitstream}")
        return (Path(target.assetstore) / relative_path(row[0])).open("rb")


def _is(path: Path, sha256: str) -> bool:
    """Whether that file is there and holds that content."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as content:
            while chunk := content.read(CHUNK):
                found.update(chunk)
    except FileNotFoundError:
        return False
    return found.hexdigest() == sha256


def _copied(content: BinaryIO, into: Path, sha256: str) -> bool:
    """Copy a content, durably, if it is the one of that name; else leave nothing."""
    part = into.with_name(f"{into.name}.part")
    found = hashlib.sha256()
    try:
        with part.open("wb") as file:
            while chunk := content.read(CHUNK):
                found.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if found.hexdigest() != sha256:
            return False
        part.rename(into)
    finally:
        part.unlink(missing_ok=True)
    return True
