"""`aipstream blobs`: the keys with which contents are encrypted."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.cli.output import dry_run_option, json_option, show
from daemon.cli.session import Session, pass_session


@click.group()
def blobs() -> None:
    """Make keys to encrypt contents with."""


@blobs.command()
@click.option(
    "--out",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="Where the private key goes: a new file, for its owner alone.",
)
@dry_run_option
@json_option
@pass_session
def keygen(session: Session, file: Path, dry_run: bool, as_json: bool) -> None:
    """Make a pair of keys: the private one in a new file, the public one is printed.

    The public key is for [blobs] encrypt_to. The private one is for [blobs] identity, on machines that read. Keep a
    copy of it somewhere else: without it nobody can read the contents, and nobody can make it again.
    """
    session.json = as_json
    from events.blobs.sealed.keys import make
    from events.errors import ConfigError

    if dry_run:
        if file.exists() or file.is_symlink():
            raise ConfigError(f"{file} is there already", "Name another file; a key is never overwritten.")
        show(session, {"file": str(file), "public": None, "dry_run": True}, f"{file} would be made")
        return
    public = make(file)
    show(session, {"file": str(file), "public": public, "dry_run": False}, public)
