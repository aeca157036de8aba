"""What differs between two moments of the log: objects that came, went, or changed.

Invariant: read by two walks over the heads of the log, both sorted by UUID, so memory does not grow with the site.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from daemon.history.changes import changes
from daemon.history.why import document
from events.aip.model import Kind, Uuid
from events.event import Position
from events.log import Log

What = Literal["made", "deleted", "changed"]


class Change(NamedTuple):
    """One object that differs. `words` say how, if they were asked for."""

    uuid: Uuid
    kind: Kind
    handle: str | None
    what: What
    words: list[str]


def between(log: Log, one: Position, other: Position, *, words: bool = False) -> Iterator[Change]:
    """What happened from position `one` to position `other` in sum; sorted by UUID.

    An object that changed and changed back has only been touched, and is not told.
    """
    old, new = log.heads(one), log.heads(other)
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None  # noqa: S101 - the loop's condition
            yield from _change(log, left[0], left[3], "deleted", one, other, words)
            left = next(old, None)
        elif left is None or right[0] < left[0]:
            yield from _change(log, right[0], right[3], "made", one, other, words)
            right = next(new, None)
        else:
            same = left[1] == right[1] or (left[2] and left[2] == right[2])
            if not same:
                yield from _change(log, right[0], right[3], "changed", one, other, words)
            left, right = next(old, None), next(new, None)


def _change(
    log: Log, uuid: Uuid, kind: Kind, what: What, one: Position, other: Position, words: bool
) -> Iterator[Change]:
    before, after = log.latest(uuid, one, whole=words), log.latest(uuid, other, whole=words)
    handle = next((entry.event.handle for entry in (after, before) if entry and entry.event.handle), None)
    told: list[str] = []
    if words:
        told = changes(document(before.event) if before else None, document(after.event) if after else None)
    yield Change(uuid, kind, handle, what, told)
