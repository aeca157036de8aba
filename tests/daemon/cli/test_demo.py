"""The demonstration."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.daemon.cli.place import eventually


@pytest.mark.parametrize("mode", ["wal", "poll"])
def test_the_demo_ends_with_equal_and_leaves_nothing(mode: str, tmp_path: Path) -> None:
    """A short one, in both modes."""
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "demo", "--seconds", "3", "--items", "20", "--mode", mode, "--json"],
        capture_output=True, text=True, check=False, env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["equal"]
    assert sum(told["edits"].values()) > 5
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_the_demo_and_leaves_nothing(tmp_path: Path) -> None:
    """Daemon and cluster are stopped, the folder is gone."""
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.cli", "demo", "--items", "10"], stderr=messages, stdout=messages,
            env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )

        def said() -> bool:
            messages.seek(0)
            return "edits," in messages.read()

        eventually(said)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert list(tmp_path.iterdir()) == []
