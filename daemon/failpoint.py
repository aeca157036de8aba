"""Named places where a test may kill the process, so that every crash point is tried and not imagined.

`AIPSTREAM_FAILPOINT=NAME` (or `NAME:N`, the N-th time it is passed) ends the process there by SIGKILL. A test in the
same process sets `hit` instead. Without either, passing a place costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

NAMES = (
    "capture.read",            # objects read from the source, nothing kept yet
    "capture.blobs",           # blobs durable, events not
    "capture.appended",        # events durable, state not
    "capture.remembered",      # state durable, slot not confirmed
    "capture.confirmed",       # slot confirmed
    "kafka.claimed",           # payloads too large for a message are in the blob store, the transaction has not begun
    "kafka.sent",              # messages with the brokers, the transaction not committed
    "kafka.committed",         # the transaction committed, nobody told
    "kafka.indexed",           # the index has it too
    "bootstrap.slice",         # between two slices of the bootstrap
    "replay.staged",           # files written, none under its name
    "replay.files",            # files placed, rows not
    "replay.written",          # rows written, ledger not, transaction open
    "replay.recorded",         # ledger written, transaction open
    "replay.committed",        # committed, nothing told to anyone
    "replay.begun",            # the end of a window of several processes noted, nothing of it written
    "replay.shared",           # the shares of all processes committed, the position not moved
    "replay.sequences",        # before the sequences are moved
    "restore.rewound",         # the books moved back, or the names noted that are nobody's; no object yet
    "restore.applied",         # some objects brought back, others not
    "keep.marked",             # a moment marked or given up, nobody told
    "prune.thinned",           # some events thinned, others not
    "prune.aside",             # some contents put aside, others not
    "prune.deleted",           # some contents deleted, others not
    "copy.blobs",              # contents in the other store, records not
    "copy.extended",           # some records in the other log
    "check.noted",             # a part of the log checked and noted
    "check.read",              # some contents checked and noted
    "check.finished",          # a pass over log and contents at its end
    "repair.found",            # a content that was lost is found elsewhere, proved, not yet in the store
    "repair.aside",            # its damaged copy is out of the store, the good one not yet in it
    "repair.put",              # something put right, and not yet noted
    "repair.captured",         # an object captured anew, its damaged event not yet marked as lost
    "rebuild.built",           # a new file made of a torn log, which is still in its place
    "rebuild.kept",            # the torn log has the name under which it is kept as well
    "rebuild.exchanged",       # the new file in the place of the torn one, nothing asked of the source yet
    "import.blobs",            # contents of packages durable, events not
    "import.appended",         # events of packages durable
    "import.files",            # files of packages placed, rows not
    "import.written",          # rows of packages written, transaction open
    "ocfl.version",            # an object of an archive in the making
    "ocfl.aside",              # an object set aside for its successor, where the file system cannot exchange them
    "ocfl.staged",             # objects of an archive made and on disk, none in its place
    "ocfl.placed",             # an object in its place, what it replaced not yet cleared away
    "ocfl.dropped",            # some objects in their places, others not
    "ocfl.indexed",            # all objects in their places, the books as before
    "index.told",              # the index was told, the rows still due
)

_wanted, _, _count = os.environ.get("AIPSTREAM_FAILPOINT", "").partition(":")
_left = int(_count or 1)

hit: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Pass the place `name`, which is one of `NAMES`."""
    global _left
    if hit is not None:
        hit(name)
    if name == _wanted:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
