"""The way from the log to the target: batches in order, then the sequences.

Invariant: the target's own position says where to go on; nothing here remembers anything. So a replay can be stopped
anywhere, by any signal, and simply be started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from daemon.dspace import sequences
from daemon.target.applied import Applied
from daemon.target.batch import Ahead, decode_ahead
from daemon.target.port import Bulk, Target, Windowed
from events.event import Position
from events.log import Entry, Log

MOST_BYTES: Final = 16 * 1024 * 1024
"""Payload bytes of one batch at most, so that memory does not grow with the size of objects."""

MOST_IN_BULK: Final = 5000
"""Events of one batch of a target that wants large ones: of an object that changed often only the last one costs."""

Progress = Callable[[Position, Applied], None]


def batches(
    entries: Iterable[Entry], most: int, *, bytes_: int = MOST_BYTES, whole: tuple[Position, Position] = (0, 0)
) -> Iterator[list[Entry]]:
    """The entries in runs of at most `most`, each of at most `bytes_` of payload unless one alone has more.

    What is after the first position of `whole` and up to the second is in one run.
    """
    run: list[Entry] = []
    size = 0
    begin, until = whole
    for entry in entries:
        inside = begin < entry.position <= until
        first = inside and bool(run) and run[-1].position <= begin
        if run and (first if inside else len(run) >= most or size + len(entry.event.payload) > bytes_):
            yield run
            run, size = [], 0
        run.append(entry)
        size += len(entry.event.payload)
    if run:
        yield run


def replay(
    target: Target,
    log: Log,
    *,
    after: Position | None = None,
    until: Position | None = None,
    batch: int = 500,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Applied:
    """Apply the log after that position (the target's own if None) up to `until` (its end as of now if None).

    An earlier `after` than the target's own is safe: what is applied already is recognised and left alone. Raises
    GapInLog, TargetUnreachable, Locked; what was applied until then stays applied.
    """
    if after is None:
        target.recognise_log()
    begin = target.position() if after is None else after
    end = log.end() if until is None else until
    total = target.resume()
    bulk = target if isinstance(target, Bulk) else None
    if bulk:
        bulk.stopped = stopped
    windowed = target if isinstance(target, Windowed) else None
    width = windowed.width if windowed else 1
    begun = windowed.begun() if windowed else 0
    runs = batches(
        log.read(begin, until=max(end, begun)),
        MOST_IN_BULK if bulk else batch * width,
        bytes_=MOST_BYTES * width,
        whole=(target.position(), begun) if begun else (0, 0),
    )
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        run = next(runs, None)
        ahead: Ahead | None = None
        while run and not stopped():
            following = next(runs, None)
            if bulk and progress:
                bulk.progress = partial(_within, run, progress, total)
            coming = pool.submit(decode_ahead, following) if following and ahead is not None and width == 1 else None
            if windowed and following:
                windowed.expect(following)
            done = target.apply(run, ahead)
            total.add(done)
            if progress:
                progress(run[-1].position, total)
            # Where nearly all is old (a replay from an earlier position), decoding ahead would be for nothing.
            ahead = coming.result() if coming else {} if done.old * 2 < len(run) and not bulk and width == 1 else None
            run = following
    if total.parked:
        total.add(target.retry_conflicts())
    return total


def _within(run: Sequence[Entry], progress: Progress, total: Applied, done: int, of: int) -> None:
    """Tell how far a large batch has come, as a position between its ends."""
    share = min(1.0, done / of) if of else 0.0
    progress(run[0].position - 1 + round((run[-1].position - run[0].position) * share), total)


def finish(target: Target) -> list[sequences.SequenceChange]:
    """Move the target's sequences forward over everything that was written; returns what moved."""
    return target.finish()
