"""A capture may be killed between any two steps; run again, it converges, and nothing is in the log twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.daemon.source.site import Site, retitle

ROOT = Path(__file__).resolve().parents[3]


def run(site: Site, how: str, failpoint: str = "") -> int:
    """Capture once in another process; its exit code, negative for a signal."""
    environment = {**os.environ, "AIPSTREAM_FAILPOINT": failpoint}
    done = subprocess.run(
        [sys.executable, "-m", "tests.daemon.source.run_once", how, site.dsn, str(site.folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def each_state_once(site: Site) -> bool:
    """No two events of the log say the same of the same object."""
    said = Counter((event.uuid, event.type, event.digest) for event in site.events())
    return max(said.values()) == 1


def wait_until_alone(site: Site) -> None:
    """Return when no connection of a capture is left on the source; fail if one stays."""
    for _ in range(200):
        (left,) = site.sql(
            "select count(*) from pg_stat_activity where datname = current_database() and "
            "pid <> pg_backend_pid() and application_name like 'aipstream%%'"
        )[0]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError("a process of the killed bootstrap still holds its snapshot")


PLACES = ("capture.read", "capture.blobs", "capture.appended", "capture.remembered")


@pytest.mark.parametrize("place", PLACES)
def test_emitting_converges_wherever_it_is_killed(site: Site, place: str) -> None:
    """The same touches again do what is left to do, once for a first capture and once for edits and a delete."""
    assert run(site, "emit", place) == -signal.SIGKILL
    assert run(site, "emit") == 0
    assert site.heads() == site.digests()
    retitle(site, site.item(1), "Edited")
    site.sql("update item set in_archive = false where uuid = %s", site.item(0))
    assert run(site, "emit", place) == -signal.SIGKILL
    assert run(site, "emit") == 0
    assert site.heads() == site.digests()
    assert each_state_once(site)
    assert all(site.blobs.has(sha256) for event in site.events() for sha256 in event.blobs)


@pytest.mark.parametrize("place", ["bootstrap.slice:4", "capture.appended"])
def test_a_sweep_goes_on_where_it_was_killed(site: Site, place: str) -> None:
    """The first sweep is the bootstrap, and resumes."""
    assert run(site, "sweep", place) == -signal.SIGKILL
    assert run(site, "sweep") == 0
    assert site.heads() == site.digests()
    assert each_state_once(site)


@pytest.mark.parametrize("place", ["bootstrap.slice:3", "capture.appended", "capture.remembered"])
def test_a_bootstrap_goes_on_where_it_was_killed(site: Site, place: str) -> None:
    """Its processes end with it, and the next one takes a new snapshot."""
    assert run(site, "bootstrap", place) == -signal.SIGKILL
    wait_until_alone(site)
    assert run(site, "bootstrap") == 0
    assert site.heads() == site.digests()
    assert each_state_once(site)
