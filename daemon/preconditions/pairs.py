"""What two ends are to each other: another repository, an older one, one and the same database or folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from daemon.apart import ONE_DATABASE, leads_to, one_target, other_targets
from daemon.config import Config
from daemon.dspace.apart import same_database
from daemon.dspace.connect import Connection, connect
from daemon.dspace.version import Repository
from daemon.preconditions import Precondition
from daemon.target import ledger

_FAMILIES: Final = ("7.6", "8", "9", "10")
_LEVELS: Final = "SELECT count(*) FROM metadatavalue WHERE security_level IS NOT NULL"

_OWN: Final = """
    SELECT o.uuid::text, (SELECT h.handle FROM handle h WHERE h.resource_id = o.uuid ORDER BY h.handle_id LIMIT 1)
    FROM (SELECT uuid FROM item WHERE in_archive OR withdrawn UNION ALL SELECT uuid FROM collection
          UNION ALL SELECT uuid FROM community) o"""
_NOT_APPLIED: Final = " WHERE NOT EXISTS (SELECT FROM aipstream.ledger l WHERE l.uuid = o.uuid)"
_FOREIGN: Final = """
    SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT FROM dspaceobject d WHERE d.uuid = w.uuid)),
           count(*) FILTER (WHERE EXISTS (SELECT FROM handle h WHERE h.handle = w.handle AND h.resource_id <> w.uuid))
    FROM unnest(%s::uuid[], %s::text[]) w(uuid, handle)"""
"""Of objects of the target: how many the source does not know, and how many have a handle of another object there."""


def of_source_and_target(config: Config, source: Repository, target: Repository) -> Iterator[Precondition]:
    """What the target is for that source."""
    with (
        closing(connect(config.need_target().dsn, "target", readonly=True)) as one,
        closing(connect(config.need_source().dsn, "source")) as other,
    ):
        if same_database(one, other):
            yield Precondition("both", False, *ONE_DATABASE)
            return
        yield from _strangers(one, other)
    older = _FAMILIES.index(target.family) < _FAMILIES.index(source.family)
    yield Precondition(
        "both",
        True,
        f"from DSpace {source.family} to DSpace {target.family}"
        + (": an older one, which cannot hold everything" if older else ""),
    )
    if source.has_security_level and not target.has_security_level:
        with closing(connect(config.need_source().dsn, "source")) as connection, connection.cursor() as cursor:
            cursor.execute(_LEVELS)
            (levels,) = cursor.fetchone() or (0,)
        yield Precondition(
            "both",
            not levels,
            f"{levels:,} metadata values have a security level, which DSpace "
            f"{target.family} cannot hold: it would be lost",
            "Upgrade the target to DSpace 10.",
            needed=False,
        )
    same = source.prefix == target.prefix
    yield Precondition(
        "both",
        same,
        f"handle prefix {source.prefix} on the source, {target.prefix} on the target",
        "Handles are kept as they are; set handle.prefix of the target to the source's, so that new "
        "handles continue them.",
        needed=False,
    )
    with suppress(OSError):
        if Path(config.need_source().assetstore).samefile(config.need_target().assetstore):
            yield Precondition(
                "both",
                False,
                "both assetstores are the same folder",
                "Give the target a folder of its own: [target] assetstore.",
            )


def _strangers(target: Connection, source: Connection) -> Iterator[Precondition]:
    """What tells that the target is another repository, or that both ends were exchanged."""
    if ledger.exists(source):
        yield Precondition(
            "both",
            False,
            "the source's database has schema aipstream: it was a target itself",
            "If source and target were exchanged by mistake, correct the configuration before anything is overwritten.",
            needed=False,
        )
    with target.cursor() as cursor:
        cursor.execute(_OWN + (_NOT_APPLIED if ledger.exists(target) else ""))
        own = cursor.fetchall()
    with source.cursor() as cursor:
        cursor.execute(_FOREIGN, ([uuid for uuid, _ in own], [handle for _, handle in own]))
        strange, clashes = cursor.fetchone() or (0, 0)
    if strange or clashes:
        yield Precondition(
            "both",
            False,
            f"{strange:,} communities, collections and items of the target are not on the source and stay as they are"
            + (f"; {clashes:,} would lose their handles to objects of the source" if clashes else ""),
            "Unless it is meant to be so: begin with a freshly installed target or a restored copy of the source, and "
            "back this one up.",
            needed=bool(clashes),
        )


def of_targets(config: Config) -> Iterator[Precondition]:
    """Whether another target is the same database, or has the same assetstore."""
    section = config.need_target()
    for table, other in other_targets(config):
        same = bool(other.dsn) and leads_to(config, other.dsn)
        yield (
            Precondition("target", not same, *one_target(config.table, table))
            if same
            else Precondition("target", True, f"another database than {table}")
        )
        with suppress(OSError):
            if other.assetstore and Path(section.assetstore).samefile(other.assetstore):
                yield Precondition(
                    "target",
                    False,
                    f"its assetstore is that of {table}",
                    f"Give each target a folder of its own: {config.table} assetstore.",
                )
