"""The servers of this lane. It runs where it is asked for (`make test-clouds`), and then nothing of it is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from events.blobs import open_blobs
from tests.real.clouds.azurite import Azurite
from tests.real.clouds.google import Google

collect_ignore_glob = [] if os.environ.get("CLOUDS") else ["test_*.py"]

Cloud = Azurite | Google


@pytest.fixture(scope="session", params=[Azurite, Google], ids=["az", "gs"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Each of the servers, started once."""
    with request.param(tmp_path_factory.mktemp(request.param.scheme)) as server:
        yield server


@pytest.fixture
def server(started: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The server, running; the environment lets us in, and holds nothing else of these clouds."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    for name, value in started.environment.items():
        monkeypatch.setenv(name, value)
    started.revive()
    return started


@pytest.fixture
def empty(server: Cloud) -> str:
    """A prefix in a bucket of its own, where there is nothing yet."""
    return f"{server.scheme}://{server.bucket()}/a/prefix"


@pytest.fixture
def url(empty: str) -> str:
    """A store that was made and is empty."""
    open_blobs(empty, create=True)
    return empty
