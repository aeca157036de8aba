"""The parts of a running aipstream, made from the configuration: log, blobs, state, what captures, what replays.

Invariant: the only place that turns sections of the configuration into objects, so that every verb and the daemon work
with the very same ones.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from daemon.apart import two_databases
from daemon.config import MAIN, Config
from daemon.config_sections import Source
from daemon.config_sections import Target as TargetSection
from daemon.config_table import variable_of
from daemon.dspace import version
from daemon.dspace.connect import connect, meaning
from daemon.dspace.facets import Options
from daemon.failpoint import failpoint
from daemon.hold import hold
from daemon.index.cli import CommandIndexer
from daemon.index.due import NativeDue
from daemon.index.port import Due, Indexer
from daemon.index.rest import RestIndexer
from daemon.index.session import Session
from daemon.source.assetstore import Assetstore
from daemon.source.bootstrap import Bootstrap
from daemon.source.bootstrap import Plan as BootstrapPlan
from daemon.source.emitter import Emitter
from daemon.source.identity import accept, identify, not_another, observed
from daemon.source.state import State
from daemon.target.batch import OnDrift
from daemon.target.packager.due import PackagerDue
from daemon.target.packager.reading import PackagerReading
from daemon.target.packager.target import PackagerTarget
from daemon.target.parallel.target import ParallelTarget
from daemon.target.parallel.worker import Plan
from daemon.target.port import Reading, Target
from daemon.target.reading import NativeReading
from daemon.target.replay import NativeTarget
from events.aip.model import Kind, Uuid
from events.blobs import Blobs, Keys, open_blobs
from events.errors import ConfigError
from events.log import Log, kafka_index
from events.log.kafka_settings import PATIENCE, Settings, place_of
from events.log.opening import open_log
from events.log.sqlite_headers import SqliteHeaders


def state_url(config: Config) -> str:
    """Where the state is: as configured, or beside the log."""
    return config.log.state or f"{config.log.url}.state"


def state_path(config: Config) -> Path:
    """The file of the state. Raises ConfigError if the URL names none."""
    if in_kafka(config) and not config.log.state:
        raise ConfigError(
            "[log] state is missing, which a log in Kafka needs: it is a file on this machine",
            'Write state = "sqlite:////var/lib/aipstream/state".',
        )
    scheme, _, name = state_url(config).partition(":///")
    if scheme != "sqlite" or not name:
        raise ConfigError(f"[log] state: {state_url(config)!r} names no file", "Use sqlite:////absolute/path")
    return Path(name)


def lock_path(config: Config) -> Path:
    """The file whose lock says that somebody captures."""
    return state_path(config).with_name(f"{state_path(config).name}.lock")


def never() -> bool:
    """Whether to stop, where nobody asks for it."""
    return False


def log_of(
    config: Config, *, create: bool = False, stopped: Callable[[], bool] = never, patience: float = PATIENCE
) -> Log:
    """The log. Raises ConfigError if there is none. When `stopped` says so, brokers are no longer waited for; else they
    are for about so many seconds.
    """
    if not in_kafka(config):
        return open_log(config.log.url, create=create)
    settings = kafka_settings(config, cache(partial(blobs_of, config)), stopped, patience)
    return open_log(config.log.url, create=create, kafka=settings)


def with_log(config: Config, url: str) -> Config:
    """The same configuration with another log. One in Kafka has its index beside this one's state."""
    state = f"{state_url(config)}.{url.rpartition('/')[2]}" if url.startswith("kafka:") else ""
    return replace(config, log=replace(config.log, url=url, state=state), kafka=replace(config.kafka, index=""))


def in_kafka(config: Config) -> bool:
    """Whether the log is in Kafka."""
    return config.log.url.startswith("kafka:")


def kafka_settings(
    config: Config, blobs: Callable[[], Blobs] | None, stopped: Callable[[], bool] = never, patience: float = PATIENCE
) -> Settings:
    """[kafka] as the log takes it. Raises ConfigError."""
    section = config.kafka
    given = {name: getattr(section, name) for name in section.__struct_fields__ if name != "index"}
    path = state_path(config)
    index = Path(section.index) if section.index else path.with_name(f"{path.name}.index")
    return Settings(index=index, blobs=blobs, passing=failpoint, stopped=stopped, patience=patience, **given)


def read_before(config: Config) -> SqliteHeaders | None:
    """The headers of a log in Kafka that this machine has read, whether the brokers answer or not; None if it has none,
    or the log is elsewhere.
    """
    if not in_kafka(config):
        return None
    settings = kafka_settings(config, None)
    return kafka_index.read_before(settings.index, place_of(config.log.url).topic)


def blobs_of(config: Config, *, create: bool = False, seconds: float | None = None) -> Blobs:
    """The blob store. Raises ConfigError if there is none; StorageUnusable if its server does not answer, by default
    after the patience that work has with it.
    """
    return open_blobs(config.blobs.url, create=create, keys=keys_of(config), seconds=seconds)


def other_blobs(config: Config, url: str) -> Blobs:
    """Another store, to read from: encrypted with the same keys, or not encrypted. Raises ConfigError."""
    keys = keys_of(config)
    if keys.encrypt_to or keys.identity:
        with suppress(ConfigError):
            return open_blobs(url, keys=keys)
    return open_blobs(url)


def keys_of(config: Config) -> Keys:
    """How the blobs are encrypted. Raises ConfigError for keys that are set and empty: they are never left out."""
    blobs = config.blobs
    for name, text in (("encrypt_to", blobs.encrypt_to), ("identity", blobs.identity)):
        if text and not text.strip():
            raise ConfigError(f"[blobs] {name} is blank", "Write the key there, or leave it out.")
    if blobs.plain != "refuse" and not blobs.encrypt_to and not blobs.identity:
        raise ConfigError(
            f'[blobs] plain = "{blobs.plain}" is for encrypted blobs, and there is no key',
            "Set encrypt_to to write, identity to read; or leave it out.",
        )
    return Keys(tuple(blobs.encrypt_to.split()), blobs.identity, blobs.plain)


def state_of(config: Config) -> State:
    """The state; made if it is not there, for it can be made again from the log."""
    return State(state_url(config))


def stores_of(source: Source) -> dict[int, Path]:
    """The folders of the source's assetstore by store number. Raises ConfigError."""
    folders = {0: Path(source.assetstore)}
    for number, folder in source.stores.items():
        if not number.isdigit():
            raise ConfigError(f"[source] stores: {number!r} is no store number", 'Write stores = {"1" = "/path"}.')
        folders[int(number)] = Path(folder)
    return folders


class Capturing(NamedTuple):
    """What one capture works with."""

    source: Source
    log: Log
    blobs: Blobs
    state: State
    emitter: Emitter
    bootstrap: Bootstrap


def sites_of(log: Log) -> set[Uuid]:
    """The sites that the log holds as of its end. Looks through all heads."""
    return {uuid for uuid, _, _, kind in log.heads() if kind is Kind.SITE}


@contextmanager
def capturing(
    config: Config, *, accepting: bool = False, another: bool = False, stopped: Callable[[], bool] = never
) -> Iterator[Capturing]:
    """Everything that captures, while this process holds the lock.

    `accepting` takes the database as it is now for the source, whatever was captured before; of `another` repository
    than the log holds only if that is said. Raises Locked, SourceChanged, SourceUnreachable, NotDSpace, ConfigError,
    StorageUnusable.
    """
    source = config.need_source()
    with (
        hold(lock_path(config)),
        closing(log_of(config, stopped=stopped)) as log,
        log.writing(),
        closing(state_of(config)) as state,
        meaning("source", source.dsn),
    ):
        blobs = blobs_of(config)
        with closing(connect(source.dsn, "source")) as connection:
            repository = version.probe(connection)
            connection.rollback()
            if accepting:
                found = observed(connection)
                if not another and state.meta("source") is None:
                    not_another(found, sites_of(log))
                accept(state, found, source.name or found.site)
            name = identify(connection, state, source.name or None, lambda: sites_of(log))
        options = Options(repository.has_security_level, False, config.people.passwords, source.drafts)
        folders = stores_of(source)
        emitter = Emitter(
            partial(connect, source.dsn, "source"), log, blobs, state, Assetstore(folders), options, name, stopped
        )
        plan = BootstrapPlan(
            source.dsn, config.blobs.url, state_url(config), folders, (), options, name, keys_of(config)
        )
        try:
            yield Capturing(source, log, blobs, state, emitter, Bootstrap(emitter, plan))
        finally:
            emitter.close()
            close = getattr(blobs, "close", None)
            if close:
                close()


@contextmanager
def replaying(
    config: Config, *, on_drift: OnDrift | None = None, stopped: Callable[[], bool] = never
) -> Iterator[Target]:
    """The target with the log that goes into it. Connects when it is first used.

    Raises ConfigError, TargetUnreachable, PreconditionError if it is the source as well.
    """
    target = config.need_target()
    if target.driver == "packager":
        if on_drift is not None and on_drift != "overwrite":
            raise ConfigError(f"--on-drift {on_drift}: driver 'packager' does not see what was edited on the target")
        with closing(log_of(config, stopped=stopped)) as log, closing(packager(config, log)) as stock:
            yield stock
        return
    two_databases(config)
    with (
        meaning("target", target.dsn),
        closing(log_of(config, stopped=stopped)) as log,
        closing(_native(config, target, log, on_drift or target.on_drift)) as native,
    ):
        yield native


def _native(config: Config, target: TargetSection, log: Log, on_drift: OnDrift) -> NativeTarget:
    plan = Plan(
        target.dsn,
        Path(target.assetstore),
        config.blobs.url,
        passwords=config.people.passwords,
        drafts=config.source.drafts if config.source else False,
        on_drift=on_drift,
        indexed=keeps_due(config),
        keys=keys_of(config),
    )
    if target.replayers > 1:
        return ParallelTarget(plan, blobs_of(config), log, replayers=target.replayers, batch=target.batch)
    return NativeTarget(
        plan.dsn,
        plan.assetstore,
        blobs_of(config),
        log,
        passwords=plan.passwords,
        drafts=plan.drafts,
        on_drift=on_drift,
        indexed=plan.indexed,
    )


def packager_folder(config: Config) -> Path:
    """Where driver `packager` keeps its books and packages on their way: as configured, or beside the log, each target
    of several in a folder of its own.
    """
    state = state_path(config)
    own = "packager" if config.name == MAIN else f"packager.{config.name}"
    return Path(config.need_target().work or state.with_name(f"{state.name}.{own}"))


def packager(config: Config, log: Log) -> PackagerTarget:
    """The target behind its own `dspace packager`. Raises ConfigError."""
    target = config.need_target()
    return PackagerTarget(
        shlex.split(target.dspace),
        target.eperson,
        packager_folder(config),
        blobs_of(config),
        log,
        passwords=config.people.passwords,
        indexed=keeps_due(config),
    )


def packager_reading(config: Config) -> PackagerReading:
    """The books of that target."""
    return PackagerReading(packager_folder(config))


@contextmanager
def reading(config: Config) -> Iterator[Reading]:
    """The books of the target, to look into. Raises ConfigError, TargetUnreachable."""
    target = config.need_target()
    if target.driver == "packager":
        with closing(packager_reading(config)) as books:
            yield books
        return
    with meaning("target", target.dsn), closing(NativeReading(target.dsn)) as native:
        yield native


def keeps_due(config: Config) -> bool:
    """Whether what changes on the target is noted, for its search index to be told of it."""
    return config.index.mode != "none" and config.target is not None


def due_of(config: Config, *, alone: bool = True) -> Due:
    """What the target's index has still to be told of. `alone`: to tell it, not to look.

    Raises ConfigError, TargetUnreachable, Locked.
    """
    target = config.need_target()
    if target.driver == "packager":
        return PackagerDue(packager_folder(config), alone=alone)
    return NativeDue(target.dsn, alone=alone)


def indexer_of(config: Config) -> Indexer:
    """Who tells the target's index what changed. Raises ConfigError where [index] has not what its mode needs."""
    index, dspace = config.index, shlex.split(config.need_target().dspace) if config.target or config.targets else []
    if index.mode == "cli":
        if not dspace:
            raise ConfigError(
                f'{config.table} dspace is missing, which {config.index_table} mode = "cli" needs',
                "Set it to the target's [dspace]/bin/dspace on this machine.",
            )
        return CommandIndexer(dspace)
    if index.mode == "rest":
        lacking = [key for key in ("url", "user", "password") if not getattr(index, key)]
        if lacking:
            raise ConfigError(
                f'{config.index_table} {", ".join(lacking)} missing, which mode = "rest" needs',
                "url is the target's server, user and password those of an administrator there (the password better "
                f"in {variable_of(config.index_table.strip('[]'), 'password')}).",
            )
        return RestIndexer(Session(index.url, index.user, index.password))
    raise ConfigError(
        f'{config.index_table} mode is "none": nothing is known of a search index', 'Set it to "cli" or "rest".'
    )
