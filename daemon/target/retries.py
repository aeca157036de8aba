"""A transaction that met another one is tried again: running DSpace and the replay write into the same tables.

Invariant: what is tried again was rolled back whole before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import psycopg2.errors
import structlog

from daemon.dspace.connect import Connection

logger = structlog.get_logger(__name__)

RETRIED: Final = (
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.QueryCanceled,
)
ATTEMPTS: Final = 5

T = TypeVar("T")


def with_retries(connection: Connection, work: Callable[[], T]) -> T:
    """What `work` returns, which is one transaction. Raises what it raises the last time."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except RETRIED as error:
            connection.rollback()
            logger.warning("replay.retry", attempt=attempt, error=str(error).strip())
            if attempt == ATTEMPTS:
                raise
    raise AssertionError
