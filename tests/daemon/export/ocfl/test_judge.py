"""The judge of these tests sees what the outside validator by itself lets pass."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from events.errors import ChecksumMismatch, InvalidPackage
from tests.daemon.export.composed import SITE
from tests.daemon.export.ocfl.living import Living, valid


def flipped(folder: Path) -> None:
    """Its command ends with 0 all the same: it counts only what is wrong with the hierarchy."""
    path = folder / "v1/content/event.json"
    path.write_bytes(b"[" + path.read_bytes()[1:])


def misplaced(folder: Path) -> None:
    """It does not compare an object's place with the layout."""
    other = folder.parents[2] / "aa" / "bb" / folder.name
    other.parent.mkdir(parents=True)
    shutil.move(folder, other)
    folder.parent.rmdir()
    folder.parent.parent.rmdir()


def linked_away(folder: Path) -> None:
    """It follows links."""
    path = folder / "v1/content/event.json"
    aside = folder.parents[3] / "aside"
    path.rename(aside)
    path.symlink_to(aside)


def doubled(folder: Path) -> None:
    """A second name of a file, outside of the archive."""
    os.link(folder / "inventory.json", folder.parents[3] / "aside")


@pytest.mark.parametrize("harm", [flipped, misplaced, linked_away, doubled])
def test_harm_is_seen(living: Living, harm: Callable[[Path], None]) -> None:
    """Each by the check that is meant for it; without it the archive is good."""
    living.archive()
    assert valid(living.root) == 1
    harm(living.object(SITE).folder)
    with pytest.raises((AssertionError, ChecksumMismatch, InvalidPackage)):
        valid(living.root)
