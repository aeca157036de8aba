"""The moment that an import takes of an archive, found in the archive itself: its log may be long gone.

Invariant: what the archive does not know of that moment is said (`notes`, `inexact`), never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from daemon.positions import position_of
from daemon.retention.exact import between
from events.errors import ChecksumMismatch, ConfigError, InvalidPackage
from events.event import BEGINNING, Position
from events.ocfl.moments import Envelope
from events.ocfl.reading import LINK, is_version, link_on_the_way, root_of
from events.ocfl.root import Books, existing, nothing_there
from events.ocfl.shelf import Lives, Shelf


class Then(NamedTuple):
    """A moment of an archive. `notes`: what has to be said of it."""

    position: Position
    notes: list[str]


def chosen(
    paths: Sequence[Path], text: str, looked: Callable[[int], None] = lambda _: None, shelf: Shelf | None = None
) -> Then:
    """The moment meant by a position of the log, an LSN, a time or a time ago, in the one archive of those paths.

    Raises ConfigError.
    """
    root = _root(paths)
    books = existing(root)
    lives = Lives(root, looked, shelf)
    at = position_of(lives, text)
    if at == BEGINNING:
        raise ConfigError(
            f"the archive {root} knows nothing of {text}: all that it has came later",
            "Choose a later moment; `aipstream log --ocfl DIR` lists what is there, and when it came.",
        )
    beyond = at > books.position or not (text.isdigit() or lives.reached)
    return Then(at, [*_doubts(text, books, beyond=beyond), *_unasked(lives.damaged)])


def inexact(
    paths: Iterable[Path], at: Position, looked: Callable[[int], None] = lambda _: None, shelf: Shelf | None = None
) -> tuple[int, list[str]]:
    """How many objects may have been otherwise at that moment, for the log had been thinned before they were archived;
    and the line that says that the position lies within a moment, if it does.

    What is damaged does not count: it is refused by name.
    """
    found = 0
    sides: dict[Position, Envelope] = {}
    shelf = shelf or Shelf()
    folders: Iterator[Path] = chain.from_iterable(
        [path] if root_of(path) != path.resolve() else shelf.objects(path, looked) for path in paths
    )
    for count, folder in enumerate(folders, 1):
        looked(count)
        try:
            life = shelf.life(folder)
            found += not life.exact(at)
            here = life.at(at)
            beside = [life.envelope(number) for number in (here, here + 1) if 0 < number <= life.newest]
            sides |= {each.position: each for each in beside if each.position in (at, at + 1)}
        except (InvalidPackage, ChecksumMismatch):
            continue
    one, other = sides.get(at), sides.get(at + 1)
    if one and other and (one.source, one.lsn, one.commit_time) == (other.source, other.lsn, other.commit_time):
        return found, [between(at, other.commit_time)]
    return found, []


def _root(paths: Sequence[Path]) -> Path:
    roots: dict[Path, Path] = {}
    for path in paths:
        if (link := link_on_the_way(path)) is not None:
            raise ConfigError(f"{link}: {LINK}", "Name the archive itself, or an object that is in it.")
        if (wrong := nothing_there(path)) is not None:
            raise ConfigError(wrong, "Name an archive of `export --ocfl`, or the folder of an object in it.")
        root = root_of(path)
        if is_version(path):
            raise ConfigError(f"{path} is one version already", "Leave --at away, or name the object's folder.")
        if root is None:
            raise ConfigError(
                f"{path} is no archive of `export --ocfl`, nor an object in one: it has one state only",
                "--at is for archives. Packages are of the moment at which they were exported.",
            )
        roots[root] = path if path.resolve() == root else root  # as it is named, so that nothing is read by two names
    if len(roots) > 1:
        raise ConfigError("--at with more than one archive: their logs differ", "Import one after the other.")
    return roots.popitem()[1]


def _unasked(damaged: list[str]) -> Iterator[str]:
    """Objects that might have had the last event by then."""
    if damaged:
        yield (
            f"objects that are damaged and could not say whether they have a later event by then: {len(damaged):,}; "
            f"{damaged[0]}"
        )


def _doubts(text: str, books: Books, *, beyond: bool) -> Iterator[str]:
    if not books.position:
        yield "the archive was never written as a whole: of each object it has what was archived of it"
    elif beyond:
        yield (
            f"{text} is beyond the end of the archive, which is taken. Everything up to position {books.position:,} is "
            "in it; of anything later it has what single objects brought, if at all"
        )
    if books.due:
        yield f"objects that could not be archived up to there, and are as they were before: {len(books.due):,}"
