"""`aipstream losses`: what could not be carried so far."""

from __future__ import annotations

import click

from daemon.cli.output import json_option
from daemon.cli.session import Session, pass_session


@click.command()
@click.argument("things", nargs=-1, metavar="[HANDLE|UUID]...")
@json_option
@pass_session
def losses(session: Session, things: tuple[str, ...], as_json: bool) -> None:
    """Say what the target does not have of the source, as far as it was replayed: by code, or of those objects.

    What is recorded of an object is what was lost when it was written last; it is taken back when the object is
    written whole, or deleted. docs/losses.md explains the codes; --verbose names every object.
    """
    session.json = as_json
    session.messages()
    from contextlib import closing

    from daemon.cli.targets import Told, on_each
    from daemon.config import Config
    from daemon.losses.codes import CODES
    from daemon.losses.summary import Summary, as_told, named
    from daemon.parts import log_of, reading
    from daemon.positions import uuid_of

    uuids = None
    if things:
        with closing(log_of(session.config)) as log:
            uuids = [uuid_of(log, thing) for thing in things]

    def recorded(config: Config) -> Told:
        summary, rows, lines = Summary(), [], []
        with reading(config) as books:
            for loss in books.losses(uuids):
                summary.add(loss)
                if uuids is not None or session.verbose:
                    rows.append(as_told(loss))
                    told = CODES.get(loss.code, CODES["other"])
                    lines.append(f"{named(loss)}: {told.title} [{loss.code}], because {told.why}")
        result = {"losses": summary.told(), "objects": rows}
        if uuids is not None:
            return Told(result, lines or ["nothing of that was lost"])
        return Told(result, [*(summary.text(full=session.verbose) or ["nothing was lost so far"]), *lines])

    on_each(session, recorded)
