"""Where blobs wait that nothing seems to need, before they are deleted.

Invariant: a blob in quarantine is as good as in its place: whoever asks for it brings it back by that. So a mark that
missed a reference (an event that was appended while it went on) costs nothing, as long as somebody asks in time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = "quarantine"


class Quarantine:
    """The folder `quarantine` in a local blob store. A file's time of change of status says since when it is there."""

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER

    def take(self, sha256: str, place: Path) -> int:
        """Move a blob out of its place; its bytes, 0 if it was not there. Raises OSError."""
        self.folder.mkdir(mode=0o750, exist_ok=True)
        try:
            size = place.stat().st_size
            os.utime(place)
            place.rename(self.folder / sha256)
        except FileNotFoundError:
            return 0
        return size

    def rescue(self, sha256: str, place: Path) -> bool:
        """Bring a blob back to its place; whether it was here. Raises OSError."""
        try:
            place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            (self.folder / sha256).rename(place)
        except FileNotFoundError:
            return False
        return True

    def list(self) -> Iterator[tuple[str, float]]:
        """Each blob with the seconds that it has been here."""
        now = time.time()
        try:
            entries = list(os.scandir(self.folder))
        except FileNotFoundError:
            return
        for entry in entries:
            try:
                yield entry.name, now - entry.stat(follow_symlinks=False).st_mtime
            except FileNotFoundError:
                continue

    def purge(self, names: Iterable[str]) -> int:
        """Delete those blobs for good; their bytes. Raises OSError."""
        freed = 0
        for name in names:
            path = self.folder / name
            try:
                freed += path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                continue
        return freed
