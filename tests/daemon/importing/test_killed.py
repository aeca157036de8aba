"""An import that is killed anywhere is run again, and ends as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.importing import world
from tests.daemon.importing.bench import Bench
from tests.events.package.composed import ITEM, STAFF

CONFIG = """
[log]
url = "sqlite:///{folder}/log.sqlite"
[blobs]
url = "file://{folder}/blobs"
[target]
dsn = "{dsn}"
assetstore = "{store}"
"""


def run(bench: Bench, *words: object, **environment: str) -> int:
    """The command, in a process of its own."""
    config = bench.folder / "aipstream.toml"
    config.write_text(CONFIG.format(folder=bench.folder, dsn=bench.dsn, store=bench.store))
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "--config", str(config), "import", *map(str, words)],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize(("into", "place"), [
    ("log", "import.blobs:2"), ("log", "import.appended:3"),
    ("target", "import.files:4"), ("target", "import.written:4"), ("target", "replay.staged:1"),
])  # fmt: skip
def test_a_killed_import_is_run_again(bench: Bench, tmp_path: Path, into: str, place: str) -> None:
    """With no object doubled, none half-written, and everything there in the end."""
    packages = world.world(tmp_path / "w")
    assert run(bench, packages, "--into", into, AIPSTREAM_FAILPOINT=place) == -signal.SIGKILL
    if into == "target":
        assert bench.sql("select count(*) from bitstream where internal_id is null") == [(0,)]
    assert run(bench, packages, "--into", into) == 0
    assert bench.there(into, "123456789/4").uuid == ITEM
    if into == "log":
        uuids = [entry.event.uuid for entry in bench.log.read(0)]
        doubled = {uuid for uuid in uuids if uuids.count(uuid) > 1}
        assert doubled <= {STAFF}, "the group that waited for its member has two events, all others one"
        bench.replay()
    assert bench.sql("select count(*) from item where in_archive") == [(1,)]
    assert not list((bench.store / ".aipstream").iterdir())
