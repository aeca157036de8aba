"""The log on three brokers: some of them die, and it goes on; what only one of them had is missed."""

from __future__ import annotations

import subprocess
import threading
import uuid as uuids
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from events.errors import ConfigError, GapInLog
from events.log import kafka_lost
from events.log import kafka_topic_settings as topic_settings
from events.log.kafka import KafkaLog
from events.log.kafka_errors import LogUnreachable
from tests.chaos.wreck import Begun
from tests.daemon.cli.place import eventually
from tests.events.samples import event
from tests.real.kafka.brokers import Brokers
from tests.real.kafka.fixtures import KafkaPlace
from tests.real.kafka.test_daemon import KafkaWreck

LONG = 300.0
"""Seconds after which it is certain that a busy machine is not why."""


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
    brokers.settled(made.topic)
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


def test_init_makes_three_copies_and_check_says_what_is_less(
    brokers: Brokers, place: KafkaPlace, tmp_path: Path
) -> None:
    """Two of which must have an event before it is acknowledged. Fewer are notes, more than there are break the log."""
    assert len(brokers.standing(place.topic).copies) == 3
    with closing(place.open()) as log:
        found = list(topic_settings.findings(log.reader, log.settings))
    assert [each for each in found if not each.ok] == []
    assert {"replication factor is 3 on 3 brokers", "min.insync.replicas is 2"} <= {each.what for each in found}
    less = KafkaPlace(f"{place.url}-less", tmp_path / "less")
    less.folder.mkdir()
    brokers.make(less.topic, [1], min_insync_replicas="1", max_message_bytes="8388608")
    with closing(less.open(create=True)) as log:

        def wrong() -> dict[str, bool]:
            found = topic_settings.findings(log.reader, log.settings)
            return {each.what: each.breaks for each in found if not each.ok}

        assert wrong()["replication factor is 1 on 3 brokers: with one disk the log is gone"] is False
        brokers.set(less.topic, "min.insync.replicas", "2")
        eventually(lambda: wrong().get("min.insync.replicas is 2 with 1 copy"), LONG)
    with pytest.raises(ConfigError, match="3 brokers"):
        KafkaPlace(f"{place.url}-4", tmp_path / "4").open(create=True, replication=4)


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
            eventually(lambda: faults or len(read) >= sought, LONG)  # noqa: B023 - asked at once
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


def test_two_of_three_are_away(brokers: Brokers, place: KafkaPlace, tmp_path: Path) -> None:
    """What is there can be read. What is appended waits, and is told why; when they come back, it goes on."""
    with closing(place.open(patience=4.0)) as hasty, closing(place.elsewhere(tmp_path / "patient").open()) as patient:
        hasty.append([event(1)])
        leader = brokers.standing(place.topic).leader
        for node in brokers.all.keys() - {leader}:
            brokers.all[node].kill()
        brokers.in_sync(place.topic, leader)
        unreachable(lambda: hasty.append([event(2)]), "1 of 3 copies in sync, and min.insync.replicas is 2")
        assert [entry.event.lsn for entry in patient.read(0)] == [1]
        appended: list[int] = []
        waiting = threading.Thread(target=lambda: appended.extend(patient.append([event(2), event(3)])), daemon=True)
        waiting.start()
        brokers.start()
        waiting.join()
        assert appended == [2, 3]
        assert hasty.append([event(2), event(4)]) == [2, 4]
        assert [entry.event.lsn for entry in hasty.read(0)] == [1, 2, 3, 4]


def test_a_disk_is_replaced(brokers: Brokers, place: KafkaPlace, tmp_path: Path, soon: None) -> None:
    """The broker with the new one gets a copy from the others. What it alone had is not there without it, and not with
    the new disk: then everybody says that it is gone, who never saw it too.
    """
    alone = KafkaPlace(f"kafka://{brokers.servers}/alone-{uuids.uuid4().hex[:8]}", tmp_path / "alone")
    alone.folder.mkdir()
    brokers.make(alone.topic, [3], unclean_leader_election_enable="true", max_message_bytes="8388608")
    with closing(place.open()) as log, closing(alone.open(create=True, patience=4.0)) as lost:
        for each in (log, lost):
            each.append([event(1), event(2)])
        brokers.all[3].kill()
        brokers.until(alone.topic, lambda now: now.leader == -1)
        unreachable(lost.end, "no leader: its copies are on broker 3")

        brokers.replace_disk(3)
        brokers.start()
        brokers.in_sync(place.topic)
        assert log.append([event(2), event(3)]) == [2, 3]
        assert [entry.event.lsn for entry in log.read(0)] == [1, 2, 3]
        brokers.in_sync(alone.topic, 3)
        new = alone.elsewhere(tmp_path / "new")
        says(lost.end, lambda: list(lost.read(0)), lambda: lost.append([event(3)]))
        says(alone.open, new.open, lambda: new.open(create=True))


def test_an_unclean_election_loses_nothing_in_silence(
    brokers: Brokers, begun: Begun, cluster: Cluster, tmp_path: Path, soon: None
) -> None:
    """A broker that lacks acknowledged events is elected. Whoever has seen them, or the note of their writer, says so:
    readers, the index, who would append, here and elsewhere; and every verb.
    """
    KafkaWreck.servers = brokers.servers
    wreck = KafkaWreck(cluster, begun.templates, tmp_path)
    wreck.configure()
    place = KafkaPlace(f"kafka://{brokers.servers}/unclean-{uuids.uuid4().hex[:8]}", tmp_path / "place")
    place.folder.mkdir()
    lossy = {"unclean_leader_election_enable": "true", "min_insync_replicas": "1", "max_message_bytes": "8388608"}
    try:
        for topic in (place.topic, wreck.topic):
            brokers.make(topic, [1, 2], **lossy)
        wreck.take_over(begun)
        with ExitStack() as stack:
            log = stack.enter_context(closing(place.open(create=True)))
            log.append([event(lsn) for lsn in range(1, 6)])
            ahead, behind = (
                stack.enter_context(closing(place.elsewhere(tmp_path / name).open(lease_seconds=1.0)))
                for name in ("ahead", "behind")
            )
            assert behind.end() == 5
            brokers.settled()
            brokers.all[2].kill()
            for topic in (place.topic, wreck.topic):
                brokers.in_sync(topic, 1)
            log.append([event(lsn) for lsn in range(6, 11)])
            eventually(lambda: ahead.end() == 10, LONG)
            wreck.edit(6)
            wreck.fine("run", "--until-current")

            brokers.all[1].kill()
            brokers.all[2].start()
            for topic in (place.topic, wreck.topic):
                brokers.in_sync(topic, 2)
            says(ahead.end, lambda: list(ahead.read(5)), lambda: list(ahead.read(0, whole=False)), ahead.seal)
            eventually(lambda: said(behind.end), LONG)
            says(log.end, lambda: log.append([event(11)]), lambda: log.append([event(12)]), place.open)
            new = place.elsewhere(tmp_path / "new")
            says(
                lambda: behind.append([event(11)]),
                lambda: opened(new, lambda log: log.end()),
                lambda: opened(new, lambda log: log.append([event(11)]), create=True),
            )
            brokers.start()
            brokers.in_sync(place.topic, 1, 2)
            says(ahead.end, lambda: log.append([event(11)]), place.open)
        for verb in (["run", "--until-current"], ["replay"], ["verify", "--log"]):
            done = wreck.command(*verb)
            assert done.code == 5, (verb, done)
            assert "cut off" in done.err
        told = wreck.command("status")
        assert "cut off" in told.out + told.err, told
    finally:
        wreck.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a topic lacks is believed at once: here it is not for long that nobody is sure who leads."""
    monkeypatch.setattr(kafka_lost, "CERTAIN_SECONDS", 0.5)


def unreachable(call: Callable[[], object], why: str) -> None:
    """It gives up, by the error after which a daemon waits, and tells why, unless in too much of a hurry for that."""
    told = ""

    def tells() -> bool:
        nonlocal told
        with pytest.raises(LogUnreachable) as caught:
            call()
        assert caught.value.exit_code == 10
        told = f"{caught.value} {caught.value.hint}"
        return why in told and "Start the brokers" in told

    eventually(tells, LONG)


def opened(place: KafkaPlace, call: Callable[[KafkaLog], object], *, create: bool = False) -> None:
    """Call it with the log of that place, which is closed whatever comes of it."""
    with closing(place.open(create=create)) as log:
        call(log)


def said(call: Callable[[], object]) -> str:
    """How that GapInLog is told which the call raises; nothing if it raises none."""
    try:
        call()
    except GapInLog as error:
        return f"{error}\n{error.hint}"
    return ""


def says(*calls: Callable[[], object]) -> None:
    """Each of them raises GapInLog, and tells what happened and what to do."""
    for number, call in enumerate(calls):
        told = said(call)
        assert "cut off" in told or "no longer" in told, (number, told)
        assert "copy" in told, (number, told)
