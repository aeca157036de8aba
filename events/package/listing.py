"""The packages among the files and folders that a user names.

What a package is, its content tells, never its name: a zip with a manifest or a bag in it, a tar, XML with the right
root. Folders are searched to any depth, as the stores of the Replication Task Suite have folders; links to folders are
not followed.

Invariant: the order depends on names alone (in a folder first its files, then its folders), so that a second run goes
the same way, and no file comes twice. What begins like a package but is damaged is listed, as is what cannot be read:
opening it says by name what is wrong with it.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from events.errors import InvalidPackage
from events.event import Position
from events.ocfl.reading import is_object, is_remnant, is_root
from events.ocfl.shelf import Shelf
from events.package.bags import is_bag
from events.package.file import SteadyFile
from events.package.limits import DEFAULT, Limits
from events.package.manifests import MANIFEST
from events.package.ocfl import in_order, is_ours
from events.package.ocfl import no_package as no_object
from events.package.reading import START, form_of
from events.package.tars import is_tar
from events.package.zips import Archive

_LOOK: Final = 16 * 1024
_ROOT: Final = re.compile(rb"<(?:[\w.-]+:)?(mets|DSpaceRoles)[\s/>]")

Skipped = Callable[[Path, str], None]
"""Told of a file that is no package, and what it is instead."""


def _unheard(path: Path, reason: str) -> None:
    """Nobody wants to know."""


def packages(
    paths: Iterable[Path],
    skipped: Skipped = _unheard,
    limits: Limits = DEFAULT,
    at: Position | None = None,
    shelf: Shelf | None = None,
) -> Iterator[Path]:
    """The packages among these files and below these folders, in the order given, within a folder by name.

    A named path that does not exist is listed, so that opening it says so. `at` is the moment at which the objects of
    an OCFL archive are taken.
    """
    seen: set[tuple[int, int]] = set()
    shelf = shelf or Shelf()
    for path in paths:
        for found in _files(path, skipped, shelf):
            try:
                state = found.lstat() if is_remnant(found) else found.stat()
            except OSError:
                yield found
                continue
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            reason = no_package(found, limits, at, shelf)
            if reason is None:
                yield found
            else:
                skipped(found, reason)


def no_package(
    path: Path, limits: Limits = DEFAULT, at: Position | None = None, shelf: Shelf | None = None
) -> str | None:
    """Why that file is no package; None if it is one, or is too damaged to tell."""
    if is_ours(path):
        return no_object(path, at, shelf or Shelf())
    if path.exists() and not path.is_file():
        return "not a file"
    try:
        file = SteadyFile(path)
    except InvalidPackage as error:
        return "empty" if str(error).endswith(": empty") else None
    try:
        start = file.at(0, min(file.size, _LOOK))
    except InvalidPackage:
        return None
    finally:
        file.close()
    form = form_of(start[:START])
    if form == "zip":
        return _no_zip(path, limits)
    if form == "tar":
        return None if _begins_as_tar(start) else "gzipped, but no tar"
    if form == "xml":
        return None if _ROOT.search(start) else "XML, but neither a METS manifest nor DSpaceRoles"
    return "neither a zip or tar, nor XML"


def _no_zip(path: Path, limits: Limits) -> str | None:
    try:
        archive = Archive(path, limits)
    except InvalidPackage:
        return None
    try:
        names = archive.entries
        if MANIFEST in names or is_bag(names) or any(name.endswith(f"/{MANIFEST}") for name in names):
            return None
        return f"a zip without {MANIFEST} or bagit.txt"
    finally:
        archive.close()


def _begins_as_tar(start: bytes) -> bool:
    if is_tar(start) and start[257:262] == b"ustar":
        return True
    try:
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(start, START)[257:262] == b"ustar"
    except zlib.error:
        return True  # damaged: opening it will say so


def _files(path: Path, skipped: Skipped, shelf: Shelf) -> Iterator[Path]:
    """The path itself, or all files below it, folder by folder, by name; of an OCFL archive its objects."""
    try:
        alone = not path.is_dir() or is_ours(path)
    except OSError:  # no right to look: opening it says so
        alone = True
    if alone:
        yield path
        return
    pending = [path]
    while pending:
        folder = pending.pop()
        if is_object(folder):
            yield folder
            continue
        if is_root(folder):
            yield from in_order(folder, shelf)
            continue
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            skipped(folder, f"cannot be listed: {error.strerror}")
            continue
        deeper = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                deeper.append(Path(entry.path))
            elif entry.is_dir():
                skipped(Path(entry.path), "a link to a folder")
            else:
                yield Path(entry.path)
        pending += reversed(deeper)
