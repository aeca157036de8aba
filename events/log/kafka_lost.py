"""What a topic lacks of what is known of it: a broker came back without what it had acknowledged (a leader that was not
in sync, a lost disk), and was believed.

Two things know better than the topic: the index of a machine, which has seen more of it, and the note of the writer,
which is kept by other partitions (`events.log.kafka_lease`).

Invariant: an end that Kafka has once told is never taken back by it, so a topic that ends before has lost events. The
broker that tells may be one that no longer leads and does not know yet; so whoever finds that asks again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from events.errors import GapInLog
from events.event import BEGINNING, Position
from events.log.kafka_index import OFFSET, PARTITION, KafkaIndex, Standing
from events.log.kafka_lease import Lease
from events.log.kafka_record import COMPACTED
from events.log.kafka_topic import TopicReader
from events.log.sqlite_rows import CHAIN

CERTAIN_SECONDS: Final = 2.0
"""For how long a topic is asked whether it still ends before what is known, before that is said."""


def certain(reader: TopicReader, look: Callable[[], GapInLog | None]) -> GapInLog | None:
    """What is found, if it is found for that long; None as soon as it is not."""
    deadline = time.monotonic() + CERTAIN_SECONDS
    while (fault := look()) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
        reader.forget()  # so that it is asked anew who leads
    return fault


def cut_off(reader: TopicReader, standing: Standing, ends: Mapping[int, int], index: KafkaIndex) -> GapInLog | None:
    """The error if a partition ends before what the index has of it. `ends` are stable offsets, taken just now."""
    if all(offset <= ends[partition] for partition, offset in standing.offsets.items()):
        return None
    written = reader.written()  # the stable offset comes a little after the writer's own acknowledgement
    for partition, offset in sorted(standing.offsets.items()):
        if offset > written[partition]:
            return GapInLog(
                f"the log {reader.place} was cut off: partition {partition} ends at offset {written[partition]}, and "
                f"had events up to {offset}; position {standing.end} was the last",
                f"{COMPACTED} {MOVE_AWAY.format(index.path)}",
            )
    return None


def unacknowledged(
    reader: TopicReader, standing: Standing, ends: Mapping[int, int], noted: Position
) -> GapInLog | None:
    """The error if the log, read to those stable offsets, ends before what its writer has noted."""
    if standing.end < noted and ends == reader.ends() == reader.written():
        return GapInLog(
            f"the log {reader.place} was cut off: it ends at position {standing.end}, and was acknowledged up to "
            f"{noted}",
            COMPACTED,
        )
    return None


def exchanged(reader: TopicReader, index: KafkaIndex) -> GapInLog | None:
    """The error if the topic has something else where the index ends."""
    last = index.last()
    if last is None or reader.begins()[last[PARTITION]] > last[OFFSET]:
        return None
    try:
        (kept,) = reader.fetch([(last[PARTITION], last[OFFSET])], index.identity)
    except GapInLog as error:
        return GapInLog(
            f"the log {reader.place} no longer has the event of position {last[0]}, up to which it was read: {error}",
            f"{COMPACTED} {MOVE_AWAY.format(index.path)}",
        )
    if kept.fields[CHAIN] == last[CHAIN]:
        return None
    return GapInLog(
        f"the log {reader.place} has another event at position {last[0]} than the one that was read there",
        MOVE_AWAY.format(index.path),
    )


def emptied(reader: TopicReader, lease: Lease | None) -> GapInLog | None:
    """The error if a topic in which nothing is had a log, as its writer has noted; asked anew, for the note of a topic
    that was deleted goes a moment later.
    """
    if lease is None or lease.end == BEGINNING:
        return None
    return GapInLog(
        f"the log {reader.place} was cut off: its topic is empty, and held the log {lease.log} up to position "
        f"{lease.end}",
        f"{COMPACTED} Who wants to begin anew in this topic deletes it first.",
    )


MOVE_AWAY: Final = (
    "If that is meant to be, move the index {} away: it is made again from the topic, and a target still recognises "
    "the log by the last event that it applied. Else correct [log] url, or restore the topic from a copy."
)
