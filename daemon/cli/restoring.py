"""What the verbs that bring objects back have in common: the plan shown, the question asked, the outcome told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import counted, show, table
from daemon.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from events.event import Position
    from events.log import Log

yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")


def scope_of(log: Log, at: Position, objects: tuple[str, ...], subtree: str | None) -> Any:  # noqa: ANN401
    """The scope that the options name, None for everything. Raises ConfigError."""
    from daemon.positions import uuid_of
    from daemon.restore.scope import Scope, of_objects, of_subtree

    if not objects and subtree is None:
        return None
    found = of_objects(log, at, [uuid_of(log, thing) for thing in objects]) if objects else Scope({}, {})
    if subtree is not None:
        inside = of_subtree(log, at, uuid_of(log, subtree))
        found = Scope(found.wanted | inside.wanted, found.needed | inside.needed)
    return found


def bring_back(
    session: Session, at: Position, scope: Any, *,  # noqa: ANN401
    dry_run: bool, yes: bool, what: str, notes: Sequence[str] = (),
) -> None:  # fmt: skip
    """Plan, ask, do, tell. `what` is the question, `notes` are told beside the plan.

    Raises what a restore raises; ObjectsParked in the end.
    """
    from daemon.cli.index import outcome
    from daemon.indexing import index_current
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from daemon.replay_loop import told
    from daemon.restore.configured import restoring
    from daemon.retention.exact import inexact, warning, within
    from events.errors import ConfigError, Interrupted, ObjectsParked

    config = session.config
    stop = Stop()
    with restoring(config) as work:
        with Progress("comparing", "objects") as comparing:
            made = work.plan(at, scope, lambda count: comparing.to(count))
        unsure = inexact(work.target.log, at, None if scope is None else scope.wanted)
        doubts = [*warning(unsure, f"position {at:,}" if scope is None else "its moment")]
        doubts += within(work.target.log, at) if scope is None else []
        lines = [*_lines(made), *doubts, *notes]
        steps = [step._asdict() for step in made.steps]
        result: dict[str, Any] = {
            "at": at,
            "dry_run": dry_run,
            "counts": made.counts(),
            "same": made.same,
            "own": made.own,
            "inexact": unsure,
            "notes": list(notes),
        }
        if dry_run:
            show(session, {**result, "steps": steps}, *lines)
            return
        if made.steps and not yes:
            if not sys.stdin.isatty():
                raise ConfigError(f"{what} That is not done unasked", "Look at it with --dry-run, then add --yes.")
            click.echo("\n".join(lines), err=True)
            click.confirm(what, abort=True, err=True)
        with stop.on_signals(), Progress("restoring", "objects", len(made.steps)) as progress:
            applied, moved, parked = work.do(made, stand=scope is None, progress=progress.to, stopped=stop)
        position = work.target.position()
    indexed, more = outcome(index_current(config, stopped=stop, progress=lambda *_: None))
    show(
        session,
        {**result, "steps": steps, "applied": told(applied), "position": position, "parked": len(parked),
         "indexed": indexed, "losses": applied.losses.told(),
         "sequences": {each.sequence: each.next_after for each in moved}},
        *lines,
        *(f"parked: {each.kind.value} {each.uuid}: {each.reason}" for each in parked),
        *(f"sequence {each.sequence}: next is {each.next_after}" for each in moved),
        *([f"the target is at position {position:,}"] if scope is None else []),
        *more,
    )  # fmt: skip
    if stop():
        raise Interrupted("stopped in the middle of a restore", "Run the same command again; it does what is left.")
    if parked:
        raise ObjectsParked(f"parked: {counted(len(parked), 'object')} could not be brought back")


def _lines(made: Any) -> list[str]:  # noqa: ANN401
    rows = [
        (kind, f"{of['made']:,}", f"{of['changed']:,}", f"{of['deleted']:,}")
        for kind, of in sorted(made.counts().items())
    ]
    few = [f"{step.what:<7} {step.kind.value:<10} {step.handle or step.uuid}" for step in made.steps[:20]]
    return [
        *table(("kind", "made", "changed", "deleted"), rows),
        *(few if len(made.steps) <= len(few) else []),
        f"{made.same:,} objects are as they were"
        + (f", {made.own:,} are the target's own and stay" if made.own else ""),
    ]
