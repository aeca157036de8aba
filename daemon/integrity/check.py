"""The whole archive looked through, within a budget and in as many runs as it takes.

A pass has four phases: the log as a whole, with the pages of its file; every record of it; every content that a whole
event needs (is it there, has it the size that it should have, and of a share of them the bytes); and, if contents are
damaged, which objects need them.

Invariant: damage never ends a pass. What a run has not come to is told as not looked at, never as whole.

The share that is read back moves on from pass to pass: what was not read in this round comes first, by name, so that
a share of 10 % has read everything after ten passes. What was found damaged is read in every pass.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from daemon.failpoint import failpoint
from daemon.integrity.books import Affected, Books, Content, Damage
from daemon.integrity.documents import looked_into, named
from daemon.portions import portions
from events.blobs import Blobs, Distant
from events.blobs.unreadable import unreadable
from events.errors import BlobMissing, ChecksumMismatch, Interrupted, StorageUnusable
from events.event import BEGINNING, Position
from events.instants import now
from events.log.inspecting import Fault, Inspected, Inspecting

EVENTS_AT_ONCE: Final = 2000
BYTES_AT_ONCE: Final = 32 * 1024 * 1024
"""So much is looked at between two notes."""
CONTENTS_AT_ONCE: Final = 200
READ_AT_ONCE: Final = 16 * 1024 * 1024
THREADS: Final = 4
MOST_EFFECTS: Final = 10_000
"""Of so many damaged contents it is found out who needs them; the others are only counted."""

MOST_NOTED: Final = 100_000
"""Names of contents that are remembered to be in the books: events of one object need the same ones again and again."""

EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of no bytes."""

WHOLE, LOG, CONTENTS, EFFECTS, DONE = "whole", "log", "contents", "effects", "done"
"""The phases of a pass; `DONE`: the next run begins another one."""

Progress = Callable[[str, int, int | None], None]
"""Told what is being looked at, how many of it are done, and of how many."""


@dataclass
class Budget:
    """What a run may cost: seconds, and bytes that are read. None: as much as it takes."""

    seconds: float | None = None
    bytes: int | None = None
    used: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def spent(self) -> bool:
        """Whether it is time to stop. A run always does something: it is asked after a piece of work. The largest one,
        the file as a whole, is what a pass begins with: so it never comes on top of others.
        """
        if self.bytes is not None and self.used >= self.bytes:
            return True
        return self.seconds is not None and time.monotonic() - self.began >= self.seconds


class Check:
    """Goes on with the pass that the books have open, or begins one.

    `share` of the contents is read back in a pass, 0 to 1; `parse` reads every document too. `sizes` gives (SHA-256,
    bytes) of contents as somebody else knows them, `known` a position that the log has had. Raises what the books
    raise, and StorageUnusable where log or blob store cannot be read at all.
    """

    def __init__(
        self,
        inspecting: Inspecting,
        identity: str,
        blobs: Blobs,
        books: Books,
        *,
        share: float = 0.0,
        parse: bool = False,
        budget: Budget | None = None,
        sizes: Callable[[], Iterable[tuple[str, int]]] = lambda: (),
        known: Callable[[], Position] = lambda: BEGINNING,
        progress: Progress = lambda _what, _done, _total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.inspecting, self.identity, self.blobs, self.books = inspecting, identity, blobs, books
        self.share, self.parse, self.sizes, self.known = share, parse, sizes, known
        self.budget = budget or Budget()
        self.progress, self.stopped = progress, stopped
        self.number = 0
        self._noted: set[str] = set()

    def run(self, *, restart: bool = False, alone: bool = False) -> bool:
        """Whether the pass came to its end; of the log `alone` to that of the log."""
        self._begin(restart)
        steps = {WHOLE: self._whole, LOG: self._log, CONTENTS: self._contents, EFFECTS: self._effects}
        while (phase := self.books.meta("phase") or DONE) != DONE:
            if alone and phase == CONTENTS:
                return True
            if not steps[phase]():
                return False
        return True

    @property
    def _ended(self) -> bool:
        return self.stopped() or self.budget.spent

    def _begin(self, restart: bool) -> None:
        books = self.books
        self._noted.clear()
        if books.meta("log") != self.identity:
            books.forget()
        self.number = books.number("pass")
        beyond = books.number("position") > max(self.inspecting.extent())
        if restart or beyond or (books.meta("phase") or DONE) == DONE:
            self.number += 1
            fresh = dict.fromkeys(("position", "events", "bytes", "contents", "read", "quota", "share", "effects"), "0")
            fresh |= {"log": self.identity, "pass": str(self.number), "phase": WHOLE, "cursor": "", "began": now()}
            books.note(meta={**fresh, "parse": str(int(self.parse))})
        elif self.parse and not books.number("parse"):
            books.note(meta={"parse": "2" if books.number("position") else "1"})  # 2: not of those before

    # --- the log --------------------------------------------------------------------------------------------------

    def _whole(self) -> bool:
        """In one piece, and not noted before its end: a run that is stopped in it begins with it again."""
        size = self.inspecting.size()
        self.progress("the file of the log", 0, None)
        try:
            damages = list(self._overall())
        except Interrupted:
            return False
        self.budget.used += size
        bytes_ = self.books.number("bytes") + size
        self.books.note(number=self.number, damages=damages, meta={"phase": LOG, "bytes": str(bytes_)})
        failpoint("check.noted")
        return not self._ended

    def _log(self) -> bool:
        books, position = self.books, self.books.number("position")
        walk = self.inspecting.walk(position)
        total = max(self.inspecting.extent())
        events, size = books.number("events"), books.number("bytes")
        while some := list(_some(walk)):
            damages, needed, sizes = self._looked_at(some)
            needed -= self._noted
            position = some[-1].position
            read = sum(_bytes(found) for found in some)
            events, size = events + len(some), size + read
            self.budget.used += read
            books.note(
                number=self.number,
                damages=damages,
                needed=needed,
                sizes=sizes,
                meta={"position": str(position), "events": str(events), "bytes": str(size)},
            )
            failpoint("check.noted")
            if len(self._noted) >= MOST_NOTED:
                self._noted.clear()
            self._noted |= needed
            self.progress("the log", position, total)
            if self._ended:
                return False
        books.note(meta={"phase": CONTENTS, "quota": None})
        return not self._ended

    def _overall(self) -> Iterator[Damage]:
        whole: dict[Fault, list[str]] = {}
        for flaw in self.inspecting.overall(self.stopped):
            whole.setdefault(flaw.fault, []).append(flaw.what)
        if (before := self._longest()) > (end := max(self.inspecting.extent())):
            what = f"it ends at position {end} and had {before}: it was cut off, or an older copy was put in its place"
            whole.setdefault(Fault.END, []).append(what)
        for fault, said in whole.items():
            yield Damage(0, fault.value, "; ".join(said))

    def _longest(self) -> Position:
        """How far the log is known to have gone: by earlier checks, and by who appends to it. What is asked first of
        that one is asked of the log after it, so an event that comes meanwhile is no damage.
        """
        before = max(self.books.number("longest"), self.known())
        noted, last = self.inspecting.extent()
        longest = max(before, last) if noted == last else before
        self.books.note(meta={"longest": str(longest)})
        return before

    def _looked_at(self, some: Sequence[Inspected]) -> tuple[list[Damage], set[str], dict[str, int]]:
        damages: list[Damage] = []
        needed: set[str] = set()
        sizes: dict[str, int] = {}
        for found in some:
            flaws, record = found.flaws, found.record
            if record is not None and not record.thinned:
                needed.update(record.event.blobs)
                if self.parse and found.whole:
                    wrong, known = looked_into(record.event)
                    flaws = (*flaws, *wrong)
                    sizes.update(known)
            if flaws:
                damages += damaged(found, flaws)
        return damages, needed, sizes

    # --- the contents ---------------------------------------------------------------------------------------------

    def _contents(self) -> bool:
        books = self.books
        quota = self._quota()
        cycle, cursor = books.number("cycle"), books.meta("cursor") or ""
        total, _ = books.read_in(self.number, cycle)
        done, read = books.number("contents"), books.number("read")
        at_once = self.blobs.at_once if isinstance(self.blobs, Distant) else THREADS
        with ThreadPoolExecutor(at_once) as threads:
            while some := books.contents(cursor, self.number, CONTENTS_AT_ONCE):
                damages, bad = [], {}
                for content, fault in zip(some, threads.map(self._there, some), strict=True):
                    if isinstance(fault, Damage):
                        damages.append(fault)
                        bad[content.sha256] = True
                lengths = {one.sha256: one.size or 0 for one in some}
                wanted = []
                for content in some:
                    if content.sha256 not in bad and (content.bad or (quota > 0 and content.cycle != cycle)):
                        quota -= not content.bad
                        wanted.append(content.sha256)
                reached = some[-1].sha256
                for part in _by_size(wanted, lengths):
                    for name, fault_or_size in zip(part, threads.map(self._read, part), strict=True):
                        if isinstance(fault_or_size, Damage):
                            damages.append(fault_or_size)
                        else:
                            self.budget.used += fault_or_size
                        bad[name] = isinstance(fault_or_size, Damage)
                        read += 1
                    if self._ended:
                        reached = part[-1] if part[-1] != wanted[-1] else reached
                        break
                quota += sum(1 for one in some if one.sha256 > reached and one.sha256 in wanted and not one.bad)
                done += sum(1 for one in some if one.sha256 <= reached)
                cursor = reached
                books.note(
                    number=self.number,
                    damages=[one for one in damages if one.content <= reached],
                    bad={name: is_bad for name, is_bad in bad.items() if name <= reached},
                    read=[name for name in wanted if name <= reached],
                    cycle=cycle,
                    meta={"cursor": cursor, "quota": str(quota), "contents": str(done), "read": str(read)},
                )
                failpoint("check.read")
                self.progress("contents", done, total)
                if self._ended:
                    return False
        affected = any(one.content for one in books.damages())
        books.unaffect()
        books.note(meta={"phase": EFFECTS if affected else LOG, "effects": "0"})
        return self._effects() if affected else self._finish()

    def _quota(self) -> int:
        """How many are still to be read in this pass. What is asked for now counts, also in a pass that was begun with
        another share.
        """
        books = self.books
        left, share = books.meta("quota"), float(books.meta("share") or 0)
        if left is not None and share >= self.share:
            return int(left)
        if left is None:  # the beginning of the phase
            for some in portions(self.sizes(), EVENTS_AT_ONCE):
                books.note(sizes=dict(some))
        cycle = books.number("cycle")
        every, read = books.read_in(self.number, cycle)
        if cycle == 0 or (self.share and (read == every or self.share >= 1)):
            cycle, read = cycle + 1, 0
            books.note(meta={"cycle": str(cycle), "cycle_since": now()})
        quota = min(math.ceil(every * self.share), every - read)
        books.note(
            meta={"quota": str(quota), "share": str(self.share), "cursor": "", "contents": "0"},
        )
        return quota

    def _there(self, content: Content) -> Damage | None:
        try:
            size = self.blobs.size(content.sha256)
        except BlobMissing as error:
            return Damage(0, Fault.CONTENT_GONE.value, str(error), content.sha256)
        except ChecksumMismatch as error:  # of an encrypted one that is not whole
            return Damage(0, Fault.CONTENT.value, str(error), content.sha256)
        except (StorageUnusable, OSError) as error:
            return _of_one(error, content.sha256)
        if content.size is not None and size != content.size:
            what = f"it has {size} bytes and should have {content.size}"
            return Damage(0, Fault.CONTENT_SIZE.value, what, content.sha256)
        if size == 0 and content.sha256 != EMPTY:
            return Damage(0, Fault.CONTENT_SIZE.value, "it is empty", content.sha256)
        return None

    def _read(self, sha256: str) -> Damage | int:
        try:
            return self.blobs.verify(sha256).size
        except BlobMissing as error:
            return Damage(0, Fault.CONTENT_GONE.value, str(error), sha256)
        except ChecksumMismatch as error:
            return Damage(0, Fault.CONTENT.value, str(error), sha256)
        except (StorageUnusable, OSError) as error:
            return _of_one(error, sha256)

    # --- who needs what is damaged --------------------------------------------------------------------------------

    def _effects(self) -> bool:
        books, bad = self.books, set[str]()
        for one in books.damages():
            if one.content and len(bad) < MOST_EFFECTS:
                bad.add(one.content)
        total = max(self.inspecting.extent())
        walk = self.inspecting.walk(books.number("effects"), payloads=False)
        while some := list(_some(walk)):
            affected: dict[tuple[str, str], Affected] = {}
            for record in (found.record for found in some):
                for name in bad.intersection(record.event.blobs) if record and not record.thinned else ():
                    event, position = record.event, record.position  # type: ignore[union-attr]
                    first = affected.get((name, event.uuid))
                    affected[name, event.uuid] = (
                        first._replace(last=position)
                        if first
                        else Affected(
                            name, event.uuid, event.kind.value, event.handle, position, event.commit_time, position
                        )
                    )
            books.note(affected=list(affected.values()), meta={"effects": str(some[-1].position)})
            self.progress("who needs what is damaged", some[-1].position, total)
            if self._ended and some[-1].position < total:
                return False
        return self._finish()

    def _finish(self) -> bool:
        books = self.books
        last = {
            "at": now(),
            "began": books.meta("began"),
            "events": books.number("events"),
            "contents": books.number("contents"),
            "read": books.number("read"),
            "bytes": books.number("bytes"),
            "parsed": books.number("parse") == 1,
        }
        books.finish(self.number, {"phase": DONE, "last": json.dumps(last)})
        failpoint("check.finished")
        return True


def _of_one(error: StorageUnusable | OSError, sha256: str) -> Damage:
    """The damage, if it is of that content alone. Raises the error else."""
    what = unreadable(error)
    if what is None:
        raise error
    return Damage(0, Fault.CONTENT.value, what, sha256)


def damaged(found: Inspected, flaws: Sequence[tuple[Fault, str]]) -> list[Damage]:
    """What is wrong with a record, with the object that it is of as far as anything tells it."""
    claimed = found.claimed
    if claimed is None and found.found is not None:
        claimed = named(found.found)
    told = claimed or ("", "", None, "")
    return [Damage(found.position, fault.value, what, "", *told) for fault, what in flaws]


def _bytes(found: Inspected) -> int:
    payload = found.record.event.payload if found.record else b""
    return 300 + len(payload) + len(found.found or b"")


def _some(walk: Iterator[Inspected]) -> Iterator[Inspected]:
    """The next few of a walk."""
    events = size = 0
    for found in walk:
        yield found
        events, size = events + 1, size + _bytes(found)
        if events >= EVENTS_AT_ONCE or size >= BYTES_AT_ONCE:
            return


def _by_size(names: Sequence[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    """The names in parts of about `READ_AT_ONCE` bytes."""
    part: list[str] = []
    size = 0
    for name in names:
        part.append(name)
        size += max(sizes[name], 1 << 16)
        if size >= READ_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part
