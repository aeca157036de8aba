"""How packages lie beside each other: what they are called, and which one leads to which in a recursive restore.

`packager -r -a` begins with one package and follows the links to the packages of the children, depth first. Each object
is restored below the parent that its own package names, so that one has to be there first (aip-format 4.3, 4.5):

* an object is linked from a container only if the parent that it names is that container or was restored before; its
  other containers get it from its AIP-TECHMD, or by the link from a container that comes later;
* an object that stock DSpace cannot restore so (without a handle, or withdrawn, or an old version) is not linked.

Invariant: no two packages of a moment have the same name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from daemon.export.moment import Head, Moment
from events.aip.mets import TYPES
from events.aip.model import Kind, Uuid
from events.aip.surroundings import package_name
from events.errors import AipstreamError

LAST: Final = 1 << 60
"""The rank of what no recursive restore comes to: everything is there by then."""


class Layout:
    """The packages of a moment. `roots`: where a recursive restore begins, one after the other; none: nowhere."""

    def __init__(self, moment: Moment, roots: Sequence[Uuid] = (), suffix: str = "zip") -> None:
        self.moment = moment
        self.roots = roots
        self.suffix = suffix
        self.missing: set[Uuid] = set()
        """Objects whose packages could not be written: nothing leads to them."""
        self._archived: dict[Uuid, bool] = {}

    @cached_property
    def from_site(self) -> bool:
        """Whether the restore begins with the site, so that it may begin with an empty repository."""
        return bool(self.roots) and self.moment.heads[self.roots[0]].kind is Kind.SITE

    def name(self, head: Head) -> str:
        """The file name of an object's package; two handles that give one name are told apart by UUIDs."""
        name = package_name(head.kind, head.handle, head.uuid, self.suffix)
        return package_name(head.kind, None, head.uuid, self.suffix) if name in self._doubled else name

    @cached_property
    def _doubled(self) -> frozenset[str]:
        heads = self.moment.of(*TYPES)
        counts = Counter(hash(package_name(each.kind, each.handle, each.uuid, self.suffix)) for each in heads)
        often = {each for each, count in counts.items() if count > 1}
        if not often:
            return frozenset()
        heads = self.moment.of(*TYPES)
        names = (package_name(each.kind, each.handle, each.uuid, self.suffix) for each in heads)
        return frozenset(name for name in names if hash(name) in often)

    def archived(self, uuid: Uuid) -> bool:
        """Whether an item is in the archive: neither withdrawn nor an old version; stock DSpace reaches no others.

        One that cannot be read is taken for such an item: it is told when its turn comes.
        """
        if uuid not in self._archived:
            try:
                aip = self.moment.aip(uuid)
            except (AipstreamError, ValueError):
                return True
            own = next((row for row in aip.items if row.uuid == uuid), None) if aip is not None else None
            self._archived[uuid] = own is not None and own.in_archive and not own.withdrawn
        return self._archived[uuid]

    def children(self, uuid: Uuid) -> list[Head]:
        """What the package of that container leads to, in order."""
        own = self.ranks.get(uuid, LAST)
        return [
            head
            for head in self.moment.children(uuid)
            if head.handle
            and head.uuid not in self.missing
            and self.ranks.get(self.parent(head) or "", -1) <= own
            and (head.kind is not Kind.ITEM or (self.parent(head) is not None and self.archived(head.uuid)))
        ]

    def parent(self, head: Head) -> Uuid | None:
        """The container that an object's package names as its parent, None for what has none but the site."""
        for parent in head.parents[:1] if head.kind is Kind.ITEM else head.parents:
            if parent in self.moment.heads:
                return parent
        return None

    @cached_property
    def ranks(self) -> dict[Uuid, int]:
        """The containers in the order in which the restore comes to them."""
        reached = set(self.roots)
        waiting = list(self.roots)
        while waiting:
            for head in self._containers(waiting.pop()):
                if head.uuid not in reached:
                    reached.add(head.uuid)
                    waiting.append(head.uuid)
        ranks: dict[Uuid, int] = {}
        waiting = list(reversed(self.roots))
        while waiting:
            uuid = waiting.pop()
            if uuid in ranks:
                continue
            ranks[uuid] = len(ranks)
            waiting += reversed(
                [
                    head.uuid
                    for head in self._containers(uuid)
                    if self.parent(head) in (uuid, None) or self.parent(head) not in reached
                ]
            )
        return ranks

    def _containers(self, uuid: Uuid) -> list[Head]:
        head = self.moment.heads.get(uuid)
        if head is None or head.kind is Kind.ITEM:
            return []
        return [each for each in self.moment.children(uuid) if each.kind is not Kind.ITEM and each.handle]

    def rank(self, head: Head) -> int:
        """When an object is restored: an item with the first container that leads to it."""
        if head.kind is not Kind.ITEM:
            return self.ranks.get(head.uuid, LAST)
        owner = self.ranks.get(self.parent(head) or "", -1)
        return min((rank for up in head.parents if (rank := self.ranks.get(up, LAST)) >= owner), default=LAST)
