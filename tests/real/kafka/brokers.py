"""A cluster of Kafka for tests: three brokers and a controller of its own, each a process that can be killed.

The controller stays when brokers go, for it is them that are tested: it elects, and tells who is in sync.

Invariants: as of `tests.real.kafka.broker`; and a broker that is started again is the same node of the same cluster,
even if its data is gone as after its disk was replaced.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kafka.errors import KafkaError

from tests.real.kafka.broker import Broker, new_id

CONTROLLER = 100
PATIENCE_SECONDS = 120


class Standing(NamedTuple):
    """Of a partition: the node that leads (-1: none), all that have a copy, and those that are in sync."""

    leader: int
    copies: list[int]
    insync: list[int]


class Controller(Broker):
    """It alone decides who leads. It keeps no events."""

    roles = "controller"
    heap = "128m"


class Member(Broker):
    """A broker that others have elected, or have not."""

    roles = "broker"
    heap = "192m"

    def __init__(self, folder: Path, head: Controller, node: int, settings: Sequence[str]) -> None:
        super().__init__(folder, node=node, settings=settings)
        self.head = head
        self.cluster = head.cluster

    @property
    def voters(self) -> str:
        """The controller."""
        return self.head.voters

    def _format(self) -> None:
        """As `kafka-storage format` does it, without a JVM."""
        folder = self.folder / "data"
        folder.mkdir(exist_ok=True)
        text = f"version=1\ncluster.id={self.cluster}\nnode.id={self.node}\ndirectory.id={new_id()}\n"
        (folder / "meta.properties").write_text(text)


class Brokers:
    """`Brokers(folder).start()`. `settings` are lines for every node."""

    COMMON = (
        "offsets.topic.replication.factor=3",
        "offsets.topic.num.partitions=1",
        "transaction.state.log.replication.factor=3",
        "transaction.state.log.min.isr=2",
        "transaction.state.log.num.partitions=1",
        # A broker that dies is missed, and one that lags is told, sooner than in real life.
        "broker.session.timeout.ms=3000",
        "broker.heartbeat.interval.ms=500",
        "replica.lag.time.max.ms=3000",
        "replica.fetch.wait.max.ms=100",
        "controlled.shutdown.enable=true",
        "auto.leader.rebalance.enable=false",
        "log.cleaner.threads=1",
        "num.replica.fetchers=1",
        "background.threads=2",
    )

    def __init__(self, folder: Path, *, settings: Iterable[str] = ()) -> None:
        more = [*self.COMMON, *settings]
        self.head = Controller(folder / "controller", node=CONTROLLER, settings=more)
        self.head.cluster = new_id()
        self.all = {node: Member(folder / f"broker-{node}", self.head, node, more) for node in (1, 2, 3)}

    @property
    def servers(self) -> str:
        """All of them, for [log] url."""
        return ",".join(each.servers for each in self.all.values())

    def start(self) -> Brokers:
        """Start whatever does not run, all at once, and wait until they answer."""
        away = [each for each in (self.head, *self.all.values()) if each.process is None]
        for each in away:
            each.launch()
        for each in away:
            each.await_start()
        return self

    def stop(self) -> None:
        """End all of them. Nothing of them is needed any more."""
        for each in (*self.all.values(), self.head):
            each.kill()

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """A client of those that run."""
        from kafka.admin import KafkaAdminClient

        running = [each.servers for each in self.all.values() if each.process is not None]
        client = KafkaAdminClient(bootstrap_servers=running)
        try:
            yield client
        finally:
            client.close()

    def standing(self, topic: str, partition: int = 0) -> Standing:
        """Of a partition, as those that run see it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self.admin() as admin:
                    (described,) = admin.describe_topics([topic])
                break
            except KafkaError:  # one that was just killed is still said to be there
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        found = next((each for each in described["partitions"] if each["partition_index"] == partition), None)
        if found is None:
            return Standing(-1, [], [])  # just made, and not known everywhere
        return Standing(found["leader_id"], list(found["replica_nodes"]), sorted(found["isr_nodes"]))

    def until(self, topic: str, fact: Callable[[Standing], bool], partition: int = 0) -> Standing:
        """Wait for that to be true of a partition."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not fact(now := self.standing(topic, partition)):
            assert time.monotonic() < deadline, f"partition {partition} of {topic} still is {now}"
            time.sleep(0.1)
        return now

    def in_sync(self, topic: str, *nodes: int) -> Standing:
        """Wait until exactly those are in sync (all, if none is named), and one of them leads."""
        wanted = sorted(nodes or self.all)
        return self.until(topic, lambda now: now.insync == wanted and now.leader in wanted)

    def settled(self, *topics: str) -> None:
        """Wait until all are in sync of those topics, and of Kafka's own."""
        for topic in (*topics, "__consumer_offsets", "__transaction_state"):
            self.in_sync(topic)

    def make(self, topic: str, copies: Sequence[int], **settings: str) -> None:
        """Make a topic of one partition with its copies on those nodes, the first of which leads."""
        from kafka.admin import NewTopic

        named = {name.replace("_", "."): value for name, value in settings.items()}
        with self.admin() as admin:
            admin.create_topics([NewTopic(topic, replica_assignments={0: list(copies)}, topic_configs=named)])
        self.in_sync(topic, *copies)

    def set(self, topic: str, name: str, value: str) -> None:
        """Change one setting of a topic."""
        from kafka.admin import ConfigResource, ConfigResourceType

        with self.admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: value})])

    def replace_disk(self, node: int) -> None:
        """Its data is gone; the id of the cluster was written on the new disk by whoever put it there."""
        broker = self.all[node]
        assert broker.process is None, "it runs"
        shutil.rmtree(broker.folder / "data")
