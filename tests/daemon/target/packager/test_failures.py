"""Failures that are no package's fault, and a replayer or a command that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import replayer
from daemon.redaction import conceal
from events.errors import AipstreamError, Locked, PackagerFailed, TargetUnreachable
from tests.daemon.cli.place import eventually
from tests.daemon.target.packager.stage import STANDIN, Stage, alive, collection, community, handle, item
from tests.events.samples import uuid_of


@pytest.mark.parametrize(
    ("mode", "error", "words"),
    [
        ("down", TargetUnreachable, "Failure during kernel init"),
        ("full", TargetUnreachable, "No space left on device"),
        ("stranger", PackagerFailed, "eperson cannot be found: admin@example.org"),
        ("silent", PackagerFailed, "status 3"),
        ("commit", PackagerFailed, "the commit failed"),
        ("rights", PackagerFailed, "refuses every package alike"),
    ],
)
def test_a_failure_of_the_command_stops_the_replay_and_parks_nothing(
    stage: Stage, mode: str, error: type[AipstreamError], words: str
) -> None:
    """The position stays; after the repair the same replay goes on."""
    stage.put(community(), collection(), *(item(number) for number in range(10, 18)))
    stage.tell("mode", mode)
    with pytest.raises(error, match=words):
        replayer.replay(stage.target, stage.log)
    assert not stage.target.parked()
    assert stage.target.position() == 0
    stage.tell("mode")
    replayer.replay(stage.again(), stage.log)
    assert set(stage.loaded) == {handle(number) for number in (1, 2, *range(10, 18))}
    assert not stage.target.parked()


def test_a_command_that_is_not_there_is_named(stage: Stage) -> None:
    """With the hint where DSpace's own stands."""
    stage.put(community())
    for words in (["/nowhere/dspace"], [str(stage.folder)]):
        stage.target.dspace = tuple(words)
        with pytest.raises(PackagerFailed, match=words[0]) as caught:
            replayer.replay(stage.target, stage.log)
        assert "bin/dspace" in caught.value.hint
        assert not stage.target.parked()
        stage.target.close()


def test_a_command_that_hangs_is_ended_with_all_of_its_processes(stage: Stage) -> None:
    """And if it hangs on one package only, that one is parked and the others are loaded."""
    stage.put(community(), collection(), item(10), item(11))
    stage.tell("mode", f"hang-on {handle(10)}")
    stage.target.patience = 1.0
    # what a run gets besides, for the sake of the test
    from daemon.target.packager import loader

    beyond, loader.SECONDS_A_PACKAGE = loader.SECONDS_A_PACKAGE, 0.2
    try:
        replayer.replay(stage.target, stage.log)
    finally:
        loader.SECONDS_A_PACKAGE = beyond
    (row,) = stage.target.parked()
    assert row.uuid == uuid_of(10)
    assert "did not come to an end" in row.reason
    assert handle(11) in stage.loaded
    assert not alive(int(stage.said("running")[0]))


def test_no_secret_is_told(stage: Stage) -> None:
    """What DSpace prints goes through the same filter as everything else."""
    conceal("123456789/10")
    stage.put(community(), collection(), item(10), item(11))
    stage.tell("bad", handle(10))
    replayer.replay(stage.target, stage.log)
    assert "***" in stage.target.parked()[0].reason
    assert handle(10) not in stage.target.parked()[0].reason


def configured(stage: Stage) -> Path:
    path = stage.folder / "aipstream.toml"
    words = f"{sys.executable} {STANDIN} {stage.asked}"
    path.write_text(f"""
[log]
url = {json.dumps(f"sqlite:///{stage.folder}/log.sqlite")}
[blobs]
url = {json.dumps(f"file://{stage.folder}/blobs")}
[target]
driver = "packager"
dspace = {json.dumps(words)}
eperson = "admin@example.org"
work = {json.dumps(str(stage.work))}
""")
    return path


def replaying(stage: Stage, verb: str = "replay", **environment: str) -> subprocess.Popen[bytes]:
    """`aipstream replay` (or `run`) in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "daemon.cli", "--config", str(configured(stage)), verb],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "place", ["replay.files", "replay.written", "replay.written:3", "replay.recorded", "replay.committed"]
)
def test_a_replayer_that_is_killed_anywhere_loses_nothing(stage: Stage, place: str) -> None:
    """After the next start everything is loaded, noted once, and at the position of the log's end."""
    stage.put(community(), collection(), *(item(number) for number in range(10, 40)))
    stage.delete(item(10))
    stage.tell("bad", handle(20))
    with replaying(stage, AIPSTREAM_FAILPOINT=place) as killed:
        said, _ = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, said.decode()
    with replaying(stage) as second:
        said, _ = second.communicate()
    assert second.returncode == 3, said.decode()  # one is parked
    expected = {uuid_of(number) for number in (1, 2, *range(11, 20), *range(21, 40))}
    standings = stage.target.books.standings([*expected, uuid_of(10), uuid_of(20)])
    assert {uuid for uuid, row in standings.items() if row.present} == expected
    assert set(stage.loaded) == {handle(number) for number in (1, 2, *range(11, 20), *range(21, 40))}
    assert [row.uuid for row in stage.target.parked()] == [uuid_of(20)]
    assert stage.target.position() == stage.log.end()


def test_a_command_whose_replayer_was_killed_holds_up_the_next_one(stage: Stage) -> None:
    """Two JVMs would write at the same time: until the first one ends, a second replayer is refused."""
    stage.put(community(), collection(), item(10))
    stage.tell("mode", "slow")
    with replaying(stage) as killed:
        eventually(lambda: stage.said("running"))
        killed.kill()
        killed.communicate()
    running = int(stage.said("running")[0])
    assert alive(running)
    with pytest.raises(Locked, match="a command of DSpace that it had started still runs"):
        replayer.replay(stage.target, stage.log)
    with replaying(stage) as second:
        said, _ = second.communicate()
    assert second.returncode == Locked.exit_code, said.decode()

    stage.tell("mode")
    eventually(lambda: not alive(running))
    done = replayer.replay(stage.target, stage.log)
    assert (done.written, stage.target.position()) == (3, stage.log.end())
    assert stage.loaded == [handle(1), handle(2), handle(10)] * 2


def test_a_signal_ends_a_replay_between_two_runs(stage: Stage) -> None:
    """What is loaded is noted, the rest is left to the next start, which loads only that."""
    stage.put(community(), collection(), *(item(number) for number in range(10, 60)))
    asked = iter(range(100))
    stage.target.stopped = lambda: next(asked) > 1
    stage.target.apply(stage.entries())
    first = list(stage.loaded)
    assert 0 < len(first) < 52
    assert stage.target.position() == 0
    replayer.replay(stage.again(), stage.log)
    assert len(stage.loaded) == len(set(stage.loaded)) == 52
    assert stage.target.position() == stage.log.end()


def test_the_daemon_gathers_what_comes_within_seconds(stage: Stage) -> None:
    """Events one after the other share a command, which costs seconds; a signal ends the daemon in good order."""
    stage.put(community(), collection())
    with replaying(stage, "run") as daemon:
        eventually(lambda: len(stage.loaded) == 2)
        eventually(lambda: any(line.startswith("database") for line in stage.said("calls")))
        stage.forget()
        for number in range(10, 16):
            stage.put(item(number))
        eventually(lambda: len(stage.loaded) == 6)
        daemon.terminate()
        said, _ = daemon.communicate()
    assert daemon.returncode == 0, said.decode()
    assert len([line for line in stage.said("calls") if line.startswith("packager")]) == 1
    assert stage.target.position() == stage.log.end()
