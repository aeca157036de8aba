"""What the tests of the archive share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.export.ocfl.living import Living


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    """A site and nothing else yet, and a folder for its archive."""
    made = Living(tmp_path)
    yield made
    made.close()
