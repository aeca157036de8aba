"""What the tests of the driver `packager` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.target.packager.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty log, and a target behind the stand-in."""
    made = Stage(tmp_path)
    try:
        yield made
    finally:
        made.close()
