"""Packages straight into the database of a target, without a log.

Invariants:

* The replayer's lock is held, so no replay runs at the same time; the position and the digests of the ledger are left
  as they are. For a later replay the import is an edit of the target behind its back.
* Files first, rows last: what a package needs is in the assetstore before the transaction that names it commits.
* A package is written whole or not at all. Many go into one transaction; one that is refused is found by halving.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, cast

import psycopg2
import psycopg2.errors

from daemon.dspace import sequences, version
from daemon.dspace.connect import connect, unreachable
from daemon.dspace.facets import Options
from daemon.failpoint import failpoint
from daemon.importing.destination import Opener, Refused
from daemon.importing.into_log import completed
from daemon.importing.overlay import Put
from daemon.importing.refusals import ParentMissing
from daemon.importing.target_known import TargetKnown
from daemon.losses import Loss
from daemon.target import batch, ledger, reindex
from daemon.target.files import Assetstore, Wanted, contents
from daemon.target.native import missing_parents, write
from events.aip.model import Aip, Kind, Uuid
from events.blobs import Blobs, Digests
from events.errors import AipstreamError, BlobMissing, PreconditionError, StorageUnusable, TargetUnreachable
from events.event import Event, Type
from events.instants import now

_CHUNK: Final = 1 << 20
_ATTEMPTS: Final = 5
_RETRIED: Final = (
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.LockNotAvailable,
)

_HELD: Final = "SELECT uuid::text, checksum, size_bytes, internal_id FROM bitstream WHERE uuid = ANY (%s::uuid[])"

_PREFIX: Final = """
    SELECT regexp_replace(h.handle, '/0$', '') FROM handle h JOIN site s ON s.uuid = h.resource_id
    WHERE h.handle LIKE '%%/0' ORDER BY h.handle_id LIMIT 1"""


class TargetDestination(TargetKnown):
    """A target's database and assetstore.

    `blobs` has contents that packages lack; with `index` what is written is noted in `aipstream.reindex`.
    """

    def __init__(
        self,
        dsn: str,
        assetstore: Path,
        blobs: Blobs | None = None,
        *,
        passwords: bool = False,
        index: bool = False,
        prefix: str | None = None,
        dry_run: bool = False,
    ) -> None:
        self.blobs = blobs
        self.index = index
        self.prefix = prefix
        self.dry_run = dry_run
        connection = connect(dsn, "target", readonly=dry_run)
        try:
            repository = version.probe(connection)
            super().__init__(dsn, connection, Options(repository.has_security_level, False, passwords, False))
            self._writing = self._reading._replace(aliased=True)
            self.assetstore = Assetstore(assetstore)
            if not dry_run:
                ledger.create(self.connection)
                self.connection.commit()
                ledger.lock(self.connection)
                ledger.fence(self.connection)
                sequences.advance(self.connection)
                self.connection.commit()
                self.assetstore.clear()
        except BaseException:
            connection.close()
            raise
        self._losses: list[Loss] = []
        self._unmet: dict[tuple[Uuid, Kind, str | None], set[Uuid]] = {}

    def mint(self) -> str:
        """As DSpace does it: its own prefix, and the next of `handle_seq` that is free."""
        if self.prefix is None:
            rows = self._rows(_PREFIX)
            if not rows:
                raise PreconditionError(
                    "[target] its site has no handle, so the prefix of new ones is not known",
                    "Name it: --handle-prefix 123456789.",
                )
            self.prefix = rows[0][0]
        if self.dry_run:
            return f"{self.prefix}/(new)"
        while True:
            number = self._rows("SELECT nextval('handle_seq')")[0][0]
            handle = f"{self.prefix}/{number}"
            if not self._rows("SELECT FROM handle WHERE handle = %s", [handle]) and handle not in self._overlay.handles:
                return handle

    def take(self, content: BinaryIO) -> Digests:
        """Read through; it is read again when the file is made."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        while chunk := content.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
        return Digests(sha256.hexdigest(), md5.hexdigest(), size)

    def has(self, sha256: str) -> int | None:
        """Whether the blob store has it."""
        return self.blobs.size(sha256) if self.blobs is not None and self.blobs.has(sha256) else None

    def put(self, aips: Sequence[Aip], opener: Opener) -> None:
        """Keep them until `flush`."""
        for aip in aips:
            if aip.kind is Kind.REGISTRY:
                self._registry_read = self.registry().more(aip)
        self._overlay.add(aips, opener)

    def delete(self, objects: Sequence[tuple[Kind, Uuid]]) -> None:
        """In one transaction."""
        self.flush()
        if self.dry_run or not objects:
            return
        deleted = [
            Event(source="", lsn=0, uuid=uuid, kind=kind, type=Type.DELETE, commit_time="") for kind, uuid in objects
        ]
        shapes = reindex.before(self.connection, [], objects) if self.index else None
        write(self.connection, [], list(objects), self._writing, {})
        if shapes is not None:
            reindex.note(self.connection, shapes, [], deleted)
        self.connection.commit()
        for _, uuid in objects:
            self._kinds.pop(uuid, None)

    def flush(self) -> list[Refused]:
        """One transaction for all of it, or for each half if something in it is refused."""
        if self.dry_run:
            self._overlay.written(pretended=True)
            return []
        puts = self._overlay.written()
        refused = self._written(puts) if puts else []
        if refused:
            self._registry_read = None  # what they would have added is not there
        return refused

    def _written(self, puts: Sequence[Put]) -> list[Refused]:
        try:
            self._with_retries(lambda: self._transaction(puts))
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise unreachable("target", self.dsn, error) from error
        except (TargetUnreachable, StorageUnusable):
            raise
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction) as error:
            self.connection.rollback()
            raise PreconditionError(f"[target] {str(error).strip()}") from error
        except (psycopg2.Error, AipstreamError, ValueError) as error:
            self.connection.rollback()
            if len(puts) == 1:
                return [Refused(puts[0].uuid, error)]
            middle = len(puts) // 2
            return self._written(puts[:middle]) + self._written(puts[middle:])
        return []

    def _with_retries(self, work: Callable[[], None]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return work()
            except _RETRIED:
                self.connection.rollback()
                if attempt == _ATTEMPTS:
                    raise
        return None

    def _transaction(self, puts: Sequence[Put]) -> None:
        aips = _once(aip for put in puts for aip in put.aips)
        if missing := missing_parents(self.connection, aips):
            orphan = next(aip for aip in aips if aip.uuid in missing)
            raise ParentMissing(f"{orphan.kind} {orphan.handle or orphan.uuid} has no container that is there")
        internal_ids = self._place(puts, aips)
        failpoint("import.files")
        entries = [batch.Put(0, _as_event(aip), aip) for aip in aips]
        shapes = reindex.before(self.connection, aips, []) if self.index else None
        written = write(self.connection, aips, [], self._writing, internal_ids)
        if shapes is not None:
            reindex.note(self.connection, shapes, entries, [])
        failpoint("import.written")
        self.connection.commit()
        said = {aip.uuid: (aip.kind, aip.handle) for aip in aips}
        self._losses += written.losses
        for uuid, far in written.missing.items():
            self._unmet.setdefault((uuid, *said[uuid]), set()).update(far)

    def _place(self, puts: Sequence[Put], aips: Sequence[Aip]) -> dict[Uuid, str]:
        """Files of what is new. Raises the error of a content that cannot be placed."""
        openers = {row.uuid: put.opener for put in puts for aip in put.aips for row in aip.bitstreams}
        wanted = [each for aip in aips for each in contents(aip) if each.sha256]
        held = {
            str(uuid): (checksum, size, internal_id)
            for uuid, checksum, size, internal_id in self._rows(_HELD, [[each.bitstream for each in wanted]])
        }
        fresh: list[Wanted] = []
        for each in wanted:
            checksum, size, internal_id = held.get(each.bitstream, (None, -1, None))
            there = internal_id if isinstance(internal_id, str) else None
            if (checksum, size) != (each.md5, each.size) or not self.assetstore.holds(there, each.size):
                fresh.append(each)
        source = _Contents({each.sha256: (each.bitstream, openers[each.bitstream]) for each in fresh}, self.blobs)
        placed, failed = self.assetstore.place(fresh, cast("Blobs", source))  # `open` is all that it asks a store for
        for error in failed.values():
            raise error
        return placed

    def losses(self) -> list[Loss]:
        """What has no column here, and what an object shares with one that is not here. (One that came later in the
        same run has brought it.)
        """
        unmet = [
            Loss(*subject, "import", len(gone), f"shared with {', '.join(sorted(gone)[:5])}, not there")
            for subject, far in self._unmet.items()
            if (gone := {uuid for uuid in far if self.kind_of(uuid) is None})
        ]
        return self._losses + unmet

    def close(self) -> None:
        """Sequences forward over everything that was written."""
        try:
            if not self.dry_run and not self.connection.closed:
                self.connection.rollback()
                sequences.advance(self.connection)
                self._rows("SELECT pg_advisory_unlock_all()")  # the server notices a closed connection a moment later
                self.connection.commit()
        finally:
            self.connection.close()


class _Contents:
    """The contents of packages by their SHA-256, as the assetstore asks for them."""

    def __init__(self, packages: dict[str, tuple[Uuid, Opener]], blobs: Blobs | None) -> None:
        self.packages = packages
        self.blobs = blobs

    def open(self, sha256: str) -> BinaryIO:
        """The content, for reading. Raises BlobMissing."""
        if self.blobs is not None and self.blobs.has(sha256):
            return self.blobs.open(sha256)
        if sha256 not in self.packages:
            raise BlobMissing(f"no package has the content {sha256}")
        bitstream, opener = self.packages[sha256]
        return opener(bitstream, sha256)


def _once(aips: Iterable[Aip]) -> list[Aip]:
    """Each object once, the last of it; of a registry what all of its documents say."""
    found: dict[Uuid, Aip] = {}
    for aip in aips:
        before = found.pop(aip.uuid, None)
        found[aip.uuid] = completed(before, aip) if aip.kind is Kind.REGISTRY else aip
    return list(found.values())


def _as_event(aip: Aip) -> Event:
    return Event(source="", lsn=0, uuid=aip.uuid, kind=aip.kind, type=Type.PUT, commit_time=now(), handle=aip.handle)
