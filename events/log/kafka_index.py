"""The index of a log in Kafka: one SQLite file with the header of every record and where in the topic it stands.

It answers everything that needs no payload, and leads to the payload for the rest. It holds nothing that the topic does
not: without it, it is made again by reading the topic once.

Invariants:

* What it holds was read committed from the topic (or written there by this process and acknowledged), proved, and
  chained; the places of a page, the end, and the offsets from which to go on move in one transaction.
* It names the cluster, the topic by its id, and the log. So it is never taken for the index of another one, and shows
  that a topic was recreated or cut off.
* Any number of processes may read and bring it up to date; who comes second finds that it is done.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Integer, MetaData, Row, Table, Text, delete, insert, select, update

from events.errors import ConfigError, GapInLog, StateDamaged, StorageUnusable, UnknownLogFormat
from events.event import BEGINNING, Position
from events.log import sqlite_file as file
from events.log.chain import NO_CHAIN
from events.log.kafka_record import Kept
from events.log.sqlite_headers import SqliteHeaders
from events.log.sqlite_rows import CHAIN, EVENT, META, THINNED

FORMAT: Final = "1"
"""Of the index. One of another format is made again."""

_TABLES: Final = MetaData()
for _table in (META, EVENT, THINNED):
    _table.to_metadata(_TABLES)

PLACE: Final = Table(
    "place",
    _TABLES,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("partition", Integer, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("claim", Text),
)
"""Where the message of an event stands, and the blob that has its payload if the message has not."""

PARTITION, OFFSET, CLAIM = CHAIN + 1, CHAIN + 2, CHAIN + 3
"""Of a row of `Queries`, which has the columns of `event` before them."""

_COLUMNS: Final = tuple(column.name for column in EVENT.columns)


class Topic(NamedTuple):
    """What an index is of. `id` is the one that Kafka gave the topic when it was made."""

    cluster: str
    id: str
    name: str
    identity: str
    partitions: int


class Standing(NamedTuple):
    """How far an index is: the last position, the chain there, and per partition the offset from which to go on."""

    end: Position
    chain: bytes
    offsets: dict[int, int]


class KafkaIndex(SqliteHeaders):
    """The index in one file. Raises StateDamaged for damage in it, and StorageUnusable."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, PLACE)
        self.topic = self._topic()
        self.identity = self.topic.identity

    def _topic(self) -> Topic:
        with super().transaction() as connection:
            meta: dict[str, str] = {}
            meta.update((key, value) for key, value in connection.execute(select(META.c.key, META.c.value)))
        try:
            if meta["index"] != FORMAT:
                raise UnknownLogFormat(f"the index {self.path} has format {meta['index']!r}; known is {FORMAT!r}")
            return Topic(meta["cluster"], meta["topic_id"], meta["topic"], meta["identity"], int(meta["partitions"]))
        except (KeyError, ValueError) as error:
            raise ConfigError(
                f"{self.path} is no index of a log in Kafka", "Correct [kafka] index; the file was not touched."
            ) from error

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[Connection]:
        """As of a log; but what is damaged here is not the log."""
        try:
            with super().transaction(write=write) as connection:
                yield connection
        except GapInLog as error:
            raise StateDamaged(f"the index {self.path} of the log cannot be used: {error}") from error

    def standing_at(self, connection: Connection) -> Standing:
        """How far it is, in a transaction of it."""
        end = self.end_in(connection)
        found = connection.execute(select(META.c.key, META.c.value).where(META.c.key.like("next:%"))).all()
        return Standing(end, self.chain_in(connection, end), {int(key[5:]): int(value) for key, value in found})

    def reached(self) -> Standing:
        """How far it is."""
        with self.transaction() as connection:
            return self.standing_at(connection)

    def extend(self, after: Position, page: Sequence[Kept]) -> bool:
        """Add the records that follow that position; False, and nothing done, if it is no longer the end."""
        if not page:
            return True
        with self.transaction(write=True) as connection:
            if self.end_in(connection) != after:
                return False
            headers = [dict(zip(_COLUMNS, kept.fields, strict=True)) for kept in page]
            places = [
                {"position": kept.position, "partition": kept.partition, "offset": kept.offset, "claim": kept.claim}
                for kept in page
            ]
            thinned = [{"position": kept.position} for kept in page if kept.thinned]
            self.add(connection, page[-1].position, {EVENT: headers, PLACE: places, THINNED: thinned})
            self._go_on(connection, {kept.partition: kept.offset + 1 for kept in page})
        return True

    def _go_on(self, connection: Connection, offsets: Mapping[int, int]) -> None:
        names = {f"next:{partition}": str(offset) for partition, offset in offsets.items()}
        connection.execute(delete(META).where(META.c.key.in_(names)))
        connection.execute(insert(META), [{"key": key, "value": value} for key, value in names.items()])

    def adopt(self, identity: str) -> None:
        """Note that the log, which has no events, is that one."""
        with self.transaction(write=True) as connection:
            connection.execute(update(META).where(META.c.key == "identity").values(value=identity))
        self.identity = identity
        self.topic = self.topic._replace(identity=identity)

    def page(self, after: Position, most: int, room: int) -> list[Row[Any]]:
        """The next rows of `Queries.page`, none at the end, until their payloads have `room` bytes."""
        with self.transaction() as connection:
            end = self.end_in(connection)
            with closing(self.expected(connection, after, end, most)) as rows:
                return _fitting(rows, room)

    def entries(self, positions: Sequence[Position], room: int) -> list[Row[Any]]:
        """The rows of `Queries.entries`, until their payloads have `room` bytes."""
        with (
            self.transaction() as connection,
            closing(connection.execute(self.queries(whole=True).entries, {"positions": positions})) as rows,
        ):
            return _fitting(rows, room)

    def last(self) -> Row[Any] | None:
        """The row of the last event."""
        with self.transaction() as connection:
            end = self.end_in(connection)
            if end == BEGINNING:
                return None
            with closing(self.expected(connection, end - 1, end, 1)) as rows:
                return next(rows, None)


def _fitting(rows: Iterable[Row[Any]], room: int) -> list[Row[Any]]:
    """The first rows, until their payloads have so many bytes."""
    found: list[Row[Any]] = []
    for row in rows:
        found.append(row)
        room -= row[CHAIN - 3]
        if room <= 0:
            break
    return found


def known(path: Path) -> KafkaIndex | None:
    """The index in that file; None if there is none, or it is damaged or of another format, so that it is to be made.

    Raises ConfigError if the file is something else, StorageUnusable.
    """
    try:
        return KafkaIndex(path)
    except (GapInLog, StateDamaged, UnknownLogFormat):
        return None
    except ConfigError as error:
        if path.exists():
            hint = "Name another file there; this one was not touched."
            raise ConfigError(f"[kafka] index: {error}", hint) from error
        return None


def read_before(path: Path, topic: str) -> KafkaIndex | None:
    """What this machine has read of that topic, whether its brokers answer or not; None if it has nothing."""
    with suppress(ConfigError):
        index = known(path)
        if index is not None and index.topic.name == topic:
            return index
    return None


def make(path: Path, topic: Topic) -> KafkaIndex:
    """An empty index in that file; a damaged one is put aside. One process at a time."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            there = known(path)
            if there is not None:
                return there
            with suppress(FileNotFoundError):
                path.replace(path.with_name(f"{path.name}.damaged"))
            for suffix in ("-wal", "-shm", "-journal"):
                path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
            more = {
                "index": FORMAT,
                "cluster": topic.cluster,
                "topic_id": topic.id,
                "topic": topic.name,
                "identity": topic.identity,
                "partitions": str(topic.partitions),
                **{f"next:{partition}": "0" for partition in range(topic.partitions)},
            }
            file.make(path, _TABLES, more)
    except OSError as error:
        raise StorageUnusable(f"the index {path} cannot be made: {error.strerror or error}") from error
    return KafkaIndex(path)


EMPTY: Final = Standing(BEGINNING, NO_CHAIN, {})
