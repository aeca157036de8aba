"""`aipstream prune`: old events thinned, contents that nothing needs collected."""

from __future__ import annotations

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, sized
from daemon.cli.session import Session, pass_session


@click.command()
@dry_run_option
@json_option
@pass_session
def prune(session: Session, dry_run: bool, as_json: bool) -> None:
    """Thin the log as [retention] says, and collect the contents that no event needs any more.

    Every event of the last time stays; before it the state at each full hour, day and month, and at each moment that
    `aipstream keep` marks. Such moments stay exactly as they were. Safe while the daemon runs; a run that was stopped
    is simply run again.
    """
    session.json = as_json
    config = session.config
    session.messages()
    from dataclasses import asdict

    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from daemon.retention.configured import prune_configured
    from events.errors import Interrupted

    stop = Stop()
    with stop.on_signals(), Progress("pruning", "events and contents") as progress:
        done = prune_configured(
            config, dry_run=dry_run, stopped=stop, progress=lambda _what, count: progress.to(count, None)
        )
    if stop():
        raise Interrupted("stopped while pruning; what was done is done")
    would = "would be " if dry_run else ""
    show(
        session,
        {"dry_run": dry_run, **asdict(done)},
        f"moments kept before the time in which every event is: {done.moments:,}",
        f"{counted(done.thinned, 'event')} {would}thinned ({sized(done.thinned_bytes)})",
        f"{counted(done.aside, 'content')} {would}put aside ({sized(done.aside_bytes)})",
        f"{counted(done.deleted, 'content')} {would}deleted ({sized(done.deleted_bytes)}), "
        f"{done.waiting:,} waiting in quarantine",
    )
