"""`aipstream log`: what happened, event by event."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.archived import archive_option, listed
from daemon.cli.log_repair import repair
from daemon.cli.output import json_option, show, sized, table
from daemon.cli.session import Session, pass_session

if TYPE_CHECKING:
    from events.log import Entry, Log


class Listing(click.Group):
    """`log 123456789/42` lists events, `log repair` is a verb: a first word that names a verb is one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a verb, options may stand anywhere."""
        ctx.meta[VERB] = bool(args) and args[0] in self.commands
        ctx.allow_interspersed_args = not ctx.meta[VERB]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Before a verb there is no object whose events are meant."""
        params = super().get_params(ctx)
        return [one for one in params if not isinstance(one, click.Argument)] if ctx.meta.get(VERB) else params


VERB = "aipstream.log.verb"


@click.group(cls=Listing, invoke_without_command=True)
@click.argument("thing", metavar="[HANDLE|UUID]", required=False)
@click.option("--after", metavar="POSITION", help="Only events after that number, LSN or time.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many events.")
@click.option(
    "--payload",
    metavar="POSITION",
    type=click.IntRange(min=1),
    help="Print the AIP document of that event instead, as it is.",
)
@archive_option
@json_option
@pass_session
def log(
    session: Session,
    /,
    after: str | None,
    limit: int,
    payload: int | None,
    archive: Path | None,
    as_json: bool,
    thing: str | None = None,
) -> None:
    """List events: the latest ones, or all those of one object, by its handle or UUID.

    With --ocfl the versions in an archive, with what each of them changed.
    """
    if click.get_current_context().invoked_subcommand:
        return
    session.json = as_json
    session.messages()
    if archive is not None:
        if payload is not None:
            raise click.UsageError("--payload is for logs; in an archive each version's documents are files.")
        listed(session, archive, thing, after, limit)
        return
    from daemon.parts import log_of
    from daemon.positions import position_of, uuid_of

    events = log_of(session.config)
    if payload is not None:
        _payload(session, events, payload)
        return
    begin = position_of(events, after) if after else None
    if thing is None:
        entries = list(events.read(max(0, events.end() - limit) if begin is None else begin, limit, whole=False))
    else:
        found = events.history(uuid_of(events, thing), whole=False)
        entries = [entry for entry in found if entry.position > (begin or 0)]
        entries = entries[:limit] if begin is not None else entries[-limit:]
    show(
        session,
        {"end": events.end(), "events": [_told(entry) for entry in entries]},
        *table(
            ("position", "committed", "LSN", "what", "kind", "handle", "uuid", "size"),
            [_row(entry) for entry in entries],
        ),
        *([] if entries else ["no events"]),
    )


log.add_command(repair)


def _payload(session: Session, events: Log, position: int) -> None:
    from events.errors import ConfigError
    from events.event import decompress

    entry = next(iter(events.read(position - 1, 1)), None) if position <= events.end() else None
    if entry is None:
        raise ConfigError(
            f"the log has no position {position}; it ends at {events.end()}", "`aipstream log` lists events."
        )
    if entry.position != position:
        raise ConfigError(
            f"the event at position {position} was thinned: retention, or damage, took its document away",
            "`aipstream log HANDLE` lists the events of the object that are left.",
        )
    document = decompress(entry.event.payload) if entry.event.payload else b""
    if session.json:
        show(session, {**_told(entry), "document": document.decode("utf-8", "replace")})
    else:
        session.printed = True
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()


def _told(entry: Entry) -> dict[str, object]:
    from events.event import lsn_text

    event = entry.event
    return {
        "position": entry.position,
        "id": event.id.hex(),
        "source": event.source,
        "lsn": lsn_text(event.lsn),
        "commit_time": event.commit_time,
        "xid": event.xid,
        "type": event.type.value,
        "kind": event.kind.value,
        "uuid": event.uuid,
        "handle": event.handle,
        "parents": list(event.parents),
        "digest": event.digest,
        "blobs": list(event.blobs),
        "payload_bytes": entry.left_out or len(event.payload),
    }


def _row(entry: Entry) -> tuple[object, ...]:
    from events.event import lsn_text

    event = entry.event
    return (
        entry.position,
        event.commit_time[:23] + "Z",
        lsn_text(event.lsn),
        event.type.value,
        event.kind.value,
        event.handle,
        event.uuid,
        sized(entry.left_out),
    )
