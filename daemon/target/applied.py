"""What came of a replay, and the reasons for which an event is put aside.

Invariant: every event that was read is counted once, as written, deleted, unchanged, old or parked; what was lost or
drifted is told besides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from daemon.losses.summary import Summary
from daemon.target.batch import Drifted
from events.aip.model import Uuid
from events.errors import AipstreamError


class ParentMissing(AipstreamError):
    """An object whose owner is not on the target. It is applied by itself when the owner comes."""

    hint = "Nothing to do if the owner is further on in the log; else `aipstream snapshot` captures it again."


class EditedOnTarget(AipstreamError):
    """An object was edited on the target since the last replay, and `[target] on_drift = "park"`."""

    hint = (
        "Undo the edit on the target, then `aipstream park retry`; or give it up: "
        "`aipstream replay --on-drift overwrite --again UUID`."
    )


@dataclass
class Applied:
    """What came of a replay: objects by what happened to them. `differing` were written but do not read back equal."""

    events: int = 0
    written: int = 0
    deleted: int = 0
    unchanged: int = 0
    old: int = 0
    parked: int = 0
    released: int = 0
    files: int = 0
    drifted: list[Drifted] = field(default_factory=list)
    losses: Summary = field(default_factory=Summary)
    differing: list[Uuid] = field(default_factory=list)
    right: set[Uuid] = field(default_factory=set)
    """Of one batch alone: what is on the target as its events say."""

    def add(self, other: Applied) -> None:
        """Add the counts of another batch. What differed before it and is right behind it differs no more: a batch may
        end between the events of one moment, and an object then shows what only the next event of it says.
        """
        for each in fields(self):
            if each.name not in ("differing", "right"):
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        settled = other.right.union(other.differing)
        self.differing = [uuid for uuid in self.differing if uuid not in settled] + other.differing
