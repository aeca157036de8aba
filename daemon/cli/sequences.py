"""`aipstream sequences`: the target's sequences, moved over everything that was written."""

from __future__ import annotations

import click

from daemon.cli.output import dry_run_option, json_option, show, table
from daemon.cli.session import Session, pass_session


@click.command()
@dry_run_option
@json_option
@pass_session
def sequences(session: Session, dry_run: bool, as_json: bool) -> None:
    """Move the target's sequences forward, never back, so that DSpace draws no number that is taken.

    `run` and `replay` do this themselves. With driver "packager" it is DSpace's own `database update-sequences`,
    which does not tell what moved.
    """
    session.json = as_json
    target = session.config.need_target()
    session.messages()
    if target.driver == "packager":
        _stock(session, dry_run)
        return
    from contextlib import closing

    from daemon.dspace import version
    from daemon.dspace.connect import connect, meaning
    from daemon.dspace.sequences import advance

    with meaning("target", target.dsn), closing(connect(target.dsn, "target", readonly=dry_run)) as connection:
        version.probe(connection)
        changes = advance(connection, dry_run=dry_run)
        connection.commit()
    rows = [(each.sequence, each.next_before, each.next_after) for each in changes]
    show(
        session,
        {
            "dry_run": dry_run,
            "sequences": [
                {"sequence": name, "next_before": before, "next_after": after} for name, before, after in rows
            ],
        },
        *(
            table(("sequence", "next was", "next would be" if dry_run else "next is"), rows)
            or ["every sequence is ahead of its column"]
        ),
    )


def _stock(session: Session, dry_run: bool) -> None:
    from daemon.parts import replaying

    if not dry_run:
        with replaying(session.config) as target:
            target.finish()
    said = "dspace database update-sequences " + ("would be run" if dry_run else "was run, if anything was loaded")
    show(session, {"dry_run": dry_run, "sequences": []}, said)
