"""The daemon while everything around it goes down, and while it is killed itself."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.chaos.wreck import Wreck
from tests.daemon.cli.place import Templates, eventually, make_templates


@pytest.mark.parametrize("wreck", ["poll", "wal"], indirect=True)
def test_a_daemon_that_is_killed_again_and_again_converges(wreck: Wreck) -> None:
    """SIGKILL at any moment, from the first second on, while edits go on; then one round, and both ends are equal."""
    draw = random.Random(wreck.mode)
    for kill in range(5):
        daemon = wreck.process("run")
        if kill:
            eventually(lambda: "started" in wreck.messages())
        wreck.edit(draw.randrange(4, 12), kill)
        assert daemon.poll() is None, wreck.messages()
        assert wreck.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
    wreck.fine("run", "--until-current")
    wreck.assert_converged()


@pytest.fixture(scope="module")
def own_clusters() -> Iterator[tuple[Cluster, Cluster]]:
    """A server for each end, that may be stopped."""
    with Cluster() as source, Cluster() as target:
        yield source, target


@pytest.fixture(scope="module")
def own_templates(
    own_clusters: tuple[Cluster, Cluster], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Templates, Templates]:
    """The small repositories once more, on both servers."""
    folders = [tmp_path_factory.mktemp("own_assetstore") for _ in own_clusters]
    first, second = (make_templates(each, folder, items=8) for each, folder in zip(own_clusters, folders, strict=True))
    return first, second


@pytest.fixture
def apart(
    own_clusters: tuple[Cluster, Cluster],
    own_templates: tuple[Templates, Templates],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Wreck]:
    """A place whose ends are on servers of their own."""
    wreck = Wreck(own_clusters[0], own_templates[0], tmp_path, request.param)
    name = f"t_{wreck.name}"
    wreck.target = own_clusters[1].create(name, own_templates[1].target)
    wreck.configure()
    wreck.path.write_text(wreck.path.read_text() + "\n[run]\nbackoff_seconds = 2\n")
    wreck.good("init")
    yield wreck
    for process in wreck.running:
        if process.poll() is None:
            process.kill()
            process.wait()
    own_clusters[1].drop(name)
    wreck.close()


@pytest.mark.parametrize("apart", ["poll", "wal"], indirect=True)
@pytest.mark.parametrize("end", [0, 1], ids=["source", "target"])
def test_a_database_that_restarts_holds_nothing_up(
    apart: Wreck, own_clusters: tuple[Cluster, Cluster], end: int
) -> None:
    """The server of one end crashes and comes back while the daemon runs: it goes on by itself with what was edited
    before, meanwhile and after.
    """
    daemon = apart.process("run")
    eventually(lambda: '"event": "replayed"' in apart.messages())
    apart.edit(6, 1)
    own_clusters[end].stop("immediate")
    if end:
        apart.edit(6, 2)
        eventually(lambda: "replay.failed" in apart.messages())
    own_clusters[end].start()
    apart.edit(6, 3)
    assert daemon.poll() is None, apart.messages()
    eventually(lambda: apart("verify", "--json").code == 0)
    assert apart.stop(daemon) == 0, apart.messages()
    apart.fine("run", "--until-current")
    apart.assert_converged()


@pytest.mark.parametrize("apart", ["wal"], indirect=True)
@pytest.mark.parametrize(("end", "code", "name"), [(0, 6, "SourceUnreachable"), (1, 7, "TargetUnreachable")])
def test_a_single_round_tells_which_server_is_down(
    apart: Wreck, own_clusters: tuple[Cluster, Cluster], end: int, code: int, name: str
) -> None:
    """`run --until-current` does not wait: it ends with the code of that end, and works when the server is back."""
    own_clusters[end].stop("immediate")
    try:
        done = apart("run", "--until-current", "--json")
        assert (done.code, done.json["error"]) == (code, name)
        assert "Traceback" not in done.err
    finally:
        own_clusters[end].start()
    apart.good("run", "--until-current")
    apart.assert_equal()
