"""Which files this process opens, as the interpreter itself tells it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def opened() -> Iterator[list[str]]:
    """The paths of all files that this process opens or lists meanwhile, counted by the interpreter itself."""
    seen: list[str] = []
    _listeners.append(seen)
    try:
        yield seen
    finally:
        _listeners.remove(seen)


_listeners: list[list[str]] = []


def _hear(event: str, arguments: Any) -> None:
    if event not in ("open", "os.scandir", "os.listdir") or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    for each in _listeners:
        each.append(os.path.realpath(os.fsdecode(arguments[0])))


sys.addaudithook(_hear)  # which nobody can take away again
