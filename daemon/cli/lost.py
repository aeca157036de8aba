"""What every verb that carries objects says of its losses, and its option `--strict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.cli.output import counted

if TYPE_CHECKING:
    from daemon.cli.session import Session
    from daemon.losses.summary import Summary
    from events.errors import LossesFound

strict_option = click.option(
    "--strict", is_flag=True, help="End with exit code 11 if something could not be carried. It is done all the same."
)


def release_of(version: str) -> None:
    """Raise ConfigError for what is no version of DSpace."""
    from daemon.losses.release import Release
    from events.errors import ConfigError

    hint = "Write it as DSpace does: 7.6.6, 8.2, 9, 10.0."
    try:
        release = Release.of(version)
    except ValueError as error:
        raise ConfigError(str(error), hint) from error
    if not 7 <= release.numbers[0] <= 10:
        raise ConfigError(f"not a version of DSpace that is known here: {version!r}", hint)


def lost(session: Session, losses: Summary) -> list[str]:
    """A line a code; with --verbose also why, and what would carry it."""
    return losses.text(full=session.verbose)


def losses_of(losses: Summary) -> LossesFound | None:
    """The error that says that there are losses; None if there is none."""
    from events.errors import LossesFound

    if not losses:
        return None
    return LossesFound(f"{counted(len(losses.lines), 'kind')} of losses, {counted(len(losses), 'row')}")


def none_lost(losses: Summary) -> None:
    """Raise LossesFound if there is any."""
    if found := losses_of(losses):
        raise found
