"""What of an object does not arrive through this driver: by comparing it with what DSpace makes of its package.

Two sources are put together. `daemon.losses` says what a restore loses of the rows of an object; the books say what
the target keeps though the source changed it (`kept`), which is more than one package can tell.

Invariant: of one object there is one loss a code.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from daemon.losses import Loss, compare
from daemon.losses.release import DRIVEN
from daemon.losses.stock import restored
from daemon.target.packager import kept
from daemon.target.packager.books import Standing, State
from events.aip.model import Aip, Kind, Value

NEWEST: Final = "10"
"""The release that is supposed if the target does not tell its own."""

PROVENANCE: Final = "dc.description.provenance"

_BOOKED: Final = frozenset({"moved", "unmapped", "parents", "reinstated", "handle", "renamed", "state"})
"""What the books know better: they remember more than the last package."""


def losses(
    aip: Aip, version: str, after: Standing | None = None, prior: Aip | None = None, *, withdraws: bool = False
) -> list[Loss]:
    """The losses of an object. `after` is where it stands on the target then, None if it is not brought there; `prior`
    is what it was when it was loaded before; `withdraws`: a second package withdraws it.
    """
    existing = restored(prior, version, at=DRIVEN) if prior is not None and after is not None else None
    made = restored(aip, version, existing=existing, at=DRIVEN)
    if made is not None and after is not None and after.state is State.WITHDRAWN:
        made = _withdrawn(restored(aip, version, existing=existing or made, at=DRIVEN) or made, withdraws)
    found = {loss.code: loss for loss in compare.losses(aip, made)}
    if after is not None and made is not None:
        found = {code: loss for code, loss in found.items() if code not in _BOOKED or aip.kind is Kind.REGISTRY}
        found |= {loss.code: loss for loss in kept.losses(aip, after)}
    return list(found.values())


def _withdrawn(made: Aip, withdraws: bool) -> Aip:
    """A withdrawn item keeps its own policies; its bundles and files come without any. DSpace notes the withdrawal
    before it writes the package's metadata.
    """
    parts = {row.uuid for row in made.bundles} | {row.uuid for row in made.bitstreams}
    values = made.values
    if withdraws:
        moved = [structs.replace(row, place=row.place + 1) if row.field == PROVENANCE else row for row in values]
        values = [*moved, Value(made.uuid, PROVENANCE, 0, "Item withdrawn by", "en")]
    policies = [row for row in made.policies if row.subject not in parts]
    return structs.replace(made, policies=policies, values=values)
