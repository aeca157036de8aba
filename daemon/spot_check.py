"""A sample of the target compared with the source, now and then, while the daemon runs.

Invariant: a difference only counts if it stays while the replica has time to catch up. What is parked or waits for
another object is known to differ and left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

from daemon.config import Config
from daemon.dspace.connect import connect, meaning
from daemon.target import ledger
from daemon.verify import Difference, recheck
from events.aip.model import Kind

PATIENCE: Final = 60.0
"""Seconds that the replica has to catch up with what the source says."""
PAUSE: Final = 5.0

_SAMPLE: Final = """
    SELECT DISTINCT found.uuid::text, found.kind
    FROM (SELECT md5(random()::text || g)::uuid AS start FROM generate_series(1, %(most)s) g OFFSET 0) s
    CROSS JOIN LATERAL (SELECT l.uuid, l.kind FROM aipstream.ledger l
                        WHERE l.uuid >= s.start ORDER BY l.uuid LIMIT 1) found
    JOIN aipstream.ledger l ON l.uuid = found.uuid AND NOT l.deleted AND l.kind <> 'registry'
    WHERE NOT EXISTS (SELECT FROM aipstream.parked p WHERE p.uuid = found.uuid)
      AND NOT EXISTS (SELECT FROM aipstream.waiting w WHERE w.uuid = found.uuid)"""
"""Objects by chance, each found by one step into the key's index. Reads the ledger."""


class Checked(NamedTuple):
    """What a sample showed: how many objects were compared, and those that stayed different."""

    objects: int
    differing: list[Difference]


def spot_check(config: Config, most: int, *, stopped: Callable[[], bool] = lambda: False) -> Checked:
    """Compare at most so many objects of the ledger. Raises SourceUnreachable, TargetUnreachable."""
    source, target = config.need_source(), config.need_target()
    with meaning("target", target.dsn), closing(connect(target.dsn, "target", readonly=True)) as connection:
        if not ledger.exists(connection):
            return Checked(0, [])
        with connection.cursor() as cursor:
            cursor.execute(_SAMPLE, {"most": most})
            sample = [Difference(Kind(kind), uuid, "differs") for uuid, kind in cursor.fetchall()]
    left, deadline = sample, time.monotonic() + PATIENCE
    while left:
        left = recheck(source.dsn, target.dsn, left, passwords=config.people.passwords, drafts=source.drafts)
        if stopped() or time.monotonic() > deadline:
            break
        if left:
            time.sleep(PAUSE)
    return Checked(len(sample), left)
