"""What the tests of accidents share: two small repositories with a configuration, and the command in processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.chaos.wreck import Wreck
from tests.daemon.cli.place import Templates, make_templates


@pytest.fixture(scope="session")
def small(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """A repository of a few items with everything that a DSpace can hold, and an empty one."""
    return make_templates(cluster, tmp_path_factory.mktemp("chaos_assetstore"), items=15)


@pytest.fixture
def wreck(cluster: Cluster, small: Templates, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Wreck]:
    """A place in mode `poll`, or in that of an indirect parameter, with an empty log."""
    made = Wreck(cluster, small, tmp_path, getattr(request, "param", "poll"))
    made.good("init")
    yield made
    made.close()


@pytest.fixture
def replicated(wreck: Wreck) -> Wreck:
    """A place all of which has been replicated once."""
    wreck.good("run", "--until-current")
    return wreck
