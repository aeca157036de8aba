"""Which bundles of an item go into a package: the packager's options `filterBundles` and `includeBundles`.

Invariant: a bundle goes with everything of it, its bitstreams, their metadata, policies and contents, or stays with
everything; a bitstream that also stands in a bundle that goes, goes.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from events.aip.files import NAME_FIELD
from events.aip.model import Aip, Uuid
from events.errors import ConfigError


class Bundles(NamedTuple):
    """Names of bundles: only those (`include`), or all but those."""

    names: frozenset[str]
    include: bool

    @classmethod
    def of(cls, filtered: str | None, included: str | None = None) -> Bundles | None:
        """What stock DSpace understands by `filterBundles` (a leading `+`: only those) and the older `includeBundles`.

        None if every bundle goes. Raises ConfigError if both are given.
        """
        if filtered and included:
            raise ConfigError("filterBundles and includeBundles exclude each other", "Write filterBundles=+A,B alone.")
        text = filtered or (f"+{included.removeprefix('+')}" if included else "")
        include = text.startswith("+")
        names = frozenset(name.strip() for name in text.removeprefix("+").split(",") if name.strip())
        if not names or (include and names == {"all"}):
            return None
        return cls(names, include)

    def takes(self, name: str) -> bool:
        """Whether a bundle of that name goes."""
        return (name in self.names) is self.include


def filtered(aip: Aip, bundles: Bundles | None) -> Aip:
    """The item without the bundles that stay behind; the very same object if all go."""
    if bundles is None or not aip.bundles:
        return aip
    names = {row.subject: row.text or "" for row in aip.values if row.field == NAME_FIELD}
    gone = {row.uuid for row in aip.bundles if not bundles.takes(names.get(row.uuid, ""))}
    return without(aip, gone, set()) if gone else aip


def without(aip: Aip, bundles: set[Uuid], bitstreams: set[Uuid]) -> Aip:
    """The object without those bundles and bitstreams, and all that belongs to them."""
    placed = [row for row in aip.placed if row.bundle not in bundles and row.bitstream not in bitstreams]
    kept = {row.bitstream for row in placed}
    lost = {row.bitstream for row in aip.placed} - kept
    gone = bundles | bitstreams | lost
    order: dict[Uuid, int] = {}
    closed = []
    for row in sorted(placed, key=lambda each: (each.bundle, each.order)):
        order[row.bundle] = order.get(row.bundle, -1) + 1
        closed.append(replace(row, order=order[row.bundle]))
    return replace(
        aip,
        bundles=[
            replace(row, primary=None) if row.primary in gone else row for row in aip.bundles if row.uuid not in gone
        ],
        placed=closed,
        bitstreams=[row for row in aip.bitstreams if row.uuid not in gone],
        stored=[row for row in aip.stored if row.uuid not in gone],
        values=[row for row in aip.values if row.subject not in gone],
        policies=[row for row in aip.policies if row.subject not in gone],
    )
