"""`aipstream check`: is everything there that capture and replay need?"""

from __future__ import annotations

import click

from daemon.cli.output import counted, json_option, show
from daemon.cli.session import Session, pass_session


@click.command()
@json_option
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Look at every precondition on both ends, and name the command that mends what is missing.

    Changes nothing. Exit code 2 says that something is missing that is needed.
    """
    session.json = as_json
    session.messages()
    from daemon.preconditions import preconditions
    from events.errors import PreconditionError

    found = preconditions(session.config)
    lines = []
    for one in found:
        lines.append(f"{'ok' if one.ok else 'not ok' if one.needed else 'note':<7} {one.where:<7} {one.what}")
        if not one.ok and one.mend:
            lines += [f"{'':16}{line}" for line in one.mend.splitlines()]
    missing = sum(1 for one in found if one.needed and not one.ok)
    show(session, {"ok": not missing, "preconditions": [one._asdict() for one in found]}, *lines)
    if missing:
        raise PreconditionError(
            f"{counted(missing, 'precondition does', 'preconditions do')} not hold",
            "The command below each of them mends it.",
        )
