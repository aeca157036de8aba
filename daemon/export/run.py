"""An export: which objects are chosen, and their packages written one after the other.

Invariants:

* An object whose package cannot be written (a content is missing or damaged, an event cannot be read) is named and
  left out; all others are written.
* A run that was stopped can be repeated: a package that is there under its name is whole. It is written anew all the
  same, which gives the same bytes, unless `keep` says that the folder's packages are of this very moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from daemon.export.moment import Head, Moment
from daemon.export.packages import Packages, Written
from events.aip.mets import TYPES
from events.aip.model import Kind, Uuid
from events.errors import AipstreamError, BlobMissing, ChecksumMismatch, ConfigError, StorageUnusable
from events.package.writing import durable


class Refused(NamedTuple):
    """An object without a package, and why."""

    uuid: Uuid
    kind: Kind
    handle: str | None
    error: str
    reason: str


@dataclass
class Exported:
    """What a run came to."""

    written: list[Written] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    passed_over: int = 0


class Choice(NamedTuple):
    """What is exported: the objects named, with everything in them (`recursive`).

    `updated_after` leaves out items that were not modified after that instant (UTC, `YYYY-MM-DDTHH:MM:SS`);
    containers always go. `every_item`: withdrawn items and old versions too, each by itself.
    """

    roots: tuple[Uuid, ...]
    recursive: bool = True
    updated_after: str | None = None
    every_item: bool = False


def chosen(packages: Packages, choice: Choice) -> Iterator[Head]:
    """The objects in the order in which stock DSpace exports them, each once: depth first, containers before items.

    Raises ConfigError for one that is not there at that moment, or has no package.
    """
    moment = packages.moment
    seen: set[Uuid] = set()
    for root in choice.roots:
        if root not in moment.heads or moment.heads[root].kind not in TYPES:
            kind = moment.heads[root].kind.value if root in moment.heads else None
            raise ConfigError(
                f"a {kind} has no package of its own" if kind else f"there is no object {root} at position {moment.at}",
                "Name the site, a community, a collection or an item; groups and people go with the site.",
            )
        waiting = [moment.heads[root]]
        while waiting:
            head = waiting.pop()
            if head.uuid in seen:
                continue
            seen.add(head.uuid)
            yield head
            if choice.recursive and head.kind is not Kind.ITEM:
                inside = moment.children(head.uuid) if choice.every_item else packages.children(head.uuid)
                waiting += reversed(inside)


def export(
    packages: Packages,
    choice: Choice,
    folder: Path,
    *,
    progress: Callable[[int], None] = lambda _count: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Exported:
    """Write the packages into the folder, which is made if it is not there. Raises ConfigError, StorageUnusable."""
    done = Exported()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnusable(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    _clear(folder)
    for count, head in enumerate(chosen(packages, choice), 1):
        if stopped():
            break
        if not _wanted(packages.moment, head, choice):
            done.passed_over += 1
            continue
        try:
            done.written.append(packages.write(head.uuid, folder))
        except (BlobMissing, ChecksumMismatch, ValueError, ConfigError) as error:
            done.refused.append(_refused(head, error))
        except AipstreamError as error:
            if isinstance(error, StorageUnusable):
                raise
            done.refused.append(_refused(head, error))
        progress(count)
    durable(folder)
    return done


def _wanted(moment: Moment, head: Head, choice: Choice) -> bool:
    if choice.updated_after is None or head.kind is not Kind.ITEM:
        return True
    aip = moment.aip(head.uuid)
    own = next((row for row in aip.items if row.uuid == head.uuid), None) if aip is not None else None
    return own is None or own.last_modified is None or own.last_modified[:19] > choice.updated_after


def _refused(head: Head, error: Exception) -> Refused:
    return Refused(head.uuid, head.kind, head.handle, type(error).__name__, str(error))


def _clear(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def roots(moment: Moment, things: Sequence[str]) -> tuple[Uuid, ...]:
    """The objects meant by `site`, handles and UUIDs; the site if none is named. Raises ConfigError."""
    found = []
    for thing in things or ("site",):
        if thing == "site":
            site = moment.site()
            if site is None:
                raise ConfigError("the log has no site", "Name a community, a collection or an item.")
            found.append(site.uuid)
            continue
        uuid = moment.uuid(thing.removeprefix("hdl:")) or (thing.lower() if thing.lower() in moment.heads else None)
        if uuid is None:
            raise ConfigError(
                f"at position {moment.at} nothing has the handle or UUID {thing!r}",
                "`aipstream log HANDLE` tells when it was there; --at chooses another moment.",
            )
        found.append(uuid)
    return tuple(found)
