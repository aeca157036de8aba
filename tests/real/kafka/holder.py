"""A process that is the writer of a log in Kafka, and appends the next event for each line on its input.

    python -m tests.real.kafka.holder URL FOLDER SETTINGS FIRST

It says `writing`, and then for each line the position, or the name of the error.
"""

from __future__ import annotations

import sys
from contextlib import closing

from events.errors import AipstreamError
from tests.events.samples import event
from tests.real.kafka.fixtures import opened

if __name__ == "__main__":
    with closing(opened(*sys.argv[1:4])) as log, log.writing():
        print("writing", flush=True)
        for lsn, _ in enumerate(sys.stdin, int(sys.argv[4])):
            try:
                print(*log.append([event(lsn)]), flush=True)
            except AipstreamError as error:
                print(type(error).__name__, flush=True)
