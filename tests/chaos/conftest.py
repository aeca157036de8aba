"""What the tests of accidents share: two small repositories with a configuration, and the command in processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.chaos.wreck import Begun, Wreck, begin
from tests.daemon.cli.place import Templates, make_templates


@pytest.fixture(scope="session")
def small(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """A repository of a few items with everything that a DSpace can hold, and an empty one."""
    return make_templates(cluster, tmp_path_factory.mktemp("chaos_assetstore"), items=15)


@pytest.fixture(scope="session")
def begun(cluster: Cluster, small: Templates, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """The same after everything was replicated once."""
    return begin(cluster, small, tmp_path_factory.mktemp("begun"))


@pytest.fixture
def wreck(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Wreck]:
    """A place in mode `poll`, or in that of an indirect parameter. Its log is empty unless another fixture is asked
    for besides.
    """
    mode, small = getattr(request, "param", "poll"), request.getfixturevalue("small")
    if "replicated" in request.fixturenames or "captured" in request.fixturenames:
        begun = request.getfixturevalue("begun")
        target = begun.templates.target if "replicated" in request.fixturenames else small.target
        made = Wreck(cluster, begun.templates._replace(target=target), tmp_path, mode)
        made.take_over(begun)
    else:
        made = Wreck(cluster, small, tmp_path, mode)
        made.good("init")
    yield made
    made.close()


@pytest.fixture
def replicated(wreck: Wreck) -> Wreck:
    """A place all of which has been replicated once."""
    return wreck


@pytest.fixture
def captured(wreck: Wreck) -> Wreck:
    """A place all of which is in its log, and nothing on its target."""
    return wreck
