"""The tables of the configuration: their keys, what each does, and what it is if it is left out.

Invariant: a key that stands here does what its line says, and a number has its bounds beside its type: what is outside
of them is refused when the file is read. The pages of the docs are made from these docstrings and bounds.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

_YEAR: Final = 365 * 24
"""Hours: what is due more seldom is done by hand."""

Often = Annotated[float, Meta(ge=0.1, le=3600 * _YEAR)]
"""Seconds, of something that is always done."""

Seconds = Annotated[float, Meta(ge=0, le=3600 * _YEAR)]
"""Seconds, of something that may be left out by 0, or need not wait."""

Hours = Annotated[float, Meta(ge=0, le=_YEAR)]
"""Hours between two times of something that is never done if it is 0."""


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the file. The docstring of a section names its keys; `FIELDS` of the docs are made from them."""


class Source(Section, frozen=True):
    """[source]: the repository that is watched.

    dsn             libpq URL of its database
    assetstore      its folder `assetstore.dir` (store number 0)
    mode            "wal" (logical decoding: seconds behind, needs rights) or "poll" (read-only account, sweeps)
    name            what events call this source; empty: the UUID of its site
    slot            name of the replication slot and of the publication (mode "wal")
    stores          folders of further store numbers, {"1" = "/path"}
    drafts          also what is still being submitted or reviewed
    poll_seconds    pause between two sweeps (mode "poll")
    heartbeat_seconds  how often an idle source is written a WAL message, so that the slot can move; 0: never
    """

    dsn: str
    assetstore: str
    mode: Literal["wal", "poll"] = "poll"
    name: str = ""
    slot: str = "aipstream"
    stores: dict[str, str] = {}
    drafts: bool = False
    poll_seconds: Often = 30.0
    heartbeat_seconds: Seconds = 60.0


class LogSection(Section, frozen=True):
    """[log]: where events are kept.

    url     sqlite:///path/to/log.sqlite, or kafka://host:port[,host:port]/topic
    state   what capture remembers of the source (rebuildable), as sqlite:///path; empty: beside the log, `<log>.state`
            (a log in Kafka needs it)
    """

    url: str
    state: str = ""


class Kafka(Section, frozen=True):
    """[kafka]: a log in Kafka ([log] url = "kafka://…"; see kafka.md).

    security        "plaintext" or "tls"
    ca              PEM file with the authority that signed the brokers' certificates; empty: those of the system
    certificate     PEM file with our own certificate, if the brokers ask for one
    key             PEM file with its key
    mechanism       how the account is told: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"; empty: there is none
    user            the account
    password        its password (better in AIPSTREAM_KAFKA_PASSWORD)
    compression     of messages on their way and in the topic: "none" (payloads are compressed already), "gzip", "lz4"
                    or "zstd"
    largest         bytes of a payload above which it goes to the blob store, and the message only names it
    index           file with the headers of the log and the place of each message, made from the topic; empty: beside
                    the state, `<state>.index`
    partitions      of the topic that `init` makes: objects are spread over them, the order of events stays one
    replication     copies of each message in the topic that `init` makes; 0: three, or as many as there are brokers
    lease_seconds   how long a writer that says nothing is taken for alive by another one that would write
    """

    security: Literal["plaintext", "tls"] = "plaintext"
    ca: str = ""
    certificate: str = ""
    key: str = ""
    mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    user: str = ""
    password: str = ""
    compression: Literal["none", "gzip", "lz4", "zstd"] = "none"
    largest: Annotated[int, Meta(ge=1, le=1024**3)] = 1024 * 1024
    index: str = ""
    partitions: Annotated[int, Meta(ge=1, le=10_000)] = 1
    replication: Annotated[int, Meta(ge=0, le=100)] = 0
    lease_seconds: Annotated[float, Meta(ge=1, le=24 * 3600)] = 30.0


class BlobsSection(Section, frozen=True):
    """[blobs]: where bitstream contents are kept.

    url     file:///path/to/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix; the
            credentials of a bucket are in the environment (docs/blobs.md)
    encrypt_to  public keys that contents are encrypted to, several with blanks between them; `aipstream blobs keygen`
            makes a pair
    identity    the file with the private key to read them; capture needs none
    plain   what is done with contents that are not encrypted, in a store whose contents should be: "refuse" or "read"
    """

    url: str
    encrypt_to: str = ""
    identity: str = ""
    plain: Literal["refuse", "read"] = "refuse"


class Target(Section, frozen=True):
    """[target]: the repository that is kept like the source. Each of several is [targets.NAME], with the same keys.

    driver          "native" (SQL) or "packager" (AIPs into the target's own `dspace packager`)
    dsn             libpq URL of its database (driver "native"; with "packager" only `verify` reads it)
    assetstore      its folder `assetstore.dir` (driver "native")
    on_drift        what to do with an object that was edited on the target: "overwrite", "skip" or "park"
    batch           events that one transaction applies at most
    replayers       processes that write items at a time (driver "native"); 1: none besides the one that replays
    dspace          its command line, `[dspace]/bin/dspace`, with arguments before the command if it needs any
                    (driver "packager", and [index] mode "cli")
    eperson         e-mail address of the administrator as whom the packager works (driver "packager")
    work            folder for packages on their way and what was applied (driver "packager"); empty: beside the log
    """

    driver: Literal["native", "packager"] = "native"
    dsn: str = ""
    assetstore: str = ""
    on_drift: Literal["overwrite", "skip", "park"] = "overwrite"
    batch: Annotated[int, Meta(ge=1, le=100_000)] = 500
    replayers: Annotated[int, Meta(ge=1, le=32)] = 1
    dspace: str = ""
    eperson: str = ""
    work: str = ""


class People(Section, frozen=True):
    """[people]: what of accounts travels.

    passwords   password hashes too
    """

    passwords: bool = False


class Retention(Section, frozen=True):
    """[retention]: how long the log keeps what: ages as 12h, 30d, 8w, 6m (of 31 days), 10y, forever.

    every_hours     how often the daemon prunes; 0: never (`aipstream prune` does it by hand)
    all             how long every event is kept
    hourly          how long the state at each full hour is kept
    daily           how long the state at each midnight (UTC) is kept
    monthly         how long the state at the beginning of each month is kept
    quarantine      how long a content that nothing needs waits before it is deleted, at least 1h
    """

    every_hours: Hours = 0.0
    all: str = "30d"
    hourly: str = "60d"
    daily: str = "1y"
    monthly: str = "forever"
    quarantine: str = "14d"


class CopySection(Section, frozen=True):
    """[copy]: the log and its contents in a second place, kept by the daemon (`aipstream copy` does it by hand).

    into            another configuration file, whose [log] and [blobs] become the copy
    every_hours     how often it is brought up to date; 0: never
    """

    into: str = ""
    every_hours: Hours = 1.0


class Index(Section, frozen=True):
    """[index]: how the target's search index is told what changed.

    mode            "none", "cli" (`[target] dspace` index-discovery) or "rest" (the scripts endpoint of its server)
    url             the server, https://host/server (mode "rest")
    user            e-mail address of an administrator there (mode "rest")
    password        that account's password (mode "rest"; better in AIPSTREAM_INDEX_PASSWORD)
    quiet_seconds   how long nothing more may have changed before the index is told
    most_seconds    how long it is put off at most while changes go on
    batch           calls above which the whole index is brought up to date at once, if that is less work
    """

    mode: Literal["none", "cli", "rest"] = "none"
    url: str = ""
    user: str = ""
    password: str = ""
    quiet_seconds: Seconds = 5.0
    most_seconds: Seconds = 60.0
    batch: Annotated[int, Meta(ge=0, le=1_000_000)] = 50


class Run(Section, frozen=True):
    """[run]: the daemon.

    sequences_seconds   how often the target's sequences are moved forward while nothing else does it
    verify_seconds      how often a sample is verified; 0: never
    verify_sample       objects in such a sample
    verify_log_hours    how often the log and its contents are checked; 0: never (`aipstream verify --log` by hand)
    verify_log_seconds  how long such a check works at most; the next one goes on where it stopped
    verify_log_blobs    percent of the contents that one pass over the log reads back, each pass the next ones
    backoff_seconds     longest pause before a failed loop is tried again
    """

    sequences_seconds: Often = 60.0
    verify_seconds: Seconds = 600.0
    verify_sample: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    verify_log_hours: Hours = 0.0
    verify_log_seconds: Often = 300.0
    verify_log_blobs: Annotated[float, Meta(ge=0, le=100)] = 10.0
    backoff_seconds: Often = 60.0
