"""Accounts through class `EPersonCLITool`, DSpace's command `user`: what a roles document cannot do with them.

A roles document finds people by their address. So an account with a new address is given it here first, or stock would
make a second one of it; and one that is gone is deleted here.

Invariant: doing it twice is harmless: an account that is not there any more has been renamed or deleted already.
"""

from __future__ import annotations

import re
from typing import Final

from daemon.target.packager.command import CommandLine, Said, failure, of_all

_TOOL: Final = ("dsrun", "org.dspace.eperson.EPersonCLITool")
_DONE: Final = re.compile(r"Deleted EPerson|Modified EPerson|No such EPerson")


def delete(command: CommandLine, email: str) -> str | None:
    """Delete the account with that address. What DSpace says against it; None if it is gone.

    Raises PackagerFailed, TargetUnreachable if the command itself fails.
    """
    return _reason(command(*_TOOL, "-d", "-m", email, stdin="y\n"), "user -d")


def rename(command: CommandLine, old: str, new: str) -> str | None:
    """Give the account another address. What DSpace says against it; None if no account has the old one."""
    return _reason(command(*_TOOL, "-M", "-m", old, "-i", new), "user -M")


def _reason(said: Said, what: str) -> str | None:
    if of_all(said):
        raise failure(said, what)
    return None if _DONE.search(said.text) and not said.thrown else said.reason()
