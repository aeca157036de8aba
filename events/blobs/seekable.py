"""A content that can be read from anywhere, as a file of Python's: what a reader of any store has in common.

Invariant: going somewhere reads nothing; the position moves by what is read, or by being told to.
"""

from __future__ import annotations

import io


class Seekable(io.RawIOBase):
    """`size` bytes, of which the next one comes from `_at`. Who derives from it reads (`readinto`)."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there; nothing is read by that."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._at = base + offset
        return self._at
