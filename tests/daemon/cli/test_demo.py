"""The demonstration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.cli.place import eventually


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for temporary files that PostgreSQL's own account may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("mode", ["wal", "poll"])
def test_the_demo_ends_with_equal_and_leaves_nothing(mode: str, folder: Path) -> None:
    """A short one, in both modes."""
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", "demo", "--seconds", "3", "--items", "20", "--mode", mode, "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["equal"]
    assert sum(told["edits"].values()) > 5
    assert list(folder.iterdir()) == []


def test_ctrl_c_ends_the_demo_and_leaves_nothing(folder: Path) -> None:
    """Daemon and cluster are stopped, the folder is gone."""
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.cli", "demo", "--items", "10"], stderr=messages, stdout=messages,
            env={**os.environ, "TMPDIR": str(folder)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's job may ignore it
        )

        def said() -> bool:
            messages.seek(0)
            return "edits," in messages.read()

        eventually(said)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 130
    assert list(folder.iterdir()) == []
