"""The files of a batch, placed before its rows: those of bitstreams that are new, or whose content is another.

Invariant: what the target holds already, in the right size and under the right checksum, is not read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from daemon.dspace.connect import Connection
from daemon.target.files import Assetstore, Wanted, contents
from events.aip.model import Aip, Uuid
from events.blobs import Blobs

_PRESENT: Final = "SELECT uuid::text, checksum, size_bytes, internal_id FROM bitstream WHERE uuid = ANY (%s::uuid[])"


def place(
    connection: Connection, assetstore: Assetstore, blobs: Blobs, puts: Sequence[Aip]
) -> tuple[dict[Uuid, str], dict[Uuid, Exception]]:
    """Place them; returns the internal id of each bitstream that was placed, and the objects whose files failed."""
    owners: dict[Uuid, Uuid] = {}
    wanted: list[Wanted] = []
    present = _present(connection, [row.uuid for aip in puts for row in aip.bitstreams])
    for aip in puts:
        for want in contents(aip):
            owners[want.bitstream] = aip.uuid
            checksum, size, internal_id = present.get(want.bitstream, (None, -1, None))
            if (checksum, size) != (want.md5, want.size) or not assetstore.holds(internal_id, size):
                wanted.append(want)
    placed, failed = assetstore.place(wanted, blobs)
    return placed, {owners[bitstream]: error for bitstream, error in failed.items()}


def _present(connection: Connection, uuids: Sequence[Uuid]) -> dict[Uuid, tuple[str | None, int, str | None]]:
    if not uuids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT, [list(uuids)])
        return {uuid: (checksum, size, internal_id) for uuid, checksum, size, internal_id in cursor}
