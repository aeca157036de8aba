"""The blob store in a bucket: `ab/cd/<sha256>` below a prefix, as in a local folder, and `store.json`, which says so.

Invariants:

* An object appears under its SHA-256 whole or not at all; a process killed in an upload leaves nothing to be seen.
* `put` gives the content to a thread that uploads it; `flush` returns when all of them have, so what is flushed is in
  the bucket. A content that is there is not sent again.
* A blob that is put aside lies in `quarantine/<sha256>/<token>`, each time under a token of its own: copied first and
  deleted in its place last. Whoever brings it back leaves that copy, and `quarantined` removes it when it is a day old.
  So a deletion that comes late, or is sent twice because its answer was lost, deletes nothing for good.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import IO, BinaryIO, Final, TypeVar, cast

from events.blobs import Digests, Finding
from events.blobs.bucket import Bucket, Object, Patience
from events.blobs.content import CHUNK, Hashing, chunks, digests_of, place_of
from events.blobs.probe import probe
from events.blobs.ranges import RANGE, Ranges, copy
from events.blobs.together import together
from events.blobs.uploads import AT_ONCE, Uploads
from events.errors import BlobMissing, ChecksumMismatch, ConfigError, StorageUnusable

STORE: Final = "store.json"
FORMAT: Final = 1
QUARANTINE: Final = "quarantine"

ASIDE_SECONDS: Final = 86_400
"""A copy in quarantine of a blob that is in its place is taken for a leftover when it is so old."""
MISSED: Final = 1
"""Looks into quarantine in vain after which the next one into the place decides."""
LOOKS: Final = 8
LOOK_SECONDS: Final = 60
"""How long it is believed that nothing is in quarantine; for uploads only."""

T = TypeVar("T")

_BLOB: Final = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{64})")
_ASIDE: Final = re.compile(rf"{QUARANTINE}/([0-9a-f]{{64}})/[0-9a-f]+")


class ObjectBlobs:
    """Blobs in a bucket; see `events.blobs.Blobs`. Threads and processes may put and read side by side."""

    at_once = AT_ONCE

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._uploads = Uploads()
        self._lock = threading.Lock()
        self._looked, self._aside = 0.0, True
        self._encrypted = False

    @classmethod
    def from_url(cls, url: str, *, create: bool = False, seconds: float | None = None) -> ObjectBlobs:
        """The store in that bucket below that prefix; `create` makes it. Raises ConfigError if there is none,
        StorageUnusable if the bucket cannot be used.
        """
        store = cls(Bucket(url, None if seconds is None else Patience(seconds, 1, ())))
        if create:
            text = json.dumps({"aipstream": "blobs", "format": FORMAT}).encode()
            store.bucket.put(STORE, io.BytesIO(text), len(text), create=True)
        store._known()
        return store

    def _known(self) -> None:
        """That this is a blob store of a format that is known."""
        found = self.bucket.get(STORE, 0, CHUNK)
        if found is None:
            raise ConfigError(
                f"[blobs] url: there is no blob store in {self.bucket.place}", "`aipstream init` makes it."
            )
        try:
            says = json.loads(bytes(found[0]))
            known = says["aipstream"] == "blobs" and says["format"] == FORMAT
            self._encrypted = bool(says.get("encrypted"))
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise ConfigError(
                f"[blobs] url: {STORE} in {self.bucket.place} is not one that this version knows",
                "Use the aipstream that made the store, or a newer one, or another prefix. Nothing was touched.",
            )

    def put(self, content: BinaryIO) -> Digests:
        """Take in a content and begin to send it. Errors of reading `content` go through as they are."""
        self._refuse_if_failed()
        hashing, spool = Hashing(), self.spool()
        try:
            for chunk in chunks(content):
                hashing.update(chunk)
                _write(spool, chunk)
            digests = hashing.digests()
            self.keep(digests.sha256, spool, lambda size: size == digests.size)
        except BaseException:
            spool.close()
            raise
        return digests

    def spool(self) -> IO[bytes]:
        """Room for a content on its way: in memory up to `CHUNK` bytes, then a temporary file without a name."""
        return cast("IO[bytes]", tempfile.SpooledTemporaryFile(CHUNK))

    def keep(self, sha256: str, spool: IO[bytes], stands: Callable[[int], bool]) -> None:
        """Upload the spool under that name, unless what is there `stands`; it is there after the next `flush`."""
        size = spool.seek(0, io.SEEK_END)

        def upload() -> None:
            with spool:
                self._store(sha256, spool, size, stands)

        if not self._uploads.submit(sha256, upload, large=size > CHUNK):
            spool.close()

    def _store(self, sha256: str, spool: IO[bytes], size: int, stands: Callable[[int], bool]) -> None:
        key = place_of(sha256)
        held = self.bucket.head(key)
        if held is None and self._may_be_aside():
            held = self._sought(sha256, lambda: self.bucket.head(key))
        while held is None or not stands(held.size):
            if self.bucket.put(key, spool, size, create=held is None):
                return
            held = self.bucket.head(key)  # somebody else's, sent meanwhile

    def peek(self, sha256: str, length: int) -> tuple[bytes, int]:
        """The first bytes, and how many there are. Raises BlobMissing."""
        key = place_of(sha256)
        first = self._sought(sha256, lambda: self.bucket.get(key, 0, length))
        if first is None:
            raise self._missing(sha256)
        return bytes(first[0]), first[1].size

    def marked(self) -> bool:
        """Whether `store.json` says that the blobs are encrypted."""
        return self._encrypted

    def mark(self) -> None:
        """Write that there."""
        text = json.dumps({"aipstream": "blobs", "format": FORMAT, "encrypted": True}).encode()
        self.bucket.put(STORE, io.BytesIO(text), len(text))
        self._encrypted = True

    def flush(self) -> None:
        """Wait for the uploads. Raises StorageUnusable, and then on every later call too: open the store anew and put
        again, for another thread's puts may have been among what failed.
        """
        try:
            self._uploads.wait()
        except StorageUnusable:
            raise
        except OSError as error:
            raise _no_room(error) from error

    def _refuse_if_failed(self) -> None:
        if self._uploads.failed is not None:
            raise StorageUnusable(
                f"the blob store was given up after an error: {self._uploads.failed}",
                getattr(self._uploads.failed, "hint", None),
            )

    def open(self, sha256: str) -> BinaryIO:
        """The content, read in ranges. Raises BlobMissing."""
        key = place_of(sha256)
        first = self._sought(sha256, lambda: self.bucket.get(key, 0, RANGE))
        if first is None:
            raise self._missing(sha256)
        return io.BufferedReader(Ranges(self.bucket, key, first[1], first[0]))

    def has(self, sha256: str) -> bool:
        """Whether the blob is in its place, or comes back to it out of quarantine."""
        key = place_of(sha256)
        return self._sought(sha256, lambda: self.bucket.head(key)) is not None

    def size(self, sha256: str) -> int:
        """Bytes. Raises BlobMissing."""
        key = place_of(sha256)
        found = self._sought(sha256, lambda: self.bucket.head(key))
        if found is None:
            raise self._missing(sha256)
        return found.size

    def list(self) -> Iterator[str]:
        """All that is in place, page by page."""
        for each in self.bucket.list():
            match = _BLOB.fullmatch(each.key)
            if match and match[3].startswith(match[1] + match[2]):
                yield match[3]

    def delete(self, names: Iterable[str]) -> None:
        """Delete the objects. One that was put and not flushed may come yet."""
        self.bucket.delete(map(place_of, names))

    def verify(self, sha256: str) -> Digests:
        """Read it all. Raises BlobMissing or ChecksumMismatch."""
        with self.open(sha256) as content:
            found = digests_of(content)
        if found.sha256 != sha256:
            raise ChecksumMismatch(
                f"the blob {sha256} in {self.bucket.place} holds {found.size} bytes of {found.sha256}"
            )
        return found

    def quarantine(self, names: Iterable[str]) -> int:
        """Put blobs aside; see `events.blobs.Sweeping`."""
        return sum(together(self, self._put_aside, dict.fromkeys(names)))

    def _put_aside(self, sha256: str) -> int:
        key = place_of(sha256)
        found = self.bucket.head(key)
        if found is None:
            return 0
        self._aside = True
        if not copy(self.bucket, key, f"{QUARANTINE}/{sha256}/{secrets.token_hex(8)}", found.size):
            return 0
        self.bucket.delete([key])
        return found.size

    def quarantined(self) -> Iterator[tuple[str, float]]:
        """What is put aside, with the seconds since then. Copies of what is in its place again are removed in time."""
        now = datetime.now(UTC)

        def looked(copies: tuple[str, list[Object]]) -> tuple[str, float, list[str]]:
            sha256, found = copies
            seconds = min((now - each.modified).total_seconds() for each in found)
            back = self.bucket.head(place_of(sha256)) is not None
            return sha256, seconds, [each.key for each in found] if back else []

        groups = groupby(self._copies(), lambda pair: pair[0])
        for sha256, seconds, back in together(self, looked, ((name, [c for _, c in some]) for name, some in groups)):
            if not back:
                yield sha256, max(seconds, 0.0)
            elif seconds > ASIDE_SECONDS:
                self.bucket.delete(back)

    def purge(self, names: Iterable[str]) -> int:
        """Delete for good what is put aside."""
        return sum(together(self, self._purged, dict.fromkeys(names)))

    def _purged(self, sha256: str) -> int:
        place_of(sha256)
        copies = [found for _, found in self._copies(sha256)]
        self.bucket.delete(found.key for found in copies)
        return max((found.size for found in copies), default=0)

    def probe(self) -> Iterator[Finding]:
        """Try what the work needs; see `events.blobs.Probing`."""
        return probe(self.bucket)

    def close(self) -> None:
        """Give up what was not flushed."""
        self._uploads.close()

    def _copies(self, sha256: str = "") -> Iterator[tuple[str, Object]]:
        for found in self.bucket.list(f"{QUARANTINE}/{sha256}" if sha256 else QUARANTINE):
            match = _ASIDE.fullmatch(found.key)
            if match:
                yield match[1], found

    def _sought(self, sha256: str, ask: Callable[[], T | None]) -> T | None:
        """What `ask` says of the blob in its place, to which it is brought back if it is aside. It is gone only if it
        was in neither, and not in its place after that: another may bring it back between our two looks.
        """
        missed = 0
        for _ in range(LOOKS):
            found = ask()
            if found is not None or missed == MISSED:
                return found
            missed = 0 if self._rescued(sha256) else missed + 1
        return None

    def _rescued(self, sha256: str) -> bool:
        """Bring a blob back to its place; whether it was seen aside. The copy stays: see above."""
        copies = [found for _, found in self._copies(sha256)]
        for found in copies:
            if copy(self.bucket, found.key, place_of(sha256), found.size):
                break
        return bool(copies)

    def _may_be_aside(self) -> bool:
        """Whether anything is in quarantine at all, as it was a minute ago. If that is wrong, an upload too many is
        made, and `quarantined` removes what is left over.
        """
        with self._lock:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._looked = time.monotonic()
                self._aside = next(self._copies(), None) is not None
            return self._aside

    def _missing(self, sha256: str) -> BlobMissing:
        return BlobMissing(f"there is no blob {sha256} in {self.bucket.place}")


def _write(spool: IO[bytes], chunk: bytes) -> None:
    try:
        spool.write(chunk)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> StorageUnusable:
    return StorageUnusable(
        f"a content on its way to the object store cannot be kept in {tempfile.gettempdir()}: "
        f"{error.strerror or error}",
        "Large files are kept there until they are sent. Free space, or set TMPDIR to a folder on another disk.",
    )
