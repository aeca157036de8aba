"""What the tests against a real DSpace share: homes made from templates, once a session."""

from __future__ import annotations

import pytest

from daemon.scratch import Cluster
from tests.real.rig import Repositories


@pytest.fixture(scope="session")
def repositories(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    """Homes of real DSpaces on the session's cluster."""
    return Repositories(cluster, tmp_path_factory.mktemp("dspace"))
