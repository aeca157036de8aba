"""The objects of archives that one verb reads, each of them once: what a moment is found by is kept, and told again.

Invariant: memory grows with the number of versions, some hundred bytes for each, never with what is in them. Whole
inventories are kept only as long as their documents together have no more than `KEPT` bytes; the others are read again
by whoever takes their files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from events.errors import ChecksumMismatch, InvalidPackage
from events.event import BEGINNING, Position
from events.ocfl.inventory import Inventory, Version
from events.ocfl.moments import ENVELOPE, Life
from events.ocfl.reading import OcflObject, objects

KEPT: Final = 32 * 1024 * 1024
"""Bytes of inventories. Decoded they take two to three times as much."""


class Shelf:
    """What was read so far. It is of the moment at which it was read: versions that come meanwhile are not in it."""

    def __init__(self) -> None:
        self._room = KEPT
        self._folders: dict[Path, list[Path]] = {}
        self._lives: dict[Path, Life] = {}
        self._whole: dict[Path, OcflObject] = {}

    def objects(self, root: Path, looked: Callable[[int], None] = lambda _: None) -> list[Path]:
        """As `events.ocfl.reading.objects`; `looked` is told how many there are so far."""
        if root not in self._folders:
            found = []
            for count, folder in enumerate(objects(root), 1):
                looked(count)
                found.append(folder)
            self._folders[root] = found
        return self._folders[root]

    def life(self, folder: Path) -> Life:
        """When its versions came. Raises InvalidPackage, ChecksumMismatch."""
        if folder.absolute() not in self._lives:
            self._read(folder)
        return self._lives[folder.absolute()]

    def whole(self, folder: Path) -> OcflObject:
        """The object with all its files. Raises InvalidPackage, ChecksumMismatch."""
        return self._whole.get(folder.absolute()) or self._read(folder)

    def _read(self, folder: Path) -> OcflObject:
        found = OcflObject(folder)
        if found.bytes <= self._room:
            self._room -= found.bytes
            self._whole[folder.absolute()] = found
            slim = found
        else:
            slim = found.with_inventory(_only(found.inventory, ENVELOPE))
        self._lives.setdefault(folder.absolute(), Life(slim))
        return found


class Lives:
    """All objects of an archive, for finding a position by time or LSN. `looked` is told how many were looked at."""

    def __init__(self, root: Path, looked: Callable[[int], None] = lambda _: None, shelf: Shelf | None = None) -> None:
        self.root, self.looked, self.shelf = root, looked, shelf or Shelf()
        self.reached = False
        """Whether the archive goes as far as what was last asked for: not all that it has came before that."""
        self.damaged: list[str] = []
        """What is wrong with objects that could not be asked."""

    def position(self, *, time: str | None = None, lsn: int | None = None) -> Position:
        """The highest position of any version by that time, or LSN; 0 if all came later.

        An object that is damaged says nothing here but that (`damaged`): the position may be too low by it.
        """
        found = BEGINNING
        self.reached, self.damaged = False, []
        for count, folder in enumerate(self.shelf.objects(self.root, self.looked), 1):
            self.looked(count)
            try:
                position, reached = self.shelf.life(folder).position(time=time, lsn=lsn)
            except (InvalidPackage, ChecksumMismatch) as error:
                self.damaged.append(str(error))
                continue
            found = max(found, position)
            self.reached = self.reached or reached
        return found


def _only(inventory: Inventory, name: str) -> Inventory:
    """What it says of one name, and of its versions when they were made."""
    states = {head: inventory.files(head).get(name) for head in inventory.versions}
    return Inventory(
        inventory.id,
        inventory.digestAlgorithm,
        inventory.head,
        {digest: inventory.manifest[digest] for digest in states.values() if digest},
        versions={
            head: Version(version.created, {digest: [name]} if (digest := states[head]) else {})
            for head, version in inventory.versions.items()
        },
        contentDirectory=inventory.contentDirectory,
    )
