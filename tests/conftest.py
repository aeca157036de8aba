"""What every test shares: one scratch PostgreSQL a session, databases made from it by template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL with `wal_level = logical`, thrown away at the end of the session."""
    with Cluster() as running:
        yield running
