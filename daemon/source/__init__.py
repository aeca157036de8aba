"""The source: what watches a repository and turns what it saw into events.

Two ways to notice change, `wal` and `poll`, one way to tell it: both only say which objects *may* have changed
(`Touched`). The emitter reads those objects and their digests in one snapshot, leaves out what is as it was, and
appends the rest to the log. So the same edits give the same events whichever way they were noticed.

Invariants:

* An event is durable in the log, its blobs in the blob store, and the state on disk, before the slot is confirmed.
* A digest is only remembered (`State.known`) after the event that carries it is durable.
"""

from __future__ import annotations

from typing import NamedTuple

from events.aip.model import Kind, Uuid


class Touched(NamedTuple):
    """An object that may have changed, or be new, or be gone.

    `kind` None: not known from the change alone (a bare `dspaceobject` row, say); the emitter looks it up.
    `lsn` is the commit that touched it last, `commit_time` its time (UTC, as in `Event`), `xid` its transaction id
    (0 where not known).
    """

    kind: Kind | None
    uuid: Uuid
    lsn: int
    commit_time: str
    xid: int = 0


class Emitted(NamedTuple):
    """What came of a batch of touched objects: counts. `unchanged` were as they had been."""

    put: int = 0
    deleted: int = 0
    unchanged: int = 0
    parked: int = 0
    blobs: int = 0
    blob_bytes: int = 0
