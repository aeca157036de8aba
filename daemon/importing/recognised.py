"""Which parts of an object, as a package has it, are parts that are there already: the same bundle, the same file.

A stock package has no UUIDs of bundles, and a copy has others of files: parts are then known by their names and
contents.

Pure. Invariant: each part that is there is taken once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from events.aip.files import NAME_FIELD
from events.aip.model import Aip, Uuid


def names_of(aip: Aip) -> dict[Uuid, str]:
    """What the parts of an object are called: bundles, files."""
    return {row.subject: row.text or "" for row in aip.values if row.field == NAME_FIELD and row.subject != aip.uuid}


def same_parts(present: Aip, incoming: Aip) -> dict[Uuid, Uuid]:
    """The incoming parts that are there under another UUID. Each part that is there is taken once."""
    mapping: dict[Uuid, Uuid] = {}
    if incoming.collection and present.collection and incoming.collection.template and present.collection.template:
        mapping[incoming.collection.template] = present.collection.template
    names, called = names_of(present), names_of(incoming)
    free: defaultdict[Any, list[Uuid]] = defaultdict(list)
    inside, brought = _inside(present), _inside(incoming)
    there = {row.uuid for row in present.bundles}
    waiting = [row.uuid for row in incoming.bundles if row.uuid not in there]
    left = there - {row.uuid for row in incoming.bundles}
    alike = [
        (len(inside.get(old, set()) & brought.get(new, set())), old, new)
        for new in waiting
        for old in left
        if (names.get(old) or "") == (called.get(new) or "")
    ]
    for _, old, new in sorted(alike, key=lambda each: (-each[0], each[1:])):  # of two of one name, that with its files
        if old in left and new not in mapping:
            mapping[new] = old
            left.discard(old)
    files, more = _located(present, {}), _located(incoming, mapping)
    for uuid, place in files.items():
        if uuid not in more:
            free[place].append(uuid)
    for uuid, place in more.items():
        if uuid not in files and free[place]:
            mapping[uuid] = free[place].pop(0)
    return mapping


def _inside(aip: Aip) -> dict[Uuid, set[Uuid]]:
    """The files of each bundle."""
    found: dict[Uuid, set[Uuid]] = {}
    for row in aip.placed:
        found.setdefault(row.bundle, set()).add(row.bitstream)
    return found


def _located(aip: Aip, bundles: Mapping[Uuid, Uuid]) -> dict[Uuid, tuple[Any, ...]]:
    """What tells a file: its bundle, name and content. A logo has no name in a package."""
    names = names_of(aip)
    places = {row.bitstream: (bundles.get(row.bundle, row.bundle), row.order) for row in aip.placed}
    rows = sorted(aip.bitstreams, key=lambda row: (places.get(row.uuid, ("", 0)), row.uuid))
    found: dict[Uuid, tuple[Any, ...]] = {}
    for row in rows:
        bundle = places.get(row.uuid, (None, 0))[0]
        found[row.uuid] = (bundle, names.get(row.uuid) if bundle else None, row.checksum, row.size)
    return found


def unchanged_files(present: Aip | None, after: Aip) -> set[Uuid]:
    """The files of which nothing has to be brought: they are there with the same checksum and size."""
    if present is None:
        return set()
    held = {row.uuid: (row.checksum, row.size) for row in present.bitstreams if row.checksum}
    return {row.uuid for row in after.bitstreams if held.get(row.uuid) == (row.checksum, row.size)}
