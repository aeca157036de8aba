"""The destination that a command asked for, made from the configuration.

Invariant: nothing else writes there meanwhile. For the log that is the lock of capture; for the target that of replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Literal

from daemon.config import Config
from daemon.dspace.connect import meaning
from daemon.hold import hold
from daemon.importing.destination import Destination
from daemon.importing.into_log import SOURCE, LogDestination
from daemon.importing.into_target import TargetDestination
from daemon.importing.options import Options
from daemon.parts import blobs_of, lock_path, log_of
from events.blobs import Blobs
from events.errors import ConfigError, PreconditionError
from events.log import Log


@contextmanager
def destination(
    config: Config,
    into: Literal["log", "target"],
    options: Options,
    *,
    name: str,
    beside_capture: bool = False,
    dry_run: bool = False,
) -> Iterator[Destination]:
    """The log or the target, for as long as the import lasts. `name` is what its events call their source.

    Raises ConfigError, PreconditionError, Locked, TargetUnreachable.
    """
    if into == "target":
        target = config.need_target()
        if target.driver != "native":
            raise ConfigError(
                f"[target] driver {target.driver!r} takes packages itself: `dspace packager` with the same options",
                "Import into the log and replay it, or configure driver = 'native'.",
            )
        with (
            meaning("target", target.dsn),
            closing(
                TargetDestination(
                    target.dsn,
                    Path(target.assetstore),
                    _blobs(config),
                    passwords=options.passwords,
                    index=config.index.mode != "none",
                    prefix=options.prefix,
                    dry_run=dry_run,
                )
            ) as native,
        ):
            yield native
        return
    with hold(lock_path(config)), closing(log_of(config)) as log, nullcontext() if dry_run else log.writing():
        captured = is_captured(log)
        if captured and not beside_capture and not dry_run:
            raise PreconditionError(
                "a source is captured into this log: what is imported beside it is not in that source, and the next "
                "snapshot or sweep takes it back",
                "Import into the target (--into target), into the source itself (`dspace packager`), or into a log of "
                "its own. --beside-capture does it all the same.",
            )
        yield LogDestination(
            log, blobs_of(config), name[:100], prefix=options.prefix, captured=captured, dry_run=dry_run
        )


def _blobs(config: Config) -> Blobs | None:
    """The blob store, if there is one: an import into a target can do without."""
    try:
        return blobs_of(config)
    except ConfigError:
        return None


def is_captured(log: Log) -> bool:
    """Whether the first or the last event of the log is of a repository that is captured, and not of an import."""
    end = log.end()
    ends = [*log.read(0, limit=1, whole=False), *(log.read(end - 1, limit=1, whole=False) if end else ())]
    return any(not entry.event.source.startswith(SOURCE) for entry in ends)
