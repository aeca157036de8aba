"""What the driver needs to be there: the command, the account, the work folder, the site's handle prefix.

Invariant: nothing is changed on the target, and one thing that is missing hides no other.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from daemon.hold import holder
from daemon.target.packager import top
from daemon.target.packager.books import LOCK, Books
from daemon.target.packager.command import CommandLine, Said
from events.errors import AipstreamError

LEAST: Final = 2 * 1024**3
"""Bytes that should be free in the work folder: a run's packages, or the largest file that comes along."""

_ACCOUNT: Final = re.compile(r"eperson cannot be found", re.IGNORECASE)
_DATABASE: Final = re.compile(r"^Database (?:URL|Software): (.*)$", re.MULTILINE)
_PREFIX: Final = re.compile(r"^[0-9][0-9A-Za-z.]*$", re.MULTILINE)


class Finding(NamedTuple):
    """One thing: whether it holds, what was found, and what mends it."""

    ok: bool
    what: str
    mend: str = ""
    needed: bool = True


def prepare(work: Path, *, dry_run: bool) -> bool:
    """Make the work folder with its books; whether they were there. Raises StorageUnusable."""
    there = Books.there(work)
    if not there and not dry_run:
        Books(work, create=True).close()
    return there


def findings(words: Sequence[str], eperson: str, work: Path, prefix: str | None) -> Iterator[Finding]:
    """Everything that the driver needs, looked at. `prefix` is that of the log's handles, None if it has none yet."""
    yield from _folder(work)
    with tempfile.TemporaryDirectory() as scratch:
        command = CommandLine(words, Path(scratch))
        try:
            said = command("database", "test")
        except AipstreamError as error:
            yield Finding(False, str(error), error.hint)
            return
        if said.status or said.hung:
            yield Finding(False, f"dspace database test: {said.reason()}", "Mend the target's DSpace first.")
            return
        found = "; ".join(_DATABASE.findall(said.text))
        yield Finding(True, f"{words[0]} runs" + (f": {found}" if found else ""))
        yield _account(command, eperson, Path(scratch))
        if prefix:
            yield from _prefix(command("dsrun", "org.dspace.app.util.Configuration", "-p", "handle.prefix"), prefix)


def _folder(work: Path) -> Iterator[Finding]:
    nearest = work
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    yield Finding(
        writable,
        f"work folder {work} {'can' if writable else 'cannot'} be written",
        f"mkdir -p {work}; chown it to the account that runs aipstream; DSpace's account has to read there.",
    )
    free = shutil.disk_usage(nearest).free
    yield Finding(
        free >= LEAST,
        f"{free / 1e9:,.1f} GB free in the work folder",
        "Packages lie there until they are loaded: leave room for the largest item.",
        needed=False,
    )
    busy = holder(work / LOCK)
    if busy is not None:
        yield Finding(True, f"process {busy} replays into this target now", needed=False)


def _account(command: CommandLine, eperson: str, scratch: Path) -> Finding:
    """Asked with a package that is none: the account is looked for before the package is opened."""
    path = scratch / top.NAME
    path.write_bytes(b"")
    said: Said = command("packager", "-r", "-f", "-u", "-t", "AIP", "-e", eperson, path)
    missing = _ACCOUNT.search(said.text) is not None
    return Finding(
        not missing,
        f"account {eperson} is {'not ' if missing else ''}there",
        "Write the address of an administrator of the target into [target] eperson, or make one: "
        "[dspace]/bin/dspace create-administrator.",
    )


def _prefix(said: Said, prefix: str) -> Iterator[Finding]:
    found = _PREFIX.findall(said.text)
    if found:
        yield Finding(
            found[-1] == prefix,
            f"handle prefix {prefix} in the log, {found[-1]} on the target",
            f"Stock refuses handles of another prefix: set handle.prefix = {prefix} on the target.",
        )
