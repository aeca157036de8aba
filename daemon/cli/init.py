"""`aipstream init`: everything that has to be there before the first event."""

from __future__ import annotations

import click

from daemon.cli.output import dry_run_option, json_option, show
from daemon.cli.session import Session, pass_session


@click.command()
@dry_run_option
@json_option
@pass_session
def init(session: Session, dry_run: bool, as_json: bool) -> None:
    """Make the log, the blob folder, the state, and what the two databases need.

    On a source that is followed by its WAL: the publication and the replica identities. `--dry-run` prints that SQL,
    for whoever owns the database. On the target: the schema `aipstream`. What is there already is left as it is. The
    slot is made by `snapshot` or `run`, in the moment from which they capture.
    """
    session.json = as_json
    session.messages()
    from daemon.preparation import prepare

    steps = prepare(session.config, dry_run=dry_run)
    lines = [f"{step.what}: {step.outcome}" for step in steps]
    statements = [sql for step in steps for sql in step.statements]
    if dry_run and statements:
        lines += ["", "-- for the owner of the source's database:", *(f"{sql};" for sql in statements)]
    show(session, {"dry_run": dry_run, "steps": [step._asdict() for step in steps]}, *lines)
