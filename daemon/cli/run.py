"""`aipstream run`: the daemon, or one round of its work."""

from __future__ import annotations

import click

from daemon.cli.lost import lost, none_lost, strict_option
from daemon.cli.output import counted, json_option, show
from daemon.cli.session import Session, pass_session


@click.command()
@click.option(
    "--until-current",
    is_flag=True,
    help="Capture all that is committed now, replay it, bring sequences and index up to date, and end.",
)
@strict_option
@json_option
@pass_session
def run(session: Session, until_current: bool, strict: bool, as_json: bool) -> None:
    """Capture and replay until stopped.

    SIGTERM or Ctrl-C ends it after the batches that are under way; it can be killed at any time and started again.
    Without [target] it only captures, without [source] it only replays. With `--until-current`, exit code 3 says
    that objects are parked, and with `--strict` 11 that something could not be carried.
    """
    session.json = as_json
    config = session.config
    session.messages(running=not until_current)
    if until_current:
        _until_current(session, strict=strict)
    else:
        if strict:
            raise click.UsageError("--strict is for --until-current: a daemon does not end because of losses")
        from daemon.pipeline import run as run_daemon

        run_daemon(config)


def _until_current(session: Session, *, strict: bool) -> None:
    from daemon.catch_up import catch_up
    from daemon.cli.index import outcome
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from daemon.replay_loop import told
    from events.errors import ObjectsParked

    stop = Stop()
    with (
        stop.on_signals(),
        Progress("capturing", "objects") as capture,
        Progress("replaying", "events") as replay,
        Progress("indexing", "runs") as index,
    ):
        caught = catch_up(
            session.config,
            capturing=lambda done, total, kind: capture.to(done, total, kind.value),
            replaying=lambda done, total: replay.to(done, total),
            indexing=index.to,
            stopped=stop,
        )
    captured = caught.captured._asdict() if caught.captured else None
    applied = told(caught.applied) if caught.applied else None
    moved = {change.sequence: change.next_after for change in caught.sequences}
    parked = {"capture": caught.parked_on_capture, "replay": caught.parked_on_replay}
    lines = []
    if caught.captured:
        lines.append(
            f"captured: {caught.captured.put:,} put, {caught.captured.deleted:,} deleted, "
            f"{counted(caught.captured.blobs, 'new content')}"
        )
    if applied is not None:
        lines.append(
            "replayed: "
            + (", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in applied.items()) or "nothing new")
        )
        lines += lost(session, caught.applied.losses) if caught.applied else []
        lines.append(f"sequences: {len(moved):,} moved" if moved else "sequences: all ahead")
        lines.append(f"the target is at position {caught.position:,}")
    indexed, more = outcome(caught.indexed)
    show(
        session,
        {
            "captured": captured,
            "applied": applied,
            "sequences": moved,
            "position": caught.position,
            "parked": parked,
            "indexed": indexed,
            "losses": caught.applied.losses.told() if caught.applied else [],
        },
        *lines,
        *more,
    )
    if any(parked.values()):
        raise ObjectsParked(f"parked: {parked['capture']:,} on the source's side, {parked['replay']:,} on the target's")
    if strict and caught.applied:
        none_lost(caught.applied.losses)
