"""What a pair of source and target would lose, found before a run in the real data: object by object.

Invariant: everything is read in one snapshot and in slices, so memory does not grow with the site; nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

import psycopg2.errors

import events.aip
from daemon.dspace import fingerprint, snapshot
from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options, query
from daemon.losses import Loss
from daemon.losses.compare import losses
from daemon.losses.release import DRIVEN
from daemon.losses.stock import restored
from daemon.losses.summary import Summary, merged
from events.aip.model import Aip, Kind, Uuid
from events.event import Type, decompress
from events.log import Log

SLICE: Final = 200
"""Objects that are read at a time."""

_OWNERS: Final = 'SELECT s.owner::text FROM scope s ORDER BY s.owner::text COLLATE "C"'
_COUNT: Final = "SELECT count(*) FROM scope s"

_DRAFTS: Final = """
    SELECT i.uuid::text FROM item i
    WHERE EXISTS (SELECT FROM workspaceitem w WHERE w.item_id = i.uuid)
       OR EXISTS (SELECT FROM cwf_workflowitem f WHERE f.item_id = i.uuid)
    ORDER BY i.uuid"""
_PASSWORDS: Final = "SELECT e.uuid::text, e.email FROM eperson e WHERE e.password IS NOT NULL ORDER BY e.uuid"
"""Whether there is one; never what it is."""

Driver = Literal["native", "packager"]
Progress = Callable[[int, int, Kind], None]
"""Told how many objects are done, of how many, and of which kind they are."""


_Each = Callable[[Loss], None]


class Pair(NamedTuple):
    """Who carries, and where to. `version` is the target's release; `passwords`, `drafts`: what is captured."""

    driver: Driver
    version: str
    passwords: bool = False
    drafts: bool = False

    @property
    def security(self) -> bool:
        """Whether the target has security levels."""
        return self.version.partition(".")[0].isdigit() and int(self.version.partition(".")[0]) >= 10


class Expected(NamedTuple):
    """What would be lost, and how many objects were looked at, by kind."""

    summary: Summary
    objects: dict[Kind, int]


def lost(aip: Aip, pair: Pair) -> list[Loss]:
    """What that pair loses of one object."""
    found = [] if pair.security else _levels(aip)
    if pair.driver == "packager":
        told = {loss.code for loss in found}
        stock = losses(aip, restored(aip, pair.version, at=DRIVEN))
        found += [loss for loss in stock if loss.code not in told]
    return found


def _levels(aip: Aip) -> list[Loss]:
    """The security levels of values, which a target before DSpace 10 has no column for."""
    return merged(
        Loss(aip.uuid, aip.kind, aip.handle, "security", 1, f"{row.field} has level {row.security}")
        for row in aip.values
        if row.security is not None
    )


def in_database(
    connection: Connection, pair: Pair, security: bool, *, progress: Progress | None = None, each: _Each | None = None
) -> Expected:
    """Read the whole source, in the transaction that is open or begins here; it should be REPEATABLE READ.

    `security`: whether the source has security levels. `each` is given every loss as it is found.
    """
    options = Options(security, False, pair.passwords, pair.drafts)
    counts = {kind: _count(connection, kind, options) for kind in fingerprint.KINDS}
    total, done, expected = sum(counts.values()), 0, Expected(Summary(), {})
    if pair.driver == "native" and (pair.security or not security):  # every row has its place: nothing to look for
        expected.objects.update({kind: count for kind, count in counts.items() if count})
        counts.clear()
    for kind in counts:
        for some in _slices(connection, kind, options):
            for aip in snapshot.read(connection, kind, some, options).values():
                _add(expected, aip, lost(aip, pair), each)
            done += len(some)
            if progress:
                progress(done, total, kind)
    for loss in _beside(connection, pair):
        expected.summary.add(loss)
        if each:
            each(loss)
    return expected


def in_log(log: Log, pair: Pair, *, progress: Progress | None = None, each: _Each | None = None) -> Expected:
    """Read the newest state of every object that the log has."""
    end, expected = log.end(), Expected(Summary(), {})
    total = sum(1 for _ in log.heads(end))
    for done, (uuid, _, _, kind) in enumerate(log.heads(end), 1):
        entry = log.latest(uuid, end)
        if entry is not None and entry.event.type is Type.PUT and entry.event.payload:
            aip = events.aip.read(decompress(entry.event.payload))
            _add(expected, aip, lost(aip, pair), each)
        if progress:
            progress(done, total, kind)
    return expected


def _add(expected: Expected, aip: Aip, found: Iterable[Loss], each: _Each | None) -> None:
    expected.objects[aip.kind] = expected.objects.get(aip.kind, 0) + 1
    for loss in found:
        expected.summary.add(loss)
        if each:
            each(loss)


def _count(connection: Connection, kind: Kind, options: Options) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query(kind, _COUNT, options, some=False))
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def _slices(connection: Connection, kind: Kind, options: Options) -> Iterator[list[Uuid]]:
    """The objects of a kind in slices, through a cursor on the server."""
    with connection.cursor("owners") as cursor:
        cursor.itersize = SLICE
        cursor.execute(query(kind, _OWNERS, options, some=False))
        while some := cursor.fetchmany(SLICE):
            yield [uuid for (uuid,) in some]


def _beside(connection: Connection, pair: Pair) -> Iterator[Loss]:
    """What is not captured at all, by the configuration: drafts, and passwords of accounts."""
    if not pair.drafts:
        with connection.cursor() as cursor:
            cursor.execute(_DRAFTS)
            for (uuid,) in cursor:
                yield Loss(uuid, Kind.ITEM, None, "drafts")
    if not pair.passwords:
        try:
            with connection.cursor() as cursor:
                cursor.execute(_PASSWORDS)
                for uuid, email in cursor:
                    yield Loss(uuid, Kind.PERSON, None, "passwords", 1, email or "")
        except psycopg2.errors.InsufficientPrivilege:  # the account of the capture need not be allowed to see them
            connection.rollback()
