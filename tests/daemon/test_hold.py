"""The lock of the capture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.hold import hold, holder
from events.errors import Locked, StorageUnusable


def test_it_is_held_once_and_names_its_holder(tmp_path: Path) -> None:
    """A second one is refused, with the process that is in the way; afterwards it is free."""
    path = tmp_path / "new" / "lock"
    assert holder(path) is None
    with hold(path):
        assert holder(path) == os.getpid()
        with pytest.raises(Locked, match=str(os.getpid())), hold(path):
            pytest.fail("held twice")
    assert holder(path) is None
    with hold(path):
        pass


def test_it_ends_with_its_process(tmp_path: Path) -> None:
    """However that ends."""
    path = tmp_path / "lock"
    program = (
        "import time; from pathlib import Path; from daemon.hold import hold\n"
        f"with hold(Path({str(path)!r})): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Locked, match=str(process.pid)), hold(path):
        pytest.fail("held twice")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with hold(path):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """As a fault of the storage."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnusable), hold(tmp_path / "file" / "lock"):
        pytest.fail("held")
