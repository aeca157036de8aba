"""The loss ledger: what a pair of source, target and driver cannot carry, counted before and after.

Invariant: a loss is found by comparing rows, what an object has with what arrives, never by a list of what one
remembers to mention. So a row that is not carried cannot be missing here.
"""

from __future__ import annotations

from typing import NamedTuple

from events.aip.model import Kind, Uuid


class Loss(NamedTuple):
    """What of one object does not arrive: `rows` of them, of the kind `code` (`daemon.losses.codes.CODES`)."""

    uuid: Uuid
    kind: Kind
    handle: str | None
    code: str
    rows: int = 1
    detail: str = ""
