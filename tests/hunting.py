"""How many examples a property is tried with, and whether the same ones each time.

A run of the suite draws the same examples on every machine: it says something about the code, and its verdict does not
depend on luck. `make hunt` draws others, many more, and says how a failing one is found again.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

FACTOR: Final = int(os.environ.get("HUNT", "0"))
"""So many times the examples of a run of the suite; 0 for the suite itself."""


def examples(count: int) -> int:
    """`max_examples` of a property that the suite tries with `count`."""
    return count * (FACTOR or 1)


def begin() -> None:
    """For the head of the suite's conftest, before any property is read."""
    settings.register_profile("suite", derandomize=True)
    settings.register_profile("hunt", derandomize=False, print_blob=True, max_examples=examples(100))
    settings.load_profile("hunt" if FACTOR else "suite")
