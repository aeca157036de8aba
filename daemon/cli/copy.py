"""`aipstream copy`: the log and its contents in another place, or in another back end."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.cli.output import counted, dry_run_option, json_option, show, sized
from daemon.cli.session import Session, pass_session


@click.command()
@click.option(
    "--into",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another configuration file, whose [log] and [blobs] become the copy.",
)
@click.option("--log", metavar="URL", help="The log that becomes the copy.")
@click.option("--blobs", metavar="URL", help="The blob store that becomes the copy.")
@click.option("--heal", is_flag=True, help="Walk all of the copy, and put back the contents that it lacks.")
@click.option("--read-back", is_flag=True, help="Read every content that was copied back, and prove it.")
@dry_run_option
@json_option
@pass_session
def copy(
    session: Session,
    /,
    file: Path | None,
    log: str | None,
    blobs: str | None,
    heal: bool,
    read_back: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Copy the log and its contents into another log and another blob store, of whatever back ends.

    The copy is the same log: positions, chain and identity, so a target goes on with it as if nothing had changed. Run
    it again, and it copies what has come since; a run that was stopped or killed is simply run again.
    """
    session.json = as_json
    config = session.config
    session.messages()
    from dataclasses import asdict

    from daemon.copying import copy_configured, destination
    from daemon.pipeline import Stop
    from daemon.progress import Progress
    from events.errors import BlobMissing

    other = destination(config, file=file, log=log, blobs=blobs)
    stop = Stop()
    with stop.on_signals(), Progress("copying", "events") as progress:
        done = copy_configured(
            config, other, dry_run=dry_run, heal=heal, read_back=read_back, progress=progress.to, stopped=stop
        )
    would = "would be " if dry_run else ""
    show(
        session,
        {"dry_run": dry_run, **asdict(done)},
        f"{counted(done.records, 'event')} {would}copied, from position {done.begin:,} to {done.end:,}"
        + (f" ({done.thinned:,} of them thinned)" if done.thinned else ""),
        f"{counted(done.blobs, 'content')} {would}copied ({sized(done.blob_bytes)})",
        *([f"{counted(done.healed, 'content')} of earlier events put back"] if heal and not dry_run else []),
        *([f"both logs have the same chain: {done.seal}"] if done.seal else []),
        *(f"missing: {name}" for name in done.missing[:20]),
    )
    if done.missing and not dry_run:
        raise BlobMissing(
            f"{counted(len(done.missing), 'content')} could not be copied: not there, or not what its name says",
            "`aipstream log repair` fetches them from the source or the target; then `aipstream copy --heal`.",
        )
