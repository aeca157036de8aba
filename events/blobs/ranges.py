"""An object in a bucket as a file for reading: it is asked for in ranges, so a cut connection costs one of them.

Invariant: all bytes are of one and the same object: if it is replaced meanwhile, reading stops with an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from events.blobs.bucket import COPYABLE, Bucket, Object, Replaced
from events.blobs.seekable import Seekable
from events.errors import BlobMissing, StorageUnusable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

RANGE: Final = 8 << 20
"""Bytes asked for at once, so the most that an open file holds in memory."""


class Ranges(Seekable):
    """The content of `key`. `first` are its first bytes, if they were read already."""

    def __init__(self, bucket: Bucket, key: str, found: Object, first: memoryview | None = None) -> None:
        super().__init__(found.size)
        self._bucket = bucket
        self._found = found
        self._key = key
        self._start, self._held = 0, first if first is not None else memoryview(b"")

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some of the next bytes. Raises StorageUnusable, and BlobMissing if the object was deleted meanwhile."""
        if self._at >= self._size:
            return 0
        if not self._start <= self._at < self._start + len(self._held):
            self._fetch()
        offset = self._at - self._start
        with memoryview(buffer).cast("B") as into:
            some = self._held[offset : offset + len(into)]
            into[: len(some)] = some
        self._at += len(some)
        return len(some)

    def _fetch(self) -> None:
        self._held = memoryview(b"")
        try:
            answer = self._bucket.get(self._key, self._at, RANGE, self._found.e_tag)
        except Replaced as error:
            raise StorageUnusable(
                f"the object store {self._bucket.place}: {self._key} was replaced while it was read",
                "Somebody stored it anew just now. Start again.",
            ) from error
        if answer is None or not answer[0]:
            raise BlobMissing(f"{self._key} in {self._bucket.place} was deleted while it was read")
        self._start, self._held = self._at, answer[0]


def copy(bucket: Bucket, key: str, to: str, size: int) -> bool:
    """Copy an object of so many bytes within the bucket; False if there is none. One too large for the server's own
    copying goes through here.
    """
    if size <= COPYABLE:
        return bucket.copy(key, to, size)
    first = bucket.get(key, 0, 1)
    if first is None:
        return False
    with Ranges(bucket, key, first[1]) as content:
        return bucket.put(to, content, size)
