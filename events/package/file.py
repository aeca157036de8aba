"""A file that is read at places of our choosing, and notices when somebody changes it meanwhile.

Invariant: whatever the operating system says of it (missing, a folder, no right, shortened) is an InvalidPackage that
names the file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from events.errors import InvalidPackage

_BLOCK: Final = 128 * 1024


class SteadyFile:
    """A regular file opened for reading. `size` in bytes is that at the opening."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        try:
            # without O_NONBLOCK the opening of a pipe would wait for somebody to write into it
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            found = os.fstat(self._descriptor)
        except (OSError, ValueError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidPackage(f"{path}: cannot be opened: {reason}") from error
        if not stat.S_ISREG(found.st_mode):
            self.close()
            raise InvalidPackage(f"{path}: not a file" if not stat.S_ISDIR(found.st_mode) else f"{path}: a folder")
        self.size = found.st_size
        self._stamp = (found.st_size, found.st_mtime_ns)
        if self.size == 0:
            self.close()
            raise InvalidPackage(f"{path}: empty")

    def at(self, offset: int, length: int) -> bytes:
        """Exactly that many bytes from that offset. Raises InvalidPackage if they are not there (any more)."""
        if self._descriptor < 0:
            raise ValueError(f"{self.path}: the package was closed")
        parts: list[bytes] = []
        while length > 0:
            try:
                part = os.pread(self._descriptor, length, offset)
            except OSError as error:
                raise InvalidPackage(f"{self.path}: cannot be read at byte {offset}: {error.strerror}") from error
            if not part:
                self.unchanged()
                raise InvalidPackage(f"{self.path}: ends at byte {offset}, more was announced: truncated?")
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def blocks(self, offset: int, length: int) -> Iterator[bytes]:
        """That many bytes from that offset, in blocks."""
        for place in range(offset, offset + length, _BLOCK):
            yield self.at(place, min(_BLOCK, offset + length - place))

    def unchanged(self) -> None:
        """Raises InvalidPackage if the file was written to since it was opened."""
        found = os.fstat(self._descriptor)
        if (found.st_size, found.st_mtime_ns) != self._stamp:
            raise InvalidPackage(f"{self.path}: was changed while it was read", "Import it when nobody writes to it.")

    def close(self) -> None:
        """Give the descriptor back; twice does no harm."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
