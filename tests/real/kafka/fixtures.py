"""Fixtures of a log in Kafka, for the conftest of any suite that wants one."""

from __future__ import annotations

import json
import sys
import uuid as uuids
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog

from events.blobs import open_blobs
from events.log.kafka import KafkaLog
from events.log.kafka_settings import Settings
from tests.real.kafka.broker import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker, with TLS and SASL on its second listener."""
    made = Broker(tmp_path_factory.mktemp("kafka"), tls=True)
    try:
        yield made.start()
    finally:
        made.stop()


class KafkaPlace(NamedTuple):
    """A topic of its own, and the folder with its index and blobs."""

    url: str
    folder: Path

    @property
    def topic(self) -> str:
        return self.url.rpartition("/")[2]

    def settings(self, **given: Any) -> Settings:
        """As `open` has them."""
        blobs = open_blobs(f"file://{self.folder}/blobs", create=True)
        fixed: dict[str, Any] = {"index": self.folder / "index.sqlite", "blobs": lambda: blobs, "lease_seconds": 4.0}
        return Settings(**(fixed | given))

    def open(self, *, create: bool = False, **given: Any) -> KafkaLog:
        """The log."""
        return KafkaLog(self.url, self.settings(**given), create=create)

    def elsewhere(self, folder: Path) -> KafkaPlace:
        """The same topic as another machine has it: with an index of its own."""
        (folder / "blobs").parent.mkdir(parents=True, exist_ok=True)
        if not (folder / "blobs").exists():
            (folder / "blobs").symlink_to(self.folder / "blobs")
        return self._replace(folder=folder)

    def command(self, module: str, *words: object, **given: Any) -> list[str]:
        """A command line of a module of tests that opens this log by `opened`."""
        return [sys.executable, "-m", module, self.url, str(self.folder), json.dumps(given), *map(str, words)]


def opened(url: str, folder: str, given: str) -> KafkaLog:
    """The log of a command line that `KafkaPlace.command` has made. Standard output is the command's alone."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    return KafkaPlace(url, Path(folder)).open(**json.loads(given))


@pytest.fixture
def kafka_place(broker: Broker, tmp_path: Path) -> KafkaPlace:
    """A log that was made, is empty, and is closed."""
    place = KafkaPlace(f"kafka://{broker.servers}/log-{uuids.uuid4().hex[:12]}", tmp_path)
    place.open(create=True).close()
    return place
