"""Where the files of a run of the tests lie."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import ground
from tests.ground import ROOM, has_room


def test_files_are_put_where_room_is_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there has none, and nothing has more than there is."""
    assert not has_room(tmp_path / "missing")
    assert not has_room(Path("/proc"))
    monkeypatch.setattr(ground, "ROOM", 1)
    assert has_room(tmp_path)
    monkeypatch.setattr(ground, "ROOM", 1 << 62)
    assert not has_room(tmp_path)


def test_who_sets_a_folder_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TMPDIR is left as it is; without it, memory is taken, by processes that are started as well."""
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setattr(ground, "MEMORY", tmp_path)
    monkeypatch.setattr(ground, "ROOM", 1)
    code = "import sys, tempfile; print(tempfile.gettempdir(), sys.dont_write_bytecode)"
    for chosen in (tmp_path / "chosen", None):
        if chosen:
            chosen.mkdir()
            monkeypatch.setenv("TMPDIR", str(chosen))
        else:
            monkeypatch.delenv("TMPDIR")
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        ground.begin()
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert told.split() == [str(chosen or tmp_path), "False"]
    assert tempfile.gettempdir() == str(tmp_path)
    assert ROOM > 1 << 30


def test_a_container_that_grants_little_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has. Control groups come in two versions, and a limit may be none."""
    (tmp_path / "memory").mkdir()
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        (tmp_path / name).write_text("max\n")
    monkeypatch.setattr(ground, "GROUPS", tmp_path)
    monkeypatch.setattr(ground, "ROOM", 1 << 20)
    assert has_room(tmp_path)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        (tmp_path / name).write_text("1048575\n")
    assert not has_room(tmp_path)
