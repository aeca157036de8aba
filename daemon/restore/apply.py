"""A plan carried out on a native target.

Invariant: the books are moved back first (`daemon.target.rewind`), then the objects follow in transactions that each
take their ledger along. Killed in between, the target stands somewhere between two moments, and says that it stands at
the earlier one: running the same verb again, or a replay, makes it whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from daemon import replayer
from daemon.failpoint import failpoint
from daemon.restore.plan import Plan, Step
from daemon.target import ledger
from daemon.target.applied import Applied
from daemon.target.batch import decoded
from daemon.target.replay import NativeTarget
from daemon.target.rewind import arrived, forget, left_behind, note_stones, rewind
from events.aip.model import Kind
from events.errors import GapInLog
from events.event import Event, Type
from events.log import Entry, Log

AT_ONCE = 500


def carry_out(
    target: NativeTarget,
    plan: Plan,
    *,
    stand: bool,
    progress: Callable[[int], None] = lambda _done: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Applied:
    """Do the steps of a plan. `stand`: the target as a whole stands at the plan's position afterwards, so that a
    replay goes on from there; else only the objects of the plan are touched, and the books say so of them alone.

    Raises TargetUnreachable, GapInLog; what was done until then is done.
    """
    connection = target.connection
    if stand:
        rewind(connection, target.log, plan.at, target.options)
    else:
        note_stones(connection, target.options)
    connection.commit()
    failpoint("restore.rewound")
    done = Applied()
    count = 0
    for some, ahead in decoded(batches(entries(target.log, plan))):
        if stopped():
            return done
        forget(connection, [entry.event.uuid for entry in some])
        connection.commit()
        done.add(target.put_back(some, ahead))
        failpoint("restore.applied")
        count += len(some)
        progress(count)
    if done.parked:
        done.add(_refused_again(target, plan))
    if stand:
        done.add(_left_again(target, plan))
    _clear_stones(target, plan, done)
    return done


def _refused_again(target: NativeTarget, plan: Plan) -> Applied:
    """Once more, together and with the deletions done: what one object was refused for, another may have given up."""
    waiting = {row.uuid for row in target.parked([step.uuid for step in plan.steps])}
    left = Plan(plan.at, [step for step in plan.steps if step.uuid in waiting])
    done = Applied()
    for some in batches(entries(target.log, left)):
        done.add(target.put_back(some))
    return done


def _left_again(target: NativeTarget, plan: Plan) -> Applied:
    """Once more what stays but named something that was deleted: as its event has it, without that reference.

    Only between the events of one moment does the log have such a thing. More may have changed of it than the
    reference: of a history that loses its newest version the one before is archived again.
    """
    connection, log, done = target.connection, target.log, Applied()
    left = ledger.waiting_for(connection, [step.uuid for step in plan.steps if step.what == "delete"])
    connection.rollback()
    found = (log.latest(uuid, at) for uuid, at in left)
    for some in batches(entry for entry in found if entry is not None and entry.event.type is Type.PUT):
        done.add(target.put_back(some))
    return done


def _clear_stones(target: NativeTarget, plan: Plan, done: Applied) -> None:
    """Take away the handles and DOIs that objects left behind on their way back, but for those that named nothing at
    the plan's position, or are to do so by one of its steps.

    The books have them gone as of that position: the log may know them, later, as what names nothing.
    """
    log = target.log
    stones = [uuid for uuid, _, _, kind in log.heads(plan.at) if kind is Kind.TOMBSTONE]
    stones += [step.uuid for step in plan.steps if step.what == "put" and step.kind is Kind.TOMBSTONE]
    left = left_behind(target.connection, target.options, stones)
    target.connection.rollback()
    steps = [Step("delete", uuid, Kind.TOMBSTONE, None, plan.at) for uuid in left]
    for some in batches(Entry(plan.at, _delete(log, step)) for step in steps):
        done.add(target.put_back(some))
    arrived(target.connection)
    target.connection.commit()


def entries(log: Log, plan: Plan) -> Iterator[Entry]:
    """The steps as events, read from the log as they are wanted."""
    for (what, _), steps in groupby(plan.steps, lambda step: (step.what, step.kind)):
        if what == "put":
            yield from _puts(log, list(steps))
        else:
            yield from (Entry(step.position, _delete(log, step)) for step in steps)


def _puts(log: Log, steps: Sequence[Step]) -> Iterator[Entry]:
    """The events of objects of one kind, whose positions rise (`plan`)."""
    found = log.entries([step.position for step in steps])
    for step in steps:
        entry = next(found, None)
        if entry is None or entry.event.uuid != step.uuid:
            raise GapInLog(f"the event of {step.uuid} at position {step.position} is gone from the log")
        yield entry


def _delete(log: Log, step: Step) -> Event:
    """A deletion that the source never made: the object is not there yet, or no longer, at that moment."""
    known = log.latest(step.uuid, whole=False)
    event = known.event if known else None
    return Event(
        source=event.source if event else "",
        lsn=event.lsn if event else 0,
        uuid=step.uuid,
        kind=step.kind,
        type=Type.DELETE,
        commit_time=event.commit_time if event else "",
        handle=step.handle,
    )


def batches(all_entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    """Runs of entries of one type, of bounded number and size."""
    for _, of_one_type in groupby(all_entries, lambda entry: entry.event.type):
        yield from replayer.batches(of_one_type, AT_ONCE)
