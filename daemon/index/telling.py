"""One round of telling: what is due is read, planned, told call by call, and struck off call by call.

Invariant: a call that fails leaves its rows due and the others go on; a round ends with the first error it met, after
everything that could be told was told. Where every call fails, it does not try them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from daemon.failpoint import failpoint
from daemon.index.plan import everything, plan
from daemon.index.port import Call, Due, Indexer, Pending, Stopped
from events.errors import IndexFailed, Interrupted

logger = structlog.get_logger(__name__)

MOST: Final = 50_000
"""Rows that are read at once (some 20 MB). Where more are due, the whole index is told."""

IN_A_ROW: Final = 3
"""Calls that fail one after the other before the rest of a round is left for later."""

Progress = Callable[[int, int, str], None]
"""Told how many calls are done, of how many, and what comes next."""


class Told(NamedTuple):
    """What came of a round: calls made, objects struck off."""

    calls: int = 0
    objects: int = 0


def tell(
    due: Due,
    indexer: Indexer,
    *,
    batch: int,
    stopped: Stopped = lambda: False,
    progress: Progress = lambda _done, _of, _what: None,
) -> Told:
    """Tell what is due now. Raises IndexFailed if a call failed, Interrupted; what was told before is struck off."""
    pending = due.pending(MOST)
    if pending.more:
        return tell_everything(due, indexer, stopped=stopped, progress=progress)
    calls = planned(pending, batch, indexer)
    told, failed, in_a_row = Told(), [], 0
    for number, call in enumerate(calls):
        progress(number, len(calls), call.text)
        try:
            _one(indexer, call, stopped)
        except IndexFailed as error:
            failed.append(error)
            in_a_row += 1
            logger.debug("index.call", call=call.text, error=str(error))
            if in_a_row >= IN_A_ROW:
                break
            continue
        in_a_row = 0
        told = Told(told.calls + 1, told.objects + due.strike(call.covers))
    if failed:
        left = len(calls) - told.calls - 1
        also = f" (and {left} further calls failed or were not tried)" if left else ""
        raise IndexFailed(f"{failed[0]}{also}", failed[0].hint)
    progress(len(calls), len(calls), "")
    return told


def tell_everything(
    due: Due,
    indexer: Indexer,
    *,
    stopped: Stopped = lambda: False,
    progress: Progress = lambda _done, _of, _what: None,
) -> Told:
    """Bring the whole index up to date, whatever is due. Raises as `tell` does."""
    due.mark()
    calls = everything()
    for number, call in enumerate(calls):
        progress(number, len(calls), call.text)
        _one(indexer, call, stopped)
    progress(len(calls), len(calls), "")
    return Told(len(calls), due.strike_marked())


def planned(pending: Pending, batch: int, indexer: Indexer) -> list[Call]:
    """The calls that this indexer would be asked for."""
    return everything() if pending.more else plan(pending, batch=batch, start=indexer.start)


def _one(indexer: Indexer, call: Call, stopped: Stopped) -> None:
    if stopped():
        raise Interrupted("stopped before the index was told of everything; what is left stays due")
    indexer.tell(call, stopped)
    failpoint("index.told")
