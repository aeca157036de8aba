"""What the tests of the command line share: a pair of repositories with a configuration, made anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.cli.place import Place, Templates, make_templates


@pytest.fixture(scope="session")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """What every place is copied from."""
    return make_templates(cluster, tmp_path_factory.mktemp("cli_assetstore"))


@pytest.fixture
def place(cluster: Cluster, templates: Templates, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place in mode `poll`, or in that of an indirect parameter. The log is made."""
    made = Place(cluster, templates, tmp_path, getattr(request, "param", "poll"))
    made.good("init")
    yield made
    made.close()


@pytest.fixture
def replicated(place: Place) -> Place:
    """A place all of which has been replicated once."""
    place.good("run", "--until-current")
    return place
