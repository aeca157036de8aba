"""Two sorted walks side by side: what is in one, in the other, or in both. Memory holds one of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from events.aip.model import Uuid


class Pair(NamedTuple):
    """An object: its digest on the source (None: not there) and the one that is known (None: not known)."""

    uuid: Uuid
    there: str | None
    known: str | None


def merged(there: Iterator[tuple[Uuid, str]], known: Iterator[tuple[Uuid, str]]) -> Iterator[Pair]:
    """Every object of the two walks once, sorted by UUID. Both must be sorted by the bytes of the UUID."""
    one, other = next(there, None), next(known, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None  # noqa: S101 -- for the type checker: the loop says so
            yield Pair(one[0], one[1], None)
            one = next(there, None)
        elif one is None or other[0] < one[0]:
            yield Pair(other[0], None, other[1])
            other = next(known, None)
        else:
            yield Pair(one[0], one[1], other[1])
            one, other = next(there, None), next(known, None)
