"""Contents in a bucket that nothing needs any more are put aside, wait, and go, whatever is killed when."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon.retention.prune import prune
from events.blobs import PLAIN, Blobs, Keys, Sweeping, open_blobs
from events.log import Log
from events.log.opening import open_log
from tests.daemon.retention.test_contents import NOTHING_LONG, NOW, WEEK
from tests.events.blobs.sealed.keyed import WRITER
from tests.events.samples import event
from tests.real.s3.server import S3Server

URL = "s3://bucket/prefix"

PRUNE = """
import json, sys
from events.blobs import Keys, open_blobs
from events.log.opening import open_log
from daemon.retention.prune import prune
from tests.daemon.retention.test_contents import NOTHING_LONG, NOW, WEEK
encrypt_to, identity, plain = json.loads(sys.argv[3])
blobs = open_blobs(sys.argv[2], keys=Keys(tuple(encrypt_to), identity, plain))
prune(open_log(sys.argv[1]), blobs, NOTHING_LONG, WEEK, now=NOW)
"""


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return open_log(f"sqlite:///{tmp_path}/log.sqlite", create=True)


def kept(blobs: Blobs, content: bytes) -> str:
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    return name


def older(s3: S3Server, name: str, days: float) -> None:
    """As if it had been put aside so long ago."""
    then = time.time() - days * 86400
    for path in (s3.bucket("bucket") / "prefix" / "quarantine" / name).iterdir():
        os.utime(path, (then, then))


@pytest.mark.parametrize("keys", [PLAIN, WRITER], ids=["plain", "encrypted"])
@pytest.mark.parametrize("place", ["prune.thinned", "prune.aside", "prune.deleted"])
def test_killed_anywhere_it_can_simply_be_run_again(
    s3: S3Server, log: Log, tmp_path: Path, place: str, keys: Keys
) -> None:
    """The next run ends where one that was not killed ends, and nothing that is needed is gone."""
    blobs = open_blobs(URL, create=True, keys=keys)
    assert isinstance(blobs, Sweeping)
    old = [kept(blobs, b"old %d" % number) for number in range(5)]
    new, waiting = kept(blobs, b"new"), kept(blobs, b"waiting")
    log.append([*(event(1 + number, 1, blobs=(old[number],)) for number in range(5)), event(9, 1, blobs=(new,))])
    blobs.quarantine([waiting])
    older(s3, waiting, 30)
    words = [sys.executable, "-c", PRUNE, f"sqlite:///{tmp_path}/log.sqlite", URL, json.dumps(keys)]
    killed = subprocess.run(words, env={**os.environ, "AIPSTREAM_FAILPOINT": place}, check=False)
    assert killed.returncode == -9
    prune(log, blobs, NOTHING_LONG, WEEK, now=NOW)
    assert [entry.event.lsn for entry in log.read(0)] == [9]
    assert list(blobs.list()) == [new]
    assert sorted(name for name, _ in blobs.quarantined()) == sorted(old)
    older(s3, old[0], 8)
    log.append([event(20, 1, blobs=(old[0],))])
    prune(log, blobs, NOTHING_LONG, WEEK, now=NOW)
    assert blobs.size(old[0]) == 5


def test_what_came_back_by_another_way_is_not_kept_twice(s3: S3Server) -> None:
    """A copy in quarantine of a blob that is in its place again is removed when it is a day old, and not before."""
    blobs = open_blobs(URL, create=True)
    assert isinstance(blobs, Sweeping)
    name = kept(blobs, b"content")
    aside = s3.bucket("bucket") / "prefix" / "quarantine" / name
    blobs.quarantine([name])
    assert blobs.has(name)
    assert list(blobs.quarantined()) == []
    assert len(list(aside.iterdir())) == 1
    older(s3, name, 2)
    assert list(blobs.quarantined()) == []
    assert not aside.exists() or not list(aside.iterdir())
    assert blobs.has(name)
