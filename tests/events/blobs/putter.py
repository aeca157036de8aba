"""A process that puts blobs and says, on a line of its own after each flush, the SHA-256 of what is acknowledged.

    python -m tests.events.blobs.putter URL SEED SIZE PER_FLUSH [FLUSHES]

Contents come from a generator with that seed; without FLUSHES it goes on until it is killed.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import sys

from events.blobs import Keys, open_blobs


def main(url: str, seed: int, size: int, per_flush: int, flushes: int | None = None) -> None:
    encrypt_to, identity, plain = json.loads(os.environ.get("PUTTER_KEYS", '[[], "", "refuse"]'))
    blobs = open_blobs(url, keys=Keys(tuple(encrypt_to), identity, plain))
    chance = random.Random(seed)
    for _ in itertools.count() if flushes is None else range(flushes):
        names = [blobs.put(io.BytesIO(chance.randbytes(size))).sha256 for _ in range(per_flush)]
        blobs.flush()
        print(*names, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
