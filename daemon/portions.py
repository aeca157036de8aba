"""What is too much for one statement, or for memory, in lists of at most so many.

Invariant: nothing is asked for before the list that it is in is wanted, and order stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def portions(values: Iterable[T], most: int) -> Iterator[list[T]]:
    """The values in lists of at most so many."""
    remaining = iter(values)
    while some := list(islice(remaining, most)):
        yield some
