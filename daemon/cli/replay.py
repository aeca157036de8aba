"""`aipstream replay`: the log into the target."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.lost import losses_of, lost, strict_option
from daemon.cli.output import counted, dry_run_option, json_option, table
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.cli.targets import Told
    from events.errors import AipstreamError
    from events.event import Position
    from events.log import Log


@click.command()
@click.option(
    "--from",
    "begin",
    metavar="POSITION",
    help="Begin after that position instead of the target's own. "
    "An earlier one is safe: what is applied already is left alone.",
)
@click.option("--until", "end", metavar="POSITION", help="Stop there instead of at the end of the log.")
@click.option(
    "--on-drift",
    type=click.Choice(["overwrite", "skip", "park"]),
    help="What to do with objects that were edited on the target. [default: that of the configuration]",
)
@click.option(
    "--again",
    multiple=True,
    metavar="HANDLE|UUID",
    help="Write that object anew, as the log has it last, "
    "though it was applied before: what was edited on the target is undone. May be repeated.",
)
@strict_option
@click.option(
    "--over-backup",
    is_flag=True,
    help="The target was restored from a dump and a copy of its files, of whatever moment: find out what differs, "
    "replay only that, and put back files that are missing.",
)
@dry_run_option
@json_option
@pass_session
def replay(
    session: Session,
    begin: str | None,
    end: str | None,
    on_drift: Any,  # noqa: ANN401
    again: tuple[str, ...],
    strict: bool,
    over_backup: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Apply the log to the target, then move its sequences forward and tell its search index.

    POSITION is the number of an event, an LSN of the source (16/B374D848), or a time in UTC (2026-01-31T14:05:00),
    which stand for the last event at or before them. Exit code 3 says that events are parked, and with `--strict` 11
    that something could not be carried. Several targets are brought up one after the other; one that fails holds up
    none of the others.
    """
    session.json = as_json
    session.messages()
    from daemon.catch_up import replay_current
    from daemon.cli.index import outcome
    from daemon.cli.over_backup import over_backup as bring_over
    from daemon.cli.targets import Told, on_each
    from daemon.config import Config
    from daemon.indexing import index_current
    from daemon.parts import log_of
    from daemon.pipeline import Stop
    from daemon.positions import chosen, own_position, position_of, uuid_of
    from daemon.progress import Progress
    from daemon.replay_loop import told
    from daemon.retention.exact import inexact, warning
    from events.errors import ConfigError, ObjectsParked

    if not session.config.targets or over_backup:
        session.config.need_target()
    log = log_of(session.config)
    after = position_of(log, begin) if begin else None
    until, notes = chosen(log, end)
    if over_backup:
        if begin or again:
            raise ConfigError("--over-backup finds out by itself where to begin", "Leave --from and --again away.")
        log.close()
        bring_over(session, until, notes, dry_run=dry_run)
        return
    anew = [uuid_of(log, thing) for thing in again]
    stop = Stop()

    def one(config: Config) -> Told:
        own = own_position(config, log)
        unsure = inexact(log, until) if end and until > own else 0
        doubts = [*warning(unsure, f"position {until:,}"), *notes]
        if after is not None and after > own:
            left = counted(after - own, "event")
            raise ConfigError(
                f"--from {begin}: the target is at position {own}, so {left} would be left out",
                "Leave --from away to go on where the target is.",
            )
        if dry_run:
            would = _would(log, own if after is None else after, until, own, anew)
            return would._replace(
                result={**would.result, "inexact": unsure, "notes": notes}, lines=[*would.lines, *doubts]
            )
        with Progress("replaying", "events") as progress, Progress("indexing", "runs") as telling:
            applied, moved, position, parked = replay_current(
                config,
                after=after,
                until=until,
                on_drift=on_drift,
                again=anew,
                stopped=stop,
                told=lambda done, total: progress.to(done, total),
            )
            indexed, more = outcome(index_current(config, stopped=stop, progress=telling.to))
        error: AipstreamError | None = None
        if parked:
            error = ObjectsParked(f"parked: {counted(parked, 'event')} could not be applied")
        elif strict:
            error = losses_of(applied.losses)
        result = {
            "applied": told(applied),
            "sequences": {each.sequence: each.next_after for each in moved},
            "position": position,
            "parked": parked,
            "inexact": unsure,
            "notes": notes,
            "indexed": indexed,
            "drifted": [each._asdict() for each in applied.drifted],
            "differing": applied.differing,
            "losses": applied.losses.told(),
        }
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in told(applied).items())
        lines = [
            f"replayed: {counts or 'nothing new'}",
            *(f"edited on the target: {each.kind.value} {each.handle or each.uuid}" for each in applied.drifted),
            *lost(session, applied.losses),
            *(f"written, but reads back otherwise: {uuid}" for uuid in applied.differing),
            *(["`aipstream verify` says whether that is so still"] if applied.differing else []),
            *(f"sequence {each.sequence}: next is {each.next_after}" for each in moved),
            f"the target is at position {position:,}",
            *doubts,
            *more,
        ]
        return Told(result, lines, error)

    with closing(log), stop.on_signals():
        on_each(session, one)


def _would(log: Log, after: Position, until: Position, own: Position, again: list[str]) -> Told:
    from daemon.cli.targets import Told

    counts: dict[tuple[str, str], int] = {}
    for entry in log.read(after, until=until, whole=False):
        name = entry.event.kind.value, entry.event.type.value
        counts[name] = counts.get(name, 0) + 1
    rows = [(kind, what, f"{count:,}") for (kind, what), count in sorted(counts.items())]
    return Told(
        {
            "dry_run": True,
            "from": after,
            "until": until,
            "position": own,
            "again": again,
            "events": [{"kind": kind, "type": what, "events": count} for (kind, what), count in sorted(counts.items())],
        },
        [
            f"would replay positions {after + 1:,} to {until:,}" if until > after else "nothing to replay",
            *table(("kind", "type", "events"), rows),
        ],
    )
