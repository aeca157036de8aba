"""Several partitions, one order; and the settings of a topic."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from events.errors import ConfigError, GapInLog
from events.log.kafka import KafkaLog, partition_of
from events.log.kafka_topic_settings import findings
from tests.events.samples import event, uuid_of
from tests.real.kafka.broker import Broker
from tests.real.kafka.fixtures import KafkaPlace


@pytest.fixture
def spread(kafka_place: KafkaPlace, tmp_path: Path) -> KafkaPlace:
    """A log in three partitions."""
    place = kafka_place._replace(url=f"{kafka_place.url}-spread", folder=tmp_path / "spread")
    place.open(create=True, partitions=3).close()
    return place


def test_partitions_are_read_in_the_order_of_the_log(spread: KafkaPlace, tmp_path: Path) -> None:
    """Whoever reads all of them sees the one order, with an index or without; an object stays in its partition."""
    chance = random.Random(7)
    events = [event(lsn, lsn % 40, payload=chance.randbytes(chance.randint(0, 9000))) for lsn in range(1, 1201)]
    with closing(spread.open()) as log:
        for start in range(0, 1200, 100):
            log.append(events[start : start + 100])
        with closing(spread.elsewhere(tmp_path / "elsewhere").open()) as other:
            assert [entry.event for entry in other.read(0)] == events
            assert other.seal() == log.seal()
            assert {row[-3] for row in places(other)} == {0, 1, 2}
        assert [entry.event for entry in log.read(550, limit=100)] == events[550:650]
        assert [entry.event for entry in log.history(uuid_of(7))] == events[6::40]
        for row in places(log):
            assert row[-3] == partition_of(row[4], 3)


def places(log: KafkaLog) -> list[tuple[object, ...]]:
    rows = log.index.page(0, 2000, 10**9)
    return [tuple(row)[:-1] for row in rows]


def test_a_hole_in_one_partition_is_a_gap(spread: KafkaPlace, broker: Broker, tmp_path: Path) -> None:
    """The others go on behind it, and no transaction is open: it is not only late."""
    with closing(spread.open()) as log:
        log.append([event(lsn) for lsn in range(1, 31)])
        gone = {row[0]: row for row in places(log) if row[-3] == 1}
        first = min(gone)
        with broker.admin() as admin:
            admin.delete_records({TopicPartition(spread.topic, 1): int(str(gone[first][-2])) + 1})
    elsewhere = spread.elsewhere(tmp_path / "elsewhere")
    with closing(elsewhere.open()) as other, pytest.raises(GapInLog):
        list(other.read(0))


def test_a_topic_that_is_made_here_keeps_everything(kafka_place: KafkaPlace) -> None:
    """Every setting that matters is right."""
    with closing(kafka_place.open()) as log:
        assert all(finding.ok for finding in findings(log.reader, log.settings))


@pytest.mark.parametrize(
    ("name", "value", "breaks"),
    [
        ("cleanup.policy", "compact", True),
        ("retention.ms", "86400000", False),
        ("retention.bytes", "1000000", False),
        ("max.message.bytes", "100000", True),
        ("unclean.leader.election.enable", "true", False),
        ("min.insync.replicas", "2", True),
    ],
)
def test_a_setting_that_could_lose_events_is_named(
    broker: Broker, kafka_place: KafkaPlace, name: str, value: str, breaks: bool
) -> None:
    """With the command that mends it."""
    with closing(kafka_place.open()) as log, broker.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, kafka_place.topic, {name: value})])
        (wrong,) = [finding for finding in findings(log.reader, log.settings) if not finding.ok]
    assert name in wrong.what
    assert wrong.mend.startswith("kafka-configs --bootstrap-server")
    assert name in wrong.mend
    assert wrong.breaks == breaks


def test_more_copies_than_brokers_are_refused(kafka_place: KafkaPlace, tmp_path: Path) -> None:
    """Kafka would say the same, but not which key."""
    place = kafka_place._replace(url=f"{kafka_place.url}-copies", folder=tmp_path / "copies")
    with pytest.raises(ConfigError, match="replication"):
        place.open(create=True, replication=3)


def test_a_topic_that_has_fewer_partitions_than_the_log_is_no_log(
    broker: Broker, kafka_place: KafkaPlace, tmp_path: Path
) -> None:
    """A topic that an administrator made with two partitions: the log takes both, whatever [kafka] partitions says."""
    place = kafka_place._replace(url=f"{kafka_place.url}-made", folder=tmp_path / "made")
    with broker.admin() as admin:
        admin.create_topics([NewTopic(place.topic, 2, 1)])
    with closing(place.open(create=True, partitions=5)) as log:
        assert log.index.topic.partitions == 2
        log.append([event(lsn) for lsn in range(1, 11)])
        assert [entry.event.lsn for entry in log.read(0)] == list(range(1, 11))
