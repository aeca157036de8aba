"""The configuration: one TOML file, `AIPSTREAM_…` environment variables over it, nothing unknown accepted.

Invariant: what a run does follows from this file, the environment and the command line alone; `aipstream config show`
prints all of it with where each value comes from, and never a password.

An environment variable is `AIPSTREAM_` + section + `_` + key in capitals: `AIPSTREAM_SOURCE_DSN`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from events.errors import ConfigError, without_password


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
    poll_seconds: float = 30.0
    heartbeat_seconds: float = 60.0


class LogSection(Section, frozen=True):
    """[log]: where events are kept.

    url     sqlite:///path/to/log.sqlite
    state   what capture remembers of the source (rebuildable); empty: beside the log, `<log>.state`
    """

    url: str
    state: str = ""


class BlobsSection(Section, frozen=True):
    """[blobs]: where bitstream contents are kept.

    url     file:///path/to/folder, s3://bucket/prefix, gs://bucket/prefix or az://account/container/prefix; the
            credentials of a bucket are in the environment (docs/blobs.md)
    """

    url: str


class Target(Section, frozen=True):
    """[target]: the repository that is kept like the source.

    driver          "native" (SQL) or "packager" (AIPs into the target's own `dspace packager`)
    dsn             libpq URL of its database (driver "native"; with "packager" only `verify` reads it)
    assetstore      its folder `assetstore.dir` (driver "native")
    on_drift        what to do with an object that was edited on the target: "overwrite", "skip" or "park"
    batch           events that one transaction applies at most
    dspace          its command line, `[dspace]/bin/dspace`, with arguments before the command if it needs any
                    (driver "packager", and [index] mode "cli")
    eperson         e-mail address of the administrator as whom the packager works (driver "packager")
    work            folder for packages on their way and what was applied (driver "packager"); empty: beside the log
    """

    driver: Literal["native", "packager"] = "native"
    dsn: str = ""
    assetstore: str = ""
    on_drift: Literal["overwrite", "skip", "park"] = "overwrite"
    batch: int = 500
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

    every_hours: float = 0.0
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
    every_hours: float = 1.0


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
    quiet_seconds: float = 5.0
    most_seconds: float = 60.0
    batch: int = 50


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

    sequences_seconds: float = 60.0
    verify_seconds: float = 600.0
    verify_sample: int = 200
    verify_log_hours: float = 0.0
    verify_log_seconds: float = 300.0
    verify_log_blobs: float = 10.0
    backoff_seconds: float = 60.0


class Config(Section, frozen=True):
    """The whole file. `target` may be absent where only capture runs, `source` where only replay does."""

    log: LogSection
    blobs: BlobsSection
    source: Source | None = None
    target: Target | None = None
    people: People = People()
    index: Index = Index()
    retention: Retention = Retention()
    copy: CopySection = CopySection()
    run: Run = Run()

    def need_source(self) -> Source:
        """The source's section. Raises ConfigError if the file has none."""
        if self.source is None:
            raise ConfigError("[source] is missing in the configuration", "Add [source] with dsn and assetstore.")
        return self.source

    def need_target(self) -> Target:
        """The target's section. Raises ConfigError if the file has none."""
        target = self.target
        if target is None:
            raise ConfigError("[target] is missing in the configuration", "Add [target] with dsn and assetstore.")
        for key in NEEDED[target.driver]:
            if not getattr(target, key):
                raise ConfigError(
                    f"[target] {key} is missing, which driver {target.driver!r} needs",
                    f"[target] driver = {target.driver!r} needs: {', '.join(NEEDED[target.driver])}.",
                )
        if target.driver == "packager" and target.on_drift != "overwrite":
            raise ConfigError(
                f"[target] on_drift = {target.on_drift!r}: driver 'packager' does not see edits of the target",
                "Leave it out: what is replayed is overwritten.",
            )
        return target

    def need_database(self, what: str) -> Target:
        """The target's section with the dsn of a database that `what` reads. Raises ConfigError without one."""
        target = self.need_target()
        if not target.dsn:
            raise ConfigError(
                f"{what} reads the target's database, and [target] has no dsn",
                "Driver 'packager' works without one; what it applied is in `aipstream status`, what was lost in "
                "`aipstream losses`. To compare all the same, write the dsn of an account that may read.",
            )
        return target


NEEDED: Mapping[str, tuple[str, ...]] = {"native": ("dsn", "assetstore"), "packager": ("dspace", "eperson")}
"""The keys of [target] that a driver cannot be without."""

SECTIONS: Mapping[str, type[Section]] = {
    "source": Source,
    "log": LogSection,
    "blobs": BlobsSection,
    "target": Target,
    "people": People,
    "index": Index,
    "retention": Retention,
    "copy": CopySection,
    "run": Run,
}


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration of that file with the environment over it. Raises ConfigError that names key and line."""
    table = _file(path)
    for (section, key), (text, _) in _overrides(environment if environment is not None else os.environ).items():
        table.setdefault(section, {})[key] = text
    _known(table, str(path))
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {without_password(_plain(str(error)))}") from error


def origins(path: Path, environment: Mapping[str, str] | None = None) -> dict[tuple[str, str], str]:
    """Where the value of each (section, key) comes from: `file`, the variable's name, or `default`."""
    table = _file(path)
    overrides = _overrides(environment if environment is not None else os.environ)
    return {
        (section, name): overrides[section, name][1]
        if (section, name) in overrides
        else "file"
        if name in table.get(section, {})
        else "default"
        for section, kind in SECTIONS.items()
        for name in kind.__struct_fields__
    }


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no configuration file {path}",
            "Write one with `aipstream config example > aipstream.toml`, or name yours: `aipstream --config FILE`.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def _overrides(environment: Mapping[str, str]) -> dict[tuple[str, str], tuple[Any, str]]:
    found: dict[tuple[str, str], tuple[Any, str]] = {}
    for section, kind in SECTIONS.items():
        for field in msgspec.structs.fields(kind):
            variable = f"AIPSTREAM_{section}_{field.name}".upper()
            if variable in environment:
                found[section, field.name] = (_typed(variable, environment[variable], field.type), variable)
    return found


def _typed(variable: str, text: str, kind: object) -> object:
    if kind is bool:
        lowered = text.strip().lower()
        if lowered not in {"true", "false", "1", "0", "yes", "no"}:
            raise ConfigError(f"{variable}: {text!r} is neither true nor false")
        return lowered in {"true", "1", "yes"}
    try:
        if kind is int or kind is float:
            return int(text) if kind is int else float(text)
        return tomllib.loads(f"x = {text}")["x"] if "dict" in str(kind) else text
    except (ValueError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{variable}: {text!r} cannot be read: {error}") from error


def _known(table: Mapping[str, Any], where: str) -> None:
    for section, keys in table.items():
        if section not in SECTIONS:
            raise ConfigError(f"{where}: unknown section [{section}]{_nearest(section, SECTIONS)}")
        if not isinstance(keys, dict):
            raise ConfigError(f"{where}: {section} must be a section: [{section}]")
        for key in keys:
            names = SECTIONS[section].__struct_fields__
            if key not in names:
                raise ConfigError(
                    f"{where}: unknown key {key!r} in [{section}]{_nearest(key, names)}",
                    f"[{section}] knows: {', '.join(names)}.",
                )


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _plain(message: str) -> str:
    """msgspec's message with `$.source.dsn` written as `[source] dsn`."""
    what, _, place = message.partition(" - at `$.")
    if not place:
        return message
    section, _, key = place.rstrip("`").partition(".")
    return f"[{section}] {key}: {what}"


EXAMPLE = """# aipstream: the essential keys. `aipstream config show` lists all of them.
[source]
dsn = "postgresql://dspace@source-host:5432/dspace"
assetstore = "/dspace/assetstore"
mode = "wal"                        # or "poll": read-only account, no slot

[log]
url = "sqlite:////var/lib/aipstream/log.sqlite"

[blobs]
url = "file:///var/lib/aipstream/blobs"

[target]
dsn = "postgresql://dspace@target-host:5432/dspace"
assetstore = "/dspace/assetstore"
driver = "native"
"""
