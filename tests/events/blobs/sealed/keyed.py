"""A pair of keys for tests, made once, and what a store must never hold."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from events.blobs import Keys
from events.blobs.sealed.keys import make

_FOLDER = Path(tempfile.mkdtemp(prefix="aipstream-keys-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)

ONE, OTHER = _FOLDER / "one.key", _FOLDER / "other.key"
ONE_PUBLIC, OTHER_PUBLIC = make(ONE), make(OTHER)

BOTH = Keys((ONE_PUBLIC,), str(ONE))
"""May write and read."""
WRITER = Keys((ONE_PUBLIC,))
"""May only write."""

SECRET = b"the text that must never be seen in a store "


def holding(folder: Path, text: bytes = SECRET) -> Iterable[Path]:
    """The files that hold that text."""
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]
