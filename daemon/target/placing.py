"""The files of a batch: those of bitstreams that are new, or whose content is another.

Invariants:

* What the target holds already, in the right size and under the right checksum, is not read again.
* Files are durable before the transaction that names them commits. A few small ones may be written while its rows are
  (`beside`); if one of them fails, the transaction does not commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from daemon.dspace.connect import Connection
from daemon.failpoint import failpoint
from daemon.target.files import Assetstore, Wanted, contents
from events.aip.model import Aip, Uuid
from events.blobs import Blobs, Distant

BESIDE_BYTES: Final = 64 * 1024 * 1024
"""Contents that are written beside the rows at most. For more, rows would be locked for longer than DSpace likes."""

_PRESENT: Final = "SELECT uuid::text, checksum, size_bytes, internal_id FROM bitstream WHERE uuid = ANY (%s::uuid[])"


class FilesFailed(Exception):
    """A content could not be placed while rows were written that name it."""


class Placing:
    """The files of one batch. `names` is the internal id of each bitstream for which one is to be placed."""

    def __init__(self, connection: Connection, assetstore: Assetstore, blobs: Blobs, puts: Sequence[Aip]) -> None:
        """Raises TargetUnreachable."""
        self._assetstore, self._blobs = assetstore, blobs
        self._owners: dict[Uuid, Uuid] = {}
        wanted: list[Wanted] = []
        present = _present(connection, [row.uuid for aip in puts for row in aip.bitstreams])
        for aip in puts:
            for want in contents(aip):
                self._owners[want.bitstream] = aip.uuid
                checksum, size, internal_id = present.get(want.bitstream, (None, -1, None))
                if (checksum, size) != (want.md5, want.size) or not assetstore.holds(internal_id, size):
                    wanted.append(want)
        self.names, self._fresh = assetstore.named(wanted)

    @property
    def quick(self) -> bool:
        """Whether the files are at hand, and little enough to be written beside the rows."""
        size = sum(file.group[0].size for file in self._fresh)
        return bool(self._fresh) and size <= BESIDE_BYTES and not isinstance(self._blobs, Distant)

    def place(self) -> dict[Uuid, Exception]:
        """Write them; returns the objects whose files failed, which then have no name. Raises as `Assetstore.fill`."""
        failed = self._fill()
        for bitstream in failed:
            del self.names[bitstream]
        return {self._owners[bitstream]: error for bitstream, error in failed.items()}

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Write them while the caller is at the rows; both are done in the end. Raises FilesFailed, and as `place`."""
        with ThreadPoolExecutor(1, thread_name_prefix="place") as pool:
            filling = pool.submit(self._fill)
            yield
        if filling.result():
            raise FilesFailed

    def _fill(self) -> dict[Uuid, Exception]:
        failed = self._assetstore.fill(self._fresh, self._blobs) if self._fresh else {}
        failpoint("replay.files")
        return failed


def _present(connection: Connection, uuids: Sequence[Uuid]) -> dict[Uuid, tuple[str | None, int, str | None]]:
    if not uuids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT, [list(uuids)])
        return {uuid: (checksum, size, internal_id) for uuid, checksum, size, internal_id in cursor}
