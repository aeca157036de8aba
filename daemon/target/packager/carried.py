"""What stock DSpace loses of one object, whatever the target had of it before."""

from __future__ import annotations

from daemon.losses import Loss
from events.aip.model import Aip


def carried(aip: Aip) -> list[Loss]:  # noqa: ARG001 - the rows are compared by daemon.losses once it is there
    """The losses of an object by its rows."""
    return []
