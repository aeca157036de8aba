"""An export: which objects are chosen, and their packages written one after the other.

Invariants:

* An object whose package cannot be written (a content is missing or damaged, an event cannot be read) is named and
  left out; all others are written. No package leads to one that could not be written: containers come after what they
  contain, the site last.
* A run that was stopped can be repeated: a package that is there under its name is whole, and is kept if it is the same
  to the last byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from daemon.export.moment import Head, Moment
from daemon.export.packages import Packages, Written
from daemon.losses import Loss
from daemon.losses.compare import losses
from daemon.losses.summary import Summary
from events.aip.mets import TYPES
from events.aip.model import Kind, Uuid
from events.errors import AipstreamError, ConfigError, StorageUnusable
from events.package.writing import durable

_HALF: Final = re.compile(r"\.(?:SITE|COMMUNITY|COLLECTION|ITEM)@.*\.(?:zip|xml)\.\d+\.part", re.S)
"""What a killed run leaves of the package that it was writing."""


class Refused(NamedTuple):
    """An object without a package, and why."""

    uuid: Uuid
    kind: Kind
    handle: str | None
    error: str
    reason: str


@dataclass
class Exported:
    """What a run came to. `noted`: the packages from which something was left out."""

    packages: int = 0
    kept: int = 0
    bytes: int = 0
    passed_over: int = 0
    noted: list[Written] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    losses: Summary = field(default_factory=Summary)

    def add(self, written: Written) -> None:
        """One more package."""
        self.packages += 1
        self.kept += written.kept
        self.bytes += written.bytes
        if written.left_out:
            self.noted.append(written._replace(losses=()))
        self.losses += written.losses


class Choice(NamedTuple):
    """What is exported: the objects named, with everything in them (`recursive`).

    `updated_after` leaves out items that were not modified after that instant (UTC, as in events); containers always
    go, and lead to all items, as stock DSpace writes them. `every_item`: withdrawn items and old versions too, each by
    itself.
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
            public = head.kind is not Kind.ITEM or head.uuid == root or choice.every_item
            if not public and not packages.layout.archived(head.uuid):  # asked only now: what is read is then written
                continue
            seen.add(head.uuid)
            yield head
            if choice.recursive and head.kind is not Kind.ITEM:
                waiting += reversed(moment.children(head.uuid))


class Planned(NamedTuple):
    """What would be written of one kind; files and bytes are those of contents, uncompressed."""

    packages: int = 0
    files: int = 0
    bytes: int = 0


def planned(
    packages: Packages, choice: Choice, *, progress: Callable[[int], None] = lambda _count: None
) -> dict[Kind, Planned]:
    """What an export would write, by kind. Raises ConfigError; an event that cannot be read counts as a package."""
    found: dict[Kind, Planned] = {}
    for count, head in enumerate(chosen(packages, choice), 1):
        if head.kind is not Kind.ITEM or _wanted(packages, head, choice):
            known = found.get(head.kind, Planned())
            try:
                files, size = packages.sizes(head.uuid)
            except (AipstreamError, ValueError):
                files, size = 0, 0
            found[head.kind] = Planned(known.packages + 1, known.files + files, known.bytes + size)
        progress(count)
    return found


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
        for path in folder.iterdir():
            if _HALF.fullmatch(path.name):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageUnusable(f"the folder {folder} cannot be used: {error.strerror or error}") from error
    containers: list[Head] = []
    count = 0

    def write(head: Head) -> None:
        nonlocal count
        try:
            done.add(packages.write(head.uuid, folder))
        except StorageUnusable:
            raise
        except (AipstreamError, ValueError) as error:
            packages.layout.missing.add(head.uuid)
            done.refused.append(Refused(head.uuid, head.kind, head.handle, type(error).__name__, str(error)))
        count += 1
        progress(count)

    for head in chosen(packages, choice):
        if stopped():
            break
        if head.kind is not Kind.ITEM:
            containers.append(head)
        elif _wanted(packages, head, choice):
            write(head)
        else:
            done.passed_over += 1
    for head in reversed(containers):
        if stopped():
            break
        write(head)
    durable(folder)
    if packages.options.release is not None and choice.recursive and not choice.every_item:
        done.losses += _not_of_the_archive(packages, containers)
    return done


def _not_of_the_archive(packages: Packages, containers: Sequence[Head]) -> Iterator[Loss]:
    """The items of those containers that have no package, because stock DSpace would publish them."""
    seen: set[Uuid] = set()
    for head in containers:
        for each in packages.moment.children(head.uuid):
            if each.kind is Kind.ITEM and each.uuid not in seen and not packages.layout.archived(each.uuid):
                seen.add(each.uuid)
                aip = packages.moment.aip(each.uuid)
                if aip is not None:
                    yield from losses(aip, None)


def _wanted(packages: Packages, head: Head, choice: Choice) -> bool:
    if choice.updated_after is None:
        return True
    try:
        aip = packages.moment.aip(head.uuid)
    except (AipstreamError, ValueError):
        return True  # it is told when its package is written
    own = next((row for row in aip.items if row.uuid == head.uuid), None) if aip is not None else None
    return own is None or own.last_modified is None or _instant(own.last_modified) > _instant(choice.updated_after)


def _instant(text: str) -> str:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<6}"


def roots(moment: Moment, things: Sequence[str]) -> tuple[Uuid, ...]:
    """The objects meant by `site`, handles and UUIDs; the site if none is named. Raises ConfigError."""
    found = []
    for thing in things or ("site",):
        if thing == "site":
            site = moment.site()
            if site is None:
                raise ConfigError(
                    f"the log has no site at position {moment.at}", "Name a community, a collection or an item."
                )
            found.append(site.uuid)
            continue
        uuid = moment.uuid(thing.removeprefix("hdl:")) or (thing.lower() if thing.lower() in moment.heads else None)
        if uuid is None:
            raise ConfigError(
                f"at position {moment.at} nothing has the handle or UUID {thing!r}",
                "`aipstream log HANDLE` tells when it was there; --at chooses another moment.",
            )
        found.append(uuid)
    return tuple(dict.fromkeys(found))
