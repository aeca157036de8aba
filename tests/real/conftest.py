"""What the tests against a real DSpace share: homes made from templates, once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.scratch import Cluster
from tests.real.rig import Repositories
from tests.real.s3.server import S3Server


@pytest.fixture(scope="session")
def repositories(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Repositories:
    """Homes of real DSpaces on the session's cluster."""
    return Repositories(cluster, tmp_path_factory.mktemp("dspace"))


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server, started once."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, running, with an empty bucket `bucket`; the environment lets us in."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3_server.revive()
    s3_server.wipe("bucket")
    return s3_server
