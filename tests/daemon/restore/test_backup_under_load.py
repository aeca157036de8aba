"""Backups that are taken while everything goes on: the dump at one moment, the files at another, of either end."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
import pytest

from daemon.sample.edits import Editor
from daemon.scratch import Cluster, postgres_programs
from tests.chaos.wreck import Begun
from tests.daemon.cli.place import Templates, eventually
from tests.daemon.restore.chronicle import Chronicle

EDITS = 24
SEED = int(os.environ.get("SEED") or 0)
"""Other edits and other moments, by hand."""


class Editing:
    """Edits of the source in a thread of their own; `until(n)` returns when the n-th is made."""

    def __init__(self, story: Chronicle, seed: int, edits: int) -> None:
        self._made = 0
        self._told = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(story, seed, edits))
        self._thread.start()

    def _run(self, story: Chronicle, seed: int, edits: int) -> None:
        with closing(psycopg2.connect(story.source)) as connection:
            editor = Editor(connection, story.source_store, seed)
            for _ in range(edits):
                editor.step()
                with self._told:
                    self._made += 1
                    self._told.notify_all()

    def until(self, count: int) -> None:
        with self._told:
            assert self._told.wait_for(lambda: self._made >= count or not self._thread.is_alive(), 120)

    def end(self) -> None:
        self._thread.join(120)
        assert not self._thread.is_alive()


def dump(dsn: str, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([postgres_programs() / "pg_dump", "--no-owner", "-Fc", "-f", file, dsn])


def copy_files(store: Path, copy: Path) -> None:
    """As a tool for backups does: what vanishes meanwhile is passed over."""
    with suppress(shutil.Error):
        shutil.copytree(store, copy)


def use(story: Chronicle, file: Path, store: Path) -> None:
    """From now on the target is what was restored from that backup."""
    story.cluster.drop(f"t_{story.name}")
    story.target = story.cluster.create(f"t_{story.name}")
    subprocess.run([postgres_programs() / "pg_restore", "--no-owner", "-d", story.target, file], check=True)
    shutil.rmtree(story.target_store)
    shutil.copytree(store, story.target_store)


@pytest.fixture
def story(
    cluster: Cluster, begun: Begun, small: Templates, tmp_path: Path, request: pytest.FixtureRequest
) -> Chronicle:
    mode, seed = request.param
    folder = tmp_path / "story"
    folder.mkdir()
    return Chronicle(cluster, begun, small, folder, mode, seed)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", [("poll", 1), ("wal", 2), ("wal", 3)], indirect=True, ids=str)
def test_a_dump_of_the_source_while_it_is_edited(
    story: Chronicle, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Database and files are copied at two moments while edits and captures go on. It ends equal to the source, at the
    end and at a moment that may be before or after that of the dump."""
    draw = random.Random(f"{request.node.name} {SEED}")
    file, files = tmp_path / "dump", tmp_path / "files"
    running: list[subprocess.Popen[bytes]] = []
    doing: list[tuple[int, Callable[[], object]]] = [
        (draw.randrange(2 * EDITS), lambda: running.append(dump(story.source, file))),
        (draw.randrange(2 * EDITS), lambda: copy_files(story.source_store, files)),
        *((draw.randrange(2 * EDITS), story.capture) for _ in range(3)),
    ]
    with story:
        moments = []
        for half in range(2):
            editing = Editing(story, SEED + half, EDITS)
            for at, act in sorted(doing, key=lambda each: each[0]):
                if half * EDITS <= at < (half + 1) * EDITS:
                    editing.until(at - half * EDITS)
                    act()
            editing.end()
            moments.append(story.note())
        assert running[0].wait(120) == 0
        use(story, file, files)
        for moment in draw.sample([moments[0], moments[1], moments[0]], 3):
            over(story, moment.position)
            assert story.unlike(moment) == []
        story.good("replay")
        story.assert_equal()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", [("poll", 4), ("wal", 5)], indirect=True, ids=str)
def test_a_dump_of_the_replica_while_a_replay_runs(
    story: Chronicle, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its books are in the dump. Its files are copied at another moment of the same replay."""
    draw = random.Random(f"{request.node.name} {SEED}")
    file, files = tmp_path / "dump", tmp_path / "files"
    with story:
        begin = story.note()
        story.edit(EDITS, SEED + 1)
        moment = story.note()
        story.edit(EDITS, SEED + 2)
        now = story.note()
        story.configure(more="batch = 1")
        running: list[subprocess.Popen[bytes]] = []
        doing: list[tuple[int, Callable[[], object]]] = [
            (draw.randrange(begin.position, now.position), lambda: running.append(dump(story.target, file))),
            (draw.randrange(begin.position, now.position), lambda: copy_files(story.target_store, files)),
        ]
        replay = story.process("replay")
        for at, act in sorted(doing, key=lambda each: each[0]):
            eventually(lambda at=at: stands(story) >= at)  # type: ignore[misc]
            act()
        assert replay.wait(120) == 0, story.messages()
        assert running[0].wait(120) == 0
        use(story, file, files)
        for each in draw.sample([moment, now, begin], 3):
            over(story, each.position)
            assert story.unlike(each) == []
        story.good("replay")
        story.assert_equal()


def over(story: Chronicle, at: int) -> None:
    done = story.good("replay", "--over-backup", "--until", str(at), "--json").json
    assert (done["position"], done["parked"], done["files"]["lost"], done["inexact"]) == (at, 0, [], 0)
    again = story.good("replay", "--over-backup", "--until", str(at), "--json").json
    assert (again["counts"], again["files"]["missing"]) == ({}, 0)


def stands(story: Chronicle) -> int:
    return int(story.sql(story.target, "SELECT max(position) FROM aipstream.cursor")[0][0])
