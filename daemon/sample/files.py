"""Files in an assetstore, as DSpace's local store lays them out.

Invariant: a file is wholly there, with its MD5 and size known, before a row may name it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class StoredFile:
    """What a `bitstream` row says about its file. `size` is in bytes, `md5` lower-case hex."""

    internal_id: str
    md5: str
    size: int


class Assetstore:
    """A local store: `ab/cd/ef/<internal_id>` under one folder (DSBitStoreService: three levels of two digits)."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder = folder
        self._random = random
        self._made: set[Path] = set()

    def path(self, internal_id: str) -> Path:
        """Where the file of that id lies. A registered one (`-R…`) lies under its own path."""
        if internal_id.startswith("-R"):
            return self.folder / internal_id[2:]
        return self.folder / internal_id[0:2] / internal_id[2:4] / internal_id[4:6] / internal_id

    def store(self, content: bytes) -> StoredFile:
        """Write a new file under a new id: a random number of 128 bits in decimal, as DSpace mints them."""
        internal_id = str(self._random.getrandbits(127) + (1 << 100))
        path = self.path(internal_id)
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        path.write_bytes(content)
        return StoredFile(internal_id, hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))

    def register(self, relative: str, content: bytes) -> StoredFile:
        """A file that stays where it was and is only registered: its id is `-R` and its path in the store."""
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return StoredFile(f"-R{relative}", hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))
