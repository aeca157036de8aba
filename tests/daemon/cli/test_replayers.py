"""Several replayers as the command line has them: configured, killed, and refused where they make no sense."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from events.errors import ProcessEnded
from tests.daemon.cli.place import Place, Templates, eventually, make_templates

REPLAYERS = "replayers = 4\nbatch = 50"

SESSIONS = "select count(*) from pg_stat_activity where datname = %s and application_name = 'aipstream target'"


@pytest.fixture(scope="module")
def larger(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """A repository of more items than a window that is not divided has."""
    return make_templates(cluster, tmp_path_factory.mktemp("replayers_assetstore"), items=170)


@pytest.fixture
def place(cluster: Cluster, larger: Templates, tmp_path: Path) -> Iterator[Place]:
    """All of it in the log, nothing on the target, and four replayers configured."""
    made = Place(cluster, larger, tmp_path)
    made.configure(more=REPLAYERS)
    made.good("init")
    made.good("snapshot")
    yield made
    made.close()


def sessions(place: Place) -> int:
    """Connections of replayers to the target."""
    ((count,),) = place.sql(place.cluster.dsn("postgres"), SESSIONS, f"t_{place.name}")
    return int(count)


def test_four_replayers_bring_the_target_up(place: Place) -> None:
    """With the counts of one, equal row by row, and no session of theirs left; then edits, with two."""
    counts = place.good("replay", "--json").json
    assert counts["applied"]["written"] > 170
    assert place.differences() == []
    assert sessions(place) == 0
    place.configure(more="replayers = 2")
    place.edit(60)
    place.good("run", "--until-current")
    assert place.differences() == []
    assert place.good("verify").out.startswith("equal")


@pytest.mark.parametrize("where", ["replay.begun", "replay.shared", "replay.recorded:2"])
def test_a_first_process_that_is_killed_leaves_no_worker(place: Place, where: str) -> None:
    """The workers end by themselves, their transactions with them, and the next replay, by one, makes it whole."""
    killed = place.process("replay", AIPSTREAM_FAILPOINT=where)
    assert killed.wait(90) in (-signal.SIGKILL, ProcessEnded.exit_code)
    eventually(lambda: sessions(place) == 0)
    place.configure(more="batch = 7")
    place.good("replay")
    assert place.differences() == []


def test_a_first_process_that_is_killed_while_all_write_is_made_up_for(place: Place) -> None:
    """At whatever they are; a second one that starts at once waits for the sessions of the first."""
    running = place.process("replay")
    eventually(lambda: sessions(place) > 3 or running.poll() is not None)
    running.send_signal(signal.SIGKILL)
    running.wait()
    place.good("replay")
    assert place.differences() == []


def test_the_daemon_replaces_a_worker_that_is_killed(place: Place) -> None:
    """And ends with code 0 on SIGTERM, its workers with it."""
    daemon = place.process("run")
    eventually(lambda: children(daemon.pid))
    os.kill(children(daemon.pid)[0], signal.SIGKILL)
    place.says("sequence.moved")
    assert place.differences() == []
    assert place.stop(daemon) == 0
    assert sessions(place) == 0


def children(pid: int) -> list[int]:
    """The workers of that process: what it started by `multiprocessing.spawn`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == pid and b"multiprocessing.spawn" in line:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize(("more", "told"), [
    ("replayers = 0", "[target] replayers = 0: allowed is 1 to 32"),
    ('driver = "packager"\ndspace = "x"\neperson = "y"\nreplayers = 2', "driver 'packager' has one"),
])  # fmt: skip
def test_a_number_that_makes_no_sense_is_refused(place: Place, more: str, told: str) -> None:
    """Before anything is written."""
    place.configure(more=more)
    done = place("replay")
    assert done.code == 2
    assert told in done.err
