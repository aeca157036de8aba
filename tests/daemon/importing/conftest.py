"""A captured repository and its packages, made once; and empty places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.importing.bench import Bench, Origin
from tests.daemon.pair import repository


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


@pytest.fixture(scope="package")
def template(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The database of a freshly installed repository, which is copied for each test."""
    dsn, _ = repository(cluster, tmp_path_factory.mktemp("fresh"), "9", shuffle=5, admin="b@example.org")
    name = dsn.rsplit("/", 1)[1]
    yield name
    cluster.drop(name)


@pytest.fixture
def bench(cluster: Cluster, template: str, tmp_path: Path) -> Iterator[Bench]:
    """An empty log, and a freshly installed target."""
    bench = Bench(cluster, tmp_path, template)
    yield bench
    bench.close()
