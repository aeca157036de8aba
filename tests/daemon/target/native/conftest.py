"""Pairs of a source and a target: the databases are made once a session, every test gets copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.target.native.pair import Pair, installation, repository

MakePair = Callable[..., Pair]


class Templates:
    """Databases to copy: generated repositories and fresh installations, each made when first asked for."""

    def __init__(self, cluster: Cluster, assetstore: Path) -> None:
        self.cluster = cluster
        self.assetstore = assetstore
        self._made: dict[tuple[str, str], str] = {}

    def source(self, version: str) -> str:
        return self._one("source", version, lambda: repository(self.cluster, version, self.assetstore, 8))

    def target(self, version: str) -> str:
        return self._one("target", version, lambda: installation(self.cluster, version, 8))

    def _one(self, end: str, version: str, make: Callable[[], str]) -> str:
        if (end, version) not in self._made:
            self._made[end, version] = make()
        return self._made[end, version]


@pytest.fixture(scope="session")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The databases that pairs are copied from."""
    return Templates(cluster, tmp_path_factory.mktemp("native-assetstore"))


@pytest.fixture
def make_pair(templates: Templates) -> Iterator[MakePair]:
    """Makes pairs: `make_pair(source="9", target="9", **options of Pair)`."""
    made: list[Pair] = []

    def make(source: str = "9", target: str = "9", **options: bool) -> Pair:
        made.append(
            Pair(
                templates.cluster,
                templates.source(source),
                templates.target(target),
                templates.assetstore,
                versions=(source, target),
                **options,
            )
        )
        return made[-1]

    yield make
    for pair in made:
        pair.close()


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A DSpace 9 repository and a target of the same version that holds all of it."""
    made = make_pair()
    state = made.state()
    made.write(made.read(state, state))
    return made
