"""`aipstream index`: the target's search index, told what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, table
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.indexing import Indexed

SHOWN = 50
"""Calls that are listed to people; `--json` lists all of them."""


@click.command()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Bring the whole index up to date, whatever is due: once after [index] was configured, or after doubts.",
)
@dry_run_option
@json_option
@pass_session
def index(session: Session, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Tell the target's search index now what changed since it was told last.

    `run` and `replay` do this themselves; this verb is for the first time, and for when it failed.
    """
    session.json = as_json
    config = session.config
    if config.targets:
        config.need_target()
    session.messages()
    from daemon.indexing import index_once, planned_now
    from daemon.pipeline import Stop
    from daemon.progress import Progress

    if dry_run:
        due, calls = planned_now(config, everything=everything)
        rows = [(call.text, "everything" if everything else f"{len(call.covers):,}") for call in calls]
        more = [f"and {counted(len(rows) - SHOWN, 'further run')}"] if len(rows) > SHOWN else []
        show(
            session,
            {
                "dry_run": True,
                "due": due,
                "calls": [
                    {
                        "arguments": list(call.arguments),
                        "objects": [
                            {"uuid": row.uuid, "kind": row.kind.value, "handle": row.handle} for row in call.covers
                        ],
                    }
                    for call in calls
                ],
            },
            f"due: {counted(due, 'object')}",
            *table(("run", "objects"), rows[:SHOWN]),
            *more,
        )
        return
    stop = Stop()
    with stop.on_signals(), Progress("indexing", "runs") as progress:
        told = index_once(config, everything=everything, stopped=stop, progress=progress.to)
    show(session, {"dry_run": False, **told._asdict()}, text(told.objects, told.calls))


def text(objects: int, calls: int) -> str:
    """What was told, for people."""
    return (
        f"index: told of {counted(objects, 'object')} in {counted(calls, 'run')}" if calls else "index: nothing was due"
    )


def outcome(indexed: Indexed | None) -> tuple[dict[str, Any] | None, list[str]]:
    """What a replay tells of the index at its end, as JSON and as lines; a failure goes to standard error besides."""
    if indexed is None:
        return None, []
    told = {**indexed.told._asdict(), "error": indexed.error or None, "due": indexed.due}
    if not indexed.error:
        return told, [text(indexed.told.objects, indexed.told.calls)]
    from daemon.redaction import hide

    click.echo(hide(f"aipstream: warning: {indexed.error}"), err=True)
    for line in hide(indexed.hint).splitlines():
        click.echo(f"  {line}", err=True)
    return told, [f"index: not told yet, {counted(indexed.due, 'object is', 'objects are')} due"]
