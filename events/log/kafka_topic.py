"""The topic as it is read: which one it is, how far it goes, its records in order, and single messages by their place.

Invariants:

* Readers ask for committed records only, and go no further than the last stable offsets, which are taken at one time
  before. Positions are dense, so what is missing is noticed. A transaction spans partitions and becomes visible in one
  after the other: a hole is a gap only if no transaction was open when the offsets were taken.
* No offset is ever set back or forward by the client (`auto_offset_reset` none), and a log that was cut off is told
  (KIP-320).
* Memory holds what one fetch of each partition brings.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka
from kafka.admin import KafkaAdminClient

from events.errors import GapInLog
from events.log.kafka_errors import RETENTION, LogUnreachable, connected, listen, makes_no_topic, told
from events.log.kafka_index import Standing
from events.log.kafka_record import COMPACTED, FOREIGN, Genesis, Kept, decode, proved
from events.log.kafka_settings import Place, Settings

FETCH_BYTES: Final = 4 * 1024 * 1024
NEAR_BYTES: Final = 64 * 1024
"""What one fetch brings of a partition, where events are read in order, and where one is looked up. A larger message
comes whole all the same."""

SKIPPED: Final = 200
"""Offsets between two wanted messages that are read over rather than sought: the markers of transactions."""

WAIT_MS: Final = 10
"""How long a broker holds back an answer that has nothing: whatever is asked next on that connection waits for it."""

ANSWER_MS: Final = 5000
"""How long the offsets of a topic are asked for: of one that is gone the client asks again and again. Whether it is, or
only its broker is away, is then for the caller to find out."""


class Found(NamedTuple):
    """What Kafka says of a topic."""

    cluster: str
    id: str
    partitions: int


class TopicReader:
    """The topic of a log, to be read. Not safe for use from several threads. Raises LogUnreachable, GapInLog."""

    def __init__(self, place: Place, settings: Settings) -> None:
        listen()
        self.place = place
        self.settings = settings
        self.partitions: tuple[TopicPartition, ...] = ()
        self._pid = os.getpid()
        self._clients: dict[tuple[str, int], Any] = {}
        self._waiting: dict[int, deque[Any]] = {}
        self._begun: dict[int, int] = {}

    # --- clients ------------------------------------------------------------------------------------------------------

    def _client(self, kind: str, partition: int = 0) -> Any:  # noqa: ANN401 - the library has no types
        """`admin`; `tail`, which follows the end of a partition; `run` and `near`, which fetch messages by their place.

        One for each partition: so what one has read ahead waits while another one is read.
        """
        if self._pid != os.getpid():
            # Sockets must not be shared over a fork; the parent goes on with its own.
            self._pid, self._clients = os.getpid(), {}
            self._waiting, self._begun = {}, {}
        if (kind, partition) not in self._clients:
            given = self.settings.client(self.place.servers)
            size = NEAR_BYTES if kind == "near" else FETCH_BYTES
            if kind != "admin":
                given |= {
                    "group_id": None,
                    "enable_auto_commit": False,
                    "auto_offset_reset": "none",
                    "allow_auto_create_topics": False,
                    "isolation_level": "read_committed" if kind == "tail" else "read_uncommitted",
                    "max_partition_fetch_bytes": size,
                    "fetch_max_bytes": 2 * size,
                    "fetch_max_wait_ms": WAIT_MS,
                    "retry_backoff_ms": 20,
                }
            made: Callable[..., Any] = KafkaAdminClient if kind == "admin" else KafkaConsumer
            client = connected(partial(made, **given), self.place, self.settings.patience)
            if kind != "admin":
                makes_no_topic(client._cluster)
                client.assign([TopicPartition(self.place.topic, partition)])
            self._clients[kind, partition] = client
        return self._clients[kind, partition]

    def admin(self) -> Any:  # noqa: ANN401
        """The client for topics, settings and groups."""
        return self._client("admin")

    def close(self) -> None:
        """Close what is open."""
        if self._pid == os.getpid():
            for client in self._clients.values():
                with suppress(kafka.KafkaError, OSError):
                    client.close()
        self._clients = {}

    def forget(self) -> None:
        """Give up what was read ahead, after an error: the next reading begins where the index ends."""
        self.close()
        self._waiting, self._begun = {}, {}

    # --- what it is ---------------------------------------------------------------------------------------------------

    def find(self) -> Found | None:
        """What Kafka says of the topic; None if there is none."""
        with told(self.place):
            (described,) = self.admin().describe_topics([self.place.topic])
            if described["error_code"] in {kafka.UnknownTopicOrPartitionError.errno, kafka.InvalidTopicError.errno}:
                return None
            if described["error_code"]:
                raise kafka.for_code(described["error_code"])(f"topic {self.place.topic}")
            cluster = self.admin().describe_cluster()["cluster_id"]
        return Found(str(cluster), str(described["topic_id"]), len(described["partitions"]))

    def use(self, partitions: int) -> None:
        """The partitions that the log has."""
        self.partitions = tuple(TopicPartition(self.place.topic, number) for number in range(partitions))

    def genesis(self) -> Genesis | None:
        """The genesis in force; None if the topic is empty. Raises GapInLog if the beginning was taken away."""
        self.use(1)
        (partition,) = self.partitions
        last: Genesis | None = None
        with told(self.place):
            consumer = self._client("near")
            end = consumer.end_offsets([partition], ANSWER_MS)[partition]
            begin = consumer.beginning_offsets([partition], ANSWER_MS)[partition]
            if begin:
                raise GapInLog(
                    f"the topic {self.place} begins at offset {begin}: what was before was taken away", RETENTION
                )
            consumer.seek(partition, 0)
            deadline = time.monotonic() + self.settings.patience
            while consumer.position(partition) < end:
                for each in consumer.poll(2 * WAIT_MS, max_records=10).get(partition, []):
                    found = decode(each, last.identity if last else None)
                    if not isinstance(found, Genesis):
                        if last is None:
                            raise GapInLog(f"the topic {self.place} does not begin with the beginning of a log")
                        return last
                    last = found
                self._patient(deadline)
        return last

    def _patient(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise LogUnreachable(f"the log {self.place} does not answer")

    # --- in order -----------------------------------------------------------------------------------------------------

    def ends(self) -> dict[int, int]:
        """The last stable offset of each partition: what is before it is committed or aborted."""
        with told(self.place):
            found = self._client("tail").end_offsets(self.partitions, ANSWER_MS)
        return {each.partition: offset for each, offset in found.items()}

    def written(self) -> dict[int, int]:
        """The offset behind the last message of each partition, committed or not."""
        with told(self.place):
            found = self._client("run").end_offsets(self.partitions, ANSWER_MS)
        return {each.partition: offset for each, offset in found.items()}

    def begins(self) -> dict[int, int]:
        """The offset of the first message that each partition still has."""
        with told(self.place):
            found = self._client("run").beginning_offsets(self.partitions, ANSWER_MS)
        return {each.partition: offset for each, offset in found.items()}

    def behind(self, standing: Standing, ends: Mapping[int, int]) -> bool:
        """Whether something between there and those ends was not looked at."""
        self._begin(standing)
        return any(self._waiting[each.partition] or self._dry(each, ends) for each in self.partitions)

    def following(self, standing: Standing, ends: Mapping[int, int], identity: str, most: int) -> list[Kept]:
        """The next records after that, none at those ends; about `most`. Raises GapInLog for a hole that is followed by
        others, and for what is damaged or does not belong there.
        """
        self._begin(standing)
        page: list[Kept] = []
        expected, chain = standing.end + 1, standing.chain
        while len(page) < most:
            heads = [waiting[0] for waiting in self._waiting.values() if waiting]
            found = next((head for head in heads if head.position == expected), None)
            if found is None:
                if not self._more(ends, identity, begun=expected > 1):
                    break
                continue
            proved(found, chain, expected)
            self._waiting[found.partition].popleft()
            page.append(found)
            expected, chain = expected + 1, found.fields[-1]
        self._begun.update({kept.partition: kept.offset + 1 for kept in page})
        return page

    def _begin(self, standing: Standing) -> None:
        """Stand where the index ends: it may have been brought on by another process, or made anew."""
        for each in self.partitions:
            offset = standing.offsets.get(each.partition, 0)
            if self._begun.get(each.partition) != offset:
                self._client("tail", each.partition).seek(each, offset)
                self._begun[each.partition] = offset
                self._waiting[each.partition] = deque()
            self._waiting.setdefault(each.partition, deque())

    def _more(self, ends: Mapping[int, int], identity: str, *, begun: bool) -> bool:
        """Fetch from the partitions of which nothing waits; False if all of them were read to those ends.

        A hole that is left then is for the caller to judge: other records wait behind it.
        """
        deadline = time.monotonic() + self.settings.patience
        with told(self.place):
            while dry := [each for each in self.partitions if self._dry(each, ends)]:
                for each in dry:
                    messages = self._client("tail", each.partition).poll(2 * WAIT_MS).get(each, [])
                    for kept in (decode(message, identity) for message in messages):
                        if isinstance(kept, Kept):
                            self._waiting[each.partition].append(kept)
                        elif begun and kept.identity != identity:
                            raise GapInLog(f"the log {self.place} has become another one: {kept.identity}", FOREIGN)
                if any(self._waiting[each.partition] for each in dry):
                    return True
                self._patient(deadline)
        return False

    def _dry(self, partition: TopicPartition, ends: Mapping[int, int]) -> bool:
        """Whether nothing waits of that partition, and it was not read to its end."""
        if self._waiting[partition.partition]:
            return False
        return (self._client("tail", partition.partition).position(partition) or 0) < ends[partition.partition]

    @property
    def waiting(self) -> Kept | None:
        """A record that waits behind a hole."""
        return min(
            (waiting[0] for waiting in self._waiting.values() if waiting), key=lambda kept: kept.position, default=None
        )

    # --- by their place -----------------------------------------------------------------------------------------------

    def fetch(self, wanted: Sequence[tuple[int, int]], identity: str) -> Iterator[Kept]:
        """The records at those (partition, offset), those of a partition in order. Raises GapInLog for one that is not
        there.
        """
        kind = "near" if len(wanted) == 1 else "run"
        for each in self.partitions:
            offsets = deque(sorted(offset for partition, offset in wanted if partition == each.partition))
            if offsets:
                with told(self.place):
                    yield from self._run(self._client(kind, each.partition), each, offsets, identity)

    def _run(self, consumer: Any, partition: TopicPartition, offsets: deque[int], identity: str) -> Iterator[Kept]:  # noqa: ANN401
        deadline = time.monotonic() + self.settings.patience
        at: int | None = self._at(consumer, partition)
        while offsets:
            if at is None or not at <= offsets[0] <= at + SKIPPED:
                consumer.seek(partition, offsets[0])
            found = consumer.poll(2 * WAIT_MS, max_records=offsets[-1] - offsets[0] + 1)
            for message in found.get(partition, []):
                if offsets and message.offset > offsets[0]:
                    raise self._gone(partition, offsets[0])
                if offsets and message.offset == offsets[0]:
                    offsets.popleft()
                    kept = decode(message, identity)
                    if not isinstance(kept, Kept):
                        raise self._gone(partition, message.offset)
                    yield kept
            at = self._at(consumer, partition)
            if not found:
                self._passed(consumer, partition, offsets)
                self._patient(deadline)

    @staticmethod
    def _at(consumer: Any, partition: TopicPartition) -> int | None:  # noqa: ANN401
        state = consumer._subscription.assignment[partition].position
        return None if state is None else int(state.offset)

    def _passed(self, consumer: Any, partition: TopicPartition, offsets: deque[int]) -> None:  # noqa: ANN401
        """Raise GapInLog if nothing comes because it is no longer there."""
        begin = consumer.beginning_offsets([partition], ANSWER_MS)[partition]
        end = consumer.end_offsets([partition], ANSWER_MS)[partition]
        if begin > offsets[0]:
            raise GapInLog(
                f"offset {offsets[0]} of partition {partition.partition} of the log {self.place} was taken away: it "
                f"begins at {begin}",
                RETENTION,
            )
        if end <= offsets[0] or (self._at(consumer, partition) or 0) > offsets[0]:
            raise self._gone(partition, offsets[0])

    def _gone(self, partition: TopicPartition, offset: int) -> GapInLog:
        return GapInLog(
            f"offset {offset} of partition {partition.partition} of the log {self.place} is no longer there", COMPACTED
        )
