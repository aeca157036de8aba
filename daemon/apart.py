"""Source and targets of one configuration are databases of their own: who replays makes sure of that first.

Invariant: what is the same is never written. What does not answer is no reason not to replay: it is compared next time.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final

import psycopg2

from daemon.config import Config
from daemon.config_sections import Target
from daemon.dspace.apart import same_database
from daemon.dspace.connect import Connection, End, connect, meaning
from events.errors import PreconditionError, SourceUnreachable, TargetUnreachable

ONE_DATABASE: Final = (
    "source and target are one and the same database",
    "Write the target's own database into [target] dsn, and its own folder into [target] assetstore.",
)


def two_databases(config: Config) -> None:
    """Raise PreconditionError if the target is the source, which would be overwritten with its own past, or another
    target, which would be written twice.

    What does not answer is no reason not to replay: it is compared next time. Raises TargetUnreachable.
    """
    others = [(table, each.dsn) for table, each in other_targets(config) if each.dsn]
    if config.target is None or config.target.driver != "native" or not (config.source or others):
        return
    with meaning("target", config.target.dsn), closing(connect(config.target.dsn, "target", readonly=True)) as target:
        if config.source is not None and _one(target, config.source.dsn, "source"):
            raise PreconditionError(*ONE_DATABASE)
        for table, dsn in others:
            if _one(target, dsn, "target"):
                raise PreconditionError(*one_target(config.table, table))


def other_targets(config: Config) -> list[tuple[str, Target]]:
    """The other targets that the file has, each with how its table is written."""
    return [(config.renamed(name).table, section) for name, section in config.others.items()]


def one_target(one: str, other: str) -> tuple[str, str]:
    """Message and hint for two targets that are the same."""
    return f"{other} and {one} are one and the same database", "Leave one of them out, or correct its dsn."


def leads_to(config: Config, dsn: str) -> bool:
    """Whether that dsn of another target leads to this one's database. Raises TargetUnreachable."""
    section = config.need_target()
    with meaning("target", section.dsn), closing(connect(section.dsn, "target", readonly=True)) as target:
        return _one(target, dsn, "target")


def _one(target: Connection, dsn: str, end: End) -> bool:
    """Whether that connection leads to the database of the dsn; not if that does not answer."""
    try:
        with closing(connect(dsn, end, readonly=True)) as other:
            return same_database(target, other)
    except (SourceUnreachable, TargetUnreachable, psycopg2.OperationalError):
        return False
