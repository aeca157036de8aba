"""What a check found, put right as far as anything proves how it was; and what is lost for good, named.

The order, in which each step makes the next one possible: indexes, links and the noted end; records out of a copy;
contents; payloads out of the log, a copy, the source; at last a new capture of objects whose newest event is lost.

Invariants:

* Nothing whole is touched, and nothing is written that the log's own checksums do not prove (`Mending`).
* Every damage is told with what became of it. A kill costs nothing: what is put right is found to be whole by the next
  run, and what is not is still in the books.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from daemon.config import Config
from daemon.failpoint import failpoint
from daemon.integrity import source
from daemon.integrity.books import Books, Damage
from daemon.integrity.contents import Contents
from daemon.integrity.copies import Copied
from daemon.integrity.records import (
    OF_PAYLOADS,
    OF_RECORDS,
    Payloads,
    at,
    faults,
    from_copy,
    one_bit,
    records_of,
    relink,
    runs,
)
from daemon.parts import Capturing, capturing
from events.errors import AipstreamError, ChecksumMismatch, ConfigError, GapInLog, Interrupted
from events.event import Position
from events.log import Log
from events.log.chain import Record
from events.log.inspecting import Fault, Inspecting, Mending
from events.log.opening import copying_of, inspecting_of, mending_of

MENDED, CAPTURED, LOST, LEFT = "mended", "captured", "lost", "left"
"""What became of a damage: it is as it was; the object was captured anew, and that state is lost; that state is lost,
and a later one of the object is whole; it is still there."""

RECORDS_AT_ONCE: Final = 500
NO_SOURCE: Final = "no [source] is configured from which the object could be captured anew"


class Step(NamedTuple):
    """One damage, what became (or would become) of it, and how or why."""

    damage: Damage
    became: str
    how: str


@dataclass
class Repaired:
    """What a repair did, or would do."""

    steps: list[Step] = field(default_factory=list)

    def count(self, became: str) -> int:
        """How many damages became that."""
        return sum(1 for step in self.steps if step.became == became)


class Repair:
    """One repair of the configured archive by the books of a check. `copy` is of the same log."""

    def __init__(
        self,
        config: Config,
        log: Log,
        books: Books,
        contents: Contents,
        *,
        copy: Copied | None = None,
        dry_run: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config, self.log, self.books, self.contents = config, log, books, contents
        self.inspecting: Inspecting = inspecting_of(log)
        of_copy = copy or Copied()
        self.copy, self.copy_marks, self.only_copy = of_copy.inspecting, of_copy.marks, of_copy.missing
        self.dry_run = dry_run
        self.progress, self.stopped = progress, stopped
        self.done = Repaired()
        self._total = 0
        self._unreadable: list[Damage] = []

    def alone(self) -> Repaired:
        """Only what the log and its copy prove: nothing is asked of the source, and no content is looked for."""
        damages = list(self.books.damages())
        self._total = len(damages)
        self._of_the_log(damages)
        self._payloads([one for one in damages if one.fault in OF_PAYLOADS] + self._unreadable, alone=True)
        return self.done

    def run(self) -> Repaired:
        """All of it. Raises Interrupted, what log, blob store and source raise; the same call again goes on."""
        damages = list(self.books.damages())
        self._total = len(damages)
        of_log = [one for one in damages if not one.content]
        torn = self._torn() if of_log else None
        if torn is None:
            for one in of_log:
                if one.fault == Fault.TORN:
                    self._told(one, MENDED, "the file is sound now")
            self._of_the_log(of_log)
        for one in damages:
            if one.content:
                self._look()
                where, why = self.contents.mend(one.content, dry_run=self.dry_run)
                self._told(one, MENDED if where else LEFT, where or why)
        if torn is None:
            of_payloads = [one for one in of_log if one.fault in OF_PAYLOADS or one.fault == Fault.DOCUMENT]
            self._payloads([*of_payloads, *self._unreadable])
        else:
            for one in of_log:
                self._told(one, LEFT, torn)
        return self.done

    def _of_the_log(self, damages: list[Damage]) -> None:
        self._overall([one for one in damages if one.fault in (Fault.INDEX, Fault.END)])
        self._records([one for one in damages if one.fault in OF_RECORDS])
        self._end([one for one in damages if one.fault == Fault.END])
        self._marks([one for one in damages if one.fault == Fault.MARK])

    @cached_property
    def mending(self) -> Mending:
        """What may write into the log. Raises ConfigError where nothing may."""
        return mending_of(self.log)

    def _torn(self) -> str | None:
        """Why nothing may be written into the log itself; its contents are mended all the same."""
        try:
            why = self.mending.unsound()
        except ConfigError as error:
            return f"{error}. {error.hint}"
        return f"{why}; `aipstream log repair --rebuild` makes another file of it" if why else None

    def _look(self) -> None:
        if self.stopped():
            raise Interrupted("stopped while the log was repaired")

    def _told(self, damage: Damage, became: str, how: str) -> None:
        self.done.steps.append(Step(damage, became, how))
        if became != LEFT and not self.dry_run:
            failpoint("repair.put")
            again = {damage.content: False} if damage.content else {}
            self.books.note(mended=[damage], bad=again)
        self.progress(len(self.done.steps), self._total)

    # --- what holds the records together --------------------------------------------------------------------------

    def _overall(self, damages: list[Damage]) -> None:
        indexes = [one for one in damages if one.fault == Fault.INDEX]
        if indexes and not self.dry_run:
            self.mending.reindex()
        for one in indexes:
            self._told(one, MENDED, "made anew from the records")

    def _records(self, damages: list[Damage]) -> None:
        by_position: dict[Position, list[Damage]] = {}
        for one in damages:
            by_position.setdefault(one.position, []).append(one)
        left: dict[Position, str] = {}
        for position, some in sorted(by_position.items()):
            self._look()
            found = at(self.inspecting, position)
            wrong = faults(found) & OF_RECORDS
            how, why = ("it is whole now", "") if not wrong else ("", self.only_copy)
            if wrong == {Fault.CHAIN}:
                how, why = relink(self.mending, position, dry_run=self.dry_run)
            elif Fault.HEADER in wrong:
                how, why = one_bit(self.inspecting, self.mending, found, dry_run=self.dry_run)
                why = why or self.only_copy
            elif found is not None and found.record is not None and wrong:
                self._unreadable += some  # the header is whole: it is the payload that cannot be read
                continue
            if how:
                for one in some:
                    self._told(one, MENDED, how)
            else:
                left[position] = why
        noted = self.inspecting.extent().noted  # a copy can give what is up to there; behind it is nothing, or a stray
        within, behind = ([one for one in sorted(left) if (one > noted) is beyond] for beyond in (False, True))
        for first, last in (*runs(within), *runs(behind)):
            how = ""
            if self.copy is not None:
                how, why = from_copy(self.mending, self.copy, first, last, dry_run=self.dry_run)
                left.update(dict.fromkeys(range(first, last + 1), why) if why else {})
            if not how and first > max(self.inspecting.extent()):
                how = "the log ends before it now"
            for position in range(first, last + 1):
                for one in by_position[position]:
                    self._told(one, MENDED if how else LEFT, how or left[position])

    def _end(self, damages: list[Damage]) -> None:
        for one in damages:
            noted, last = self.inspecting.extent()
            if noted == last < self.books.number("longest"):
                how, why = self._regrown(last, self.books.number("longest"))
                self._told(one, MENDED if how else LEFT, how or why)
            elif noted == last:
                self._told(one, MENDED, "it ends where it says now")
            elif noted > last and set(range(last + 1, noted + 1)) <= self._would_be_there():
                self._told(one, MENDED, "with the records out of the copy")
            elif noted > last:
                self._told(one, LEFT, f"{noted - last} events are missing at the end: {self.only_copy}")
            elif self.dry_run:
                self._told(one, MENDED, "by the records behind the end, if they are chained to it")
            else:
                try:
                    self.mending.put_end()
                    self._told(one, MENDED, f"the records up to {last} are chained to it")
                except (ChecksumMismatch, GapInLog) as error:
                    self._told(one, LEFT, str(error))

    def _marks(self, damages: list[Damage]) -> None:
        for one in damages:
            how, why = self.mending.put_marks(self.copy_marks, dry_run=self.dry_run)
            if how:
                self._told(one, MENDED, how)
            elif (others := self.mending.lose_marks(dry_run=self.dry_run)) is None:
                self._told(one, LEFT, why)
            else:
                kept = ", ".join(map(repr, others)) or "nothing"
                self._told(one, LOST, f"a moment that was to be kept is forgotten; {kept} is still kept")

    def _regrown(self, last: Position, longest: Position) -> tuple[str, str]:
        """Append what a log that was cut off has lost, out of the copy: (how, "") or ("", why not)."""
        if self.copy is None:
            return "", f"{longest - last} events are missing at the end: {self.only_copy}"
        if self.dry_run:
            return "from the copy, if that goes so far and its chain is that of the log", ""
        try:
            for first in range(last + 1, longest + 1, RECORDS_AT_ONCE):
                until = min(first + RECORDS_AT_ONCE - 1, longest)
                copying_of(self.log).extend(list(records_of(self.copy, first, until)))
        except (ChecksumMismatch, GapInLog) as error:
            return "", str(error)
        return "from the copy", ""

    def _would_be_there(self) -> set[Position]:
        """What a copy gives in a dry run."""
        return {step.damage.position for step in self.done.steps if self.dry_run and step.became == MENDED}

    # --- payloads -------------------------------------------------------------------------------------------------

    def _payloads(self, damages: list[Damage], *, alone: bool = False) -> None:
        left: dict[Position, tuple[Damage, Record]] = {}
        look = Payloads(self.inspecting, self.copy, [one.position for one in damages])
        found_again: dict[Position, tuple[bytes, str]] = {}
        for one in damages:
            self._look()
            found = at(self.inspecting, one.position)
            if one.fault == Fault.DOCUMENT:
                if found is not None and found.record is not None:
                    left[one.position] = one, found.record
                continue
            if found is None or found.record is None:
                self._told(one, LEFT, f"its header is damaged too: {self.only_copy}")
            elif not faults(found) & (OF_PAYLOADS | {Fault.UNREADABLE}):
                lost = found.record.thinned and one.fault != Fault.THINNED
                self._told(one, LOST if lost else MENDED, _state(found.record) if lost else "it is whole now")
            elif again := look(found):
                # Put back only when all have been looked for: two may stand in each other's place.
                found_again[one.position] = again
            else:
                left[one.position] = one, found.record
        for one in damages:
            if one.position in found_again:
                payload, where = found_again[one.position]
                self._put(one, payload, where)
        if not alone:
            self._from_source(left)

    def _put(self, damage: Damage, payload: bytes, where: str) -> None:
        if not self.dry_run:
            self.mending.put_payload(damage.position, payload)
            if damage.fault == Fault.THINNED:
                self.mending.keep(damage.position)
        self._told(damage, MENDED, where)

    def _from_source(self, left: dict[Position, tuple[Damage, Record]]) -> None:
        if not left:
            return
        newest = {position for position, (_, record) in left.items() if self._is_newest(position, record)}
        if self.config.source is None:
            self._lose(left, {}, NO_SOURCE)
        elif self.dry_run:
            self._would(left, newest)
        else:
            try:
                source.caught_up(self.config, self.log, self.inspecting)
                with capturing(self.config) as parts:
                    self._again(parts, left)
                    captured = self._anew(parts, left)
            except GapInLog as error:
                self._lose(left, {}, f"nothing can be captured before the log itself is mended: {error}")
                return
            failpoint("repair.captured")
            self._lose(left, captured, "")

    def _again(self, parts: Capturing, left: dict[Position, tuple[Damage, Record]]) -> None:
        """Put back what the source makes again byte for byte."""
        for position, (damage, record) in sorted(left.items()):
            self._look()
            if damage.fault == Fault.DOCUMENT:
                continue
            payload = source.payload_again(parts, record)
            if payload is not None:
                self._put(damage, payload, "read from the source again, the same byte for byte")
                del left[position]

    def _anew(self, parts: Capturing, left: dict[Position, tuple[Damage, Record]]) -> dict[Position, str]:
        """Capture the objects anew whose newest event is still damaged: those events, with why it could not be done."""
        failed: dict[str, str] = {}
        newest = [record for position, (_, record) in left.items() if self._is_newest(position, record)]
        source.capture_anew(parts, newest, failed.__setitem__)
        return {record.position: failed.get(record.event.uuid, "") for record in newest}

    def _lose(self, left: dict[Position, tuple[Damage, Record]], captured: dict[Position, str], why: str) -> None:
        """Mark as lost what stays damaged. `captured` is what `_anew` tried."""
        failed = {left[position][1].event.uuid: reason for position, reason in captured.items()}
        for position, (damage, record) in sorted(left.items(), reverse=True):
            why_not = failed.get(record.event.uuid) or why or "no later event of the object is whole"
            anew = captured.get(position) == ""
            if damage.fault == Fault.DOCUMENT:
                became = CAPTURED if anew else LEFT
                self._told(damage, became, "that state stays as it was appended" if anew else why_not)
                continue
            if self.dry_run:
                lost = not self._is_newest(position, record)
            else:
                lost = position in self.mending.lose([position], damage.what)
            if lost:
                self._told(damage, CAPTURED if anew else LOST, _state(record))
            else:
                self._told(damage, LEFT, why_not)

    def _would(self, left: dict[Position, tuple[Damage, Record]], newest: set[Position]) -> None:
        try:
            digests = source.standing(self.config, [record for _, record in left.values()])
        except AipstreamError as error:
            for damage, _ in left.values():
                self._told(damage, LEFT, str(error))
            return
        for position, (damage, record) in sorted(left.items()):
            same = bool(record.event.digest) and digests.get(record.event.uuid) == record.event.digest
            if same and damage.fault != Fault.DOCUMENT:
                how = "from the source, which has that state, if it gives the same bytes; else captured anew"
                self._told(damage, MENDED, how)
            elif position in newest:
                self._told(damage, CAPTURED, _state(record))
            else:
                self._told(damage, LOST if damage.fault != Fault.DOCUMENT else LEFT, _state(record))

    def _is_newest(self, position: Position, record: Record) -> bool:
        return next(iter(self.inspecting.later(record.event.uuid, position)), None) is None


def _state(record: Record) -> str:
    event = record.event
    name = f" ({event.handle})" if event.handle else ""
    return f"{event.kind.value} {event.uuid}{name} as it was at {event.commit_time} is lost"
