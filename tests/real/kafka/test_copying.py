"""A log in Kafka as a copy of one in SQLite, and the other way round: the contract of copying, on a real broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.log import Log
from events.log.opening import open_log
from tests.events.log.copying import CopyingContract
from tests.real.kafka.fixtures import KafkaPlace


class Mixed(CopyingContract):
    """One log in Kafka, one in SQLite."""

    @pytest.fixture(autouse=True)
    def place(self, kafka_place: KafkaPlace, tmp_path: Path) -> None:
        self.kafka = kafka_place
        self.sqlite = f"sqlite:///{tmp_path}/log.sqlite"
        open_log(self.sqlite, create=True).close()

    def opened(self, url: str) -> Log:
        return self.kafka.open() if url == self.kafka.url else open_log(url)


class TestIntoKafka(Mixed):
    """From SQLite."""

    @pytest.fixture
    def url(self) -> str:
        return self.sqlite

    @pytest.fixture
    def other(self) -> str:
        return self.kafka.url


class TestOutOfKafka(Mixed):
    """Into SQLite."""

    @pytest.fixture
    def url(self) -> str:
        return self.kafka.url

    @pytest.fixture
    def other(self) -> str:
        return self.sqlite
