"""A log in Kafka looked through past its damage.

The headers are those of the index, which were proved and chained when they were read from the topic; each message is
fetched again and held against its header. A record that the topic does not give as it was is told and passed.

Invariant: every position from 1 to the end is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from events.aip.model import Uuid
from events.errors import GapInLog
from events.event import Position
from events.log.inspecting import Extent, Fault, Flaw, Inspected
from events.log.kafka import KafkaLog
from events.log.sqlite_inspect import SqliteInspecting


class KafkaInspecting:
    """See `events.log.inspecting.Inspecting`. Raises LogUnreachable, StateDamaged; GapInLog for a topic that cannot be
    indexed to its end.
    """

    def __init__(self, log: KafkaLog) -> None:
        self.log = log
        self._headers = SqliteInspecting(log.index)

    def extent(self) -> Extent:
        """Of the topic."""
        end = self.log.end()
        return Extent(end, end)

    def walk(self, after: Position, until: Position | None = None, *, payloads: bool = True) -> Iterator[Inspected]:
        """By the pages of `KafkaLog.records`; after one that is damaged it begins again behind it."""
        upto = self.log.end() if until is None else min(until, self.log.end())
        headers = self._headers.walk(after, upto, payloads=False)
        if not payloads:
            yield from headers
            return
        records = self.log.records(after)
        for found in headers:
            try:
                record = next(records, None)
            except GapInLog as error:
                records = self.log.records(found.position)
                flaw = Flaw(Fault.UNREADABLE, str(error))
                yield found._replace(flaws=(*found.flaws, flaw))
                continue
            if record is not None and record.position == found.position:
                yield found._replace(record=record) if found.record is not None else found
            else:
                records = self.log.records(found.position)
                yield found._replace(flaws=(*found.flaws, Flaw(Fault.GAP, "the topic does not give it")))

    def later(self, uuid: Uuid, after: Position) -> Iterator[Inspected]:
        """By the index."""
        return self._headers.later(uuid, after)

    def overall(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[Flaw]:
        """What is wrong with the index; the topic has no end of its own that could be noted wrongly."""
        return self._headers.overall(stopped)

    def size(self) -> int:
        """Of the index."""
        return self._headers.size()
