"""One file or folder made durable by its name."""

from __future__ import annotations

import os
from pathlib import Path


def synced(path: Path) -> None:
    """Return when it is on disk: the content of a file, the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
