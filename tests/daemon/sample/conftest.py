"""A generated repository, made once a session; tests take copies of its database by template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.generator import Summary, generate
from daemon.scratch import Cluster

VERSION = "9"


@dataclass
class Copies:
    """The sample and a way to copy its database. Nobody may write into its own database or assetstore."""

    cluster: Cluster
    dsn: str
    assetstore: Path
    summary: Summary
    made: list[str] = field(default_factory=list)

    def copy(self) -> str:
        """The DSN of a new database that is equal to the sample."""
        self.made.append(f"sample_{uuid4().hex[:12]}")
        return self.cluster.create(self.made[-1], template=self.dsn.rsplit("/", 1)[1])

    def drop(self) -> None:
        """Drop the copies made so far."""
        while self.made:
            self.cluster.drop(self.made.pop())


def installed(cluster: Cluster, version: str) -> str:
    """The DSN of a freshly installed repository."""
    dsn = cluster.create(f"sample_{version.replace('.', '')}_{uuid4().hex[:12]}")
    connection = psycopg2.connect(dsn)
    create_schema(connection, version)
    install(connection, version)
    connection.commit()
    connection.close()
    return dsn


@pytest.fixture(scope="session")
def generated(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """The sample itself: 40 plain items and all the odd ones."""
    dsn, store = installed(cluster, VERSION), tmp_path_factory.mktemp("sample-assetstore")
    connection = psycopg2.connect(dsn)
    summary = generate(connection, store, items=40, seed=11)
    connection.close()
    return Copies(cluster, dsn, store, summary)


@pytest.fixture
def sample(generated: Copies) -> Iterator[Copies]:
    """The sample, for one test: its copies are dropped afterwards."""
    yield generated
    generated.drop()
