"""Sources to capture: one sample repository a session, a copy of it for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.source.site import Site, make_template


@pytest.fixture(scope="session")
def sample(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(name of the database, assetstore) of a small repository with every kind of content."""
    folder = tmp_path_factory.mktemp("sample-assetstore")
    return make_template(cluster, folder), folder


@pytest.fixture
def site(cluster: Cluster, sample: tuple[str, Path], tmp_path: Path) -> Iterator[Site]:
    """A source of one's own, nothing captured yet."""
    made = Site(cluster, *sample, tmp_path)
    yield made
    made.close()
