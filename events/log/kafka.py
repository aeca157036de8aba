"""The log in a topic of Kafka: `kafka://host:port[,host:port]/topic`.

Invariants:

* One writer at a time, so positions are dense from 1 over all partitions; each message carries its position, its
  checksum and the chain (`events.log.kafka_record`). What is missing, foreign or damaged is a GapInLog.
* One `append` is one transaction, and returns when it is committed. Readers see committed records only.
* A newer writer fences an older one: what the older one still sends is refused by the brokers, and it says TakenOver.
* The index (`events.log.kafka_index`) holds no more than the topic, and can be thrown away.

Any number of processes on any number of machines may read while one writes.
"""

from __future__ import annotations

import fcntl
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Final

from events.aip.model import Uuid
from events.errors import AipstreamError, ConfigError, Locked, StorageUnusable
from events.event import BEGINNING, Event, Position
from events.log import kafka_lease
from events.log.chain import NO_CHAIN, Record, header, recorded
from events.log.kafka_errors import LogUnreachable, TakenOver
from events.log.kafka_lease import Lease
from events.log.kafka_reading import KafkaReading, logger
from events.log.kafka_record import Genesis, Kept, genesis, message
from events.log.kafka_settings import Settings
from events.log.kafka_writer import Unknown, Writer, moment

TURN_SECONDS: Final = 30.0
"""How long one who wants to append waits for another one who does the same."""

Known = dict[bytes, Position]
Made = Callable[[Position, bytes, Known], list[Record]]
"""What is to be appended, given the end of the log, the chain there, and which of the events it has already."""


class KafkaLog(KafkaReading):
    """See `events.log.Log`, and KafkaReading for what opening it raises."""

    def __init__(self, url: str, settings: Settings, *, create: bool = False) -> None:
        self._writer: Writer | None = None
        self._released = False
        self._written: tuple[Position, bytes] | None = None
        """Where the log ends for sure, while we are the writer."""
        self._taken: TakenOver | None = None
        super().__init__(url, settings, create=create)

    def end(self) -> Position:
        """As it is read. Raises TakenOver if this was the writer and is it no longer."""
        if self._taken is not None:
            raise self._taken
        return super().end()

    # --- writing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one who writes, and say so to others, for as long as the context lasts.

        Raises Locked that names who does already; TakenOver comes from `append` if another one takes over.
        """
        with self._turn(0.0), self._leased(released=False):
            ended = threading.Event()
            renewing = threading.Thread(target=self._renew, args=(ended,), name="kafka-lease", daemon=True)
            renewing.start()
            try:
                yield
            finally:
                ended.set()
                renewing.join()

    def append(self, batch: Sequence[Event]) -> list[Position]:
        """One transaction. Outside of `writing` it waits for its turn. Raises Locked, LogUnreachable, ValueError."""
        if not batch:
            return []
        ids = [event.id for event in batch]
        places = self.extended(lambda end, chain, known: _new(batch, ids, end, chain, known), ids)
        return [places[identity] for identity in ids]

    def become(self, identity: str) -> None:
        """Take another identity: a log without events that becomes the copy of one. Raises what `append` raises."""
        with self._lock, ExitStack() as stack:
            if self._writer is None:
                stack.enter_context(self._turn(TURN_SECONDS))
                stack.enter_context(self._leased(released=True))
            self._hold()  # now we are the writer, and the index is at the end
            if self.index.end() == BEGINNING:
                first = Genesis(identity, self.index.topic.partitions, moment())
                self._writing().send([(0, genesis(first))], identity, BEGINNING, NO_CHAIN, released=self._released)
                self.index.adopt(identity)
                self.identity = identity

    def extended(self, made: Made, ids: Sequence[bytes]) -> Known:
        """Append what `made` gives for (end, chain, what is known of `ids`); the positions of `ids`."""
        with self._lock:
            if self._writer is not None:
                return self._durably(made, ids)
            with self._turn(TURN_SECONDS), self._leased(released=True):
                return self._durably(made, ids)

    @contextmanager
    def _turn(self, seconds: float) -> Iterator[None]:
        """The only one of this machine, as far as they share an index."""
        path = self.index.path.with_name(f"{self.index.path.name}.writer")
        deadline = time.monotonic() + seconds
        # Who has had its turn stands behind who waits for it.
        line = self._locked(path.with_name(f"{path.name}.next"), deadline) if seconds else nullcontext()
        with ExitStack() as held:
            with line:
                held.enter_context(self._locked(path, deadline))
            yield

    @contextmanager
    def _locked(self, path: Path, deadline: float) -> Iterator[None]:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StorageUnusable(f"the lock {path} cannot be made: {error.strerror or error}") from error
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() >= deadline:
                        raise Locked(f"another aipstream on this machine writes into the log {self.place}") from error
                    time.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - several wait
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _leased(self, *, released: bool) -> Iterator[None]:
        """The writer, once nobody else holds the lease. With `released` it is noted as free from the beginning: nobody
        waits for one who is done with the next transaction.
        """
        lease = kafka_lease.free(self.lease, self.place, self._waiting, self.settings.stopped)
        with self._lock:
            self._taken = None
            self._writer, self._released = Writer(self.place, self.settings, self.doubted), released
            if lease is not None and lease.log == self.identity:
                self._noted = lease.end
        try:
            yield
            if not released:
                with self._lock:
                    self._released = True
                    self._hold()
        finally:
            with self._lock:
                self._writer.close()
                self._writer = self._written = None

    def _waiting(self, lease: Lease) -> None:
        logger.warning(
            "log.lease", log=str(self.place), holder=str(lease.holder), since=lease.since, seconds=lease.seconds
        )

    def _renew(self, ended: threading.Event) -> None:
        """Say that we are alive while nothing is appended."""
        pause = self.settings.lease_seconds / 4
        while not ended.wait(pause):
            with self._lock:
                writer = self._writer
                if writer is None or time.monotonic() - writer.written < pause:
                    continue
                try:
                    self._hold()
                except TakenOver as error:
                    self._taken = error  # raised by whatever comes next
                    return
                except AipstreamError as error:
                    logger.warning("log.lease", log=str(self.place), error=str(error))

    def _hold(self) -> None:
        """A transaction with the lease alone."""
        self._durably(lambda _end, _chain, _known: [], ())

    def _durably(self, made: Made, ids: Sequence[bytes]) -> Known:
        """Append, and again until it is known to be there. Raises TakenOver, LogUnreachable."""
        if self._taken is not None:
            raise self._taken
        deadline = time.monotonic() + self.settings.patience
        tries = 0
        while True:
            tries += 1  # the first may take up all the time, in a transaction that was with a broker that died
            try:
                return self._once(made, ids)
            except (Unknown, LogUnreachable) as error:
                self.reader.forget()
                if self.settings.stopped() or (tries > 1 and time.monotonic() > deadline):
                    raise self._given_up(error) from error
                logger.warning("log.again", log=str(self.place), why=str(error))
                time.sleep(0.2)
            except TakenOver as error:
                if not self._released:
                    self._taken = error
                    raise
                if time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - the other one has its turn

    def _given_up(self, error: Unknown | LogUnreachable) -> LogUnreachable:
        if isinstance(error, Unknown):
            error = LogUnreachable(f"{error}. What became of the last events is found out at the next start")
        return error if self.settings.stopped() else self.explained(error)

    def _once(self, made: Made, ids: Sequence[bytes]) -> Known:
        writer = self._writing()
        if not writer.ready:
            self.still_there()
            writer.begin()
            self._written = None
        standing = self.index.reached()
        if self._written is None or self._written != (standing.end, standing.chain):
            standing = self._caught_up()
            self._written = standing.end, standing.chain
        elif self.index.topic.partitions > 1:  # of which the transaction may leave alone the one that was cut off
            self._not_cut_off(self.index)
        end, chain = self._written
        with self.index.transaction() as connection:
            known = self.index.known(connection, ids)
        records = made(end, chain, known)
        claims = self._claims(records)
        partitions = self.index.topic.partitions
        messages = [
            (partition_of(record.event.uuid, partitions), message(record, self.identity, claims.get(record.position)))
            for record in records
        ]
        if records:
            end, chain = records[-1].position, records[-1].chain
        sent = writer.send(messages, self.identity, end, chain, released=self._released, offsets=standing.offsets)
        self._written, self._noted = (end, chain), end
        self.settings.passing("kafka.committed")
        page = [
            Kept(header(record), b"", claims.get(record.position), record.thinned, *where)
            for record, where in zip(records, sent, strict=True)
        ]
        self.index.extend(end - len(page), page)
        self.settings.passing("kafka.indexed")
        return known | {record.event.id: record.position for record in records}

    def _writing(self) -> Writer:
        assert self._writer is not None  # noqa: S101 - only called within `_leased`
        return self._writer

    def _claims(self, records: Sequence[Record]) -> dict[Position, str]:
        """Put payloads that are too large for a message into the blob store, durably: what has them, by position."""
        large = [record for record in records if len(record.event.payload) > self.settings.largest]
        if not large:
            return {}
        if self.settings.blobs is None:
            raise ConfigError(
                f"the payload of {large[0].event.uuid} has {len(large[0].event.payload):,} bytes, more than [kafka] "
                f"largest, and there is no blob store"
            )
        blobs = self.settings.blobs()
        claims = {record.position: blobs.put(BytesIO(record.event.payload)).sha256 for record in large}
        blobs.flush()
        self.settings.passing("kafka.claimed")
        return claims


def partition_of(uuid: Uuid, partitions: int) -> int:
    """Where the events of an object go: all into one partition, so their order is that of the partition."""
    return 0 if partitions == 1 else int.from_bytes(uuid.encode()[-8:], "big") % partitions


def _new(batch: Sequence[Event], ids: Sequence[bytes], end: Position, chain: bytes, known: Known) -> list[Record]:
    """Records of those events that are not known."""
    records: list[Record] = []
    seen = set(known)
    for identity, event in zip(ids, batch, strict=True):
        if identity not in seen:
            seen.add(identity)
            records.append(recorded(end + len(records) + 1, event, records[-1].chain if records else chain))
    return records
