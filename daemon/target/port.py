"""The two doors to a target, whatever its driver: `Target` for whoever replays, `Reading` for whoever only looks.

Invariant of every driver: what has been applied, and what is parked, is kept where it moves together with the objects
or later than they do, never earlier. So an event may be applied twice, which is harmless, and none is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from daemon.dspace.sequences import SequenceChange
from daemon.losses import Loss
from daemon.target.applied import Applied
from daemon.target.batch import Ahead
from daemon.target.ledger import Parked
from events.aip.model import Uuid
from events.event import Position
from events.log import Entry, Log


class Target(Protocol):
    """One target that a log is replayed into, by one replayer at a time. Raises TargetUnreachable, Locked."""

    @property
    def log(self) -> Log:
        """The log that is replayed."""
        ...

    def position(self) -> Position:
        """Up to where the log has been applied or parked."""
        ...

    def recognise_log(self) -> None:
        """Raise GapInLog if the log is not the one that was applied up to the position."""
        ...

    def resume(self) -> Applied:
        """Finish what a replayer that was killed had left half done; once a connection."""
        ...

    def apply(self, entries: Sequence[Entry], ahead: Ahead | None = None) -> Applied:
        """Apply consecutive entries after the position, and move it to the last. What cannot be applied is parked."""
        ...

    def again(self, uuids: Sequence[Uuid]) -> Applied:
        """Apply the last event of each of those objects once more, whatever was applied of them."""
        ...

    def retry(self, uuids: Sequence[Uuid] | None = None) -> Applied:
        """Try parked events again, all or those of `uuids`."""
        ...

    def retry_conflicts(self) -> Applied:
        """Try together what was refused because of others, if the driver knows such a thing."""
        ...

    def discard(self, uuids: Sequence[Uuid]) -> int:
        """Forget parked events; how many there were."""
        ...

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        """What is parked, or what of `uuids` is; oldest position first."""
        ...

    def finish(self) -> list[SequenceChange]:
        """Move the target's sequences forward over everything that was written; what moved, if that is known."""
        ...

    def close(self) -> None:
        """Give locks and connections back."""
        ...


@runtime_checkable
class Bulk(Protocol):
    """What a target has besides, if a batch costs it seconds: it wants few and large ones, and asks within a batch
    whether it should `stopped()`, telling its `progress(done, of)` in objects.
    """

    stopped: Callable[[], bool]
    progress: Callable[[int, int], None]


@runtime_checkable
class Windowed(Protocol):
    """What a target has besides, if several processes may write it: a batch of `width` usual ones, which once begun has
    to be taken whole, by whoever goes on.
    """

    width: int

    def begun(self) -> Position:
        """Where the batch ends that was begun last, if that is after the position."""
        ...

    def expect(self, entries: Sequence[Entry]) -> None:
        """What will be applied after the next batch."""
        ...


class Reading(Protocol):
    """What a target's own books say, read without a lock and without disturbing anybody."""

    def position(self, log: str) -> Position:
        """Up to where the log of that identity has been applied; 0 if nothing has."""
        ...

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        """What is parked, or what of `uuids` is."""
        ...

    def losses(self, uuids: Sequence[Uuid] | None = None) -> Iterator[Loss]:
        """What was lost of every object as it was written last, or of those of `uuids`; one a code."""
        ...

    def summary(self, log: str) -> dict[str, Any]:
        """`position`, `lsn`, `commit_time`, `applied_at`, `objects` (by kind), `parked`, `process` (does one work?)."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...
