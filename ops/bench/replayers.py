"""The same log into empty targets, by one replayer and by several, one after another in the same run."""

from __future__ import annotations

from typing import Protocol

from ops.bench import process
from ops.bench.site import Site

NUMBERS = (1, 2, 4, 1)
"""Replayers of each run. One at both ends: what the machine has become slower by meanwhile is seen so."""

TITLES = """
    UPDATE metadatavalue SET text_value = text_value || ' (again)' WHERE metadata_value_id IN (
      SELECT min(m.metadata_value_id) FROM metadatavalue m JOIN item i ON i.uuid = m.dspace_object_id
      WHERE i.in_archive GROUP BY i.uuid)"""


class Add(Protocol):
    """Takes a line of the table."""

    def __call__(self, what: str, seconds: float, *, units: int = 0, memory: float | None = None,
                 note: str = "") -> None: ...


def side_by_side(site: Site, add: Add) -> None:
    """All items new, then one edit of each; each target is proved equal, and dropped."""
    targets = []
    for run, replayers in enumerate(NUMBERS):
        name = f"replayed{run}"
        variables = {
            "AIPSTREAM_TARGET_DSN": site.repository(name, 2),
            "AIPSTREAM_TARGET_ASSETSTORE": str(site.folder / f"{name}-assetstore"),
            "AIPSTREAM_TARGET_REPLAYERS": str(replayers),
        }
        targets.append((name, replayers, variables))
        cost = process.run(site.command("replay"), **variables)
        site.execute(variables["AIPSTREAM_TARGET_DSN"], "CHECKPOINT")
        add(f"replay of new items by {replayers}", cost.seconds, units=site.items, memory=cost.memory,
            note=f"CPU {cost.cpu:.1f} s of ours")
    count = site.execute(site.source, TITLES)
    process.run(site.command("snapshot"))
    for name, replayers, variables in targets:
        cost = process.run(site.command("replay"), **variables)
        add(f"replay of one edit an item by {replayers}", cost.seconds, units=count, memory=cost.memory,
            note=f"CPU {cost.cpu:.1f} s of ours")
        process.run(site.command("verify"), **variables)
        site.cluster.drop(name)
