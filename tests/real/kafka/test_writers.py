"""One writer at a time: the lease says who, and Kafka makes sure."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from events.errors import Locked
from events.log import kafka_lease
from events.log.chain import NO_CHAIN
from events.log.kafka import KafkaLog
from events.log.kafka_errors import TakenOver
from events.log.kafka_lease import Holder, myself
from events.log.kafka_writer import Writer
from tests.daemon.cli.place import eventually
from tests.events.samples import event
from tests.real.kafka.fixtures import KafkaPlace


@pytest.fixture
def other(kafka_place: KafkaPlace, tmp_path: Path) -> KafkaPlace:
    """The same log from another machine."""
    return kafka_place.elsewhere(tmp_path / "elsewhere")


class Holding:
    """A process that is the writer, and appends one event for each line on its input; see `tests.real.kafka.holder`."""

    def __init__(self, place: KafkaPlace, first: int, **given: object) -> None:
        self.process = subprocess.Popen(
            place.command("tests.real.kafka.holder", first, **given),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        assert self.answer() == "writing"

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def append(self) -> str:
        """Append the next event; what it says of that."""
        self.say()
        return self.answer()

    def say(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holding(kafka_place: KafkaPlace) -> Iterator[Holding]:
    made = Holding(kafka_place, 1)
    yield made
    made.close()


def test_who_would_write_is_told_who_does(kafka_place: KafkaPlace, other: KafkaPlace, holding: Holding) -> None:
    """Its machine and process; it renews its lease although it has nothing to append, and goes on undisturbed."""
    assert holding.append() == "1"
    with closing(other.open()) as log:
        for attempt in (log.writing().__enter__, lambda: log.append([event(100)])):
            with pytest.raises(Locked, match=f"process {holding.process.pid} on "):
                attempt()
        assert holding.append() == "2"
        assert [entry.event for entry in log.read(0)] == [event(1), event(2)]
        lease = log.lease()
    assert lease is not None
    assert (lease.holder.pid, lease.released, lease.end) == (holding.process.pid, False, 2)


def test_a_lease_that_was_released_is_free(kafka_place: KafkaPlace, other: KafkaPlace, no_waiting: None) -> None:
    """Nobody waits for one who has said that it is done."""
    with closing(kafka_place.open()) as one, closing(other.open()) as two:
        for lsn, log in enumerate((one, two, one, two), 1):
            with log.writing():
                assert log.append([event(lsn)]) == [lsn]


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_log: KafkaLog, _lease: kafka_lease.Lease) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(KafkaLog, "_waiting", wait)


def test_a_writer_that_was_killed_here_is_not_waited_for(
    kafka_place: KafkaPlace, other: KafkaPlace, holding: Holding, no_waiting: None
) -> None:
    """Its process is known to be no more."""
    assert holding.append() == "1"
    holding.close()
    with closing(other.open()) as log, log.writing():
        assert log.append([event(1), event(2)]) == [1, 2]


def test_a_lease_of_another_machine_ends_when_it_is_silent(kafka_place: KafkaPlace) -> None:
    """It is watched for as long as its holder may say nothing, by our own clock."""
    with closing(kafka_place.open()) as log:
        gone = Writer(log.place, kafka_place.settings(lease_seconds=1.5))
        gone.holder = Holder("elsewhere", "another boot", "pid:[1]", 77, "1")
        gone.begin()
        gone.send([], log.identity, 0, NO_CHAIN)
        gone.close()
        with log.writing():
            assert log.append([event(1)]) == [1]
            held = log.lease()
    assert held is not None
    assert held.holder == myself()


def test_a_writer_that_was_paused_can_write_no_more(
    kafka_place: KafkaPlace, other: KafkaPlace, holding: Holding
) -> None:
    """Its lease was taken while it slept. It wakes up in the belief that it is the writer, and is refused."""
    assert holding.append() == "1"
    os.kill(holding.process.pid, signal.SIGSTOP)
    with closing(other.open()) as log, log.writing():
        assert log.append([event(50)]) == [2]
        holding.say()
        os.kill(holding.process.pid, signal.SIGCONT)
        assert holding.answer() == "TakenOver"
        assert holding.append() == "TakenOver"
        assert log.append([event(51)]) == [3]
        assert [entry.event for entry in log.read(0)] == [event(1), event(50), event(51)]


def test_a_writer_that_is_idle_learns_that_it_was_replaced(kafka_place: KafkaPlace, other: KafkaPlace) -> None:
    """By the lease that it cannot renew; and everything that it is asked then says so."""
    with closing(kafka_place.open(lease_seconds=1.0)) as log, closing(other.open()) as two:
        writing = log.writing()
        writing.__enter__()
        log.append([event(1)])
        taking = Writer(two.place, two.settings)
        taking.begin()
        taking.close()
        eventually(lambda: log._taken is not None)
        with pytest.raises(TakenOver):
            log.end()
        with pytest.raises(TakenOver):
            writing.__exit__(None, None, None)
        assert two.append([event(2)]) == [2]


def test_two_machines_append_in_turn(kafka_place: KafkaPlace, other: KafkaPlace) -> None:
    """Without a lease they fence each other off, and begin again: each event once, none lost."""
    commands = [
        place.command("tests.real.kafka.writer", first, 3, 6) for place, first in ((kafka_place, 1), (other, 13))
    ]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    assert [process.communicate()[0].split()[-1] for process in processes] == ["18", "18"]
    assert [process.returncode for process in processes] == [0, 0]
    with closing(kafka_place.open()) as one, closing(other.open()) as two:
        assert sorted(entry.event.lsn for entry in one.read(0)) == list(range(1, 31))
        assert one.seal() == two.seal()


def test_who_had_a_turn_stands_behind_who_waits(kafka_place: KafkaPlace) -> None:
    """One that appends without a pause is passed by another one of this machine every few of its turns."""
    acknowledged: list[str] = []
    busy = subprocess.Popen(
        kafka_place.command("tests.real.kafka.writer", 1, 1), stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        assert busy.stdout is not None
        reading = threading.Thread(target=lambda: acknowledged.extend(busy.stdout or ()))
        reading.start()
        eventually(lambda: acknowledged)
        waited = []
        with closing(kafka_place.open()) as log:
            for lsn in range(10_001, 10_006):
                before = len(acknowledged)
                log.append([event(lsn)])
                waited.append(len(acknowledged) - before)
        assert max(waited) <= 10, waited  # without a line it was over a hundred
    finally:
        busy.kill()
        reading.join()
        busy.communicate()
