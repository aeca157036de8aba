"""Where a backup stands in the log: a database that was restored from a dump of some unknown moment.

Invariant: the answer is only told, nothing depends on it: what differs is found object by object all the same.
"""

from __future__ import annotations

from typing import NamedTuple

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
from daemon.restore.plan import Plan
from daemon.target import ledger
from events.event import Position
from events.log import Log


class Standing(NamedTuple):
    """The last position whose event the backup has, and when it was committed. `by` says how that is known: from the
    books of a replica, or by comparing digests.
    """

    position: Position
    commit_time: str
    by: str


def standing(connection: Connection, log: Log, made: Plan, options: Options) -> Standing | None:
    """The newest event among those that the backup's objects are equal to; None if it has nothing of the log.

    Of what the plan changes or deletes, the digests that the target holds now are looked up in the past of each object.
    """
    noted = ledger.position(connection, log.identity)
    if noted:
        return _at(log, noted, "the books of the replica")
    names = ledger.aliases(connection)
    newest = 0
    for step in made.steps:
        if step.new:
            continue
        held = fingerprint.digests(connection, step.kind, [names.get(step.uuid, step.uuid)], options)
        digest = next(iter(held.values()), None)
        for entry in log.history(step.uuid, whole=False):
            if digest is not None and entry.event.digest == digest:
                newest = max(newest, entry.position)
    connection.rollback()
    changed = {step.uuid for step in made.steps}
    for uuid, position, _, _ in log.heads(made.at):
        if uuid not in changed:
            newest = max(newest, position)
    return _at(log, newest, "the digests of its objects") if newest else None


def _at(log: Log, position: Position, by: str) -> Standing:
    entry = next(log.read(position - 1, limit=1, until=position, whole=False), None)
    return Standing(position, entry.event.commit_time if entry else "", by)
