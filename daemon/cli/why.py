"""`aipstream why`: the whole history of one object, in words."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.cli.archived import archive_option, explained
from daemon.cli.output import json_option, show
from daemon.cli.session import Session, pass_session


@click.command()
@click.argument("thing", metavar="HANDLE|UUID")
@archive_option
@json_option
@pass_session
def why(session: Session, thing: str, archive: Path | None, as_json: bool) -> None:
    """Tell everything that happened to one object, in words: when, in which transaction, what changed by it.

    With a target configured, also what became of each event there; with several, how it stands on each. With --ocfl as
    an archive has it.
    """
    session.json = as_json
    session.messages()
    if archive is not None:
        explained(session, archive, thing)
        return
    from contextlib import closing

    from daemon.history.why import steps
    from daemon.parts import log_of, reading
    from daemon.positions import uuid_of
    from events.errors import AipstreamError, ConfigError

    config = session.config
    targets: dict[str, str] = {}
    with closing(log_of(config)) as log:
        uuid = uuid_of(log, thing)
        applied = parked = None
        if config.target is not None:
            with reading(config) as books:
                applied = books.position(log.identity)
                parked = next(iter(books.parked([uuid])), None)
        found = list(steps(log, uuid, applied, parked))
        for one in config.each() if config.targets else ():
            try:
                with reading(one) as books:
                    there = bool(books.parked([uuid])), books.position(log.identity)
                targets[one.name] = _stands(found[-1].position, *there) if found else ""
            except AipstreamError as error:
                targets[one.name] = f"not known: {error}"
    if not found:
        raise ConfigError(f"the log has no event of {thing}", "`aipstream log` lists what it has.")
    last = found[-1]
    lines = [f"{last.kind.value} {last.handle or ''} {uuid}".replace("  ", " ")]
    for step in found:
        transaction = f", transaction {step.xid}" if step.xid else ""
        lines.append(f"{step.commit_time[:19]}Z  position {step.position:,}, LSN {step.lsn}{transaction}")
        lines += [f"    {line}" for line in step.changes]
        if step.thinned:
            lines.append("    (`aipstream prune` has taken the event before this one: its changes are among these)")
        if step.target and step.target != "applied":
            lines.append(f"    target: {step.target}")
    if applied is not None:
        lines.append(f"on the target: {_stands(last.position, bool(parked), applied)}")
    lines += [f"on {name}: {stands}" for name, stands in targets.items()]
    result = {"uuid": uuid, "kind": last.kind, "handle": last.handle, "events": [s._asdict() for s in found]}
    show(session, result | ({"targets": targets} if targets else {}), *lines)


def _stands(last: int, parked: bool, applied: int) -> str:
    return "parked" if parked else "up to date" if last <= applied else "behind"
