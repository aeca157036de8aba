"""The log in a topic of Kafka, as it is read.

Invariants:

* Each message carries its position, its checksum and the chain (`events.log.kafka_record`). What is missing, foreign or
  damaged is a GapInLog; readers see committed records only.
* The index (`events.log.kafka_index`) holds no more than the topic, and can be thrown away. It is brought to the end
  before anything is told that depends on the end.
* A page is in memory before its first event is given, so nothing is held up while a consumer thinks.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Row

from events.aip.model import Kind, Uuid
from events.errors import AipstreamError, BlobMissing, ConfigError, GapInLog
from events.event import BEGINNING, Position
from events.log import Entry, Writing, kafka_lease, kafka_lost
from events.log.chain import Record, read_record
from events.log.kafka_errors import LogUnreachable
from events.log.kafka_index import CLAIM, OFFSET, PARTITION, Standing
from events.log.kafka_lease import Lease
from events.log.kafka_lost import MOVE_AWAY
from events.log.kafka_opening import KafkaOpening
from events.log.kafka_record import COMPACTED, Kept, claimed
from events.log.kafka_settings import Settings
from events.log.sqlite_rows import CHAIN, bare

T = TypeVar("T")

logger = structlog.get_logger(__name__)

PAGE_EVENTS: Final = 500
PAGE_BYTES: Final = 8 * 1024 * 1024

MANY: Final = 10_000
"""Records read into the index at once, after which it is told that this takes a while."""


class KafkaReading(KafkaOpening):
    """See `events.log.Log`, and KafkaOpening for what opening it raises."""

    def __init__(self, url: str, settings: Settings, *, create: bool = False) -> None:
        super().__init__(url, settings, create=create)
        self._lock = threading.RLock()
        self._noted = BEGINNING
        """Where the log ended when its writer last said so."""
        self._looked = time.monotonic()
        try:
            lease = self.lease()
        except BaseException:
            self.reader.close()
            raise
        self._note(lease)

    # --- the end ----------------------------------------------------------------------------------------------------

    def end(self) -> Position:
        """The position of the last committed event; the index is brought there."""
        return self.patiently(self._caught_up).end

    def patiently(self, ask: Callable[[], T]) -> T:
        """What it gives, asked again while the brokers are away, for about as long as one takes to start again."""
        deadline = time.monotonic() + self.settings.patience
        while True:
            with self._lock:
                try:
                    return ask()
                except AipstreamError as error:
                    self.reader.forget()
                    if not isinstance(error, LogUnreachable) or self.settings.stopped():
                        raise
                    self.still_there()
                    if time.monotonic() > deadline:
                        raise self.explained(error) from error
            time.sleep(0.2)

    def _caught_up(self) -> Standing:
        """The index at the last stable offsets as they are now. Raises GapInLog for a hole, and for a topic that ends
        before what is known of it.
        """
        fault = kafka_lost.certain(self.reader, self._lacking)
        if fault is not None:
            raise fault
        return self.index.reached()

    def _lacking(self) -> GapInLog | None:
        """What the topic turns out to lack, once the index was brought to its end."""
        begun = self.index.end()
        ends, standing = self._read_on()
        if standing.end == begun:
            self._look()
        return kafka_lost.cut_off(self.reader, standing, ends, self.index) or kafka_lost.unacknowledged(
            self.reader, standing, ends, self._noted
        )

    def _look(self) -> None:
        """Look from time to time what the writer notes, while nothing comes: it may have come, and be lost."""
        if time.monotonic() - self._looked > self.settings.lease_seconds:
            self._looked = time.monotonic()
            try:
                self._note(self._lease())
            except LogUnreachable:
                self.reader.forget()  # who keeps it may have died; the next look asks who does now

    def _note(self, lease: Lease | None) -> None:
        """Remember where the log ended, by the note of its writer."""
        self._looked = time.monotonic()
        if lease is not None and lease.log == self.identity:
            self._noted = lease.end

    def _read_on(self) -> tuple[dict[int, int], Standing]:
        """Bring the index to the last stable offsets; those, and how far it then is. Raises GapInLog for a hole."""
        ends, standing = self.reader.ends(), self.index.reached()
        begun = standing.end
        while self.reader.behind(standing, ends):
            page = self.reader.following(standing, ends, self.identity, PAGE_EVENTS)
            if page:
                self.index.extend(standing.end, page)  # or another process was faster
                if standing.end - begun < MANY <= page[-1].position - begun:
                    logger.warning("log.indexing", log=str(self.place), position=page[-1].position)
            elif self._hole(standing, ends):
                ends = self.reader.ends()
            else:
                break
            standing = self.index.reached()
        return ends, standing

    def _hole(self, standing: Standing, ends: dict[int, int]) -> bool:
        """Whether to look again: records wait behind a missing one, whose partition may only be behind.

        Raises GapInLog if it is not: all partitions were read to their ends, and no transaction was open.
        """
        behind = self.reader.waiting
        if behind is None:
            return False
        if ends == self.reader.ends() == self.reader.written():
            raise GapInLog(
                f"position {standing.end + 1} is missing in the log {self.place}: the next record, at offset "
                f"{behind.offset} of partition {behind.partition}, is that of position {behind.position}",
                COMPACTED,
            )
        time.sleep(0.01)
        return True

    # --- reading ----------------------------------------------------------------------------------------------------

    def read(
        self, after: Position, limit: int | None = None, *, until: Position | None = None, whole: bool = True
    ) -> Iterator[Entry]:
        """By pages of `PAGE_EVENTS` or about `PAGE_BYTES`. Damage is raised where it is, after what is before it."""
        end = self.end()
        if not BEGINNING <= after <= end:
            raise GapInLog(
                f"there is no position {after} in the log {self.place}, which ends at {end}: it was cut off or "
                "exchanged"
            )
        while limit is None or limit > 0:
            if after == end and (end := self.end()) == after:
                return
            if until is not None and after >= until:
                return
            most = min(PAGE_EVENTS, end - after, *(each for each in (limit, until and until - after) if each))
            for record in self._page(after, most) if whole else self.index.headers(after, most):
                after = record.position
                if not record.thinned:
                    yield Entry(record.position, record.event, 0 if whole else record.size)
                    limit = None if limit is None else limit - 1

    def records(self, after: Position) -> Iterator[Record]:
        """Every record after a position, thinned ones too, by the same pages; see `events.log.Copying`."""
        end = self.end()
        while after < end:
            for record in self._page(after, PAGE_EVENTS):
                after = record.position
                yield record

    def _page(self, after: Position, most: int) -> Iterator[Record]:
        """The next records. The page is in memory before the first is given: the caller may think for an hour."""
        found, fault = self.patiently(lambda: self._fetched(self.index.page(after, most, PAGE_BYTES)))
        yield from found
        if fault is not None:
            raise fault

    def _fetched(self, rows: Sequence[Row[Any]]) -> tuple[list[Record], GapInLog | None]:
        """The records of those rows up to the first that is damaged or gone, and the error for that one."""
        wanted = [(row[PARTITION], row[OFFSET]) for row in rows if row[-1] is None and row[CLAIM] is None]
        messages: dict[tuple[int, int], Kept] = {}
        fault: GapInLog | None = None
        try:
            for kept in self.reader.fetch(wanted, self.identity) if wanted else ():
                messages[kept.partition, kept.offset] = kept
        except GapInLog as error:
            self.reader.forget()
            fault = error
        found: list[Record] = []
        for row in rows:
            try:
                found.append(self._record(row, messages))
            except KeyError:
                gone = fault or GapInLog("it is not there", COMPACTED)
                return found, GapInLog(f"position {row[0]} cannot be read: {gone}", gone.hint)
            except GapInLog as error:
                return found, error
        return found, None

    def _record(self, row: Row[Any], messages: dict[tuple[int, int], Kept]) -> Record:
        """Raises GapInLog for a message that is not what the index says, KeyError for one that was not found."""
        fields = list(row[: CHAIN + 1])
        if row[-1] is not None:
            return read_record(fields, b"", thinned=True)
        if row[CLAIM] is not None:
            return read_record(fields, self._claim(fields, row[CLAIM]))
        kept = messages[row[PARTITION], row[OFFSET]]
        if kept.fields != fields:
            raise GapInLog(
                f"the log {self.place} has another event at position {row[0]} than the one that was read there",
                MOVE_AWAY.format(self.index.path),
            )
        return read_record(fields, kept.payload)

    def _claim(self, fields: Sequence[Any], claim: str) -> bytes:
        if self.settings.blobs is None:
            raise ConfigError(f"the payload of {claimed(fields)} is in the blob store, and none was given")
        try:
            with self.settings.blobs().open(claim) as content:
                return content.read()
        except BlobMissing as error:
            raise GapInLog(
                f"the log {self.place} lacks the payload of {claimed(fields)}: the blob store has no {claim}",
                "Bring that blob back from a copy of the store ([blobs] url), or take a new snapshot: `aipstream "
                "snapshot`.",
            ) from error

    def _entry(self, row: Row[Any] | None, whole: bool) -> Entry | None:
        if row is None or not whole:
            return None if row is None else bare(row)
        found, fault = self.patiently(lambda: self._fetched([(*row, None)]))  # type: ignore[list-item]
        if fault is not None:
            raise fault
        return Entry(found[0].position, found[0].event)

    def _upto(self, at: Position | None) -> Position:
        """That position, or the end; the index is brought on if it is not yet there."""
        if at is not None and at <= self.index.end():
            return at
        end = self.end()
        return end if at is None else min(at, end)

    # --- finding ----------------------------------------------------------------------------------------------------

    def position(self, *, time: str | None = None, lsn: int | None = None) -> Position:
        """By the index."""
        self.end()
        return self.index.position(time=time, lsn=lsn)

    def latest(self, uuid: Uuid, at: Position | None = None, *, whole: bool = True) -> Entry | None:
        """By the index, and one message."""
        with self._lock:
            upto = self._upto(at)
            with self.index.transaction() as connection:
                row = self.index.one(connection, self.index.queries(whole=whole).latest, uuid=uuid, at=upto)
            return self._entry(row, whole)

    def entries(self, positions: Sequence[Position]) -> Iterator[Entry]:
        """By the index, and the messages of a page in one way through the topic."""
        if positions:
            self._upto(positions[-1])
        begin = 0
        while begin < len(positions):
            some = positions[begin : begin + PAGE_EVENTS]
            rows = self.index.entries(some, PAGE_BYTES)
            begin = bisect_right(positions, rows[-1][0]) if rows else begin + len(some)
            found, fault = self.patiently(partial(self._fetched, [(*row, None) for row in rows]))  # type: ignore[misc]
            yield from (Entry(record.position, record.event) for record in found)
            if fault is not None:
                raise fault

    def history(self, uuid: Uuid, *, whole: bool = True) -> Iterator[Entry]:
        """One event at a time: an object has few, and each may be large."""
        self.end()
        after = BEGINNING
        while True:
            with self._lock:
                with self.index.transaction() as connection:
                    row = self.index.one(connection, self.index.queries(whole=whole).next, uuid=uuid, after=after)
                found = self._entry(row, whole)
            if found is None:
                return
            yield found
            after = found.position

    def lookup_handle(self, handle: str) -> Entry | None:
        """By the index."""
        self.end()
        return self.index.lookup_handle(handle)

    def heads(self, at: Position | None = None) -> Iterator[tuple[Uuid, Position, str, Kind]]:
        """By the index."""
        return self.index.heads(self._upto(at))

    def standing(self, at: Position | None = None) -> Iterator[Entry]:
        """By the index."""
        return self.index.standing(self._upto(at))

    def id_at(self, position: Position) -> bytes | None:
        """By the index."""
        self._upto(position)
        return self.index.id_at(position)

    def seal(self, at: Position | None = None) -> bytes:
        """The chain, as of every back end."""
        return self.index.seal(self._upto(at))

    def lease(self) -> Lease | None:
        """Who writes, as it is noted in Kafka."""
        return self.patiently(self._lease)

    def writer(self) -> Writing | None:
        """By the lease."""
        lease = self.lease()
        return None if lease is None else Writing(str(lease.holder), lease.since, lease.released)

    def _lease(self) -> Lease | None:
        return kafka_lease.read(self.reader.admin(), self.place)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self.reader.close()
            self._looking.close()
            self.index.close()
