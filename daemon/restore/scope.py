"""Which objects a restore is about, when it is not about all: some objects, a subtree, or what was done in a while.

Invariant: what a restored object cannot be without (its containers, the groups and people that it names, registries)
comes along if the target lacks it, and is left as it is if the target has it, whatever state it has there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import events.aip
from daemon.export.moment import Moment
from daemon.restore.plan import Plan
from daemon.target.native.resolve import references
from events.aip.model import Kind, Uuid
from events.event import BEGINNING, Position, decompress
from events.log import Log


class Scope(NamedTuple):
    """The objects that are to be brought back, each with the position whose state it gets, and what they need."""

    wanted: dict[Uuid, Position]
    needed: dict[Uuid, Position]

    @property
    def only(self) -> dict[Uuid, Position]:
        """All of them, for `plan`."""
        return self.needed | self.wanted


def of_objects(log: Log, at: Position, uuids: Iterable[Uuid]) -> Scope:
    """Those objects as they were at that position, deleted if they were not there."""
    wanted = dict.fromkeys(uuids, at)
    return Scope(wanted, needed(Moment(log, at), wanted))


def of_subtree(log: Log, at: Position, root: Uuid) -> Scope:
    """A container with everything that was in it then; and what is in it now and was not there at all then."""
    then, now = Moment(log, at), Moment(log)
    wanted = {root: at} | {head.uuid: at for head in then.below(root)}
    wanted |= {head.uuid: at for head in now.below(root) if head.uuid not in then.heads}
    return Scope(wanted, needed(then, wanted))


def before(log: Log, begin: Position, end: Position, *, xid: int | None = None) -> Scope:
    """Every object that the events after `begin` up to `end` (of that transaction only, if one is given) touched, as
    it was before the first of them.
    """
    wanted: dict[Uuid, Position] = {}
    for entry in log.read(begin, until=end, whole=False):
        if xid is None or entry.event.xid == xid:
            wanted.setdefault(entry.event.uuid, entry.position - 1)
    return Scope(wanted, needed(Moment(log, begin), wanted))


def of_transaction(log: Log, xid: int) -> Scope:
    """What one transaction of the source touched, as it was before."""
    return before(log, BEGINNING, log.end(), xid=xid)


def needed(moment: Moment, wanted: dict[Uuid, Position]) -> dict[Uuid, Position]:
    """What those objects refer to at that moment, and what that refers to, with all registries."""
    log = moment.log
    found = {uuid: moment.at for uuid, _, _, kind in log.heads(moment.at) if kind is Kind.REGISTRY}
    waiting = list(wanted.items())
    seen = set(wanted)
    while waiting:
        uuid, at = waiting.pop()
        entry = log.latest(uuid, at)
        if entry is None or not entry.event.payload:
            continue
        aip = events.aip.read(decompress(entry.event.payload))
        far = {other for kind, other in references(aip) if other is not None and kind not in ("item", "bitstream")}
        for other in far | set(entry.event.parents):
            if other not in seen:
                seen.add(other)
                found[other] = at
                waiting.append((other, at))
    return found


def narrowed(plan: Plan, scope: Scope) -> Plan:
    """The plan without what the target has of the things that are only needed."""
    steps = [step for step in plan.steps if step.uuid in scope.wanted or (step.what == "put" and step.new)]
    return Plan(plan.at, steps, plan.same + len(plan.steps) - len(steps), plan.own)
