"""What the tests of exports share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.export.composed import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """A site and nothing else yet."""
    made = Repository(tmp_path)
    yield made
    made.close()
