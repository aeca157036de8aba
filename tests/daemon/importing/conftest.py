"""A captured repository and its packages, made once; and empty places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.importing.bench import Bench, Origin, benches


@pytest.fixture(scope="package")
def origin(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A repository with all kinds of content, captured into a log."""
    origin = Origin(cluster, tmp_path_factory.mktemp("origin"))
    yield origin
    origin.pair.close()


@pytest.fixture(scope="package")
def packages(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its packages: the site and everything in it."""
    return origin.packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def bench(cluster: Cluster, tmp_path: Path) -> Iterator[Bench]:
    """An empty log, and a freshly installed target."""
    with benches(cluster, tmp_path) as bench:
        yield bench
