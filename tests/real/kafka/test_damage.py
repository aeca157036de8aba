"""What can happen to a topic: each time a typed error that says what, and never an event less in silence."""

from __future__ import annotations

import sqlite3
import uuid as uuids
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from events.errors import ConfigError, GapInLog, StateDamaged, UnknownLogFormat
from events.log import kafka_opening, kafka_topic, kafka_writer
from events.log.chain import NO_CHAIN, recorded
from events.log.kafka import KafkaLog
from events.log.kafka_record import message
from events.log.kafka_writer import Writer
from tests.daemon.cli.place import eventually
from tests.events.samples import event
from tests.real.kafka.broker import Broker
from tests.real.kafka.fixtures import KafkaPlace


@pytest.fixture
def filled(kafka_place: KafkaPlace) -> KafkaPlace:
    """Ten events of five objects, in two transactions; closed."""
    with closing(kafka_place.open()) as log:
        log.append([event(lsn, lsn % 5) for lsn in range(1, 6)])
        log.append([event(lsn, lsn % 5) for lsn in range(6, 11)])
    return kafka_place


@pytest.fixture
def anew(filled: KafkaPlace, tmp_path: Path) -> KafkaPlace:
    """The same log from another machine, which has no index of it yet."""
    return filled.elsewhere(tmp_path / "elsewhere")


@pytest.fixture
def stranger(broker: Broker, filled: KafkaPlace) -> Iterator[Callable[..., None]]:
    """Somebody else who writes into the topic."""
    producer = KafkaProducer(bootstrap_servers=broker.servers)

    def write(value: bytes = b"hello", key: bytes = b"k", headers: Any = None, partition: int = 0) -> None:
        producer.send(filled.topic, value, key, headers, partition).get(10)

    yield write
    producer.close()


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# --- events that are gone ------------------------------------------------------------------------------------------


def test_events_that_retention_took_are_a_gap(broker: Broker, filled: KafkaPlace, anew: KafkaPlace) -> None:
    """Where the index has them, what is left is read on; where it is to be made, the log cannot be opened."""
    with closing(filled.open()) as log:
        (row, *_) = log.index.page(5, 1, 1)
        with broker.admin() as admin:
            admin.delete_records({TopicPartition(filled.topic, 0): row[-3]})
        with pytest.raises(GapInLog, match="position 1 cannot be read") as caught:
            list(log.read(0))
        assert "retention.ms" in caught.value.hint
        assert [entry.position for entry in log.read(5)] == [6, 7, 8, 9, 10]
        assert log.append([event(11)]) == [11]
    with pytest.raises(GapInLog, match="begins at offset"):
        anew.open()


def test_a_topic_that_is_compacted_has_holes(broker: Broker, kafka_place: KafkaPlace, tmp_path: Path) -> None:
    """Older events of an object are gone; both with an index and without one it is a gap at the first of them."""
    settings = {"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01",
                "max.compaction.lag.ms": "500", "min.compaction.lag.ms": "0", "delete.retention.ms": "100"}  # fmt: skip
    place = kafka_place._replace(url=f"{kafka_place.url}-compacted", folder=tmp_path / "compacted")
    with broker.admin() as admin:
        admin.create_topics([NewTopic(place.topic, 1, 1, topic_configs=settings)])
    with closing(place.open(create=True)) as log:
        lsn = 0

        def compacted() -> bool:
            nonlocal lsn
            lsn += 1
            log.append([event(lsn, 1)])
            try:
                list(log.read(0))
            except GapInLog:
                return True
            return False

        eventually(compacted)
        with pytest.raises(GapInLog, match="no longer there") as caught:
            list(log.read(0))
        assert "ompaction" in caught.value.hint
    with closing(place.elsewhere(tmp_path / "elsewhere").open()) as other, pytest.raises(GapInLog, match="missing"):
        list(other.read(0))


def test_a_topic_that_is_deleted_is_a_gap(broker: Broker, filled: KafkaPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a writer and a reader, once the brokers have said for a while that there is none; when it is opened again;
    and `init` makes no new one in its place.
    """
    monkeypatch.setattr(kafka_writer, "DOUBT_SECONDS", 0.5)
    monkeypatch.setattr(kafka_topic, "ANSWER_MS", 500)
    monkeypatch.setattr(kafka_opening, "SURE_SECONDS", 3600.0)

    def write(log: KafkaLog) -> None:
        with log.writing():
            log.append([event(11)])
            assert not log.doubted()
            with broker.admin() as admin:
                admin.delete_topics([filled.topic])
            eventually(log.doubted)
            assert log.doubted(), "not believed yet"
            monkeypatch.setattr(kafka_opening, "SURE_SECONDS", 1.0)
            log.append([event(12)])

    with closing(filled.open()) as log, closing(filled.open()) as reader:
        with pytest.raises(GapInLog, match="there is no topic"):
            write(log)
        with pytest.raises(GapInLog, match="there is no topic"):
            reader.end()
    for create in (False, True):
        with pytest.raises(GapInLog, match="11 events") as caught:
            filled.open(create=create)
        assert "index.sqlite" in caught.value.hint


def test_a_topic_that_was_made_anew_is_another_log(broker: Broker, filled: KafkaPlace, anew: KafkaPlace) -> None:
    """It is known by the id that Kafka gave it. Whoever means it moves the index away."""
    with broker.admin() as admin:
        admin.delete_topics([filled.topic])
    with closing(filled.elsewhere(anew.folder).open(create=True)) as log:
        log.append([event(1)])
    with pytest.raises(GapInLog, match="made anew") as caught:
        filled.open()
    assert "move the index" in caught.value.hint


def test_a_topic_that_ends_before_the_index_was_cut_off(filled: KafkaPlace) -> None:
    """A broker came back without what it had acknowledged: the index has seen more."""
    run_sql(filled.folder / "index.sqlite", "UPDATE meta SET value = '1000' WHERE key = 'next:0'")
    with pytest.raises(GapInLog, match="cut off"):
        filled.open()


def test_an_end_that_was_acknowledged_is_known_without_an_index(filled: KafkaPlace, anew: KafkaPlace) -> None:
    """The writer's note says where the log ended; it is kept by other partitions than the topic's."""
    with closing(filled.open()) as log:
        writer = Writer(log.place, log.settings)
        writer.begin()
        writer.send([], log.identity, 12, NO_CHAIN, released=True)
        writer.close()
    with closing(anew.open()) as log, pytest.raises(GapInLog, match="acknowledged up to 12"):
        log.end()


# --- what does not belong there -------------------------------------------------------------------------------------


def test_a_message_of_something_else_is_a_gap(filled: KafkaPlace, stranger: Callable[..., None]) -> None:
    """It says at which offset, and does not go on behind it."""
    with closing(filled.open()) as log:
        stranger()
        with pytest.raises(GapInLog, match="none of a log"):
            log.end()


def test_a_record_of_another_log_is_a_gap(filled: KafkaPlace, stranger: Callable[..., None]) -> None:
    """Two logs were given one topic."""
    with closing(filled.open()) as log:
        sent = message(recorded(11, event(11), NO_CHAIN), "another log")
        stranger(sent.value, sent.key, sent.headers)
        with pytest.raises(GapInLog, match="another log"):
            list(log.read(10))


def test_a_record_of_an_unknown_format_is_refused(filled: KafkaPlace, stranger: Callable[..., None]) -> None:
    """A newer aipstream wrote it."""
    with closing(filled.open()) as log:
        sent = message(recorded(11, event(11), NO_CHAIN), log.identity)
        stranger(sent.value, sent.key, [("aipstream", b"99"), *sent.headers[1:]])
        with pytest.raises(UnknownLogFormat, match="99"):
            log.end()


@pytest.mark.parametrize(
    ("position", "what"), [(12, "position 11 is missing"), (10, "position 11 is missing"), (11, "not chained")]
)
def test_a_record_that_does_not_follow_is_a_gap(
    filled: KafkaPlace, anew: KafkaPlace, stranger: Callable[..., None], position: int, what: str
) -> None:
    """It leaves a position out, says one again, or is chained to another one. With and without an index."""
    with closing(filled.open()) as log:
        sent = message(recorded(position, event(position), NO_CHAIN), log.identity)
        stranger(sent.value, sent.key, sent.headers)
        with pytest.raises(GapInLog, match=what):
            list(log.read(10))
    with closing(anew.open()) as log, pytest.raises(GapInLog, match=what):
        list(log.read(0))


@pytest.mark.parametrize("header", ["position", "event", "checksum", "chain", "value"])
def test_a_record_that_was_changed_is_damage(filled: KafkaPlace, stranger: Callable[..., None], header: str) -> None:
    """One bit of any part of it."""
    with closing(filled.open()) as log:
        sent = message(recorded(11, event(11), log.seal()), log.identity)
        changed = [(name, _flipped(text) if name == header else text) for name, text in sent.headers]
        stranger(_flipped(sent.value) if header == "value" else sent.value, sent.key, changed)
        with pytest.raises(GapInLog):
            list(log.read(10))


def _flipped(text: bytes) -> bytes:
    middle = len(text) // 2
    return text[:middle] + bytes([text[middle] ^ 1]) + text[middle + 1 :]


def test_a_payload_that_is_no_longer_in_the_blob_store_is_a_gap(kafka_place: KafkaPlace) -> None:
    """The message only names it; the error names the object and the blob."""
    large = event(2, payload=b"x" * 5000)
    with closing(kafka_place.open(largest=1000)) as log:
        log.append([event(1), large, event(3)])
        assert [entry.event for entry in log.read(0)] == [event(1), large, event(3)]
        assert log.settings.blobs is not None
        blobs = log.settings.blobs()
        (blob,) = blobs.list()
        blobs.delete([blob])
        reading = log.read(0)
        assert next(reading).event == event(1)
        with pytest.raises(GapInLog, match=blob):
            next(reading)
        sizes = [entry.left_out for entry in log.read(0, whole=False)]
        assert sizes == [len(each.payload) for each in (event(1), large, event(3))]


# --- what is no log -------------------------------------------------------------------------------------------------


def test_a_topic_must_be_a_log(broker: Broker, kafka_place: KafkaPlace, tmp_path: Path) -> None:
    """One that is missing or empty is made by `init`; one that is used for something else is left alone."""
    place = kafka_place._replace(url=f"{kafka_place.url}-2", folder=tmp_path / "2")
    with pytest.raises(ConfigError, match="no topic"):
        place.open()
    with broker.admin() as admin:
        admin.create_topics([NewTopic(place.topic, 2, 1)])
    with pytest.raises(ConfigError, match="empty") as caught:
        place.open()
    assert "init" in caught.value.hint
    with closing(place.open(create=True)) as log, closing(place.open(create=True)) as again:
        assert log.identity == again.identity
        assert log.index.topic.partitions == 2
    used = kafka_place._replace(url=f"{kafka_place.url}-3", folder=tmp_path / "3")
    with closing(KafkaProducer(bootstrap_servers=broker.servers)) as producer:
        producer.send(used.topic, b"something").get(10)
    for create in (False, True):
        with pytest.raises(ConfigError, match="none of a log"):
            used.open(create=create)


# --- the index --------------------------------------------------------------------------------------------------------


def test_an_index_that_is_gone_or_damaged_is_made_again(filled: KafkaPlace) -> None:
    """From the topic; a damaged one is put aside."""
    path = filled.folder / "index.sqlite"
    with closing(filled.open()) as log:
        whole, seal = list(log.read(0)), log.seal()
    path.unlink()
    with closing(filled.open()) as log:
        assert (list(log.read(0)), log.seal()) == (whole, seal)
    for damage in (b"", b"no SQLite at all \xff\0" * 100, path.read_bytes()[:5000]):
        path.write_bytes(damage)
        with closing(filled.open()) as log:
            assert (list(log.read(0)), log.seal()) == (whole, seal)
    assert path.with_name("index.sqlite.damaged").exists()


def test_a_text_in_the_place_of_the_index_is_left_alone(filled: KafkaPlace) -> None:
    """Somebody wrote it, and [kafka] index names the wrong file."""
    path = filled.folder / "index.sqlite"
    path.write_text("127.0.0.1 localhost\n" * 100)
    with pytest.raises(ConfigError, match=r"\[kafka\] index: .*index.sqlite is a text") as caught:
        filled.open()
    assert "not touched" in caught.value.hint
    assert path.read_text().startswith("127.0.0.1 localhost\n")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET digest = 'another' WHERE position = 9",
        "UPDATE place SET offset = offset + 1 WHERE position = 9",
        "DELETE FROM event WHERE position = 9",
        "DELETE FROM place WHERE position = 9",
    ],
)
def test_an_index_that_was_changed_deceives_nobody(filled: KafkaPlace, change: str) -> None:
    """What it leads to is held against it."""
    run_sql(filled.folder / "index.sqlite", change)
    with closing(filled.open()) as log, pytest.raises((GapInLog, StateDamaged)):
        list(log.read(0))


def test_an_index_is_of_one_log(filled: KafkaPlace, kafka_place: KafkaPlace, broker: Broker, tmp_path: Path) -> None:
    """That of another topic, and a database of something else, are refused and left as they are."""
    other = filled._replace(url=f"kafka://{broker.servers}/log-{uuids.uuid4().hex[:12]}")
    with pytest.raises(ConfigError, match="is of topic"):
        other.open(create=True)
    path = tmp_path / "something.sqlite"
    run_sql(path, "CREATE TABLE something (a)")
    content = path.read_bytes()
    with pytest.raises(ConfigError):
        filled.open(index=path)
    assert path.read_bytes() == content


def test_two_openings_share_an_index(filled: KafkaPlace) -> None:
    """Each reads what the other has brought there."""
    with closing(filled.open()) as one, closing(filled.open()) as other:
        for lsn in range(11, 20):
            writer, reader = (one, other) if lsn % 2 else (other, one)
            assert writer.append([event(lsn)]) == [lsn]
            assert reader.end() == lsn
        assert list(one.read(0)) == list(other.read(0))
