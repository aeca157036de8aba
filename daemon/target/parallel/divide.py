"""The items of a window, divided into shares that have nothing in common. Pure: links and edges in, shares out.

Invariant: two items that have a link in common, or whose links are joined by edges, are in one share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from events.aip.model import KIND_ORDER, Aip, Kind, Uuid
from events.event import Position, Type
from events.log import Entry

Link = tuple[str, str]
"""Something that an item may share with another: `o` an object or a part of one by its UUID, `h` a handle, `d` a DOI,
`f` a file of the assetstore, `v` a version history of the target.
"""

_APART = frozenset({Kind.GROUP, Kind.PERSON, Kind.SITE, Kind.REGISTRY})
"""Kinds whose deletion changes what others are: rows of items go with them."""


class Parts(NamedTuple):
    """A window in the order in which it is written; each part in the order of the log."""

    first: list[Entry]
    items: list[Entry]
    last: list[Entry]


def parted(entries: Sequence[Entry]) -> Parts | None:
    """The last events of each object of a window, in parts; None if it can only be written as one batch."""
    parts = Parts([], [], [])
    for entry in entries:
        event = entry.event
        if event.type is Type.DELETE:
            if event.kind in _APART:
                return None
            parts.last.append(entry)
        elif event.kind is Kind.TOMBSTONE:
            parts.last.append(entry)
        else:
            (parts.items if event.kind is Kind.ITEM else parts.first).append(entry)
    parts.first.sort(key=lambda entry: (KIND_ORDER[entry.event.kind], entry.position))
    return parts


def links_of(aip: Aip) -> frozenset[Link]:
    """Everything of an item that may be another's too."""
    uuids: set[Uuid] = {aip.uuid}
    for relation in aip.relations:
        uuids |= {relation.left, relation.right}
    uuids |= {row.item for row in aip.versions if row.item is not None}
    uuids |= {row.uuid for row in aip.bundles} | {row.uuid for row in aip.bitstreams} | {row.uuid for row in aip.items}
    return frozenset(
        {("o", uuid) for uuid in uuids}
        | {("h", row.handle) for row in aip.handles}
        | {("d", row.doi) for row in aip.dois}
        | {("f", row.internal_id) for row in aip.stored if row.internal_id}
    )


def owner(uuid: Uuid, workers: int) -> int:
    """The worker that reads the events of that item, and writes it unless it goes along with another's."""
    return crc32(uuid.encode()) % workers


def divide(
    entries: Sequence[Entry],
    links: Mapping[Position, Iterable[Link]],
    edges: Iterable[tuple[Link, Link]],
    workers: int,
) -> list[list[Entry]]:
    """A share for each worker, in the order of the log. Items that belong together go to the owner of the first."""
    sets = _Sets()
    for entry in entries:
        own: Link = ("o", entry.event.uuid)
        for link in links.get(entry.position, ()):
            sets.join(own, link)
    for one, other in edges:
        sets.join(one, other)
    shares: list[list[Entry]] = [[] for _ in range(workers)]
    chosen: dict[Link, int] = {}
    for entry in entries:
        root = sets.root(("o", entry.event.uuid))
        share = chosen.setdefault(root, owner(entry.event.uuid, workers))
        shares[share].append(entry)
    return shares


class _Sets:
    """Disjoint sets, with halved paths."""

    def __init__(self) -> None:
        self._above: dict[Link, Link] = {}

    def root(self, link: Link) -> Link:
        """What stands for the whole set."""
        above = self._above
        while (up := above.get(link, link)) != link:
            above[link] = above.get(up, up)
            link = above[link]
        return link

    def join(self, one: Link, other: Link) -> None:
        """Make the sets of both one."""
        left, right = self.root(one), self.root(other)
        if left != right:
            self._above[right] = left
