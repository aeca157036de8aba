"""How exactly the log still knows a moment: what retention has taken away of it.

Invariant: whoever brings back or shows a moment that is no longer exact says of how many objects.
"""

from __future__ import annotations

from collections.abc import Mapping

from events.aip.model import Uuid
from events.event import Position
from events.log import Log
from events.log.opening import thinned_of


def inexact(log: Log, at: Position, only: Mapping[Uuid, Position] | None = None) -> int:
    """How many objects are not as they were at that position, for their event of then was thinned.

    With `only` of those objects alone, each at the position given with it.
    """
    retention = thinned_of(log)
    if only is None:
        return retention.stale(at)
    if not retention.thinned():
        return 0
    return sum(retention.stale(then, uuid) for uuid, then in only.items())


def warning(count: int, moment: str) -> list[str]:
    """The line that says so; none if all is exact."""
    if not count:
        return []
    objects = "1 object is" if count == 1 else f"{count:,} objects are"
    return [
        (
            f"not exact: {objects} as of an earlier event than the last before {moment}, or missing, for "
            "`aipstream prune`, or damage that was repaired, has taken that one away. Exact are the moments that "
            "[retention] and `aipstream keep` have kept."
        )
    ]


def within(log: Log, at: Position) -> list[str]:
    """The line that says that a position lies between events of one moment: the repository never stood like that."""
    here = next(log.read(max(at - 1, 0), limit=1, whole=False), None)
    after = next(log.read(at, limit=1, whole=False), None)
    if here is None or after is None or at == 0 or here.position != at:
        return []
    (one, other) = ((each.event.source, each.event.lsn, each.event.commit_time) for each in (here, after))
    return [between(at, after.event.commit_time)] if one == other else []


def between(at: Position, commit_time: str) -> str:
    """The line that `within` has."""
    return (
        f"position {at:,} lies between events of one moment ({commit_time[:19]}Z): the repository never stood like "
        "that. A time stands for the whole of it."
    )
