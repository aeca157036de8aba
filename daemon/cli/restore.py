"""`aipstream restore`: the target brought to the state of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.output import dry_run_option, json_option
from daemon.cli.restoring import bring_back, scope_of, yes_option
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from events.event import Position
    from events.log import Log


@click.command()
@click.option("--at", "moment", metavar="MOMENT", required=True,
              help='Number of an event, LSN, time in UTC (2026-01-31T14:05), "2h ago", or a kept moment.')  # fmt: skip
@click.option("--object", "objects", metavar="HANDLE|UUID", multiple=True, help="Only that object. May be repeated.")
@click.option("--subtree", metavar="HANDLE|UUID", help="Only that container with all in it.")
@yes_option
@dry_run_option
@json_option
@pass_session
def restore(
    session: Session, /, moment: str, objects: tuple[str, ...], subtree: str | None,
    yes: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Bring the target (an empty one, or one that is in use) to the state that the source had at a moment.

    What came later is deleted, what was deleted since comes back with its UUID, handle and files, what is as it was is
    not touched. The whole target then stands at that moment, and `aipstream replay` would bring it on from there. With
    --object or --subtree only those change; what they need and the target lacks comes along.
    """
    session.json = as_json
    session.messages()
    from contextlib import closing

    from daemon.parts import log_of
    from daemon.positions import chosen

    with closing(log_of(session.config)) as log:
        at, notes = chosen(log, moment)
        _begun(log, at, moment)
        scope = scope_of(log, at, objects, subtree)
    bring_back(session, at, scope, dry_run=dry_run, yes=yes, what=f"Bring the target to position {at:,}?", notes=notes)


def _begun(log: Log, at: Position, moment: str) -> None:
    """Refuse a moment before the log: it knows nothing of then, and the whole target would be deleted."""
    from events.errors import ConfigError
    from events.event import BEGINNING

    if at > BEGINNING:
        return
    first = next(log.read(BEGINNING, limit=1, whole=False), None)
    begins = f"it begins at {first.event.commit_time[:19]}Z" if first else "it is empty"
    raise ConfigError(
        f"the log does not know how it was at {moment}: {begins}",
        "Choose a later moment. (Everything that the log knows would be deleted.)",
    )
