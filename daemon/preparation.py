"""What has to be there before the first event: log, blobs, state, the publication, the ledger.

Invariant: what is there is left as it is and told; doing it twice is the same as doing it once.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import NamedTuple

import psycopg2
import psycopg2.errors

from daemon.apart import two_databases
from daemon.config import Config
from daemon.config_sections import Source, Target
from daemon.dspace import version
from daemon.dspace.connect import connect, meaning
from daemon.parts import blobs_of, log_of, packager_folder, state_of, state_path
from daemon.source import publication
from daemon.target import ledger
from daemon.target.packager import readiness
from events.blobs import Blobs, Probing
from events.errors import ConfigError, PreconditionError
from events.log import Log

THERE, MADE, WOULD = "was there", "made", "would be made"


class Step(NamedTuple):
    """One thing, what became of it, and the SQL that did it or would do it."""

    what: str
    outcome: str
    statements: tuple[str, ...] = ()


def prepare(config: Config, *, dry_run: bool = False) -> list[Step]:
    """Make what is missing. Raises ConfigError, StorageUnusable, PreconditionError, and what connecting raises."""
    targets = config.each()
    for one in targets:
        two_databases(one)
    steps = _storage(config, dry_run=dry_run)
    if config.source is not None:
        steps.append(_source(config.source, dry_run=dry_run))
    for one in targets:
        target = one.need_target()
        of = _packager(one, dry_run=dry_run) if target.driver == "packager" else _target(target, dry_run=dry_run)
        steps.append(of._replace(what=of.what.replace("target:", f"target {one.name}:", 1)) if config.targets else of)
    return steps


def _packager(config: Config, *, dry_run: bool) -> Step:
    folder = packager_folder(config)
    there = readiness.prepare(folder, dry_run=dry_run)
    return Step(f"target: work folder {folder}", THERE if there else WOULD if dry_run else MADE)


def _storage(config: Config, *, dry_run: bool) -> list[Step]:
    steps = []
    for what, opened in (("log", log_of), ("blob store", blobs_of)):
        url = config.log.url if what == "log" else config.blobs.url
        storage: Log | Blobs | None = None
        with suppress(ConfigError):
            storage = opened(config)
        there = storage is not None
        if storage is None and not dry_run:
            storage = opened(config, create=True)
        if storage is not None:
            _closed(storage, probing=not dry_run)
        steps.append(Step(f"{what} {url}", THERE if there else WOULD if dry_run else MADE))
    path = state_path(config)
    there = path.exists()
    if not dry_run:
        state_of(config).close()
    return [*steps, Step(f"state {path}", THERE if there else WOULD if dry_run else MADE)]


def _closed(storage: Log | Blobs, *, probing: bool) -> None:
    """Close it, once it is seen to do what the work will need. Raises PreconditionError."""
    failed = []
    if probing and isinstance(storage, Probing):
        failed = [finding for finding in storage.probe() if finding.needed and not finding.ok]
    close = getattr(storage, "close", None)
    if close:
        close()
    if failed:
        raise PreconditionError(f"[blobs] {failed[0].what}", failed[0].mend)


def _source(source: Source, *, dry_run: bool) -> Step:
    with meaning("source", source.dsn), closing(connect(source.dsn, "source")) as connection:
        repository = version.probe(connection)
    what = f"source: DSpace {repository.family}, database {repository.database}"
    if source.mode == "poll":
        return Step(what, "nothing is needed there (mode poll reads only)")
    statements = publication.prepare(source.dsn, source.slot, dry_run=dry_run)
    what += f", publication {source.slot} and replica identities"
    return Step(what, THERE if not statements else WOULD if dry_run else MADE, tuple(statements))


def _target(target: Target, *, dry_run: bool) -> Step:
    with meaning("target", target.dsn), closing(connect(target.dsn, "target")) as connection:
        repository = version.probe(connection)
        what = f"target: DSpace {repository.family}, database {repository.database}, schema aipstream"
        if ledger.exists(connection):
            return Step(what, THERE)
        if not dry_run:
            try:
                ledger.create(connection)
                connection.commit()
            except psycopg2.errors.InsufficientPrivilege as error:
                raise PreconditionError(
                    f"[target] {str(error).strip()}",
                    f'As the owner of the database: GRANT CREATE ON DATABASE "{repository.database}" TO <account>;',
                ) from error
        return Step(what, WOULD if dry_run else MADE)
