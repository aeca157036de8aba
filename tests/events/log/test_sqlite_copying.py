"""A SQLite log as a copy of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.log.opening import open_log
from tests.events.log.copying import CopyingContract


def made(path: Path) -> str:
    """The URL of a log that was made there."""
    url = f"sqlite:///{path}"
    open_log(url, create=True).close()
    return url


class TestSqliteCopying(CopyingContract):
    """From SQLite into SQLite."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return made(tmp_path / "log.sqlite")

    @pytest.fixture
    def other(self, tmp_path: Path) -> str:
        return made(tmp_path / "copy.sqlite")
