"""The log in Kafka: the contract, on a real broker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from kafka import TopicPartition

from events.log import Log
from events.log.kafka import KafkaLog
from events.log.kafka_index import OFFSET, PARTITION
from tests.events.log.contract import LogContract
from tests.real.kafka.fixtures import KafkaPlace


class TestKafkaLog(LogContract):
    """The contract on Kafka, in one partition."""

    partitions = 1

    @pytest.fixture
    def url(self, kafka_place: KafkaPlace) -> str:
        """A log that was made, is empty, and is closed."""
        self.place = kafka_place
        return kafka_place.url

    @pytest.fixture
    def reopen(self, url: str) -> Iterator[Callable[[], Log]]:
        """Opens the log, each time anew; all are closed in the end."""
        opened: list[Log] = []

        def again() -> Log:
            opened.append(self.place.open())
            return opened[-1]

        yield again
        for log in opened:
            log.close()

    def lose_payloads(self, log: Log) -> None:
        """The topic loses its messages; the index has the headers."""
        assert isinstance(log, KafkaLog)
        last = log.index.last()
        assert last is not None
        log.reader.admin().delete_records({TopicPartition(self.place.topic, last[PARTITION]): last[OFFSET]})

    def writer(self, url: str, *numbers: int) -> subprocess.Popen[str]:
        """Another process that appends."""
        return subprocess.Popen(
            self.place.command("tests.real.kafka.writer", *numbers), stdout=subprocess.PIPE, text=True
        )
