"""Which packages there are, and in which order they are imported: containers before what they contain.

Invariant: memory holds a path an item, and a few words more of each container. What lies about its kind in its name
is only imported later than it might be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from events.aip.model import Kind
from events.errors import AipstreamError
from events.event import Position
from events.ocfl.shelf import Shelf
from events.package import Child, Package
from events.package.limits import DEFAULT, Limits
from events.package.listing import packages
from events.package.ocfl import kind_of
from events.package.reading import open_package


class Container(NamedTuple):
    """A package of a community or collection."""

    path: Path
    kind: Kind
    handle: str | None
    parent: str | None


class Missing(NamedTuple):
    """A child whose package is not beside the package that names it."""

    parent: Path
    child: Child


class Broken(NamedTuple):
    """A package that cannot be opened."""

    path: Path
    error: Exception


class Found(NamedTuple):
    """Everything that was given, sorted. `handles`: of the containers among it."""

    first: list[Path]
    """Registries, sites, and documents of people and groups."""
    containers: list[Container]
    items: list[Path]
    catalogs: list[Path]
    retired: list[Path]
    """Handles and DOIs that belong to no object any more."""
    broken: list[Broken]
    missing: list[Missing]
    skipped: list[tuple[Path, str]]

    @property
    def handles(self) -> set[str]:
        """Of the containers."""
        return {each.handle for each in self.containers if each.handle}

    def ordered(self) -> Iterator[Path]:
        """The packages that can be opened, containers before what they contain."""
        yield from self.first
        yield from (each.path for each in parents_first(self.containers))
        yield from self.items
        yield from self.catalogs
        yield from self.retired


def find(
    paths: Iterable[Path],
    *,
    recursive: bool,
    limits: Limits = DEFAULT,
    at: Position | None = None,
    shelf: Shelf | None = None,
    looked: Callable[[int], None] = lambda _: None,
) -> Found:
    """The packages among those paths, with `recursive` also those that they name as their children.

    `at`: of an archive what stood at that position. `shelf`: what was read of archives already.
    """
    shelf = shelf or Shelf()
    found = Found([], [], [], [], [], [], [], [])
    seen: set[Path] = set()
    waiting: deque[Path] = deque()
    for path in packages(paths, lambda path, why: found.skipped.append((path, why)), limits, at, shelf):
        waiting.append(path)
        while waiting:
            here = waiting.popleft()
            if here in seen:
                continue
            seen.add(here)
            looked(len(seen))
            if here.name.startswith("ITEM@") or kind_of(here, shelf) is Kind.ITEM:
                found.items.append(here)
                continue
            try:
                with open_package(here, limits, at, shelf) as package:
                    _sort(package, found)
                    if recursive:
                        waiting.extend(_children(package, found, seen))
            except (AipstreamError, OSError) as error:
                found.broken.append(Broken(here, error))
    return found


def _sort(package: Package, found: Found) -> None:
    aip = package.aip
    if package.deleted:
        found.catalogs.append(package.path)
    elif aip is not None and aip.kind is Kind.TOMBSTONE:
        found.retired.append(package.path)
    elif aip is None or aip.kind in (Kind.SITE, Kind.REGISTRY):
        found.first.append(package.path)
    elif aip.kind is Kind.ITEM:
        found.items.append(package.path)
    else:
        found.containers.append(Container(package.path, aip.kind, aip.handle, package.parent))


def _children(package: Package, found: Found, seen: set[Path]) -> Iterator[Path]:
    """The packages of the children beside that one: by the name that is given, else by the handle, as DSpace names
    packages, with the parent's own ending.
    """
    folder = package.path.parent
    for child in package.children:
        names = [child.package] if child.package and Path(child.package).name == child.package else []
        if child.handle:
            names.append(f"{child.kind.value.upper()}@{child.handle.replace('/', '-')}{package.path.suffix}")
        path = next((folder / name for name in names if folder / name in seen or (folder / name).is_file()), None)
        if path is None:
            found.missing.append(Missing(package.path, child))
        else:
            yield path


def parents_first(containers: Iterable[Container]) -> list[Container]:
    """Communities, each after the one that it is in, then collections. A ring of them ends it as well."""
    every = list(containers)
    by_handle = {each.handle: each for each in every if each.handle}

    def depth(each: Container) -> int:
        passed: set[str | None] = set()
        steps = 0
        while each.parent in by_handle and each.parent not in passed:
            passed.add(each.parent)
            each = by_handle[each.parent]
            steps += 1
        return steps

    return sorted(every, key=lambda each: (each.kind is not Kind.COMMUNITY, depth(each)))
