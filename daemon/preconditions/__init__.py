"""Everything that capture and replay need, looked at one by one on both ends, with the way to mend each.

Invariant: nothing is changed (in a bucket an object is written and removed again, for its rights can be found out in
no other way), and one thing that is missing hides no other: every part that can be looked at is.
"""

from __future__ import annotations

from typing import NamedTuple

Where = str
"""`log`, `source`, `target` or `both`; of several targets the name of the one that it is about."""


class Precondition(NamedTuple):
    """One thing: where, whether it holds, what was found, what mends it. Only what is `needed` makes a check fail."""

    where: Where
    ok: bool
    what: str
    mend: str = ""
    needed: bool = True
