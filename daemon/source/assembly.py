"""Messages of one replication stream put together to transactions' touches. No I/O.

Invariant: a chunk holds each touch once and at most `most` of them, so a transaction of any size takes constant memory;
the touches of one transaction are complete when its `Done` comes, and never before its commit.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from daemon.source.pgoutput import Begin, Change, Commit, Message, Truncate
from daemon.source.spool import Chunk
from daemon.source.touches import RULES, Found, Subject, touch

MOST: Final = 4_000
"""Touches of one chunk."""

REMEMBERED: Final = 100_000
"""Touches of the open transaction that were given out and are remembered, so that they are not given out again: a
transaction that changes a column of every value comes back to the same objects over and over."""

_CHECK: Final = 1_000
"""Row changes between two looks at how many touches there are."""


class Done(NamedTuple):
    """A transaction is complete: `chunk` is its last (or only) one, None if it touched nothing.

    `lsn` is the position after its commit; `parts` says that chunks of it came before.
    """

    number: int
    lsn: int
    chunk: Chunk | None
    parts: bool


class Assembly:
    """The transaction that is being received. `open` is true between its begin and its commit."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._number = 0
        self._begin: Begin | None = None
        self._found: Found = defaultdict(set)
        self._given: Found = defaultdict(set)
        self._changes = 0
        self._parts = False

    @property
    def open(self) -> bool:
        """A transaction has begun and not yet ended."""
        return self._begin is not None

    def abandon(self) -> int:
        """The connection was lost: forget what came of the open transaction. Its number, if a chunk of it was made."""
        number = self._number if self._begin is not None and self._parts else 0
        self._begin, self._parts = None, False
        self._found.clear()
        self._given.clear()
        return number

    def feed(self, message: Message) -> Chunk | Done | None:
        """What is complete after this message: a part of a large transaction, a whole one, or nothing."""
        if message.__class__ is Change:
            touch(self._found, message)
            self._changes += 1
            return self._part() if self._changes % _CHECK == 0 else None
        if isinstance(message, Begin):
            self._begin, self._parts, self._changes = message, False, 0
            self._number += 1
        elif isinstance(message, Commit):
            return self._done(message)
        elif isinstance(message, Truncate):
            for relation in message.relations:
                if relation.name in RULES:
                    self._found[Subject.TABLE].add(relation.name.encode())
        return None

    def _chunk(self, lsn: int, *, last: bool) -> Chunk:
        begin = self._begin or Begin(0, 0, 0)
        touches = {str(subject): list(values) for subject, values in self._found.items() if values}
        self._found.clear()
        return Chunk(self._number, begin.xid, lsn, begin.commit_time, touches, last)

    def _forget_given(self) -> None:
        """Take out of what was found that which a chunk of this transaction has told already."""
        if self._given:
            for subject, values in self._found.items():
                self._found[subject] = values - self._given[subject]

    def _part(self) -> Chunk | None:
        self._forget_given()
        if sum(map(len, self._found.values())) < self._most:
            return None
        self._parts = True
        if sum(map(len, self._given.values())) >= REMEMBERED:
            self._given.clear()
        for subject, values in self._found.items():
            self._given[subject] |= values
        return self._chunk(0, last=False)

    def _done(self, commit: Commit) -> Done:
        self._forget_given()
        some = self._parts or any(self._found.values())
        chunk = self._chunk(commit.end, last=True) if some else None
        done = Done(self._number, commit.end, chunk, self._parts)
        self._begin, self._parts = None, False
        self._given.clear()
        return done
