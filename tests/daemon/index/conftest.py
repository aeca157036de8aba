"""What the tests of the index share: a replicated pair whose target notes what its index has to be told of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.cli.place import Place, Templates, make_templates
from tests.daemon.index.site import Site


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything is replicated, and the index was told of all of it."""
    made = Site(cluster, tmp_path_factory.mktemp("indexed"))
    made.told()
    yield made
    made.close()


@pytest.fixture(scope="module")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """What every place is copied from."""
    return make_templates(cluster, tmp_path_factory.mktemp("index_assetstore"), items=15)


@pytest.fixture
def place(cluster: Cluster, templates: Templates, tmp_path: Path) -> Iterator[Place]:
    """A place whose log is made."""
    made = Place(cluster, templates, tmp_path)
    made.good("init")
    yield made
    made.close()
