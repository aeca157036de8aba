"""Says how some objects of a target differ from what they were, and whether others were left alone.

Invariant: read from the tables alone (`tests.compared`), as the judge of whole repositories is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator

from tests.comparator import End, Rows, marry, parts_of, without_local
from tests.compared import TABLES

OWNERS = {
    "community2community": ("child",),
    "community2collection": ("collection",),
    "collection2item": ("item",),
    "relationship": ("left", "right"),
}
"""Whose the row is, where not the first column says it."""

SHARED = ("handle", "doi")
"""Names that one object can only have if no other has them."""


def with_parts(end: End, objects: Collection[str]) -> set[str]:
    """Those objects with their template items, bundles, files and logos."""
    found = set(objects)
    for whole, part in (
        ("uuid", "template_item_id from collection"), ("uuid", "logo_bitstream_id from collection"),
        ("uuid", "logo_bitstream_id from community"), ("item_id", "bundle_id from item2bundle"),
        ("bundle_id", "bitstream_id from bundle2bitstream"),
    ):  # fmt: skip
        found |= {row[1] for row in end.read(f"select {whole}, {part}") if row[0] in found and row[1] is not None}
    return found


def strays(then: End, now: End, objects: Collection[str]) -> list[str]:
    """How those objects of `now` are not as they were `then`. A relationship needs both of its items."""
    marry(then, now)
    parts = parts_of(then, now)
    own = {then.name(uuid) or uuid for uuid in with_parts(then, objects) | with_parts(now, objects)}
    there = {now.name(uuid) for uuid in now.kinds}
    lines: list[str] = []
    for title, table in TABLES.items():
        columns = table.columns.split()
        owners = [columns.index(column) for column in OWNERS.get(title, columns[:1])]
        old = _of(then.rows(table, **parts), owners, own)
        new = _of(without_local(title, now.rows(table, **parts), now.local), owners, own)
        if title == "relationship":
            old = Counter({row: count for row, count in old.items() if {row[0], row[5]} <= there})
        lines += _lines(title, old, new)
    return lines


def disturbed(then: End, now: End, objects: Collection[str]) -> list[str]:
    """How what has nothing to do with those objects is not as it was `then`: two ends of one and the same target."""
    touched = with_parts(then, objects) | with_parts(now, objects)
    touched |= {name for uuid in touched if (name := now.name(uuid) or then.name(uuid))}
    parts = parts_of(then, now)
    lines: list[str] = []
    for title, table in TABLES.items():
        if title not in SHARED:
            lines += _lines(title, *(_without(end.rows(table, **parts), touched) for end in (then, now)))
    return lines


def _without(rows: Rows, touched: set[str]) -> Rows:
    return Counter({row: count for row, count in rows.items() if not touched & set(row)})


def _of(rows: Rows, owners: list[int], own: set[str]) -> Rows:
    return Counter({row: count for row, count in rows.items() if any(row[owner] in own for owner in owners)})


def _lines(title: str, old: Counter[tuple[Hashable, ...]], new: Counter[tuple[Hashable, ...]]) -> Iterator[str]:
    for where, rows in (("lost", old - new), ("too much", new - old)):
        yield from (f"{title}: {where}: {row!r}"[:300] for row in sorted(rows.elements(), key=repr)[:8])
