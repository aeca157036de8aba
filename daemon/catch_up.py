"""Everything that is committed now, captured and replayed, once, and the index told: what `run --until-current` does.

Invariant: it ends when the target holds all that the source had committed when it began, but for what is parked on
either side; and it says how much that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from daemon import replayer
from daemon.capture_loop import capture_current
from daemon.config import Config
from daemon.dspace.sequences import SequenceChange
from daemon.index.telling import Progress as Telling
from daemon.indexing import Indexed, index_current
from daemon.parts import replaying
from daemon.source import Emitted
from daemon.source.bootstrap import Progress
from daemon.target.applied import Applied
from daemon.target.batch import OnDrift
from events.aip.model import Uuid
from events.errors import Interrupted
from events.event import Position

Stopped = Callable[[], bool]
Replayed = Callable[[int, int], None]
"""Told how many events are replayed, and of how many; once before the first."""


class Caught(NamedTuple):
    """What came of it; None for a side that the configuration does not have."""

    captured: Emitted | None
    applied: Applied | None
    sequences: list[SequenceChange]
    position: Position
    parked_on_capture: int
    parked_on_replay: int
    indexed: Indexed | None = None


def catch_up(
    config: Config,
    *,
    capturing: Progress | None = None,
    replaying: Replayed | None = None,
    indexing: Telling = lambda _done, _of, _what: None,
    stopped: Stopped = lambda: False,
    capture: bool = True,
) -> Caught:
    """Capture, replay, sequences, index. Raises Interrupted if it was stopped, and what each of them raises.

    Without `capture` only what is in the log; of several targets none, they are each caught up by itself.
    """
    captured, aside = None, 0
    if config.source and capture:
        captured, aside = capture_current(config, progress=capturing, stopped=stopped)
    if config.target is None:
        return Caught(captured, None, [], 0, aside, 0)
    applied, moved, position, parked = replay_current(config, told=replaying, stopped=stopped)
    indexed = index_current(config, stopped=stopped, progress=indexing)
    return Caught(captured, applied, moved, position, aside, parked, indexed)


def replay_current(
    config: Config,
    *,
    after: Position | None = None,
    until: Position | None = None,
    on_drift: OnDrift | None = None,
    again: Sequence[Uuid] = (),
    told: Replayed | None = None,
    stopped: Stopped = lambda: False,
) -> tuple[Applied, list[SequenceChange], Position, int]:
    """Replay the log to its end as of now (or `until`), the objects of `again` once more, then the sequences.

    Returns the counts, the sequences that moved, the position reached and how many events are parked.
    """
    with replaying(config, on_drift=on_drift, stopped=stopped) as target:
        begin = target.position() if after is None else after
        end = target.log.end() if until is None else until
        tell = told or (lambda _done, _of: None)
        tell(0, end - begin)
        applied = replayer.replay(
            target,
            target.log,
            after=after,
            until=end,
            batch=config.need_target().batch,
            stopped=stopped,
            progress=lambda position, _applied: tell(position - begin, end - begin),
        )
        if again and not stopped():
            applied.add(target.again(again))
        moved = replayer.finish(target)
        position = target.position()
        if stopped() and position < end:
            raise Interrupted(f"stopped at position {position} of {end}")
        parked = len(target.parked())
        return applied, moved, position, parked
