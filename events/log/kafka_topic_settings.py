"""The topic of a log: how it is made, and which of its settings could lose events.

Invariant: a topic that is made here keeps everything for ever.
"""

from __future__ import annotations

import time
import uuid as uuids
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kafka import errors as kafka
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from events.errors import AipstreamError, ConfigError
from events.event import BEGINNING
from events.log.chain import NO_CHAIN
from events.log.kafka_errors import JUDGING, MAKING, LogUnreachable, TakenOver, forbidden, told
from events.log.kafka_record import Genesis, genesis
from events.log.kafka_settings import MESSAGE_BYTES, PATIENCE, ROOM, Place, Settings
from events.log.kafka_topic import TopicReader
from events.log.kafka_writer import Unknown, Writer, moment

AILING: Final = (
    "Start the brokers that have the copies; then it goes on. If the disks of all of them are lost, so are the events: "
    "bring the log back from a copy, or take a new snapshot into a new topic."
)


KEEPING: Final[Mapping[str, str]] = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "max.message.bytes": str(MESSAGE_BYTES),
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "CreateTime",
}
"""With which a topic is made. `delete` is what never happens then; the other policy, `compact`, would happen."""


class Finding(NamedTuple):
    """One setting: whether it is right, what was found, the command that mends it, and whether the log breaks of it."""

    ok: bool
    what: str
    mend: str = ""
    breaks: bool = False


def create(admin: Any, place: Place, settings: Settings) -> None:  # noqa: ANN401 - the library has no types
    """Make the topic, unless another process just did. Raises ConfigError, LogUnreachable."""
    with told(place, MAKING):
        brokers = len(admin.describe_cluster()["brokers"])
        copies = settings.replication or min(3, brokers)
        if copies > brokers:
            raise ConfigError(
                f"[kafka] replication = {copies}, but the cluster has {brokers} brokers", "Lower it, or leave it out."
            )
        wanted = {**KEEPING, "min.insync.replicas": str(max(1, copies - 1))}
        if settings.largest + ROOM > MESSAGE_BYTES:
            wanted["max.message.bytes"] = str(settings.largest + ROOM)
        try:
            admin.create_topics([NewTopic(place.topic, settings.partitions, copies, topic_configs=wanted)])
        except kafka.TopicAlreadyExistsError:
            return


def begin(reader: TopicReader, settings: Settings, partitions: int) -> Genesis:
    """Write the genesis into an empty topic; the one that is in force, if another process was faster."""
    writer = Writer(reader.place, settings)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            writer.begin()
            there = reader.genesis()
            if there is not None:
                return there
            first = Genesis(str(uuids.uuid4()), partitions, moment())
            writer.send([(0, genesis(first))], first.identity, BEGINNING, NO_CHAIN, released=True)
        except (Unknown, TakenOver) as error:
            if time.monotonic() > deadline:
                raise LogUnreachable(str(error)) from error
        finally:
            writer.close()


def findings(log_reader: TopicReader, settings: Settings) -> Iterator[Finding]:
    """Every setting of the topic that matters. Raises LogUnreachable, ConfigError."""
    place = log_reader.place
    found, copies, brokers = _described(log_reader)
    alter = (
        f"kafka-configs --bootstrap-server {place.servers[0]} --entity-type topics --entity-name {place.topic} --alter"
    )

    def mend(*pairs: str) -> str:
        return f"{alter} --add-config {','.join(pairs)}"

    policy = found.get("cleanup.policy", "")
    yield Finding(
        "compact" not in policy,
        f"cleanup.policy is {policy}" + ("" if "compact" not in policy else ": compaction takes older events away"),
        mend("cleanup.policy=delete"),
        breaks=True,
    )
    for name in ("retention.ms", "retention.bytes"):
        value = found.get(name, "")
        yield Finding(
            value == "-1",
            f"{name} is {value}" + ("" if value == "-1" else ": events beyond it are deleted"),
            mend("retention.ms=-1", "retention.bytes=-1"),
        )
    room = int(found.get("max.message.bytes", "0"))
    yield Finding(
        room >= settings.largest + ROOM,
        f"max.message.bytes is {room:,}, and [kafka] largest {settings.largest:,}",
        mend(f"max.message.bytes={max(MESSAGE_BYTES, settings.largest + ROOM)}"),
        breaks=True,
    )
    insync = int(found.get("min.insync.replicas", "1"))
    yield Finding(
        copies >= 2 or brokers == 1,
        f"replication factor is {copies} on {brokers} broker{'s' if brokers != 1 else ''}"
        + (": with one disk the log is gone" if copies < 2 else ""),
        "kafka-reassign-partitions raises it; two copies at least, three to do without one broker",
    )
    yield Finding(
        insync >= 2 or copies < 2,
        f"min.insync.replicas is {insync}"
        + (": an event may be acknowledged by one broker alone" if insync < 2 else ""),
        mend("min.insync.replicas=2"),
    )
    yield Finding(
        insync <= copies,
        f"min.insync.replicas is {insync} with {copies} cop{'ies' if copies != 1 else 'y'}",
        mend(f"min.insync.replicas={max(1, copies - 1)}"),
        breaks=True,
    )
    unclean = found.get("unclean.leader.election.enable", "false")
    yield Finding(
        unclean == "false",
        f"unclean.leader.election.enable is {unclean}"
        + (": a broker that lacks events may take over" if unclean != "false" else ""),
        mend("unclean.leader.election.enable=false"),
    )
    stamp = found.get("message.timestamp.type", "CreateTime")
    yield Finding(True, f"message.timestamp.type is {stamp}; the times of events are in their headers, whatever it is")


def ailing(reader: TopicReader) -> str:
    """Why a topic cannot be read or written, as the brokers see it; empty if nothing is wrong, or nobody tells."""
    try:
        with told(reader.place):
            (described,) = reader.admin().describe_topics([reader.place.topic])
        least = int(_described(reader)[0].get("min.insync.replicas", "1"))
    except AipstreamError:
        return ""
    found = []
    for each in described["partitions"]:
        copies, insync = each["replica_nodes"], each["isr_nodes"]
        name = f"partition {each['partition_index']}"
        if each["leader_id"] < 0:
            nodes = ", ".join(map(str, sorted(copies)))
            found.append(f"{name} has no leader: its copies are on broker{'s' if len(copies) > 1 else ''} {nodes}")
        elif len(insync) < least:
            found.append(
                f"{name} has {len(insync)} of {len(copies)} copies in sync, and min.insync.replicas is {least}"
            )
    return ", ".join(found)


def _described(reader: TopicReader) -> tuple[dict[str, str], int, int]:
    """(settings, copies, brokers)."""
    place, admin = reader.place, reader.admin()
    with told(place, JUDGING):
        (described,) = admin.describe_topics([place.topic])
        brokers = len(admin.describe_cluster()["brokers"])
        copies = min((len(each["replica_nodes"]) for each in described["partitions"]), default=0)
        resource = ConfigResource(ConfigResourceType.TOPIC, place.topic)
        answered = admin.describe_configs([resource], config_filter="all")
    found = _values(answered, place.topic)
    if not found:  # the library passes over the refusal
        raise forbidden(place, JUDGING.topic, "topic", place.topic)
    return found, copies, brokers


def _values(answered: Any, topic: str) -> dict[str, str]:  # noqa: ANN401
    found: dict[str, str] = {}
    found.update({name: str(each["value"]) for name, each in answered["topic"][topic].items()})
    return found
