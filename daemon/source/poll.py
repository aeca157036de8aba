"""Noticing changes without a slot: every object's digest, computed by the source, against the one that is known.

Invariants:

* A sweep is one snapshot. Everything that it emits carries one LSN, that of the snapshot's start, and that LSN is
  larger than the last sweep's: two states of an object never share an event id.
* Digests are streamed and merged with what is known, both sorted by UUID: memory does not grow with the site.
* The first sweep is the bootstrap. A sweep that was killed, or stopped between two objects, goes on where it stopped,
  for what it emitted is known. Only a whole walk tells what is gone, and only one at its end is noted.

The account needs nothing but SELECT on the content tables. The source may be a hot standby.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection
from daemon.failpoint import failpoint
from daemon.source import Emitted, Touched
from daemon.source.emitter import PUT_ORDER, Emitter, Pending, added, due, instant, parents_first, snapshot_of
from daemon.source.merge import merged
from daemon.source.state import SEEN
from events.aip.model import Kind, Uuid
from events.instants import now

BATCH: Final = 2000
"""Objects that are held, with their digests, before they are read."""

LSN: Final = "sweep_lsn"
"""`State.meta`: the LSN of the last sweep that had something to emit."""

FINISHED: Final = "last_sweep"
"""`State.meta`: when the last sweep came to its end, by our clock."""


class PollSource:
    """Sweeps one source. Errors as of `Emitter`."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.state = emitter.state

    def sweep(self, kinds: Collection[Kind] = fingerprint.KINDS, at: tuple[int, str] | None = None) -> Emitted:
        """Compare all objects of those kinds once, and emit what is new, changed or gone.

        `at` is the (LSN, commit time) of the events, if they belong to a commit (`wal`); else the snapshot's own.
        Parked objects are only tried again when they have changed or their turn has come.
        """
        with snapshot_of(self.emitter.connection()) as connection:
            sweep = _Sweep(self.emitter, connection, at)
            done = sweep.run(kinds)
        if at is None:
            self.state.remember(meta={FINISHED: now(), SEEN: str(sweep.seen)})
        return done


class _Sweep:
    def __init__(self, emitter: Emitter, connection: Connection, at: tuple[int, str] | None) -> None:
        self.emitter = emitter
        self.state = emitter.state
        self.connection = connection
        self.seen, time = instant(connection)
        # The server may show a commit that is before its LSN only to the next snapshot, and a crash may set it back.
        self.lsn, self.time = at or (max(self.seen, int(self.state.meta(LSN) or 0) + 1), time)
        self.moment = datetime.now(UTC)
        self.pending = Pending()
        self.total = Emitted()
        self.begun = at is not None

    def run(self, kinds: Collection[Kind]) -> Emitted:
        tombstones: dict[Uuid, str] = {}
        if Kind.TOMBSTONE in kinds:
            self._delete({Kind.TOMBSTONE: self._kind(Kind.TOMBSTONE, tombstones)})
        self._delete({kind: self._kind(kind) for kind in PUT_ORDER if kind in kinds})
        self._put(Kind.TOMBSTONE, tombstones)
        return added(self.total, self.emitter.commit(self.pending))

    def _kind(self, kind: Kind, later: dict[Uuid, str] | None = None) -> list[Uuid]:
        """Emit the changed and new objects of a kind, or put them off; return those that are gone."""
        gone: list[Uuid] = []
        changed: dict[Uuid, str] = {} if later is None else later
        with closing(fingerprint.sweep(self.connection, kind, self.emitter.options)) as there:
            for pair in merged(there, self.state.walk(kind)):
                self.emitter.heed()
                if pair.there is None:
                    gone.append(pair.uuid)
                elif pair.there == pair.known:
                    self.total = self.total._replace(unchanged=self.total.unchanged + 1)
                else:
                    changed[pair.uuid] = pair.there
                    # Communities are few, and only all of them can be put into order.
                    if len(changed) >= BATCH and later is None and kind is not Kind.COMMUNITY:
                        self._put(kind, changed)
                        changed.clear()
        if later is None:
            self._put(kind, changed)
        return gone

    def _put(self, kind: Kind, changed: dict[Uuid, str]) -> None:
        waiting = {
            one.uuid
            for one in self.state.parked(changed)
            if one.digest == changed[one.uuid] and not due(one, self.moment)
        }
        uuids = [uuid for uuid in changed if uuid not in waiting]
        if not uuids:
            return
        if kind is Kind.COMMUNITY:
            uuids = parents_first(self.connection, uuids)
        puts = {uuid: changed[uuid] for uuid in uuids}
        touched = {uuid: Touched(kind, uuid, self.lsn, self.time) for uuid in uuids}
        self._begin()
        self.total = added(self.total, self.emitter.puts(self.connection, kind, puts, touched, self.pending))
        failpoint("bootstrap.slice")

    def _delete(self, gone: dict[Kind, list[Uuid]]) -> None:
        if any(gone.values()):
            self._begin()
        touched = {uuid: Touched(kind, uuid, self.lsn, self.time) for kind, uuids in gone.items() for uuid in uuids}
        self.total = added(self.total, self.emitter.deletes(gone, touched, self.pending))

    def _begin(self) -> None:
        """Before the first event the LSN is remembered: no other sweep takes it, whatever becomes of this one."""
        if not self.begun:
            self.state.remember(meta={LSN: str(self.lsn)})
            self.begun = True
