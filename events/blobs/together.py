"""The same question about many blobs: one after the other in a folder, several at a time where the way is long.

Invariant: answers come in the order of the questions, and no more than a few hundred questions are held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

from events.blobs import Blobs, Distant

PART: Final = 256

T = TypeVar("T")
A = TypeVar("A")


def together(blobs: Blobs, ask: Callable[[T], A], things: Iterable[T]) -> Iterator[A]:
    """What `ask` says of each. Raises what it raises."""
    if not isinstance(blobs, Distant):
        yield from map(ask, things)
        return
    remaining = iter(things)
    some = list(islice(remaining, PART))
    if len(some) < 2:
        yield from map(ask, some)
        return
    with ThreadPoolExecutor(blobs.at_once, thread_name_prefix="blobs") as pool:
        while some:
            yield from pool.map(ask, some)
            some = list(islice(remaining, PART))
