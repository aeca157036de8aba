"""All preconditions, looked at one by one: of log, blob store and state, of the source, and of each target."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import psycopg2

from daemon.config import Config
from daemon.config_sections import Source, Target
from daemon.dspace import coverage, version
from daemon.dspace.connect import Connection, connect
from daemon.dspace.tables import VERSIONS, content_tables
from daemon.dspace.version import Repository
from daemon.parts import (
    blobs_of,
    in_kafka,
    indexer_of,
    kafka_settings,
    log_of,
    packager_folder,
    state_path,
    stores_of,
)
from daemon.preconditions import Precondition, Where, pairs
from daemon.source import checks
from daemon.target import ledger
from daemon.target.packager import readiness
from events.blobs import Probing
from events.errors import AipstreamError

Seen = Repository | Literal["may not be read"] | None
"""What was found behind a dsn: a DSpace, one that may not be read, or none."""

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_OLDEST: Final = 110_000
"""The first PostgreSQL that has hashtextextended."""

_EARLY: Final = 1000
"""Events of the log's beginning among which a handle is looked for."""

_RIGHTS: Final = """
    SELECT t.name, has_table_privilege(c.oid, 'SELECT'),
           has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
           AND has_table_privilege(c.oid, 'DELETE')
    FROM unnest(%(tables)s::text[]) AS t(name) JOIN pg_class c ON c.oid = to_regclass(quote_ident(t.name))
    ORDER BY t.name"""
_SEQUENCES: Final = """
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
      AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'UPDATE') END ORDER BY 1"""
"""CASE, for the planner is free to ask the right first, and of what is no sequence that is an error."""
_ACCOUNT: Final = """
    SELECT quote_ident(current_user), quote_ident(current_database()),
           has_database_privilege(current_database(), 'CREATE')"""


def preconditions(config: Config) -> list[Precondition]:
    """All of them, in the order in which one would mend them. Raises nothing that a database or folder has at fault."""
    found = list(_storage(config))
    source: Seen = None
    if config.source is not None:
        source = _look("source", config.source.dsn, found)
        found += _guarded("source", lambda: _source(config.need_source(), reached=source is not None))
    for one in config.each():
        of = _of_target(one, source)
        found += [each._replace(where=one.name) for each in of] if config.targets else of
    return found


def _of_target(config: Config, source: Seen) -> list[Precondition]:
    """What one target needs, and the pair of it and the source."""
    found: list[Precondition] = []
    section = config.target
    target: Seen = None
    if section is not None and section.driver == "packager":
        found += _guarded("target", lambda: _packager(config))
    elif section is not None:
        target = _look("target", section.dsn, found)
        found += _guarded("target", lambda: _target(config.need_target(), reached=target is not None))
    if isinstance(source, Repository) and isinstance(target, Repository):
        found += _guarded("both", lambda: pairs.of_source_and_target(config, source, target))
    if isinstance(target, Repository) and config.others:
        found += _guarded("target", lambda: pairs.of_targets(config))
    if config.index.mode != "none":
        found += _guarded("target", lambda: _index(config))
    return found


def _guarded(where: Where, look: Callable[[], Iterator[Precondition]]) -> Iterator[Precondition]:
    try:
        yield from look()
    except (AipstreamError, psycopg2.Error) as error:
        yield Precondition(where, False, str(error).strip(), getattr(error, "hint", ""))


def _look(where: Literal["source", "target"], dsn: str, found: list[Precondition]) -> Seen:
    """What DSpace it is, None if it is none or does not answer; what is to be said of it is added to `found`."""
    try:
        with closing(connect(dsn, where, readonly=True)) as connection:
            repository = version.probe(connection)
            extra = coverage.unmapped(connection)
    except AipstreamError as error:
        found.append(Precondition(where, False, str(error), error.hint))
        return None
    except psycopg2.errors.InsufficientPrivilege as error:
        found.append(Precondition(where, False, str(error).strip(), "See the rights that are missing below."))
        return "may not be read"
    server = repository.server_version
    found += [
        Precondition(
            where,
            True,
            f"DSpace {repository.family}, database {repository.database} ({repository.encoding}), "
            f"PostgreSQL {server // 10000}.{server % 10000}",
        ),
        *(
            []
            if server >= _OLDEST
            else [
                Precondition(
                    where, False, f"PostgreSQL {server // 10000} is too old, 11 is needed", "Upgrade the server."
                )
            ]
        ),
        Precondition(
            where,
            repository.has_pgcrypto,
            f"extension pgcrypto {'is' if repository.has_pgcrypto else 'is not'} there",
            "CREATE EXTENSION pgcrypto;",
            needed=False,
        ),
        *(Precondition(where, False, f"not replicated: {message}", needed=False) for message in extra),
    ]
    return repository


def _storage(config: Config) -> Iterator[Precondition]:
    for what, opened in (("log", log_of), ("blob store", blobs_of)):
        url = config.log.url if what == "log" else config.blobs.url
        try:
            storage = opened(config)
            probed = list(storage.probe()) if isinstance(storage, Probing) else []
            close = getattr(storage, "close", None)
            if close:
                close()
        except AipstreamError as error:
            yield Precondition("log", False, str(error), error.hint)
            continue
        if what == "log" and in_kafka(config):
            yield Precondition("log", True, f"log {config.log.url}")
            yield from _guarded("log", lambda: _topic(config))
        else:
            local = url.startswith(("sqlite:", "file:"))
            folder = Path(url.split(":///", 1)[-1] if what == "log" else url.removeprefix("file://"))
            yield Precondition("log", True, f"{what} {url}{f', {_free(folder)}' if local else ''}")
            yield from (Precondition("log", *finding) for finding in probed)
    folder = state_path(config).parent
    writable = os.access(folder, os.W_OK)
    yield Precondition(
        "log",
        writable,
        f"folder of the state {folder} {'is' if writable else 'is not'} writable",
        f"mkdir -p {folder}; chown it to the account that runs aipstream",
    )


def _topic(config: Config) -> Iterator[Precondition]:
    """The settings of a log's topic: one that breaks the log is needed, one that could lose events is a note."""
    from events.log.kafka_settings import place_of
    from events.log.kafka_topic import TopicReader
    from events.log.kafka_topic_settings import findings

    settings = kafka_settings(config, None)
    with closing(TopicReader(place_of(config.log.url), settings)) as topic:
        for finding in findings(topic, settings):
            yield Precondition("log", finding.ok, finding.what, finding.mend, needed=finding.breaks)


def _free(folder: Path) -> str:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e9:,.1f} GB free"


def _rights(connection: Connection) -> list[tuple[str, bool, bool]]:
    """(name, whether it can be read, whether it can be written) of every content table that is there."""
    tables = set().union(*map(content_tables, VERSIONS))
    with connection.cursor() as cursor:
        cursor.execute(_RIGHTS, {"tables": sorted(tables)})
        return cursor.fetchall()


def _source(source: Source, *, reached: bool) -> Iterator[Precondition]:
    if reached:
        if source.mode == "wal":
            for finding in checks.check(source.dsn, source.slot, source.slot):
                yield Precondition("source", finding.ok, finding.what, finding.mend)
        else:
            with closing(connect(source.dsn, "source")) as connection:
                unreadable = [table for table, reads, _ in _rights(connection) if not reads]
                with connection.cursor() as cursor:
                    cursor.execute(_ACCOUNT)
                    (role, *_) = cursor.fetchone() or ("",)
            yield Precondition(
                "source",
                not unreadable,
                "every content table can be read" if not unreadable else f"cannot read: {', '.join(unreadable)}",
                f"GRANT SELECT ON {', '.join(unreadable)} TO {role};",
            )
    for number, folder in stores_of(source).items():
        good = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        yield Precondition(
            "source",
            good,
            f"assetstore {number}: {folder} {'can' if good else 'cannot'} be read",
            "Mount or copy the source's assetstore there, or correct [source] assetstore.",
        )


def _target(target: Target, *, reached: bool) -> Iterator[Precondition]:
    if reached:
        with closing(connect(target.dsn, "target", readonly=True)) as connection:
            unwritable = [table for table, _, writes in _rights(connection) if not writes]
            with connection.cursor() as cursor:
                cursor.execute(_SEQUENCES)
                fixed = [name for (name,) in cursor.fetchall()]
                cursor.execute(_ACCOUNT)
                role, database, creates = cursor.fetchone() or ("", "", False)
            prepared = ledger.exists(connection)
        yield Precondition(
            "target",
            not unwritable,
            "every content table can be written" if not unwritable else f"cannot write: {', '.join(unwritable)}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(unwritable)} TO {role};",
        )
        yield Precondition(
            "target",
            not fixed,
            "every sequence can be moved" if not fixed else f"cannot move: {', '.join(fixed)}",
            f"GRANT ALL ON SEQUENCE {', '.join(fixed)} TO {role};",
        )
        yield Precondition(
            "target",
            prepared or creates,
            "schema aipstream is there" if prepared else f"schema aipstream {'can' if creates else 'cannot'} be made",
            f"GRANT CREATE ON DATABASE {database} TO {role};",
        )
    folder = Path(target.assetstore)
    good = folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    yield Precondition(
        "target",
        good,
        f"assetstore {folder} {'can' if good else 'cannot'} be written" + (f", {_free(folder)}" if good else ""),
        f"mkdir -p {folder}; let the account that runs aipstream write there, and DSpace read.",
    )


def _packager(config: Config) -> Iterator[Precondition]:
    """What the driver `packager` needs. The prefix is that of the handles in the log, as far as it has any."""
    target, prefix = config.need_target(), None
    with suppress(AipstreamError), closing(log_of(config)) as log:
        handles = (entry.event.handle for entry in log.read(0, limit=_EARLY, whole=False))
        prefix = next((handle.partition("/")[0] for handle in handles if handle and "/" in handle), None)
    words = shlex.split(target.dspace)
    for finding in readiness.findings(words, target.eperson, packager_folder(config), prefix):
        yield Precondition("target", finding.ok, finding.what, finding.mend, finding.needed)


def _index(config: Config) -> Iterator[Precondition]:
    """Whether the search index could be told: the command starts, or the server lets the account in."""
    with closing(indexer_of(config)) as indexer:
        yield Precondition("target", True, f"search index: {indexer.look()}")
    address = urlsplit(config.index.url)
    if config.index.mode == "rest" and address.scheme == "http" and address.hostname not in _LOOPBACK:
        yield Precondition(
            "target",
            False,
            f"[index] url {config.index.url}: the password travels unencrypted",
            "Use the server's https:// address.",
            needed=False,
        )
