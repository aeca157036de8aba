"""A log in Kafka as it is opened: which topic it is, and whether that is the one that the index on this machine knows.

Invariants:

* What is opened is a log, whole as far as can be told without reading it, and the very one that was read here before:
  of the same cluster, the same topic by the id that Kafka gave it, no shorter, and with the same last event.
* A topic that is open is only said to be gone if the brokers answer for `SURE_SECONDS` on end that there is none. That
  they do not answer is no proof, and one that has just come back may not know its topics yet.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from events.errors import AipstreamError, ConfigError, GapInLog
from events.event import BEGINNING
from events.log import kafka_index, kafka_lease
from events.log import kafka_topic_settings as topic_settings
from events.log.kafka_errors import LogUnreachable
from events.log.kafka_index import KafkaIndex, Topic
from events.log.kafka_lease import Lease
from events.log.kafka_lost import MOVE_AWAY, certain, cut_off, emptied, exchanged
from events.log.kafka_settings import PATIENCE, Settings, place_of
from events.log.kafka_topic import Found, TopicReader

SURE_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.5
"""Between two looks whether the topic is there."""
LOOK_PATIENCE: Final = 2.0
"""How long brokers may take to answer that; who does not is away."""


class KafkaOpening:
    """The topic and the index of a log.

    `create` makes the topic, and the log in it, if there is none. Raises ConfigError for a topic that is missing or
    used for something else, GapInLog where events are gone, LogUnreachable where the brokers do not answer.
    """

    def __init__(self, url: str, settings: Settings, *, create: bool) -> None:
        self.place = place_of(url)
        self.settings = settings
        self.reader = TopicReader(self.place, settings)
        self._looking = TopicReader(self.place, replace(settings, patience=LOOK_PATIENCE))
        self._denied: float | None = None
        """Since when the brokers say that there is no such topic."""
        try:
            self.index = self._opened(create=create)
        except LogUnreachable as error:
            explained = self.explained(error)
            self.reader.close()
            self._looking.close()
            raise explained from error
        except BaseException:
            self.reader.close()
            raise
        self.identity = self.index.identity

    def _opened(self, *, create: bool) -> KafkaIndex:
        found = self.reader.find()
        index = kafka_index.known(self.settings.index)
        if index is not None and index.topic.name != self.place.topic:
            raise ConfigError(
                f"the index {index.path} is of topic {index.topic.name!r}, not of {self.place.topic!r}",
                "Give each log its own [kafka] index and [log] state.",
            )
        if found is None:
            if index is not None:
                raise self._deleted(index)
            if not create:
                raise ConfigError(f"[log] url: there is no topic {self.place}", "`aipstream init` makes it.")
            topic_settings.create(self.reader.admin(), self.place, self.settings)
            found = self._found()
        if index is not None:
            self._recognise(index, found.cluster, found.id)
            if index.end() == BEGINNING:
                first = self.reader.genesis()  # as long as a log has no events it may become a copy of another one
                if first is not None and first.identity != index.identity:
                    index.adopt(first.identity)
            self.reader.use(index.topic.partitions)
            self._whole(index)
            return index
        first = self.reader.genesis()
        if first is None:
            fault = certain(self.reader, lambda: emptied(self.reader, self._noted_before()))
            if fault is not None:
                raise fault
            if not create:
                raise ConfigError(
                    f"[log] url: the topic {self.place} is empty, there is no log in it", "`aipstream init` makes one."
                )
            first = topic_settings.begin(self.reader, self.settings, found.partitions)
        if first.partitions > found.partitions:
            raise GapInLog(f"the log {self.place} has {first.partitions} partitions, its topic {found.partitions}")
        topic = Topic(found.cluster, found.id, self.place.topic, first.identity, first.partitions)
        self.reader.use(first.partitions)
        return kafka_index.make(self.settings.index, topic)

    def _found(self) -> Found:
        """Once a topic that was just made is known everywhere."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.reader.find()) is None:
            if time.monotonic() > deadline:
                raise LogUnreachable(f"the topic {self.place} was made, but is not there")
            time.sleep(0.05)
        return found

    def _noted_before(self) -> Lease | None:
        """What the writer of the topic has noted; in a new cluster, who keeps that has to be chosen first."""
        deadline = time.monotonic() + self.settings.patience
        while True:
            try:
                return kafka_lease.read(self.reader.admin(), self.place)
            except LogUnreachable:
                if time.monotonic() > deadline or self.settings.stopped():
                    raise
                self.reader.forget()
                time.sleep(0.2)

    def explained(self, error: LogUnreachable) -> LogUnreachable:
        """The error, with what the brokers say of the topic if that is why."""
        said = topic_settings.ailing(self._looking)
        return LogUnreachable(f"{error}; {said}", topic_settings.AILING) if said else error

    def doubted(self) -> bool:
        """Whether the brokers, asked once, say that there is no such topic any more. Raises GapInLog if they have said
        nothing else for `SURE_SECONDS`, or it was made anew.
        """
        try:
            found = self._looking.find()
        except AipstreamError:
            self._looking.forget()
            self._denied = None
            return False
        if found is not None:
            self._denied = None
            self._recognise(self.index, found.cluster, found.id)
            return False
        self._denied = self._denied or time.monotonic()
        if time.monotonic() - self._denied >= SURE_SECONDS:
            raise self._deleted(self.index)
        return True

    def still_there(self) -> None:
        """Raise GapInLog if the topic was deleted or made anew since the log was opened. Brokers that do not answer are
        for others to find.
        """
        while self.doubted():
            time.sleep(LOOK_SECONDS)

    def _deleted(self, index: KafkaIndex) -> GapInLog:
        return GapInLog(
            f"there is no topic {self.place} any more; it held the log {index.identity} with {index.end()} events",
            MOVE_AWAY.format(index.path),
        )

    def _recognise(self, index: KafkaIndex, cluster: str, topic: str) -> None:
        """Raise GapInLog unless the index is of that very topic."""
        known = index.topic
        if known.cluster != cluster:
            raise GapInLog(
                f"the topic {self.place} is on another cluster than the known one: {cluster}, not {known.cluster}",
                MOVE_AWAY.format(index.path),
            )
        if known.id != topic:
            raise GapInLog(
                f"the topic {self.place} was deleted and made anew: it is {topic}, and was {known.id} with "
                f"{index.end()} events",
                MOVE_AWAY.format(index.path),
            )

    def _whole(self, index: KafkaIndex) -> None:
        """Raise GapInLog if the topic ends before the index does, or has another record where that ends."""
        self._not_cut_off(index)
        fault = exchanged(self.reader, index)
        if fault is not None:
            raise fault

    def _not_cut_off(self, index: KafkaIndex) -> None:
        """Raise GapInLog if the topic ends before the index does."""
        fault = certain(self.reader, lambda: cut_off(self.reader, index.reached(), self.reader.ends(), index))
        if fault is not None:
            raise fault
