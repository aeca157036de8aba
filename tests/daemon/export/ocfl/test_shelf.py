"""What an import reads of an archive: each inventory once, or again where they would be too much to be kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from events.ocfl import shelf
from tests.daemon.export.ocfl.living import Living
from tests.daemon.export.ocfl.opened import opened
from tests.daemon.export.ocfl.test_import import take
from tests.daemon.export.ocfl.test_moments import grown


@pytest.mark.parametrize("words", [(), ("--at", "9"), ("--at", "2026-03-01T00:00:09"), ("--at", "0/9")])
@pytest.mark.parametrize("name", ["archive", "link"])
def test_an_import_reads_each_inventory_once(
    living: Living, tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    """By a moment of any form and without one, and under whatever name the archive is given; a dry run and the import
    that follows say the same."""
    grown(living)
    (tmp_path / "link").symlink_to(living.root)
    root, living.root = living.root, tmp_path / name
    with opened() as paths:
        done = take(living, tmp_path / "new", *words)
    assert done["code"] == 0, done
    every = [str(path) for path in root.glob("*/*/*/inventory.json")]
    assert Counter(path for path in paths if path.endswith("inventory.json")) == dict.fromkeys(every, 1)
    envelopes = Counter(path for path in paths if path.endswith("event.json"))
    assert set(envelopes.values()) == {1}


def test_what_would_be_too_much_is_read_again(
    living: Living, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no room at all the import says and makes what it does with room for everything."""
    at = str(grown(living)["edited"])
    roomy = take(living, tmp_path / "roomy", "--at", at)
    monkeypatch.setattr(shelf, "KEPT", 0)
    with opened() as paths:
        tight = take(living, tmp_path / "tight", "--at", at)
    assert tight == roomy
    inventories = Counter(path for path in paths if path.endswith("inventory.json"))
    assert set(inventories.values()) > {1}
