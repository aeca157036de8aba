"""`aipstream park`: what could not be captured or applied, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, table
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.parking import Aside


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def park(context: click.Context, as_json: bool) -> None:
    """List what is parked on either side, try it again, or forget it.

    An object is parked when it alone cannot be captured (a file is missing, say) or applied (its parent is not there);
    all others go on. What is mended by an event to come is released by itself.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_parked, as_json=as_json)


@park.command(name="list")
@json_option
@pass_session
def list_parked(session: Session, as_json: bool) -> None:
    """List everything that is parked."""
    session.json = as_json
    session.messages()
    from daemon.cli.targets import Told, on_each
    from daemon.parking import parked, parked_on_capture, parked_on_replay

    config = session.config
    if not config.targets:
        found = parked(config)
        show(session, _told(found), *_listed(found))
        return
    captured = parked_on_capture(config)

    def of_one(config: Config) -> Told:
        found = parked_on_replay(config)
        return Told(_told(found), _listed(found))

    on_each(session, of_one, before=_told(captured), lines=table(_HEAD, _rows(captured)))


_HEAD = ("side", "kind", "uuid", "since", "tries", "error", "reason")


def _told(found: Sequence[Aside]) -> dict[str, Any]:
    return {"parked": [one._asdict() for one in found]}


def _rows(found: Sequence[Aside]) -> list[tuple[object, ...]]:
    return [(one.side, one.kind, one.uuid, one.since[:19] + "Z", one.attempts, one.error, one.reason) for one in found]


def _listed(found: Sequence[Aside]) -> list[str]:
    return table(_HEAD, _rows(found)) or ["nothing is parked"]


@park.command(name="show")
@click.argument("uuid")
@json_option
@pass_session
def show_parked(session: Session, uuid: str, as_json: bool) -> None:
    """Tell all that is known of one parked object."""
    session.json = as_json
    session.messages()
    from daemon.cli.targets import Told, on_each
    from daemon.parking import parked, parked_on_capture, parked_on_replay
    from events.errors import ConfigError

    config, wanted = session.config, [uuid.lower()]
    missing = ConfigError(f"{uuid} is not parked", "`aipstream park` lists what is.")
    if not config.targets:
        found = parked(config, wanted)
        if not found:
            raise missing
        show(session, _told(found), *_whole(found))
        return
    captured = parked_on_capture(config, wanted)
    seen = len(captured)

    def of_one(config: Config) -> Told:
        nonlocal seen
        found = parked_on_replay(config, wanted)
        seen += len(found)
        return Told(_told(found), _whole(found) or ["not parked"])

    on_each(session, of_one, before=_told(captured), lines=_whole(captured))
    if not seen:
        raise missing


def _whole(found: Sequence[Aside]) -> list[str]:
    return [
        f"{name + ':':<10} {value}" for one in found for name, value in one._asdict().items() if value not in (0, ())
    ]


@park.command()
@click.argument("uuids", nargs=-1, metavar="[UUID]...")
@click.option("--all", "everything", is_flag=True, help="Everything that is parked.")
@dry_run_option
@json_option
@pass_session
def retry(session: Session, uuids: tuple[str, ...], everything: bool, dry_run: bool, as_json: bool) -> None:
    """Try parked objects again. A running daemon is asked to, and does so within seconds."""
    session.json = as_json
    session.messages()
    from daemon import parking
    from events.errors import ConfigError, ObjectsParked

    if bool(uuids) == everything:
        raise ConfigError("which ones?", "Name UUIDs, or write --all.")
    some = None if everything else [uuid.lower() for uuid in uuids]
    if dry_run:
        found = parking.parked(session.config, some)
        show(
            session,
            {"dry_run": True, "parked": [one._asdict() for one in found]},
            f"would try {counted(len(found), 'object')} again",
        )
        return
    retried = parking.retry(session.config, some)
    show(
        session,
        {**retried._asdict(), "dry_run": False},
        f"{counted(retried.released, 'object')} went through, {retried.parked:,} still parked",
        *(f"the running {side} was asked to try again" for side in retried.asked),
    )
    if retried.parked and not retried.asked:
        raise ObjectsParked(f"parked: {counted(retried.parked, 'object')}")


@park.command()
@click.argument("uuids", nargs=-1, required=True, metavar="UUID...")
@dry_run_option
@json_option
@pass_session
def discard(session: Session, uuids: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Forget that objects are parked. On the target they stay as they are until they change again."""
    session.json = as_json
    session.messages()
    from daemon import parking

    wanted = [uuid.lower() for uuid in uuids]
    count = len(parking.parked(session.config, wanted)) if dry_run else parking.discard(session.config, wanted)
    show(
        session,
        {"dry_run": dry_run, "discarded": count},
        f"{'would discard' if dry_run else 'discarded'} {counted(count, 'object')}",
    )
