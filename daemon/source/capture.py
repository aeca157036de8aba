"""Objects into events: what was read in one snapshot, with its contents taken into the blob store.

Invariant: nothing here is remembered and nothing is appended. A capture that is thrown away leaves contents in the blob
store that nobody names, and can be done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from daemon.dspace import snapshot
from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
from daemon.source import Touched, assetstore
from daemon.source.assetstore import SourceFiles
from daemon.source.state import FileKey, Parked, State
from events.aip import write
from events.aip.model import Aip, BitstreamRow, Kind, Stored, Uuid
from events.blobs import Blobs, Digests
from events.blobs.together import together
from events.errors import AipstreamError, BlobMissing, ChecksumMismatch
from events.event import Event, Type, compress

MOST_OBJECTS: Final = 500
MOST_ROWS: Final = 40_000
"""A slice holds no more objects than that, and no more rows unless one object alone has more."""

THREADS: Final = 4
LARGE: Final = 4 * 1024 * 1024
"""Contents of more bytes in all are read by several threads: hashing lets go of the interpreter, small files do not."""


@dataclass
class Captured:
    """What came of a slice: events in order, contents that are new to the state, and what has to wait."""

    events: list[Event] = field(default_factory=list)
    files: dict[FileKey, str] = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)
    blobs: int = 0
    blob_bytes: int = 0
    unchanged: int = 0

    def add(self, other: Captured) -> None:
        """Take over another slice."""
        self.events += other.events
        self.files.update(other.files)
        self.parked += other.parked
        self.blobs += other.blobs
        self.blob_bytes += other.blob_bytes
        self.unchanged += other.unchanged


def slices(digests: Mapping[Uuid, str]) -> Iterator[dict[Uuid, str]]:
    """The objects in slices that fit into memory, in their order. The first number of a digest counts the rows."""
    some: dict[Uuid, str] = {}
    rows = 0
    for uuid, digest in digests.items():
        more = int(digest.partition("-")[0])
        if some and (len(some) >= MOST_OBJECTS or rows + more > MOST_ROWS):
            yield some
            some, rows = {}, 0
        some[uuid] = digest
        rows += more
    if some:
        yield some


def parents(aip: Aip) -> tuple[Uuid, ...]:
    """The containers of an object: of an item its owning collection first, then those it is mapped into."""
    own = [row.owning_collection for row in aip.items if row.uuid == aip.uuid and row.owning_collection]
    others = sorted(row.other for row in aip.parents if row.subject == aip.uuid)
    places = [draft.collection for draft in aip.drafts] + [task.collection for task in aip.workflow]
    others += [uuid for uuid in places if uuid]
    return tuple(dict.fromkeys(own + others))


class Capture:
    """Makes events of objects. `source` is the identity of the repository; the state is only asked for known files."""

    def __init__(self, blobs: Blobs, state: State, files: SourceFiles, options: Options, source: str) -> None:
        self.blobs = blobs
        self.state = state
        self.files = files
        self.options = options
        self.source = source

    def __call__(
        self, connection: Connection, kind: Kind, digests: Mapping[Uuid, str], touched: Mapping[Uuid, Touched]
    ) -> Captured:
        """The events of those objects of one slice, in the order of `digests`; contents are put and not flushed.

        An object whose contents are missing or differ, or that cannot be written, is in `parked`. Raises psycopg2's
        errors, StorageUnusable.
        """
        done = Captured()
        found = snapshot.read(connection, kind, list(digests), self.options)
        contents = self._contents(found, done)
        for uuid, digest in digests.items():
            aip = found.get(uuid)
            if aip is None:
                continue
            try:
                done.events.append(self._event(aip, digest, touched[uuid], contents))
            except (AipstreamError, ValueError) as error:
                done.parked.append(Parked(kind, uuid, digest, type(error).__name__, str(error)))
            found[uuid] = Aip(kind=kind, uuid=uuid)  # its rows are not needed any more
        return done

    def _event(self, aip: Aip, digest: str, touched: Touched, contents: Mapping[Stored, str | AipstreamError]) -> Event:
        stored = []
        for row in aip.stored:
            sha256 = contents[row]
            if not isinstance(sha256, str):
                raise _named(sha256, aip, row)
            stored.append(Stored(row.uuid, row.internal_id, row.store_number, sha256))
        aip.stored = stored
        return Event(
            source=self.source,
            lsn=touched.lsn,
            uuid=aip.uuid,
            kind=aip.kind,
            type=Type.PUT,
            commit_time=touched.commit_time,
            xid=touched.xid,
            digest=digest,
            handle=aip.handle,
            parents=parents(aip),
            blobs=tuple(sorted({row.sha256 for row in stored if row.sha256})),
            payload=compress(write(aip)),
        )

    def _contents(self, found: Mapping[Uuid, Aip], done: Captured) -> dict[Stored, str | AipstreamError]:
        """The SHA-256 of each content that those objects need, or why there is none."""
        rows: dict[FileKey, list[Stored]] = {}
        sizes: dict[FileKey, BitstreamRow] = {}
        for aip in found.values():
            bitstreams = {row.uuid: row for row in aip.bitstreams}
            for row in aip.stored:
                bitstream = bitstreams[row.uuid]
                key = FileKey(row.internal_id or "", bitstream.checksum or "", bitstream.size)
                rows.setdefault(key, []).append(row)
                sizes[key] = bitstream
        if not rows:
            return {}
        seen = self.state.files(rows)
        there = together(self.blobs, self.blobs.has, seen.values())
        known = {key: sha256 for (key, sha256), has in zip(seen.items(), there, strict=True) if has}
        contents: dict[Stored, str | AipstreamError] = {}
        new = [key for key in rows if key not in known]
        for key, taken in zip(new, self._take([(rows[key][0], sizes[key]) for key in new]), strict=True):
            if isinstance(taken, Digests):
                known[key] = done.files[key] = taken.sha256
                done.blobs += 1
                done.blob_bytes += taken.size
            else:
                contents.update(dict.fromkeys(rows[key], taken))
        for key, sha256 in known.items():
            contents.update(dict.fromkeys(rows[key], sha256))
        return contents

    def _take(self, wanted: Sequence[tuple[Stored, BitstreamRow]]) -> list[Digests | AipstreamError]:
        if len(wanted) > 1 and sum(bitstream.size for _, bitstream in wanted) > LARGE:
            with ThreadPoolExecutor(THREADS) as threads:
                return list(threads.map(self._take_one, wanted))
        return [self._take_one(one) for one in wanted]

    def _take_one(self, wanted: tuple[Stored, BitstreamRow]) -> Digests | AipstreamError:
        row, bitstream = wanted
        try:
            return assetstore.capture(
                self.files,
                self.blobs,
                row.internal_id or "",
                row.store_number,
                size=bitstream.size,
                checksum=bitstream.checksum,
                algorithm=bitstream.checksum_algorithm,
            )
        except (BlobMissing, ChecksumMismatch) as error:
            return error


def _named(error: AipstreamError, aip: Aip, row: Stored) -> AipstreamError:
    """The error, with the name of the bitstream and of the object in front."""
    handle = f" ({aip.handle})" if aip.handle else ""
    return type(error)(f"bitstream {row.uuid} of {aip.kind.value} {aip.uuid}{handle}: {error}", error.hint)
