"""What the tests of several targets share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.cli.place import Templates, make_templates
from tests.daemon.targets.several import Several


@pytest.fixture(scope="session")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """A repository of a few items with everything that a DSpace can hold, and an empty one."""
    return make_templates(cluster, tmp_path_factory.mktemp("targets_assetstore"), items=12)


@pytest.fixture
def place(cluster: Cluster, templates: Templates, tmp_path: Path) -> Iterator[Several]:
    """A source with the targets `near`, `far` and `stock`. The log is made."""
    made = Several(cluster, templates, tmp_path)
    made.good("init")
    yield made
    made.close()
