"""`tests.events.log.writer` on a log in Kafka: see there.

python -m tests.real.kafka.writer URL FOLDER SETTINGS FIRST BATCH [BATCHES]
"""

from __future__ import annotations

import sys

from tests.events.log.writer import write
from tests.real.kafka.fixtures import opened

if __name__ == "__main__":
    write(opened(*sys.argv[1:4]), *map(int, sys.argv[4:]))
