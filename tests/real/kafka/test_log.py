"""The log in Kafka: the contract, on a real broker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from events.log import Log
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

    def writer(self, url: str, *numbers: int) -> subprocess.Popen[str]:
        """Another process that appends."""
        return subprocess.Popen(
            self.place.command("tests.real.kafka.writer", *numbers), stdout=subprocess.PIPE, text=True
        )
