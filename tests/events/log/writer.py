"""A process that appends to a log and says after each batch, on its own line, how many events are acknowledged.

    python -m tests.events.log.writer URL FIRST BATCH [BATCHES]

Events are `samples.event(lsn)` for lsn = FIRST, FIRST + 1, …; without BATCHES it goes on until it is killed.
"""

from __future__ import annotations

import itertools
import sys

from events.log import Log
from events.log.opening import open_log
from tests.events.samples import event


def write(log: Log, first: int, batch: int, batches: int | None = None) -> None:
    """What this process does."""
    for done in itertools.count() if batches is None else range(batches):
        start = first + done * batch
        log.append([event(lsn, payload=bytes([lsn % 251]) * 3000) for lsn in range(start, start + batch)])
        print((done + 1) * batch, flush=True)


if __name__ == "__main__":
    write(open_log(sys.argv[1]), *map(int, sys.argv[2:]))
