"""Packages are found by what they are, in an order that does not change."""

from __future__ import annotations

import os
from pathlib import Path

from events.package.listing import packages
from tests.events.package.composed import bag_entries, item, item_entries, item_payload, tarred, zipped


def test_packages_are_found_by_their_content(tmp_path: Path) -> None:
    """Not by name; everything else is skipped with its reason, folders are searched to the bottom."""
    zipped(tmp_path / "b.aip", item_entries())
    zipped(tmp_path / "a.zip", {"x": b""})
    (tmp_path / "c.xml").write_text(item())
    (tmp_path / "d.xml").write_text('<?xml version="1.0"?>\n<dublin_core/>')
    (tmp_path / "e").write_text("<DSpaceRoles/>")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "empty.zip").touch()
    (tmp_path / "gone.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"\0" * 6 + b"\x03\x00" + b"\0" * 8)
    store = tmp_path / "aip-store" / "deep"
    store.mkdir(parents=True)
    tarred(store / "bag.tgz", bag_entries(item_payload()))
    zipped(store / "bag.zip", bag_entries(item_payload()))
    (store / "loop").symlink_to(tmp_path)
    os.mkfifo(store / "pipe")

    skipped: dict[str, str] = {}
    found = list(packages([tmp_path], lambda path, reason: skipped.update({path.name: reason})))
    assert [path.name for path in found] == ["b.aip", "c.xml", "e", "bag.tgz", "bag.zip"]
    assert skipped == {
        "a.zip": "a zip without mets.xml or bagit.txt",
        "d.xml": "XML, but neither a METS manifest nor DSpaceRoles",
        "notes.txt": "neither a zip or tar, nor XML",
        "empty.zip": "empty",
        "gone.gz": "gzipped, but no tar",
        "loop": "a link to a folder",
        "pipe": "not a file",
    }


def test_the_order_is_the_users_and_no_file_comes_twice(tmp_path: Path) -> None:
    """A folder after a file of it, a link to it: once."""
    second = zipped(tmp_path / "2.zip", item_entries())
    first = zipped(tmp_path / "1.zip", item_entries())
    (tmp_path / "3.zip").symlink_to(first)
    assert list(packages([second, tmp_path, first])) == [second, first]


def test_what_is_damaged_or_missing_is_listed(tmp_path: Path) -> None:
    """Opening it says by name what is wrong; to be passed over in silence it would have to be no package."""
    cut = tmp_path / "cut.zip"
    cut.write_bytes(zipped(tmp_path / "a.zip", item_entries()).read_bytes()[:-30])
    elsewhere = zipped(tmp_path / "inner.zip", {"ITEM/mets.xml": b""})
    missing = tmp_path / "missing.zip"
    assert list(packages([cut, missing, elsewhere])) == [cut, missing, elsewhere]
