"""The copy from which a repair may take what the log has lost: the one that is named, or that of [copy].

Invariant: it is a copy of this very log, by its identity; what it gives is proved record by record all the same.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from daemon.config import Config
from daemon.copying import destination
from daemon.parts import blobs_of, log_of, other_blobs, with_log
from events.blobs import Blobs
from events.errors import AipstreamError, ConfigError, GapInLog
from events.log import Mark
from events.log.inspecting import Inspecting
from events.log.opening import inspecting_of, retention_of

ONLY_COPY = "only a copy of the log has what was there (`--from URL`)"


@dataclass
class Copied:
    """What of copies there is; `identity` None: there is none of the log. `missing` says what then is wanting."""

    identity: str | None = None
    inspecting: Inspecting | None = None
    marks: list[Mark] = field(default_factory=list)
    blobs: Blobs | None = None
    missing: str = ONLY_COPY

    def of(self, identity: str) -> None:
        """Raise ConfigError if it is a copy of another log than that one."""
        if self.identity not in (None, identity):
            raise ConfigError(
                f"the other log is {self.identity}, no copy of {identity}", "`aipstream copy` makes copies."
            )


class Named(NamedTuple):
    """What was asked for: the URLs of a copy of the log, and of one of the blob store."""

    log: str | None = None
    blobs: str | None = None


NOTHING = Named()


def copied(opened: ExitStack, config: Config, named: Named) -> Copied:
    """The copy, as long as `opened` is. One that is named has to be there, or what opening it raises is raised; that of
    [copy] may be unreachable, and is gone without.
    """
    found = Copied()
    other: Config | None = with_log(config, named.log) if named.log else None
    try:
        if other is None and config.copy.into:
            other = destination(config, file=Path(config.copy.into))
        if other is not None:
            log = opened.enter_context(closing(log_of(other)))
            found.identity, found.inspecting = log.identity, inspecting_of(log)
            with suppress(ConfigError, GapInLog):  # one in Kafka has none, and damaged ones prove nothing
                found.marks = retention_of(log).marks()
        if not named.log and other is not None:
            found.blobs = blobs_of(other)
    except AipstreamError as error:
        if named.log:
            raise
        found.missing = f"{ONLY_COPY}; that of [copy] cannot be used: {error}"
    if named.blobs:
        found.blobs = other_blobs(config, named.blobs)
    return found
