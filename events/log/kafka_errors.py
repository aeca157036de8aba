"""What kafka-python's errors mean for a log.

It tells the reason of a connection that fails (a wrong password, an unknown certificate) only to its own logger, and
then waits in silence. So what it logs is kept here, and told with the error that comes of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

from kafka import errors as kafka

from events.errors import AipstreamError, ConfigError, GapInLog, Locked, StorageUnusable
from events.log.kafka_settings import PATIENCE, Place

T = TypeVar("T")

CONNECT_SECONDS: Final = 10.0
"""How long brokers may take to answer the first time. What is wrong with the account is told sooner."""


class LogUnreachable(StorageUnusable):
    """The brokers of the log do not answer, or cannot take what is written. Nothing that was acknowledged is lost."""

    hint = "Check that the brokers run and that [log] url names them; then start again, which resumes where it stopped."


class TakenOver(Locked):
    """Another process has begun to write into the log. This one has stopped, and can write nothing more."""

    hint = "Only one captures at a time. Stop one of the two; `aipstream status` on either tells who holds the log."


class _Reasons(logging.Handler):
    """The last lines that the library has logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[tuple[float, str]] = deque(maxlen=50)
        self.guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        with self.guard:
            self.lines.append((time.monotonic(), record.getMessage()))

    def since(self, begin: float) -> list[str]:
        """What was said since that moment of the monotonic clock."""
        with self.guard:
            return [line for moment, line in self.lines if moment >= begin]


_reasons: Final = _Reasons()


def listen() -> None:
    """Let the library tell its reasons here, and nowhere else."""
    logger = logging.getLogger("kafka")
    if _reasons not in logger.handlers:
        logger.addHandler(_reasons)
        logger.propagate = False


_CONFIGURED: Final = (
    ("SaslAuthenticationFailed", "the brokers refuse the account", "Check [kafka] user, password and mechanism."),
    ("UnsupportedSaslMechanism", "the brokers do not know that mechanism", "Check [kafka] mechanism."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the certificate of the brokers is not signed by the authority that is trusted, or is of another name",
        "Write the certificate of their authority into [kafka] ca; [log] url must name hosts as they are named there.",
    ),
    ("Handshake failed", "TLS with the brokers fails", "Check [kafka] security, and certificate and key if they ask."),
    ("Invalid frame length", "the brokers answer in another protocol", 'They may want [kafka] security = "tls".'),
    ("IllegalSaslState", "the brokers want no account, or another way to give it", "Check [kafka] mechanism."),
)

_FENCED: Final = (kafka.ProducerFencedError, kafka.InvalidProducerEpochError)


class Rights(NamedTuple):
    """What a call needs on the topic and on the group; the brokers say on what something is missing, but not what."""

    topic: str = "Read"
    group: str = "Describe"


READING: Final = Rights()
WRITING: Final = Rights("Write", "Read")
MAKING: Final = Rights("Create")
JUDGING: Final = Rights("DescribeConfigs")


def meaning(error: BaseException, place: Place, since: float, rights: Rights = READING) -> AipstreamError:
    """Our error for one of the library's, by what it has logged since that moment of the monotonic clock."""
    if isinstance(error, AipstreamError):
        return error
    text = " ".join(str(error).split())
    if isinstance(error, _FENCED):
        return TakenOver(
            f"another aipstream has taken over the writing into the log {place}, or this one stood still within a "
            f"transaction for more than {PATIENCE:.0f} seconds",
        )
    for kind, what, name, operation in (
        (kafka.TopicAuthorizationFailedError, "topic", place.topic, rights.topic),
        (kafka.GroupAuthorizationFailedError, "group", names(place), rights.group),
        (kafka.TransactionalIdAuthorizationFailedError, "transactional-id", names(place), "Write"),
        (kafka.ClusterAuthorizationFailedError, "cluster", "", "IdempotentWrite"),
    ):
        if isinstance(error, kind):
            return forbidden(place, operation, what, name)
    if isinstance(error, kafka.MessageSizeTooLargeError | kafka.RecordListTooLargeError):
        return ConfigError(
            f"the topic of the log {place} does not take a message of that size",
            "Raise its max.message.bytes (`aipstream check` prints the command), or lower [kafka] largest.",
        )
    if isinstance(error, kafka.UnknownTopicOrPartitionError | kafka.UnknownTopicIdError):
        return GapInLog(f"the topic of the log {place} is gone: it was deleted while it was in use")
    if isinstance(error, kafka.LogTruncationError):
        return GapInLog(f"the topic of the log {place} was cut off: a broker has lost what it had acknowledged")
    if isinstance(error, kafka.OffsetOutOfRangeError | kafka.NoOffsetForPartitionError):
        return GapInLog(f"the topic of the log {place} no longer has what was kept there ({text})", RETENTION)
    if isinstance(error, kafka.CorruptRecordError):
        return GapInLog(f"the log {place} is damaged: {text}")
    said = _reasons.since(since)
    for sign, what, hint in _CONFIGURED:
        if any(sign in line for line in (*said, text)):
            reason = next((_shortened(line.rpartition(": ")[2]) for line in reversed(said) if sign in line), "")
            return ConfigError(f"the log {place} cannot be reached: {what}{f' ({reason})' if reason else ''}", hint)
    lost = next((line.partition("lost: ")[2] for line in reversed(said) if "lost: " in line), "")
    return LogUnreachable(
        f"the log {place} cannot be used: {text}{f' (last: {lost})' if lost else ''}",
        CUT_OFF if "socket disconnected" in lost else None,
    )


def forbidden(place: Place, operation: str, what: str, name: str) -> ConfigError:
    """The error for an account that lacks an operation on a topic, group, transactional-id, or the cluster."""
    on = f"{what} {name}".strip()
    return ConfigError(
        f"the account lacks {operation} on the {on}, for the log {place}",
        f"kafka-acls --add --allow-principal User:… --operation {operation} --{on}",
    )


def _shortened(reason: str) -> str:
    """Without the library's own pauses."""
    return reason.partition(" (backoff ")[0]


CUT_OFF: Final = (
    "The brokers ended the connection: they may be stopping, or refuse the account. Check that they run, and [kafka] "
    "security, mechanism, user and password; then start again, which resumes where it stopped."
)


RETENTION: Final = (
    "Retention or kafka-delete-records has taken events away. Set retention.ms and retention.bytes of the topic to -1 "
    "(`aipstream check` prints the command); then take a new snapshot into a new topic, or restore the log from a copy."
)


def names(place: Place) -> str:
    """The transactional id of who writes the log, and the group that holds the lease."""
    return f"aipstream.{place.topic}"


@contextmanager
def told(place: Place, rights: Rights = READING) -> Iterator[None]:
    """The library's errors, raised as ours."""
    since = time.monotonic()
    try:
        yield
    except kafka.KafkaError as error:
        raise meaning(error, place, since, rights) from error
    except OSError as error:
        raise LogUnreachable(f"the log {place} cannot be reached: {error.strerror or error}") from error


def connected(make: Callable[[], T], place: Place, patience: float) -> T:
    """A client that has found its brokers. Raises LogUnreachable after `CONNECT_SECONDS` or that patience, ConfigError
    as soon as it is one.
    """
    begin = time.monotonic()
    while True:
        try:
            with told(place):
                return make()
        except LogUnreachable:
            if time.monotonic() - begin > min(CONNECT_SECONDS, patience):
                raise


def makes_no_topic(metadata: Any) -> None:  # noqa: ANN401 - the library has no types
    """Let a client ask for a topic without making it. kafka-python 3.0 takes `allow_auto_create_topics` and does not
    hand it on; a topic that was deleted would come back, empty, as soon as its writer asks for it.
    """
    metadata.config["allow_auto_create_topics"] = False


def drops_no_request(client: Any) -> None:  # noqa: ANN401
    """Let a producer's sender ask for another coordinator, and send again, where it cannot connect to the known one.
    In kafka-python 3.0 `await_ready` raises then, after which the sender drops the request: the transaction stands
    still until its time is over, although another broker has long taken over. Told False, it does what it should.
    """
    await_ready = client.await_ready

    def whether_ready(*given: Any, **named: Any) -> bool:  # noqa: ANN401
        try:
            return bool(await_ready(*given, **named))
        except kafka.KafkaConnectionError:
            return False

    client.await_ready = whether_ready
