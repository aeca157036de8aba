"""A log in Kafka as a copy of another log, or copied from.

Invariant: records enter as they are and only behind the end, each proved by its checksum and chained to the one before
it; one call is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.errors import ConfigError
from events.event import Position
from events.log.chain import Record, follows
from events.log.kafka import KafkaLog, Known


class KafkaCopying:
    """See `events.log.Copying`. Raises what the log raises."""

    def __init__(self, log: KafkaLog) -> None:
        self.log = log

    def records(self, after: Position) -> Iterator[Record]:
        """By pages, as `read`."""
        return self.log.records(after)

    def adopt(self, identity: str) -> None:
        """A further genesis, before there is any event."""
        if identity == self.log.identity:
            return
        if self.log.end():
            raise ConfigError(
                f"the log {self.log.place} has events of its own: it is {self.log.identity}, no copy of {identity}",
                "Copy into a topic that is not there yet.",
            )
        self.log.become(identity)

    def extend(self, records: Sequence[Record]) -> None:
        """One transaction. Where its outcome was not known, what the topic then holds is not sent again."""
        ids = [record.event.id for record in records]
        tries = 0

        def made(end: Position, chain: bytes, known: Known) -> list[Record]:
            nonlocal tries
            tries += 1
            if tries > 1 and all(known.get(each.event.id) == each.position for each in records):
                return []
            for place, record in enumerate(records, end + 1):
                follows(record, chain, place)
                chain = record.chain
            return list(records)

        if records:
            self.log.extended(made, ids)
