"""A log in Kafka is looked through past its damage, too."""

from __future__ import annotations

import random
from contextlib import closing

from events.log.inspecting import Extent, Fault
from events.log.opening import inspecting_of
from tests.events.samples import event, uuid_of
from tests.real.kafka.fixtures import KafkaPlace


def test_a_payload_that_is_gone_is_told_and_passed(kafka_place: KafkaPlace) -> None:
    """It lay in the blob store. Every other record is given, before it and behind it."""
    chance = random.Random(1)
    sizes = [5000 if lsn in (5, 12) else 2000 for lsn in range(1, 31)]
    events = [event(lsn, lsn % 7, payload=chance.randbytes(size)) for lsn, size in enumerate(sizes, 1)]
    with closing(kafka_place.open(create=True, largest=4000)) as log:
        log.append(events)
        inspecting = inspecting_of(log)
        assert inspecting.extent() == Extent(30, 30)
        found = list(inspecting.walk(0))
        assert all(each.whole for each in found)
        assert [each.record.event for each in found if each.record] == events
        assert list(inspecting.overall()) == []
        assert [each.position for each in inspecting.later(uuid_of(3), 3)] == [10, 17, 24]
        opened = kafka_place.settings().blobs
        assert opened is not None
        blobs = opened()
        blobs.delete(list(blobs.list()))
        found = list(inspecting.walk(0))
        assert [each.position for each in found] == list(range(1, 31))
        assert {each.position: [flaw.fault for flaw in each.flaws] for each in found if each.flaws} == {
            5: [Fault.UNREADABLE], 12: [Fault.UNREADABLE]
        }  # fmt: skip
        assert [each.record.event for each in found if each.whole and each.record] == [
            each for each in events if each.lsn not in (5, 12)
        ]
        assert [each.position for each in inspecting.walk(28, payloads=False)] == [29, 30]
