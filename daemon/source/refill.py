"""Contents that the blob store has lost are taken from the source again, as far as it still has them.

Invariant: what is put under a SHA-256 has that SHA-256. An event is not emitted for it: no object has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import structlog

from daemon.dspace.connect import Connection
from daemon.source import assetstore
from daemon.source.assetstore import SourceFiles
from daemon.source.emitter import snapshot_of
from daemon.source.state import FileKey, State
from events.blobs import Blobs
from events.blobs.together import together
from events.errors import BlobMissing, ChecksumMismatch

logger = structlog.get_logger(__name__)

FLUSH: Final = 500
"""Contents that are made durable at once."""

_WHERE: Final = """
    SELECT store_number, checksum_algorithm FROM bitstream
    WHERE internal_id = %s AND coalesce(checksum, '') = %s AND size_bytes = %s AND NOT deleted LIMIT 1"""


def lost(state: State, blobs: Blobs) -> Iterator[tuple[FileKey, str]]:
    """The contents that were read once and are not in the store, each with its SHA-256."""
    look = together(blobs, lambda content: (content, blobs.has(content[1])), state.contents())
    return (content for content, there in look if not there)


def refill(connection: Connection, state: State, blobs: Blobs, files: SourceFiles) -> int:
    """Take them again; how many were. One that the source has no more, or not as it was, is left out.

    Raises SourceUnreachable, StorageUnusable.
    """
    taken = 0
    with snapshot_of(connection), connection.cursor() as cursor:
        for key, sha256 in lost(state, blobs):
            cursor.execute(_WHERE, key)
            row = cursor.fetchone()
            if row is None:
                continue  # no bitstream has it any more; an event of the past may
            try:
                digests = assetstore.capture(
                    files, blobs, key.internal_id, row[0], size=key.size, checksum=key.checksum, algorithm=row[1]
                )
            except (BlobMissing, ChecksumMismatch) as error:
                logger.warning("blob.lost", sha256=sha256, reason=str(error))
                continue
            taken += digests.sha256 == sha256
            if taken % FLUSH == 0:
                blobs.flush()
    blobs.flush()
    return taken
