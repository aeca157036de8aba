"""A SQLite log as a copy of another log.

Invariant: records enter as they are and only behind the end, each proved by its checksum and chained to the one before
it; one call is one transaction. So a copy that was cut short is a whole log up to there, and the next call goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import insert, update

from events.errors import ConfigError
from events.event import Position
from events.log.chain import Record, follows
from events.log.sqlite import SqliteLog
from events.log.sqlite_rows import EVENT, META, PAYLOAD, THINNED, rows


class SqliteCopying:
    """See `events.log.Copying`. Raises what the log raises."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log

    def records(self, after: Position) -> Iterator[Record]:
        """By pages, as `read`."""
        return self.log.records(after)

    def adopt(self, identity: str) -> None:
        """In one transaction with the look whether it is empty."""
        if identity == self.log.identity:
            return
        with self.log.transaction(write=True) as connection:
            if self.log.end_in(connection):
                raise ConfigError(
                    f"the log {self.log.path} has events of its own: it is {self.log.identity}, no copy of {identity}",
                    "Copy into a log that is not there yet.",
                )
            connection.execute(update(META).where(META.c.key == "identity").values(value=identity))
        self.log.identity = identity

    def extend(self, records: Sequence[Record]) -> None:
        """One transaction for all of them."""
        with self.log.transaction(write=True) as connection:
            end = self.log.end_in(connection)
            chain = self.log.chain_in(connection, end)
            for place, record in enumerate(records, end + 1):
                follows(record, chain, place)
                chain = record.chain
            made = [rows(record) for record in records]
            thinned = [{"position": record.position} for record in records if record.thinned]
            payloads = [payload for record, (_, payload) in zip(records, made, strict=True) if not record.thinned]
            for table, values in ((EVENT, [event for event, _ in made]), (PAYLOAD, payloads), (THINNED, thinned)):
                if values:
                    connection.execute(insert(table), values)
            if records:
                last = {"value": str(end + len(records))}
                connection.execute(update(META).where(META.c.key == "end").values(last))
