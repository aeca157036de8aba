"""The log in Kafka beside the bare clients, on one broker: the same messages, as many to a transaction.

Bare means: a transactional producer with acks=all, and a consumer of committed records; no checksum, no chain, no
index, and nothing is proved as it is read.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from events.aip.model import Kind
from events.event import Event, Type
from events.log.kafka import KafkaLog
from events.log.kafka_settings import Settings

BATCH = 500
"""Events to a transaction, about five megabytes: what capture appends at once when there is much."""


def measure(count: int, size: int, add: Callable[..., None]) -> None:
    """`count` events of `size` bytes in and out, each way once."""
    from tests.real.kafka.broker import Broker

    chance = random.Random(1)
    payloads = [chance.randbytes(size) for _ in range(min(count, 2000))]
    with tempfile.TemporaryDirectory(prefix="aipstream-bench-") as folder:
        broker = Broker(Path(folder) / "broker")
        try:
            broker.start()
            for name, bare in (("kafka-python", _kafka_python), ("confluent-kafka", _confluent)):
                for what, seconds in bare(broker.servers, name, count, payloads):
                    add(f"bare {name}, {what}", seconds, units=count, unit="events")
            _ours(broker.servers, Path(folder), count, payloads, add)
        finally:
            broker.stop()


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


def _ours(servers: str, folder: Path, count: int, payloads: list[bytes], add: Callable[..., None]) -> None:
    url = f"kafka://{servers}/ours"
    events = [_event(number, payloads[number % len(payloads)]) for number in range(count)]
    with closing(KafkaLog(url, Settings(index=folder / "index"), create=True)) as log, log.writing():
        began = time.monotonic()
        for some in _batches(count):
            log.append(events[some.start : some.stop])
        add("log in Kafka, in", time.monotonic() - began, units=count, unit="events")
    for index, what in (("index", "with its index"), ("another", "on a machine without an index")):
        with closing(KafkaLog(url, Settings(index=folder / index))) as log:
            began = time.monotonic()
            assert sum(1 for _ in log.read(0)) == count
            add(f"log in Kafka, out, {what}", time.monotonic() - began, units=count, unit="events")
    with closing(KafkaLog(url, Settings(index=folder / "index"))) as log, log.writing():
        began = time.monotonic()
        for number in range(100):
            log.append([_event(count + number, payloads[0])])
        add("log in Kafka, one event to a transaction", time.monotonic() - began, units=100, unit="events")


def _event(number: int, payload: bytes) -> Event:
    return Event(
        source="bench", lsn=number, uuid=f"00000000-0000-4000-8000-{number:012}", kind=Kind.ITEM, type=Type.PUT,
        commit_time="2026-01-01T00:00:00.000000Z", digest=str(number), handle=f"123456789/{number}",
        parents=("00000000-0000-4000-8000-ffffffffffff",), payload=payload,
    )  # fmt: skip


def _kafka_python(servers: str, topic: str, count: int, payloads: list[bytes]) -> Iterator[tuple[str, float]]:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    with closing(
        KafkaProducer(bootstrap_servers=servers, transactional_id=topic, acks="all", batch_size=256 * 1024, linger_ms=5,
                      max_request_size=8 * 1024 * 1024, retry_backoff_ms=2)
    ) as producer:  # fmt: skip
        producer.init_transactions()
        producer.partitions_for(topic)
        began = time.monotonic()
        for some in _batches(count):
            producer.begin_transaction()
            for number in some:
                producer.send(topic, payloads[number % len(payloads)], str(number).encode())
            producer.commit_transaction()
        yield "in", time.monotonic() - began
    with closing(
        KafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", group_id=None,
                      auto_offset_reset="earliest", max_partition_fetch_bytes=4 * 1024 * 1024)
    ) as consumer:  # fmt: skip
        consumer.assign([TopicPartition(topic, 0)])
        began, found = time.monotonic(), 0
        while found < count:
            found += sum(map(len, consumer.poll(1000).values()))
        yield "out", time.monotonic() - began


def _confluent(servers: str, topic: str, count: int, payloads: list[bytes]) -> Iterator[tuple[str, float]]:
    from confluent_kafka import Consumer, Producer, TopicPartition

    producer = Producer({"bootstrap.servers": servers, "transactional.id": topic, "acks": "all", "linger.ms": 5,
                         "batch.size": 1024 * 1024, "message.max.bytes": 8 * 1024 * 1024})  # fmt: skip
    producer.init_transactions()
    producer.list_topics(topic)
    began = time.monotonic()
    for some in _batches(count):
        producer.begin_transaction()
        for number in some:
            producer.produce(topic, payloads[number % len(payloads)], str(number).encode())
        producer.commit_transaction()
    yield "in", time.monotonic() - began
    consumer: Any = Consumer({"bootstrap.servers": servers, "isolation.level": "read_committed", "group.id": "bench",
                              "auto.offset.reset": "earliest", "enable.auto.commit": False})  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    began, found = time.monotonic(), 0
    while found < count:
        found += sum(1 for message in consumer.consume(500, 1.0) if message.error() is None)
    yield "out", time.monotonic() - began
    consumer.close()
