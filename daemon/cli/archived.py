"""What `log --ocfl` and `why --ocfl` say of an archive. Neither needs a configuration: an archive stands for itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.output import counted, show, some, table
from daemon.cli.session import Session

if TYPE_CHECKING:
    from daemon.history.versions import Version

WIDEST = 100
"""Characters of a message in a table; --json has all of it."""

archive_option = click.option(
    "--ocfl", "archive", metavar="DIR", type=click.Path(path_type=Path),
    help="Of an archive that `export --ocfl` wrote, instead of the log. No configuration is needed.",
)  # fmt: skip


def listed(session: Session, folder: Path, thing: str | None, after: str | None, limit: int) -> None:
    """The newest versions of an archive, or those of one object."""
    from daemon.history.versions import uuid_of, versions
    from daemon.positions import position_of
    from daemon.progress import Progress
    from events.errors import ObjectsParked
    from events.ocfl.root import existing
    from events.ocfl.shelf import Lives

    books = existing(folder)
    with Progress("reading the archive", "objects") as progress:
        begin = position_of(Lives(folder, progress.to), after) if after else None
        uuid = uuid_of(folder, thing) if thing else None
        told = versions(folder, uuid, after=begin, limit=limit, looked=progress.to)
    show(
        session,
        {
            "archive": str(folder),
            "log": books.log,
            "end": books.position,
            "due": books.due,
            "objects": told.objects,
            "all_versions": told.all_versions,
            "versions": [each._asdict() for each in told.versions],
            "damaged": [{"path": path, "why": why} for path, why in told.damaged],
        },
        *table(
            ("position", "committed", "LSN", "what", "kind", "handle", "uuid", "version", "changed"),
            [_row(each) for each in told.versions],
        ),
        *([] if told.versions else ["no versions"]),
        f"{counted(told.all_versions, 'version')} of {counted(told.objects, 'object')}; the log is in it up to "
        f"position {books.position:,}" + (f", but for {counted(len(books.due), 'object')}" if books.due else ""),
        *some([f"damaged: {why}" for _, why in told.damaged]),
    )
    if told.damaged:
        raise ObjectsParked(
            f"{counted(len(told.damaged), 'object')} of the archive cannot be read, named above",
            "Restore them from a copy of the archive.",
        )


def explained(session: Session, folder: Path, thing: str) -> None:
    """The whole life of one object of an archive, in words."""
    from daemon.history.versions import steps, uuid_of
    from events.ocfl.root import existing

    existing(folder)
    found = list(steps(folder, uuid_of(folder, thing)))
    last = found[-1].version
    handle = next((each.version.handle for each in reversed(found) if each.version.handle), None)
    lines = [f"{last.kind.value} {handle or ''} {last.uuid}".replace("  ", " ")]
    for version, told in found:
        transaction = f", transaction {version.transaction}" if version.transaction else ""
        lines.append(
            f"{version.commit_time[:19]}Z  {version.version}, position {version.position:,}, LSN {version.lsn}"
            f"{transaction}"
        )
        lines += [f"    {line}" for line in told]
        if version.thinned:
            lines.append("    (the event before this one was thinned: its changes are among these)")
    events = [{**version._asdict(), "changes": told} for version, told in found]
    show(session, {"uuid": last.uuid, "kind": last.kind, "handle": handle, "events": events}, *lines)


def _row(each: Version) -> tuple[object, ...]:
    message = each.message if len(each.message) <= WIDEST else f"{each.message[:WIDEST]}…"
    return (
        each.position,
        each.commit_time[:23] + "Z",
        each.lsn,
        each.type,
        each.kind.value,
        each.handle,
        each.uuid,
        each.version,
        message,
    )
