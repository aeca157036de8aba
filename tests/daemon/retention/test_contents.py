"""Contents that nothing needs any more are put aside, wait, and go."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.retention.policy import FOREVER, Policy
from daemon.retention.prune import prune
from events.blobs.local import LocalBlobs
from events.log import Log
from events.log.opening import open_log, retention_of
from tests.events.samples import event

NOTHING_LONG = Policy(*[timedelta(0)] * 4)
EVERYTHING = Policy(*[FOREVER] * 4)
WEEK = timedelta(days=7)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return open_log(f"sqlite:///{tmp_path}/log.sqlite", create=True)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs.from_url(f"file://{tmp_path}/blobs", create=True)


def kept(blobs: LocalBlobs, content: bytes) -> str:
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    return name


def older(blobs: LocalBlobs, name: str, days: float) -> None:
    """As if it had been put aside so long ago."""
    then = time.time() - days * 86400
    os.utime(blobs.folder / "quarantine" / name, (then, then))


def test_the_content_of_a_thinned_event_goes_in_two_steps(log: Log, blobs: LocalBlobs) -> None:
    """First aside, then, when it has waited for the quarantine, away. What another event needs stays."""
    old, both, new, loose = (kept(blobs, text) for text in (b"old", b"both", b"new", b"loose"))
    log.append([event(1, 1, blobs=(old, both)), event(2, 1, blobs=(both, new))])
    assert prune(log, blobs, EVERYTHING, WEEK, now=NOW).aside == 1
    assert [name for name, _ in blobs.quarantined()] == [loose]
    done = prune(log, blobs, NOTHING_LONG, WEEK, now=NOW)
    assert (done.thinned, done.aside, done.aside_bytes, done.deleted, done.waiting) == (1, 1, 3, 0, 2)
    assert sorted(blobs.list()) == sorted([both, new])
    older(blobs, old, 8)
    done = prune(log, blobs, NOTHING_LONG, WEEK, now=NOW)
    assert (done.deleted, done.deleted_bytes, done.waiting) == (1, 3, 1)
    assert not blobs.has(old)
    assert blobs.has(loose)


def test_a_content_that_is_needed_again_comes_back(log: Log, blobs: LocalBlobs) -> None:
    """An event that was appended after the mark had begun needs what was put aside."""
    name = kept(blobs, b"content")
    prune(log, blobs, EVERYTHING, WEEK, now=NOW)
    older(blobs, name, 30)
    log.append([event(1, 1, blobs=(name,))])
    done = prune(log, blobs, EVERYTHING, WEEK, now=NOW)
    assert (done.deleted, done.waiting) == (0, 0)
    assert list(blobs.list()) == [name]


def test_a_dry_run_changes_nothing(log: Log, blobs: LocalBlobs) -> None:
    """And counts what a run would do, with the contents of events that it would thin."""
    old = kept(blobs, b"old")
    log.append([event(1, 1, blobs=(old,)), event(2, 1, blobs=())])
    done = prune(log, blobs, NOTHING_LONG, WEEK, now=NOW, dry_run=True)
    assert (done.thinned, done.aside, done.aside_bytes) == (1, 1, 3)
    assert retention_of(log).thinned() == 0
    assert list(blobs.list()) == [old]


@pytest.mark.parametrize("place", ["prune.thinned", "prune.aside", "prune.deleted"])
def test_killed_anywhere_it_can_simply_be_run_again(log: Log, blobs: LocalBlobs, tmp_path: Path, place: str) -> None:
    """A process is killed there and leaves nothing behind; the next run ends where one that was not killed ends, and
    nothing needed is gone.
    """
    old = [kept(blobs, b"old %d" % number) for number in range(5)]
    new = kept(blobs, b"new")
    log.append([*(event(1 + number, 1, blobs=(old[number],)) for number in range(5)), event(9, 1, blobs=(new,))])
    waiting = kept(blobs, b"waiting")
    blobs.quarantine([waiting])
    older(blobs, waiting, 30)
    code = (
        "import sys, datetime\n"
        "from tests.daemon.retention.test_contents import *\n"
        "prune(open_log(sys.argv[1]), LocalBlobs.from_url(sys.argv[2]), NOTHING_LONG, WEEK, now=NOW)\n"
    )
    words = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/log.sqlite", f"file://{tmp_path}/blobs"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "AIPSTREAM_FAILPOINT": place, "TMPDIR": str(scratch)}
    assert subprocess.run(words, env=environment, check=False).returncode == -9
    assert list(scratch.iterdir()) == []
    prune(log, blobs, NOTHING_LONG, WEEK, now=NOW)
    assert [entry.event.lsn for entry in log.read(0)] == [9]
    assert list(blobs.list()) == [new]
    assert sorted(name for name, _ in blobs.quarantined()) == sorted(old)


def test_what_is_needed_lies_on_disk_and_a_full_one_is_told() -> None:
    """More names than SQLite holds in memory; where no file may grow to them, the error says what to do."""
    code = (
        "import hashlib, resource, sys\n"
        "from daemon.retention.prune import Mark\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    Mark().add(hashlib.sha256(str(number).encode()).hexdigest() for number in range(200_000))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("StorageUnusable")
    assert "TMPDIR" in done.stdout
