"""The workers of one target: started when they are first needed, asked, and started anew when one is killed.

Invariants:

* Each answers in the order in which it was asked. What was asked of one that is gone is asked of the next in its place:
  decoding is pure, and what was committed of a share is recognised by the ledger.
* After an error nothing of this crew is used any more: `dismiss` ends all of them, whatever they are at.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Final

import structlog

from daemon.target.applied import Applied
from daemon.target.parallel import worker
from daemon.target.parallel.divide import Link, owner
from daemon.target.parallel.worker import Decode, Decoded, Failed, Plan, Write, Wrote
from events.aip.model import Uuid
from events.errors import ProcessEnded
from events.event import Position
from events.log import Entry

logger = structlog.get_logger(__name__)

DEATHS: Final = 3
"""How often a worker may be killed at one task, before the replay ends."""

_Asked = tuple[Decode | Write, Sequence[Entry]]
"""What was asked, and all events that it is about."""


class _Seat:
    """The place of one worker, whoever sits there."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan, self.number = plan, number
        self.waiting: deque[_Asked] = deque()
        self._decoded: set[Position] = set()
        self._deaths = 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=worker.main, args=(theirs, self.plan), name=f"aipstream-replay-{self.number}", daemon=True
        )
        self.process.start()
        theirs.close()
        self._decoded.clear()

    def decode(self, entries: Sequence[Entry]) -> None:
        self._ask(Decode(entries), entries)

    def write(self, entries: Sequence[Entry]) -> None:
        known = [entry.position for entry in entries if entry.position in self._decoded]
        self._ask(Write(known, [entry for entry in entries if entry.position not in self._decoded]), entries)

    def _ask(self, what: Decode | Write, entries: Sequence[Entry]) -> None:
        self.waiting.append((what, entries))
        self._send(what)

    def _send(self, what: Decode | Write) -> None:
        try:
            self.pipe.send(what)
        except OSError:
            return  # it is gone; the answer that does not come tells
        if isinstance(what, Decode):
            self._decoded.update(entry.position for entry in what.entries)

    def answer(self) -> Decoded | Wrote | Failed:
        """The answer to what was asked first. Raises ProcessEnded if one after another is killed at it."""
        while True:
            try:
                answer: Decoded | Wrote | Failed = self.pipe.recv()
            except (EOFError, OSError):
                self._again()
                continue
            _, entries = self.waiting.popleft()
            if not isinstance(answer, Decoded):
                upto = max((entry.position for entry in entries), default=0)
                self._decoded = {at for at in self._decoded if at > upto}
                self._deaths = 0
            return answer

    def _again(self) -> None:
        """Another one in the same place, asked the same."""
        self.end()
        self._deaths += 1
        logger.warning("replay.worker.ended", worker=self.number, exit_code=self.process.exitcode, times=self._deaths)
        if self._deaths >= DEATHS:
            raise ProcessEnded(
                f"[target] replayer {self.number + 1}: a process that writes was ended from outside {DEATHS} times"
            )
        self._start()
        asked, self.waiting = list(self.waiting), deque()
        for what, entries in asked:
            self.decode(entries) if isinstance(what, Decode) else self.write(entries)

    def end(self) -> None:
        """Whatever it is at: what it has not committed is rolled back."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Crew:
    """So many workers. Not safe for use from several threads."""

    def __init__(self, plan: Plan, size: int) -> None:
        self.size = size
        self._seats = [_Seat(plan, number) for number in range(size)]

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [seat.process.pid or 0 for seat in self._seats]

    def decode(self, entries: Sequence[Entry]) -> None:
        """Ask for those to be decoded, each by its owner."""
        parts: list[list[Entry]] = [[] for _ in self._seats]
        for entry in entries:
            parts[owner(entry.event.uuid, self.size)].append(entry)
        for seat, part in zip(self._seats, parts, strict=True):
            seat.decode(part)

    def decoded(self) -> dict[Position, frozenset[Link]]:
        """The links of the items of which that was asked first. Raises ProcessEnded."""
        found: dict[Position, frozenset[Link]] = {}
        for seat in self._seats:
            answer = seat.answer()
            assert isinstance(answer, Decoded)  # noqa: S101 - answers come in the order of what was asked
            found |= answer.links
        return found

    def write(self, shares: Sequence[Sequence[Entry]], meanwhile: Callable[[], None]) -> tuple[Applied, list[Uuid]]:
        """Have each share written; returns the counts and the objects that are there now. Raises what a worker did,
        after all of them have ended, and ProcessEnded. `meanwhile` is done while they write.
        """
        busy = [(seat, share) for seat, share in zip(self._seats, shares, strict=True) if share]
        for seat, share in busy:
            seat.write(share)
        meanwhile()
        done, arrived, failed = Applied(), list[Uuid](), list[BaseException]()
        for seat, _ in busy:
            answer = seat.answer()
            assert isinstance(answer, Wrote | Failed)  # noqa: S101 - answers come in the order of what was asked
            for level, event in answer.said:
                getattr(logger, level)(**event)
            if isinstance(answer, Failed):
                failed.append(answer.error)
            else:
                done.add(answer.applied)
                arrived += answer.arrived
        if failed:
            raise failed[0]
        return done, arrived

    def dismiss(self) -> None:
        """End all of them."""
        for seat in self._seats:
            seat.end()
