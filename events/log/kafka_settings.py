"""What a log in Kafka is told besides its URL, and the arguments of a client that follow from it.

Invariant: a password is in no message, no `repr`, and in no file that is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from events.blobs import Blobs
from events.errors import ConfigError

Security = Literal["plaintext", "tls"]
Mechanism = Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "gzip", "lz4", "zstd"]

MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""max.message.bytes of a topic that is made here: room for a batch, and for the header of an object of many files."""

ROOM: Final = 256 * 1024
"""Bytes that a record needs besides its payload: more than the header of an object of two thousand files."""

REQUEST_SECONDS: Final = 30.0
PATIENCE: Final = 60.0
"""Seconds after which a broker that does not answer is said to be away."""
LAST_SECONDS: Final = 5.0
"""How long what is under way may still take when we are to stop."""

_HINT: Final = "Write kafka://host:port/topic, or kafka://host:port,host:port/topic for a cluster."
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SERVER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")


class Place(NamedTuple):
    """Where the log is: the brokers that are asked first, and the topic."""

    servers: tuple[str, ...]
    topic: str

    def __str__(self) -> str:
        return f"kafka://{','.join(self.servers)}/{self.topic}"


def place_of(url: str) -> Place:
    """The place in `kafka://host:port[,host:port]/topic`. Raises ConfigError for anything else."""
    scheme, found, rest = url.partition("://")
    servers, slash, topic = rest.partition("/")
    if "@" in url:
        raise ConfigError("[log] url: an account does not belong there", "Write it into [kafka] user and password.")
    if scheme != "kafka" or not found or not slash or topic in {".", ".."} or not _TOPIC.fullmatch(topic):
        raise ConfigError(f"[log] url: {url!r} names no topic", _HINT)
    names = tuple(servers.split(","))
    for name in names:
        if not _SERVER.fullmatch(name):
            raise ConfigError(f"[log] url: {name!r} is no broker", _HINT)
    return Place(names, topic)


def _pass(_name: str) -> None:
    """What `Settings.passing` does unless a test wants something else."""


def _never() -> bool:
    """What `Settings.stopped` says where nobody stops anything."""
    return False


@dataclass(frozen=True)
class Settings:
    """[kafka] of the configuration.

    index          file with the headers and where each payload is; rebuilt from the topic if it is not there
    blobs          opens where payloads above `largest` go, as soon as there is one; None: they are refused
    largest        bytes of a payload above which it goes there
    lease_seconds  how long a writer that says nothing is taken for alive
    passing        told the name of each place at which a crash test may end the process
    stopped        whether brokers that do not answer should no longer be waited for
    patience       seconds for which brokers that do not answer are waited for
    """

    index: Path
    blobs: Callable[[], Blobs] | None = None
    security: Security = "plaintext"
    ca: str = ""
    certificate: str = ""
    key: str = ""
    mechanism: Mechanism = ""
    user: str = ""
    password: str = field(default="", repr=False)
    compression: Compression = "none"
    largest: int = 1024 * 1024
    partitions: int = 1
    replication: int = 0
    lease_seconds: float = 30.0
    passing: Callable[[str], None] = _pass
    stopped: Callable[[], bool] = _never
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be together."""
        if self.mechanism and not (self.user and self.password):
            raise ConfigError(
                f"[kafka] mechanism {self.mechanism} needs user and password",
                "The password is best in AIPSTREAM_KAFKA_PASSWORD.",
            )
        if not self.mechanism and (self.user or self.password):
            raise ConfigError("[kafka] user and password need a mechanism", 'Write mechanism = "SCRAM-SHA-512".')
        if self.security == "plaintext" and (self.ca or self.certificate or self.key):
            raise ConfigError('[kafka] ca, certificate and key are for security = "tls"')
        if bool(self.certificate) != bool(self.key):
            raise ConfigError("[kafka] certificate and key belong together")
        for name in ("ca", "certificate", "key"):
            path = getattr(self, name)
            if path and not Path(path).is_file():
                raise ConfigError(f"[kafka] {name}: there is no file {path}")
        if self.partitions < 1 or self.lease_seconds < 1 or self.largest < 1 or self.replication < 0:
            raise ConfigError("[kafka] partitions, largest and lease_seconds are at least 1, replication at least 0")

    def client(self, servers: tuple[str, ...]) -> dict[str, Any]:
        """The arguments of every kind of client."""
        protocol = {"plaintext": "PLAINTEXT", "tls": "SSL"}[self.security]
        given: dict[str, Any] = {
            "bootstrap_servers": list(servers),
            "client_id": "aipstream",
            "security_protocol": f"SASL_{protocol}" if self.mechanism else protocol,
            "bootstrap_timeout_ms": int(min(2, self.patience) * 1000),  # and again: see `kafka_errors.connected`
            "request_timeout_ms": int(min(REQUEST_SECONDS, self.patience) * 1000),
            "reconnect_backoff_max_ms": 1000,
        }
        files = {"ssl_cafile": self.ca, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        given.update({name: path for name, path in files.items() if path})
        if self.mechanism:
            given["sasl_mechanism"] = self.mechanism
            given["sasl_plain_username"], given["sasl_plain_password"] = self.user, self.password
        return given
