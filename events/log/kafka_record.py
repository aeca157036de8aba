"""A record of the log (`events.log.chain`) as a message of Kafka.

    key      UUID of the object
    value    payload; empty where it went to the blob store, and for a deletion
    headers  aipstream   the format, "1"
             log         identity of the log
             position    decimal
             event       JSON of the fields under the checksum (`chain.covered`; bytes in Base64)
             checksum    16 bytes, and
             chain       16 bytes, as in every back end
             claim       SHA-256 of the payload in the blob store, if it went there
             thinned     "1" if retention had taken the payload away before the log was copied here

The first message of a topic is the genesis: key `genesis`, no position, its value tells the identity of the log and in
how many partitions it is. A log that becomes a copy of another one, before it has any event, gets a further one.

Invariant: what `decode` accepts is a record of that log, proved by its checksum, or its genesis. Anything else is said
to be a gap or a foreign record and is never passed over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from events.errors import ConfigError, GapInLog, UnknownLogFormat
from events.log import chain
from events.log.chain import Record

FORMAT: Final = "1"
GENESIS: Final = b"genesis"

Headers = list[tuple[str, bytes]]


class Genesis(msgspec.Struct, frozen=True):
    """Which log a topic holds. `made` is when, UTC."""

    identity: str
    partitions: int
    made: str


class Message(NamedTuple):
    """What is sent."""

    key: bytes
    value: bytes
    headers: Headers


class Kept(NamedTuple):
    """A record as it was found: its header (`chain.header`), the payload or the claim to it, and where it stands."""

    fields: list[Any]
    payload: bytes
    claim: str | None
    thinned: bool
    partition: int
    offset: int

    @property
    def position(self) -> int:
        """In the log."""
        return int(self.fields[0])


def genesis(first: Genesis) -> Message:
    """The first message of a topic."""
    return Message(GENESIS, msgspec.json.encode(first), [("aipstream", FORMAT.encode()), ("log", _utf(first.identity))])


def message(record: Record, identity: str, claim: str | None = None) -> Message:
    """The message of a record; with a claim its payload stays out."""
    fields = chain.header(record)
    headers: Headers = [
        ("aipstream", FORMAT.encode()),
        ("log", _utf(identity)),
        ("position", str(record.position).encode()),
        ("event", msgspec.json.encode(fields[: chain.COVERED])),
        ("checksum", record.checksum),
        ("chain", record.chain),
    ]
    if claim is not None:
        headers.append(("claim", claim.encode()))
    if record.thinned:
        headers.append(("thinned", b"1"))
    return Message(_utf(record.event.uuid), b"" if claim or record.thinned else record.event.payload, headers)


def decode(found: Any, identity: str | None) -> Kept | Genesis:  # noqa: ANN401 - a ConsumerRecord, which has no types
    """The record or the genesis in a message; with an `identity` it must be of that log.

    Raises UnknownLogFormat, ConfigError for what is no log, GapInLog for what does not belong into it or is damaged.
    """
    where = f"partition {found.partition}, offset {found.offset} of topic {found.topic}"
    headers = dict(found.headers)
    if "aipstream" not in headers or "log" not in headers:
        text = f"{where} holds a message that is none of a log"
        if identity is None:
            raise ConfigError(text, "Name another topic in [log] url: this one is used for something else.")
        raise GapInLog(f"{text}: something else writes into this topic", FOREIGN)
    if headers["aipstream"] != FORMAT.encode():
        raise UnknownLogFormat(f"{where} has format {headers['aipstream']!r}; known is {FORMAT!r}")
    if found.key == GENESIS:
        try:
            first = msgspec.json.decode(found.value, type=Genesis)
        except (msgspec.MsgspecError, TypeError) as error:
            raise GapInLog(f"{where}: the beginning of the log is damaged ({error})") from error
        return first
    if identity is not None and headers["log"] != _utf(identity):
        other = headers["log"].decode(errors="replace")
        raise GapInLog(f"{where} holds a record of the log {other}, not of {identity}", FOREIGN)
    try:
        fields = msgspec.json.decode(headers["event"], type=list[Any])
        for index in (1, chain.COVERED - 1):
            fields[index] = base64.b64decode(fields[index], validate=True)
        if len(fields) != chain.COVERED or fields[0] != int(headers["position"]):
            raise ValueError("its header is not whole")  # noqa: TRY301 - told with the other faults, below
        fields += [headers["checksum"], headers["chain"]]
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise GapInLog(f"{where}: the record is damaged ({error})") from error
    claim = headers.get("claim")
    return Kept(
        fields,
        found.value or b"",
        claim.decode() if claim else None,
        "thinned" in headers,
        found.partition,
        found.offset,
    )


FOREIGN: Final = (
    "A topic holds one log and nothing else. Keep others from writing there (kafka-acls); then take a new snapshot "
    "into a new topic, or restore the log from a copy."
)


def proved(kept: Kept, before: bytes, expected: int) -> None:
    """Raise GapInLog unless that record is the one expected, whole, and chained to the one before it."""
    if kept.position != expected:
        raise GapInLog(
            f"position {expected} is missing in the log: offset {kept.offset} of partition {kept.partition} holds "
            f"{kept.position}",
            COMPACTED,
        )
    if kept.thinned or kept.claim is not None:
        chain.proved(kept.fields)
    else:
        chain.whole(kept.fields, kept.payload)
    if chain.link(before, kept.fields[chain.COVERED]) != kept.fields[chain.COVERED + 1]:
        raise chain.damaged(kept.position, chain.UNCHAINED)


COMPACTED: Final = (
    "Compaction, retention or a broker that lost its disk has taken events away, or another process has written there. "
    "`aipstream check` looks at the settings of the topic. Take a new snapshot into a new topic, or bring the log back "
    "from a copy."
)


def claimed(fields: Sequence[Any]) -> str:
    """What a message calls the object of a header whose payload is a blob."""
    return f"position {fields[0]} ({fields[5]} {fields[4]})"


def _utf(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
