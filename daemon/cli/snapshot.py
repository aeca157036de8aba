"""`aipstream snapshot`: everything of the source into the log, once."""

from __future__ import annotations

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, sized
from daemon.cli.session import Session, pass_session


@click.command()
@click.option(
    "--another",
    is_flag=True,
    help="Go on with this repository in a log that holds another one, all of whose objects are deleted in it.",
)
@dry_run_option
@json_option
@pass_session
def snapshot(session: Session, another: bool, dry_run: bool, as_json: bool) -> None:
    """Capture the whole source at one moment, and make the slot if there is none.

    What is as the log has it already is left out, so it can be killed and run again, and run on a log in use. It is
    also what mends a lost slot, and what accepts a source that was exchanged or restored to an earlier moment.
    """
    session.json = as_json
    config = session.config
    session.messages()
    from daemon.beginning import recapture
    from daemon.capture_loop import watched
    from daemon.parts import capturing
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from events.errors import ObjectsParked

    if dry_run:
        _would(session)
        return
    stop = Stop()
    with (
        stop.on_signals(),
        Progress("capturing", "objects") as progress,
        capturing(config, accepting=True, another=another) as parts,
    ):
        begun = recapture(parts, watched(stop, lambda done, total, kind: progress.to(done, total, kind.value)))
        waiting = sum(1 for _ in parts.state.parked())
        end, known = parts.log.end(), {kind.value: count for kind, count in parts.state.counts().items()}
    emitted = begun.captured
    assert emitted is not None  # noqa: S101 - recapture always captures
    show(
        session,
        {"captured": emitted._asdict(), "slot_made": begun.slot, "objects": known, "position": end, "parked": waiting},
        *([f"slot {begun.slot}: made"] if begun.slot else []),
        f"captured: {emitted.put:,} put, {emitted.deleted:,} deleted, {emitted.unchanged:,} unchanged, "
        f"{counted(emitted.blobs, 'new content')} of {sized(emitted.blob_bytes)}",
        f"the log ends at position {end:,} and holds "
        + ", ".join(counted(count, kind, _plural(kind)) for kind, count in known.items()),
    )
    if waiting:
        raise ObjectsParked(f"parked: {counted(waiting, 'object')} could not be captured")


def _plural(kind: str) -> str:
    return {"person": "people", "registry": "registries", "community": "communities"}.get(kind, f"{kind}s")


def _would(session: Session) -> None:
    from contextlib import closing

    from daemon.dspace import fingerprint, version
    from daemon.dspace.connect import connect, meaning
    from daemon.dspace.facets import Options, query
    from daemon.source import slot

    config = session.config
    source = config.need_source()
    with meaning("source", source.dsn), closing(connect(source.dsn, "source")) as connection:
        options = Options(version.probe(connection).has_security_level, False, config.people.passwords, source.drafts)
        counts = {}
        with connection.cursor() as cursor:
            for kind in fingerprint.KINDS:
                cursor.execute(query(kind, "SELECT count(*) FROM scope s", options, some=False))
                counts[kind.value] = (cursor.fetchone() or (0,))[0]
    makes = source.mode == "wal" and slot.inspect(source.dsn, source.slot) is None
    show(
        session,
        {"dry_run": True, "objects": counts, "slot_would_be_made": makes},
        *([f"slot {source.slot}: would be made"] if makes else []),
        "would read " + ", ".join(counted(count, kind, _plural(kind)) for kind, count in counts.items()),
    )
