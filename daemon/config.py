"""The configuration: one TOML file, `AIPSTREAM_…` environment variables over it, nothing unknown accepted.

Invariant: what a run does follows from this file, the environment and the command line alone; `aipstream config show`
prints all of it with where each value comes from, and never a password.

An environment variable is `AIPSTREAM_` + section + `_` + key in capitals: `AIPSTREAM_SOURCE_DSN`.

Several targets (`[targets.NAME]`) are several configurations: `Config.each` gives, for each of them, the one that it
alone would have, and whatever works on a target is given that. So nothing but who divides and who tells the results
knows that there is more than one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from daemon.config_sections import (
    BlobsSection,
    CopySection,
    Index,
    Kafka,
    LogSection,
    People,
    Retention,
    Run,
    Section,
    Source,
    Target,
)
from daemon.config_table import at, bounded, known, nearest, overrides, plain, read
from events.errors import ConfigError, without_password


class Named(Target, frozen=True):
    """[targets.NAME]: one of several targets, with the search index of its own in [targets.NAME.index]."""

    index: Index = Index()


MAIN: Final = "target"
"""What the target of [target] is called among several."""


class Config(Section, frozen=True):
    """The whole file. `target` may be absent where only capture runs, `source` where only replay does.

    With several targets `target` is None and `targets` has all of them, that of [target] by the name `target`; with one
    `targets` is empty, whatever its table was called. `name` and `others` are no keys of the file: they say what the
    target here is called, and which ones it is one of.
    """

    log: LogSection
    blobs: BlobsSection
    source: Source | None = None
    target: Target | None = None
    targets: dict[str, Named] = msgspec.field(default_factory=dict)
    kafka: Kafka = Kafka()
    people: People = People()
    index: Index = Index()
    retention: Retention = Retention()
    copy: CopySection = CopySection()
    run: Run = Run()
    name: str = MAIN
    others: dict[str, Target] = msgspec.field(default_factory=dict)

    def each(self) -> list[Config]:
        """The configuration of each target alone; none if there is no target."""
        if self.targets:
            return [self.of(name) for name in self.targets]
        return [self] if self.target is not None else []

    def of(self, name: str) -> Config:
        """What the file would say if it had that target alone. Raises ConfigError if it has no such one."""
        if not self.targets and self.target is not None and name == self.name:
            return self
        if name not in self.targets:
            known = list(self.targets) or ([self.name] if self.target is not None else [])
            raise ConfigError(
                f"there is no target {name!r}{nearest(name, known)}",
                f"The configuration has: {', '.join(known)}." if known else "Add [target] with dsn and assetstore.",
            )
        chosen = self.targets[name]
        alone = Target(**{key: value for key, value in _fields(chosen).items() if key != "index"})
        others: dict[str, Target] = {key: each for key, each in self.targets.items() if key != name}
        return msgspec.structs.replace(self, target=alone, index=chosen.index, targets={}, name=name, others=others)

    def keyed(self, key: str) -> str:
        """The key under which something of this target is remembered where there may be several."""
        return key if self.name == MAIN else f"{key}:{self.name}"

    def renamed(self, name: str) -> Config:
        """The same under the name of another target, to ask what its tables are called."""
        return msgspec.structs.replace(self, name=name)

    @property
    def table(self) -> str:
        """How the table of the target is written."""
        return f"[{MAIN}]" if self.name == MAIN else f"[targets.{self.name}]"

    @property
    def index_table(self) -> str:
        """How the table of its search index is written."""
        return "[index]" if self.name == MAIN else f"[targets.{self.name}.index]"

    def need_source(self) -> Source:
        """The source's section. Raises ConfigError if the file has none."""
        if self.source is None:
            raise ConfigError("[source] is missing in the configuration", "Add [source] with dsn and assetstore.")
        return self.source

    def need_target(self) -> Target:
        """The target's section. Raises ConfigError if the file has none, or several of which none was chosen."""
        target = self.target
        if self.targets:
            raise ConfigError(
                f"there are several targets: {', '.join(self.targets)}",
                f"Choose one: `aipstream --target {next(iter(self.targets))} …`, or AIPSTREAM_TARGET.",
            )
        if target is None:
            raise ConfigError("[target] is missing in the configuration", "Add [target] with dsn and assetstore.")
        for key in NEEDED[target.driver]:
            if not getattr(target, key):
                raise ConfigError(
                    f"{self.table} {key} is missing, which driver {target.driver!r} needs",
                    f"{self.table} driver = {target.driver!r} needs: {', '.join(NEEDED[target.driver])}.",
                )
        if target.driver == "packager" and target.on_drift != "overwrite":
            raise ConfigError(
                f"{self.table} on_drift = {target.on_drift!r}: driver 'packager' does not see edits of the target",
                "Leave it out: what is replayed is overwritten.",
            )
        if target.driver == "packager" and target.replayers > 1:
            raise ConfigError(
                f"{self.table} replayers = {target.replayers}: driver 'packager' has one, for DSpace's own packager "
                "loads by one command at a time",
                "Leave it out, or write a number near that of the processors of this machine and the target's server.",
            )
        return target

    def need_database(self, what: str) -> Target:
        """The target's section with the dsn of a database that `what` reads. Raises ConfigError without one."""
        target = self.need_target()
        if not target.dsn:
            raise ConfigError(
                f"{what} reads the target's database, and {self.table} has no dsn",
                "Driver 'packager' works without one; what it applied is in `aipstream status`, what was lost in "
                "`aipstream losses`. To compare all the same, write the dsn of an account that may read.",
            )
        return target


NEEDED: Mapping[str, tuple[str, ...]] = {"native": ("dsn", "assetstore"), "packager": ("dspace", "eperson")}
"""The keys of [target] that a driver cannot be without."""

SECTIONS: Mapping[str, type[Section]] = {
    "source": Source,
    "log": LogSection,
    "kafka": Kafka,
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
    table = read(path)
    kinds = _kinds(table, str(path))
    known(table, kinds, str(path))
    given = overrides(kinds, os.environ if environment is None else environment)
    for (section, key), (text, _) in given.items():
        at(table, section, make=True)[key] = text
    bounded(table, kinds, {place: variable for place, (_, variable) in given.items()}, str(path))
    named = table.pop("targets", {})
    config = _converted(table, Config, path, kinds)
    targets = {name: _converted(keys, Named, path, kinds, f"targets.{name}") for name, keys in named.items()}
    return _settled(msgspec.structs.replace(config, targets=targets))


S = TypeVar("S", bound=Section)


def _converted(
    keys: Mapping[str, Any], kind: type[S], path: Path, kinds: Mapping[str, type[Section]], section: str = ""
) -> S:
    try:
        return msgspec.convert(keys, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {without_password(plain(str(error), section, kinds))}") from error


def sections(config: Config) -> dict[str, Section]:
    """Every table that is in force by its name, those of targets as they would be written in the file."""
    found: dict[str, Section] = {}
    for section in SECTIONS:
        value = getattr(config, section)
        if section not in {"target", "index"}:
            found |= {section: value} if value is not None else {}
            continue
        for one in config.each() or [config]:
            value = getattr(one, section)
            if value is not None:
                found[(one.table if section == "target" else one.index_table).strip("[]")] = value
    return found


def origins(path: Path, environment: Mapping[str, str] | None = None) -> dict[tuple[str, str], str]:
    """Where the value of each (section, key) comes from: `file`, the variable's name, or `default`."""
    table = read(path)
    kinds = _kinds(table, str(path))
    given = overrides(kinds, os.environ if environment is None else environment)
    return {
        (section, name): given[section, name][1]
        if (section, name) in given
        else "file"
        if name in at(table, section)
        else "default"
        for section, kind in kinds.items()
        for name in kind.__struct_fields__
    }


# --- several targets ------------------------------------------------------------------------------------------------

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def _kinds(table: Mapping[str, Any], where: str) -> dict[str, type[Section]]:
    """The kind of each section that the file may have, `targets.NAME` and `targets.NAME.index` among them."""
    kinds = dict(SECTIONS)
    named = table.get("targets", {})
    if not isinstance(named, dict):
        raise ConfigError(f"{where}: targets must be tables: [targets.NAME]")
    for name, keys in named.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{where}: [targets.{name}]: {name!r} is no name of a target",
                "Small letters, digits and hyphens, 32 at most: [targets.offsite].",
            )
        if not isinstance(keys, dict) or not isinstance(keys.get("index", {}), dict):
            raise ConfigError(f"{where}: targets.{name} and its index must be tables: [targets.{name}]")
        if name == MAIN:
            raise ConfigError(f"{where}: [targets.{MAIN}] is the name of [{MAIN}]", "Give it another name.")
        kinds |= {f"targets.{name}": Target, f"targets.{name}.index": Index}
    if named and "index" in table and MAIN not in table:
        raise ConfigError(
            f"{where}: [index] is of the target of [{MAIN}], which there is not",
            f"Write [targets.{next(iter(named))}.index].",
        )
    return kinds


def _settled(config: Config) -> Config:
    """One target, or several side by side. Raises ConfigError for two that are plainly the same."""
    if not config.targets:
        return config
    named = dict(config.targets)
    if config.target is not None:
        named = {MAIN: Named(**_fields(config.target), index=config.index), **named}
    several = msgspec.structs.replace(config, target=None, index=Index(), targets=named)
    if len(named) == 1:
        return several.of(next(iter(named)))
    seen: dict[tuple[str, str], str] = {}
    for one in several.each():
        assert one.target is not None  # noqa: S101 - one of those that there are
        native = one.target.driver == "native"
        for key in ("dsn", "assetstore") if native else ("dsn", "work", "dspace"):
            value = getattr(one.target, key)
            other = seen.setdefault((key, os.path.normpath(value)), one.table) if value else one.table
            if other != one.table:
                raise ConfigError(
                    f"{other} and {one.table} have the same {key}: they are one target",
                    f"Each target has its own {key}; leave one of them out.",
                )
    return several


def _fields(section: Section) -> dict[str, Any]:
    return {key: getattr(section, key) for key in section.__struct_fields__}


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
