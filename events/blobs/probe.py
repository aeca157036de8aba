"""What a bucket lets us do, found out with an object that is removed again.

Invariant: nothing of a blob is touched; whatever fails, the object of the probe is deleted if that is allowed.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from typing import Final

from events.blobs import Finding
from events.blobs.bucket import Bucket
from events.errors import StorageUnusable

TEXT: Final = b"aipstream tries whether it may write here"

_CONDITIONAL: Final = (
    "Two processes that store the same content at the same moment write it twice, which is harmless. Servers that know "
    "If-None-Match: AWS, MinIO, Ceph since 19, s3proxy."
)
_VERSIONS: Final = (
    "What retention deletes stays as an older version and is paid for. Give the bucket a lifecycle rule for noncurrent "
    "versions, or leave it so if it is meant as a safeguard."
)
_HTTPS: Final = "Use an https:// endpoint, or a network that is yours alone."


def probe(bucket: Bucket) -> Iterator[Finding]:
    """Write, write again, read, list and delete; the first refusal is the last finding."""
    key = f"probe/{secrets.token_hex(8)}"
    done = "written"
    try:
        bucket.put(key, io.BytesIO(TEXT), len(TEXT), create=True)
        again = bucket.put(key, io.BytesIO(TEXT), len(TEXT), create=True)
        done = "read"
        found = bucket.get(key, 0, 1000)
        if found is None or bytes(found[0]) != TEXT:
            yield Finding(False, f"{bucket.place}: an object that was just written reads differently", _CONDITIONAL)
            return
        done = "listed"
        listed = [each.key for each in bucket.list("probe")]
        done = "overwritten"
        kept = bucket.keeps_versions(key, TEXT)
        done = "deleted"
        bucket.delete([key])
        gone = bucket.head(key) is None
    except StorageUnusable as error:
        if done != "written":
            _remove(bucket, key)
        yield Finding(False, f"objects in {bucket.place} cannot be {done}: {error}", error.hint)
        return
    yield Finding(True, f"objects in {bucket.place} can be written, read, listed and deleted")
    if key not in listed or not gone:
        yield Finding(False, f"{bucket.place} shows what was just written or deleted only later", _LATE)
    if again:
        yield Finding(False, f"{bucket.place} does not know conditional writes", _CONDITIONAL, needed=False)
    if kept:
        yield Finding(False, f"{bucket.place} keeps versions", _VERSIONS, needed=False)
    if bucket.plain_http:
        yield Finding(False, f"{bucket.place}: contents travel unencrypted", _HTTPS, needed=False)


_LATE: Final = "A blob store needs a server that is consistent at once, as S3 is since 2020."


def _remove(bucket: Bucket, key: str) -> None:
    try:
        bucket.delete([key])
    except StorageUnusable:
        return
