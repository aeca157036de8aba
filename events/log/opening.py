"""The door to the logs: `open_log`, and what can be done with one besides what its port has, for each back end.

Invariant: this module knows the port and every back end, and none of them knows this one. The client of Kafka is
imported only where a log is there, for it is not always installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from events.errors import ConfigError
from events.log import Copying, Log, Retention, Thinned
from events.log.inspecting import Inspecting, Mending
from events.log.sqlite import SqliteLog
from events.log.sqlite_copying import SqliteCopying
from events.log.sqlite_inspect import SqliteInspecting
from events.log.sqlite_mend import SqliteMending
from events.log.sqlite_retention import SqliteRetention, SqliteThinned

if TYPE_CHECKING:
    from events.log.kafka import KafkaLog
    from events.log.kafka_settings import Settings


def open_log(url: str, *, create: bool = False, kafka: Settings | None = None) -> Log:
    """The log behind a URL: `sqlite:///path`, or `kafka://host:port/topic` with its settings.

    Raises ConfigError for an unknown scheme or a missing log.
    """
    if url.startswith("sqlite:"):
        return SqliteLog(url, create=create)
    if url.startswith("kafka:"):
        try:
            from events.log.kafka import KafkaLog
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"a log in Kafka needs the Python package {error.name}", "pip install aipstream[kafka]"
            ) from error
        if kafka is None:
            raise ConfigError("a log in Kafka needs its settings", "Open it through `daemon.parts.log_of`.")
        return KafkaLog(url, kafka, create=create)
    raise ConfigError(
        f"[log] url: no log back end for {url.partition(':')[0]!r}",
        "Use sqlite:///path/to/log.sqlite or kafka://host:port/topic",
    )


def in_kafka(log: Log) -> TypeGuard[KafkaLog]:
    """Whether that log is one in Kafka."""
    try:
        from events.log.kafka import KafkaLog
    except ModuleNotFoundError:
        return False
    return isinstance(log, KafkaLog)


def retention_of(log: Log) -> Retention:
    """What takes old events out of that log. Raises ConfigError for a back end that has its own ways."""
    if isinstance(log, SqliteLog):
        return SqliteRetention(log)
    raise ConfigError(
        "a log in Kafka keeps every event: nothing is pruned, and no moment has to be marked to be kept",
        "To make it smaller, copy it into SQLite (`aipstream copy`), prune that, and copy it into a new topic.",
    )


def thinned_of(log: Log) -> Thinned:
    """What says how much of a log was taken away: of every back end, for a copy has of such events no more than the log
    that was copied.
    """
    if isinstance(log, SqliteLog):
        return SqliteThinned(log)
    if in_kafka(log):
        log.end()
        return SqliteThinned(log.index)
    raise ConfigError("of this log it is not known what was taken away")


def copying_of(log: Log) -> Copying:
    """What copies that log, or makes it a copy. Raises ConfigError for a back end that cannot."""
    if isinstance(log, SqliteLog):
        return SqliteCopying(log)
    if in_kafka(log):
        from events.log.kafka_copying import KafkaCopying

        return KafkaCopying(log)
    raise ConfigError("this log cannot be copied record by record")


def inspecting_of(log: Log) -> Inspecting:
    """What looks through that log. Raises ConfigError for a back end that cannot."""
    if isinstance(log, SqliteLog):
        return SqliteInspecting(log)
    if in_kafka(log):
        from events.log.kafka_inspect import KafkaInspecting

        return KafkaInspecting(log)
    raise ConfigError("this log cannot be looked through record by record")


def mending_of(log: Log) -> Mending:
    """What puts that log right. Raises ConfigError for a back end that cannot."""
    if isinstance(log, SqliteLog):
        return SqliteMending(log)
    raise ConfigError(
        "a log in Kafka cannot be mended in its place: what is in a topic stays as it is",
        "Copy a whole copy of it into a new topic: `aipstream copy`. Contents come back by `aipstream snapshot`.",
    )
