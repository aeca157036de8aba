"""The broker is killed at any moment and comes back: nothing that was acknowledged is lost, and nothing is doubled."""

from __future__ import annotations

import random
import subprocess
import threading
import uuid as uuids
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import GapInLog
from events.log.kafka_errors import LogUnreachable
from tests.events.samples import event
from tests.real.kafka.broker import Broker
from tests.real.kafka.fixtures import KafkaPlace


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of its own, for it is killed."""
    made = Broker(tmp_path_factory.mktemp("fragile"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def place(fragile: Broker, tmp_path: Path) -> KafkaPlace:
    if fragile.process is None:
        fragile.start()
    made = KafkaPlace(f"kafka://{fragile.servers}/log-{uuids.uuid4().hex[:12]}", tmp_path)
    made.open(create=True).close()
    return made


def test_a_broker_that_is_killed_while_events_are_appended(fragile: Broker, place: KafkaPlace, tmp_path: Path) -> None:
    """The writer waits for it and goes on. What was in the air is found out, not guessed at."""
    chance = random.Random()
    command = place.command("tests.real.kafka.writer", 1, 4)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = 0
        for _ in range(2):
            for _ in range(chance.randint(5, 20)):
                acknowledged = int(writer.stdout.readline())
            fragile.kill()
            fragile.start()
        for _ in range(5):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
    with closing(place.open()) as log, closing(place.elsewhere(tmp_path / "elsewhere").open()) as other:
        lsns = [entry.event.lsn for entry in log.read(0)]
        assert lsns == list(range(1, len(lsns) + 1)), "no hole, no double"
        assert len(lsns) >= acknowledged
        assert log.seal() == other.seal()
        assert list(other.read(0)) == list(log.read(0))


def test_a_broker_that_is_killed_while_events_are_read(fragile: Broker, place: KafkaPlace) -> None:
    """The reader waits for it, and goes on with the next event."""
    with closing(place.open()) as log:
        log.append([event(lsn, payload=bytes([lsn % 251]) * 20_000) for lsn in range(1, 2001)])
        reading = log.read(0)
        read = [next(reading).event.lsn for _ in range(700)]
        fragile.kill()
        rest = threading.Thread(target=lambda: read.extend(entry.event.lsn for entry in reading))
        rest.start()
        fragile.start()
        rest.join()
        assert read == list(range(1, 2001))


def test_another_cluster_is_not_the_log(fragile: Broker, place: KafkaPlace) -> None:
    """A broker at the same address with an empty disk: the index knows that it is another cluster."""
    with closing(place.open()) as log:
        log.append([event(1)])
    fragile.stop()
    with pytest.raises(LogUnreachable):
        place.open()
    fragile.wipe()
    fragile.start()
    with pytest.raises(GapInLog, match="no topic"):
        place.open(create=True)
    with closing(place._replace(folder=place.folder / "anew").open(create=True)) as log:
        log.append([event(1)])
    with pytest.raises(GapInLog, match="another cluster"):
        place.open()
