"""`aipstream keep`: moments that retention must not touch."""

from __future__ import annotations

import click

from daemon.cli.output import dry_run_option, json_option, show, table
from daemon.cli.session import Session, pass_session

LONGEST = 200
"""Characters of a name: it stands in one line of a list."""


@click.command()
@click.argument("name", required=False)
@click.option("--at", "moment", metavar="POSITION", help="The moment: a number, an LSN or a time. [default: now]")
@click.option("--remove", is_flag=True, help="Give that moment up again.")
@dry_run_option
@json_option
@pass_session
def keep(
    session: Session, /, name: str | None, moment: str | None, remove: bool, dry_run: bool, as_json: bool
) -> None:  # fmt: skip
    """Mark a moment under a NAME, so that `prune` keeps it exactly as it is; without a NAME list those that are."""
    session.json = as_json
    session.messages()
    from contextlib import closing

    from daemon.failpoint import failpoint
    from daemon.parts import log_of
    from daemon.positions import chosen, is_moment
    from daemon.retention.exact import inexact, warning
    from events.errors import ConfigError
    from events.log.opening import retention_of

    if name is not None and not remove and not (name.strip() and name.isprintable() and len(name) <= LONGEST):
        raise ConfigError(
            f"{name[:LONGEST]!r} is no name for a moment",
            f"Take one of at most {LONGEST} characters that can be seen, in one line.",
        )
    if name is not None and not remove and is_moment(name):
        raise ConfigError(
            f"{name!r} is no name for a moment: it would be taken for a position or a time",
            f"Put a word before it: `aipstream keep 'on {name}'`.",
        )
    with closing(log_of(session.config)) as log:
        retention = retention_of(log)
        if name is None and (moment or remove):
            raise ConfigError("which moment? A NAME is missing", "`aipstream keep NAME --at TIME`")
        at, notes = chosen(log, moment)
        if name is not None and not dry_run:
            if remove:
                retention.unmark(name)
            else:
                retention.mark(name, at)
            failpoint("keep.marked")
        unsure = inexact(log, at) if name is not None and not remove else 0
        marks = retention.marks()
    show(
        session,
        {"dry_run": dry_run, "inexact": unsure, "notes": notes, "marks": [mark._asdict() for mark in marks]},
        *([f"would {'give up' if remove else f'mark position {at:,} as'} {name!r}"] if dry_run and name else []),
        *(
            table(("position", "marked at", "name"), [(m.position, m.made, m.name) for m in marks])
            or ["no moment is kept"]
        ),
        *warning(unsure, f"position {at:,}"),
        *notes,
    )
