"""The one who writes into the topic: an idempotent, transactional producer and its lease.

Invariants, in this order:

1. `init_transactions` fences every earlier writer and ends what it left open, committed or aborted;
2. the index is brought to the end of the topic, so every event that is in it is known;
3. records and the lease are sent in one transaction, and it is committed: only now are they acknowledged.

As long as our epoch is the current one, nobody else has written since 1. A transaction whose outcome is not known (the
broker died in the commit) is never guessed at: it begins again at 1, and 2 finds what was committed.
"""

from __future__ import annotations

import threading
import time
import uuid as uuids
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from kafka import KafkaProducer
from kafka import errors as kafka

from events.errors import AipstreamError, GapInLog
from events.event import Position
from events.log.kafka_errors import (
    WRITING,
    LogUnreachable,
    connected,
    drops_no_request,
    listen,
    makes_no_topic,
    meaning,
    names,
)
from events.log.kafka_lease import Lease, myself, note
from events.log.kafka_record import COMPACTED, Message
from events.log.kafka_settings import LAST_SECONDS, MESSAGE_BYTES, PATIENCE, REQUEST_SECONDS, Place, Settings

BATCH_BYTES: Final = 256 * 1024
"""Of messages that are kept together: whoever looks up one of them reads all."""

LOOK_SECONDS: Final = 0.2
"""Between two looks whether we are to stop."""

DOUBT_SECONDS: Final = 5.0
"""After which it is asked whether the topic is gone, and then again and again."""
DOUBTS_APART: Final = 1.0

T = TypeVar("T")


class Sent(NamedTuple):
    """Where a message stands."""

    partition: int
    offset: int


class Unknown(Exception):
    """Whether the transaction was committed is not known, or it was not and can be tried again."""


class Writer:
    """Not safe for use from several threads. Raises TakenOver, LogUnreachable, ConfigError, and what `doubted` raises,
    which is asked now and then while the brokers take long.
    """

    def __init__(self, place: Place, settings: Settings, doubted: Callable[[], object] = lambda: None) -> None:
        listen()
        self._doubted = doubted
        self.place = place
        self.settings = settings
        self.since = moment()
        self.holder = myself()
        self.written = time.monotonic()
        """When the lease was last renewed, by our clock."""
        self._producer: Any = None
        self._since = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether `begin` was called and nothing has gone wrong since."""
        return self._producer is not None

    def begin(self) -> None:
        """Fence whoever wrote before, and wait until their last transaction is decided."""
        self.close()
        arguments = {
            **self.settings.client(self.place.servers),
            "transactional_id": names(self.place),
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "compression_type": None if self.settings.compression == "none" else self.settings.compression,
            "batch_size": BATCH_BYTES,
            "linger_ms": 5,
            "max_request_size": MESSAGE_BYTES,
            "retry_backoff_ms": 2,  # between two transactions the coordinator is busy for some milliseconds
            "request_timeout_ms": int(min(REQUEST_SECONDS, self.settings.patience / 2) * 1000),
            "max_block_ms": int(self.settings.patience * 1000),
            "delivery_timeout_ms": int(self.settings.patience * 1000),
            "transaction_timeout_ms": int(PATIENCE * 1000),
        }
        self._since = time.monotonic()
        try:
            self._producer = connected(partial(KafkaProducer, **arguments), self.place, PATIENCE)
            makes_no_topic(self._producer._metadata)
            drops_no_request(self._producer._sender._client)
            _within(2 * self.settings.patience, self._producer.init_transactions, self.settings.stopped, self._doubted)
        except (kafka.KafkaError, AipstreamError, OSError) as error:
            self.close()
            raise self._meaning(error) from error

    def send(
        self,
        messages: Sequence[tuple[int, Message]],
        log: str,
        end: Position,
        chain: bytes,
        *,
        released: bool = False,
        offsets: Mapping[int, int] | None = None,
    ) -> list[Sent]:
        """One transaction with those (partition, message) and the lease, which says where the log then ends.

        `offsets` are those before which the topic has records of the log. Raises GapInLog if it ends before.
        Raises Unknown; then, and after any other error, `begin` comes first.
        """
        lease = Lease(
            self.holder, self.since, uuids.uuid4().hex, self.settings.lease_seconds, released, log, end, chain.hex()
        )
        producer = self._producer

        def all_of_it() -> list[Sent]:
            producer.begin_transaction()
            futures = [
                producer.send(self.place.topic, each.value, each.key, each.headers, partition)
                for partition, each in messages
            ]
            producer.flush(self.settings.patience)
            sent = [future.get(timeout=self.settings.patience) for future in futures]
            self._same(sent, offsets or {})
            self.settings.passing("kafka.sent")
            producer.send_offsets_to_transaction(note(lease, self.place), names(self.place))
            producer.commit_transaction()
            return [Sent(each.partition, each.offset) for each in sent]

        self._since = time.monotonic()
        try:
            done = _within(2 * self.settings.patience, all_of_it, self.settings.stopped, self._doubted)
        except BaseException as error:
            self.close()
            if isinstance(error, kafka.KafkaError | OSError):
                raise self._meaning(error) from error
            raise
        self.written = time.monotonic()
        return done

    def _same(self, sent: Sequence[Any], offsets: Mapping[int, int]) -> None:
        """Raise GapInLog, before anything is committed, if the topic was emptied or exchanged beneath us."""
        for each in sent:
            if each.offset < offsets.get(each.partition, 0):
                raise GapInLog(
                    f"the topic of the log {self.place} was cut off or made anew while it was in use: partition "
                    f"{each.partition} goes on at offset {each.offset}, and had events up to {offsets[each.partition]}",
                    COMPACTED,
                )

    def _meaning(self, error: BaseException) -> Exception:
        """Ours for it; Unknown where it is worth to look and to try again."""
        found = meaning(error, self.place, self._since, WRITING)
        return Unknown(str(found)) if isinstance(found, LogUnreachable) else found

    def close(self) -> None:
        """Give the producer up. A transaction that is open is aborted by whoever begins next."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(timeout=1)
            except (kafka.KafkaError, OSError, RuntimeError):
                producer._sender.force_close()


def _within(seconds: float, call: Callable[[], T], stopped: Callable[[], bool], doubted: Callable[[], object]) -> T:
    """What the call gives; the library waits without end in some of its own, also for a topic that is gone: so that is
    asked for after `DOUBT_SECONDS`. `LAST_SECONDS` once we are to stop.
    """
    given: list[T] = []
    fault: list[BaseException] = []

    def work() -> None:
        try:
            given.append(call())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's own thread
            fault.append(error)

    thread = threading.Thread(target=work, name="kafka-transaction", daemon=True)
    thread.start()
    begin, limit = time.monotonic(), seconds
    look = DOUBT_SECONDS
    while thread.is_alive() and (passed := time.monotonic() - begin) < limit:
        if stopped():
            limit = min(limit, passed + LAST_SECONDS)
            thread.join(limit - passed)
        else:
            thread.join(min(LOOK_SECONDS, limit - passed))
            if thread.is_alive() and passed > look:
                doubted()
                look = time.monotonic() - begin + DOUBTS_APART
    if fault:
        raise fault[0]
    if not given:
        raise kafka.KafkaTimeoutError(f"no answer within {time.monotonic() - begin:.0f} s")
    return given[0]


def moment() -> str:
    """Now, UTC, as it is told to people."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
