"""What the tests of the way back share: two small repositories, all of which has been replicated once."""

from __future__ import annotations

import pytest

from daemon.scratch import Cluster
from tests.chaos.wreck import Begun, begin
from tests.daemon.cli.place import Templates, make_templates


@pytest.fixture(scope="session")
def small(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """A repository of a few items with everything that a DSpace can hold, and an empty one."""
    return make_templates(cluster, tmp_path_factory.mktemp("restore_assetstore"), items=15)


@pytest.fixture(scope="session")
def begun(cluster: Cluster, small: Templates, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """The same after everything was replicated once."""
    return begin(cluster, small, tmp_path_factory.mktemp("restore_begun"))
