"""`aipstream diff`: what happened between two moments."""

from __future__ import annotations

import click

from daemon.cli.output import counted, json_option, show
from daemon.cli.session import Session, pass_session


@click.command()
@click.argument("begin", metavar="A")
@click.argument("end", metavar="B", required=False)
@click.option("--details", is_flag=True, help="Say in words what changed of each object.")
@json_option
@pass_session
def diff(session: Session, begin: str, end: str | None, details: bool, as_json: bool) -> None:
    """List the objects that differ between two moments: A and B, or A and the end of the log.

    A moment is the number of an event, an LSN, a time in UTC (2026-01-31T14:05), or a time ago ("2h ago").
    """
    session.json = as_json
    session.messages()
    from contextlib import closing

    from daemon.history.between import between
    from daemon.parts import log_of
    from daemon.positions import chosen
    from daemon.retention.exact import inexact, warning

    with closing(log_of(session.config)) as log:
        (one, doubts), (other, more) = chosen(log, begin), chosen(log, end)
        found = list(between(log, one, other, words=details))
        unsure = {at: inexact(log, at) for at in (one, other)}
    lines = []
    for each in found:
        lines.append(f"{each.what:<8} {each.kind.value:<10} {each.handle or each.uuid}")
        lines += [f"    {line}" for line in each.words]
    lines.append(f"{counted(len(found), 'object')} from position {one:,} to {other:,}")
    lines += [line for at, count in unsure.items() for line in warning(count, f"position {at:,}")]
    notes = [*doubts, *more]
    show(
        session,
        {"from": one, "until": other, "inexact": max(unsure.values()), "notes": notes,
         "objects": [each._asdict() for each in found]},
        *lines,
        *notes,
    )  # fmt: skip
