"""What a comparison collects, and what it has to know of the object: which part a row is of."""

from __future__ import annotations

from collections import Counter
from typing import Any

from daemon.losses import Loss
from events.aip.model import Aip, Uuid


class Found:
    """Losses as they are found: rows and an example by code."""

    def __init__(self, aip: Aip) -> None:
        self.aip = aip
        self.rows: Counter[str] = Counter()
        self.details: dict[str, str] = {}

    def __call__(self, code: str, detail: str = "", rows: int = 1) -> None:
        """Count rows under a code; the detail of the first is kept."""
        self.rows[code] += rows
        self.details.setdefault(code, detail[:200])

    def losses(self) -> list[Loss]:
        """All of it, sorted by code."""
        aip = self.aip
        return [
            Loss(aip.uuid, aip.kind, aip.handle, code, rows, self.details[code])
            for code, rows in sorted(self.rows.items())
        ]


class Parts:
    """Which part of the object a UUID is."""

    def __init__(
        self, aip: Aip, template: Uuid | None, logo: Uuid | None, added: set[Uuid], dropped: set[Uuid]
    ) -> None:
        self.uuid = aip.uuid
        self.kind = aip.kind
        self.template = template
        self.logo = logo
        self.added = added
        self.dropped = dropped
        self.bundles = {row.uuid for row in aip.bundles}
        self.bitstreams = {row.uuid for row in aip.bitstreams}
        of_template = {row.uuid for row in aip.bundles if template and row.subject == template}
        self.of_template = of_template | {row.bitstream for row in aip.placed if row.bundle in of_template}


def difference(one: list[Any], other: list[Any]) -> tuple[list[Any], list[Any]]:
    """The rows of one that the other lacks, and the other way round."""
    if one == other:  # as most are
        return [], []
    mine, theirs = Counter(one), Counter(other)
    return list((mine - theirs).elements()), list((theirs - mine).elements())
