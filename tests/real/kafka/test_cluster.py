"""The log on three brokers: some of them die, and it goes on; what only one of them had is missed."""

from __future__ import annotations

import subprocess
import threading
import uuid as uuids
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.daemon.cli.place import eventually
from tests.events.samples import event
from tests.real.kafka.brokers import Brokers
from tests.real.kafka.fixtures import KafkaPlace


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Three of them and their controller, only for this module: they are killed."""
    made = Brokers(tmp_path_factory.mktemp("brokers"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def place(brokers: Brokers, tmp_path: Path) -> KafkaPlace:
    """A log that `init` has made; each broker has a copy of it."""
    made = KafkaPlace(f"kafka://{brokers.start().servers}/log-{uuids.uuid4().hex[:12]}", tmp_path)
    made.open(create=True).close()
    brokers.in_sync(made.topic)
    return made


@contextmanager
def writing(place: KafkaPlace) -> Iterator[subprocess.Popen[str]]:
    """A process that appends, four at a time, and says how many were acknowledged; killed in the end."""
    command = place.command("tests.real.kafka.writer", 1, 4)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def test_the_leader_is_killed_under_a_writer_and_a_reader(brokers: Brokers, place: KafkaPlace, tmp_path: Path) -> None:
    """Another one takes over: both go on before it is back. So with the one that decides on transactions. Nothing is
    lost and nothing doubled.
    """
    read: list[int] = []
    faults: list[BaseException] = []
    done = threading.Event()

    def reading() -> None:
        try:
            with closing(place.elsewhere(tmp_path / "elsewhere").open()) as log:
                while not done.wait(0.02):
                    read.extend(entry.event.lsn for entry in log.read(len(read)))
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            faults.append(error)

    reader = threading.Thread(target=reading, daemon=True)
    reader.start()
    with writing(place) as writer:
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        for topic in (place.topic, "__transaction_state"):
            victim = brokers.standing(topic).leader
            brokers.all[victim].kill()
            brokers.until(topic, lambda now, gone=victim: now.leader not in (-1, gone))  # type: ignore[misc]
            sought = acknowledged + 40
            while acknowledged < sought:
                acknowledged = int(writer.stdout.readline())
            eventually(lambda: faults or len(read) >= sought)  # noqa: B023 - asked at once
            brokers.start()
            brokers.in_sync(topic)
        writer.kill()
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
    done.set()
    reader.join()
    assert faults == []
    with closing(place.open()) as log, closing(place.elsewhere(tmp_path / "third").open()) as other:
        lsns = [entry.event.lsn for entry in log.read(0)]
        assert lsns == list(range(1, len(lsns) + 1)), "no hole, no double"
        assert len(lsns) >= acknowledged
        assert read == lsns[: len(read)]
        assert log.seal() == other.seal()


def test_the_coordinator_is_killed_between_produce_and_commit(brokers: Brokers, place: KafkaPlace) -> None:
    """The transaction goes on with the broker that takes over, or begins anew: its events are there once."""
    coordinator = brokers.standing("__transaction_state").leader
    killed: list[str] = []

    def passing(name: str) -> None:
        if name == "kafka.sent" and not killed:
            killed.append(name)
            brokers.all[coordinator].kill()

    with closing(place.open(passing=passing)) as log:
        assert log.append([event(1), event(2)]) == [1, 2]
        assert killed
        assert log.append([event(2), event(3)]) == [2, 3]
        assert [entry.event.lsn for entry in log.read(0)] == [1, 2, 3]
