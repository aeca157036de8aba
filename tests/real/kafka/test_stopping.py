"""A daemon that is to stop while the brokers are away: it does not wait for them, and nothing is lost by that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from events.errors import Interrupted
from events.log import kafka_lease
from events.log.kafka_errors import LogUnreachable
from tests.chaos.wreck import Begun
from tests.events.samples import event
from tests.real.kafka.broker import Broker
from tests.real.kafka.fixtures import KafkaPlace
from tests.real.kafka.test_daemon import KafkaWreck


@pytest.fixture
def away(broker: Broker) -> Iterator[Broker]:
    """The broker; it runs again afterwards."""
    yield broker
    if broker.process is None:
        broker.start()


@pytest.fixture
def wreck(cluster: Cluster, away: Broker, begun: Begun, tmp_path: Path) -> Iterator[KafkaWreck]:
    """All of it has been replicated once, followed by its WAL."""
    KafkaWreck.servers = away.servers
    made = KafkaWreck(cluster, begun.templates, tmp_path, "wal")
    made.take_over(begun)
    yield made
    made.close()


def test_a_daemon_ends_by_sigterm_while_the_broker_is_away(wreck: KafkaWreck, away: Broker) -> None:
    """With edits that it could not append; started again with the broker, it has them, once each."""
    daemon = wreck.process("run")
    wreck.says("capture.streaming", daemon)
    away.kill()
    wreck.edit(6)
    assert wreck.stop(daemon) == 0, wreck.messages()
    away.start()
    wreck.fine("run", "--until-current")
    wreck.assert_converged()


def test_an_idle_daemon_ends_by_sigterm_while_the_broker_is_frozen(wreck: KafkaWreck, away: Broker) -> None:
    """It takes connections and answers nothing: the next start knows the holder of the lease dead."""
    daemon = wreck.process("run")
    wreck.says("capture.streaming", daemon)
    away.pause()
    try:
        assert wreck.stop(daemon) == 0, wreck.messages()
    finally:
        away.resume()
    wreck.edit(6)
    wreck.fine("run", "--until-current")
    wreck.assert_converged()


def test_a_writer_that_is_to_stop_gives_up_and_what_it_sent_is_found_out(kafka_place: KafkaPlace, away: Broker) -> None:
    """Once or not at all, whatever became of it."""
    asked = False
    with closing(kafka_place.open(lease_seconds=3600.0, stopped=lambda: asked)) as log, log.writing():
        log.append([event(1)])
        asked = True
        log.append([event(2)])
        away.pause()
        try:
            with pytest.raises(LogUnreachable, match="next start"):
                log.append([event(3)])
        finally:
            away.resume()
    with closing(kafka_place.open()) as log:
        log.append([event(3)])
        assert [entry.event.lsn for entry in log.read(0)] == [1, 2, 3]


def test_who_waits_for_a_lease_can_be_stopped(kafka_place: KafkaPlace) -> None:
    """A standby need not wait until the lease of the other one has run out."""
    with closing(kafka_place.open()) as first:
        first.append([event(1)])
        held = first.lease()
    assert held is not None
    elsewhere = kafka_lease.Holder("elsewhere", "other", "other", 1, "1")
    living = kafka_lease.Lease(elsewhere, held.since, held.beat, 3600.0, False, held.log, held.end, held.chain)
    told: list[object] = []
    with pytest.raises(Interrupted, match="elsewhere"):
        kafka_lease.free(lambda: living, first.place, told.append, lambda: bool(told))
