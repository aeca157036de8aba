"""What every test shares: one scratch PostgreSQL a session, databases made from it by template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.scratch import Cluster
from tests import ground, hunting

ground.begin()
hunting.begin()
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL with `wal_level = logical`, thrown away at the end of the session."""
    with Cluster() as running:
        yield running


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Tests of one version of a real DSpace stay on one worker: see tests/lanes.py."""
    from tests.lanes import make_scheduler

    return make_scheduler(config, log)
