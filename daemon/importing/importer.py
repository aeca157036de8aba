"""One import: package after package, each planned, its contents taken, and written; what is refused is named.

Invariants:

* A package is written whole or not at all; one that is refused stops no other. What it contains then waits for it, and
  is refused as well, by name.
* A second run of the same import (a first one was killed, say) writes nothing that is there already; only mode submit
  without `once` makes everything anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from daemon.importing.contents import Contents
from daemon.importing.destination import Destination
from daemon.importing.options import Mode, Options
from daemon.importing.order import Found, find
from daemon.importing.people import Account
from daemon.importing.refusals import ParentMissing, StillInUse
from daemon.importing.resolved import Plan, Resolver
from daemon.losses import Loss
from events.aip.model import KIND_ORDER, Aip, Kind, Uuid
from events.errors import (
    AipstreamError,
    ConfigError,
    GapInLog,
    Interrupted,
    InvalidPackage,
    Locked,
    NameUnknown,
    StorageUnusable,
    TargetUnreachable,
)
from events.instants import now
from events.package import Package
from events.package.reading import open_package

AT_ONCE: Final = 50
"""Packages of items that are written together, at most."""
AT_ONCE_BYTES: Final = 64 << 20
ACCOUNTS_AT_ONCE: Final = 500

_OF_ALL: Final = (ConfigError, GapInLog, StorageUnusable, TargetUnreachable, Locked, Interrupted)
"""No fault of one package: every other one would meet it too."""

DONE: Final = {"create": "created", "replace": "replaced", "unchanged": "unchanged", "keep": "kept"}


class Outcome(NamedTuple):
    """What became of one object. `what` is created, replaced, unchanged, kept, skipped, deleted or refused."""

    what: str
    path: str
    kind: str = ""
    handle: str | None = None
    uuid: Uuid = ""
    error: str = ""
    message: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class Report:
    """What came of an import: how many of what, and by name what is worth to be told."""

    counts: Counter[str] = field(default_factory=Counter)
    told: list[Outcome] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    no_packages: list[tuple[str, str]] = field(default_factory=list)

    @property
    def refused(self) -> list[Outcome]:
        """What was not imported though it should have been."""
        return [each for each in self.told if each.what == "refused"]


class Importer:
    """Imports into one destination. `stopped` is asked between packages, `progress` is told how many are done."""

    def __init__(
        self,
        destination: Destination,
        options: Options,
        *,
        dry_run: bool = False,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        self.destination = destination
        self.options = options
        self.dry_run = dry_run
        self.stopped = stopped
        self.progress = progress
        self.resolver = Resolver(destination, options, now())
        self.report = Report()
        self._open: list[Package] = []
        self._waiting: dict[Uuid, tuple[Outcome, Package | None]] = {}
        self._bytes = 0
        self._later: list[Aip] = []
        self._orphans: list[Path] = []
        self._retrying = False

    def __call__(self, paths: Iterable[Path]) -> Report:
        """Import the packages among those paths. Raises what concerns every package; what was written then stays."""
        found = find(
            paths, recursive=self.options.recursive, limits=self.options.limits, at=self.options.at,
            shelf=self.options.shelf,
        )  # fmt: skip
        self.resolver.listed = found.handles
        self.report.no_packages = [(str(path), why) for path, why in found.skipped]
        for broken in found.broken:
            self._refuse(broken.path, None, broken.error)
        if self.options.mode is Mode.SUBMIT and self.options.parent is not None:
            self._need_parent(self.options.parent)
        total = len(found.first) + len(found.containers) + len(found.items) + len(found.catalogs) + len(found.retired)
        try:
            for number, path in enumerate(found.ordered()):
                self._between(number, total)
                self._one(path)
            self._flush()
            self._orphans_again()
            self._accounts_again()
            self._flush()
        finally:
            for package in self._open:
                package.close()
        self._missing(found)
        self.report.losses += self.destination.losses()
        self.progress(total, total)
        return self.report

    def _need_parent(self, handle: str) -> None:
        if handle.lower() != "site" and self.destination.holder(handle) is None:
            raise ConfigError(
                f"--parent {handle}: nothing there has that handle",
                "Give the handle of a community or collection that is there, or `site`.",
            )

    def _between(self, number: int, total: int) -> None:
        self.progress(number, total)
        if self.stopped():
            self._flush()
            raise Interrupted("interrupted", "What was imported stays; the same command goes on from there.")

    # --- one package ------------------------------------------------------------------------------------------------

    def _one(self, path: Path) -> None:
        try:
            package = open_package(path, self.options.limits, self.options.at, self.options.shelf)
        except (AipstreamError, OSError) as error:
            self._refuse(path, None, error)
            return
        keep = False
        try:
            keep = self._package(package)
        except _OF_ALL:
            raise
        except (AipstreamError, ValueError, OSError) as error:
            self._refused(package, error)
        finally:
            if not keep:
                package.close()

    def _package(self, package: Package) -> bool:
        """Do what the package asks for. Whether it has to stay open until the next flush."""
        options = self.options
        if options.validate and package.doubts:
            raise InvalidPackage(f"{package.path}: {'; '.join(package.doubts[:5])}", "Without `validate` it is taken.")
        if package.form == "mets" and options.manifest_only is False:
            raise InvalidPackage(
                f"{package.path}: a manifest by itself", "`-o manifestOnly=true`, or leave the option away."
            )
        if package.deleted:
            self._catalog(package)
            return False
        aip = package.aip
        if aip is None:
            self._people(package.people, str(package.path))
            return False
        if options.updated_after and aip.kind is Kind.ITEM and _modified(package, aip) <= options.updated_after:
            self._tell(Outcome("skipped", str(package.path), aip.kind.value, aip.handle, aip.uuid,
                               notes=("not updated since",)))  # fmt: skip
            return False
        if aip.kind is Kind.SITE:
            self._people(package.people, str(package.path))
        elif aip.kind is not Kind.ITEM:
            self._flush()
        plan = self.resolver.plan(package, self.destination.mint)
        return self._carried_out(package, plan)

    def _carried_out(self, package: Package, plan: Plan) -> bool:
        outcome = Outcome(
            DONE[plan.action], str(package.path), plan.kind.value, plan.handle, plan.uuid, notes=tuple(plan.notes)
        )
        if plan.action not in ("create", "replace"):
            self._accounts(plan.accounts, str(package.path))
            self._tell(outcome)
            return False
        contents = Contents(package, plan, self.options, self.destination)
        aip = contents.settle(dry_run=self.dry_run)
        if plan.uuid in self._waiting:
            self._flush()
        made = [each for each in plan.accounts if each.aip is not None]
        registries = [*plan.registries, *(row for each in made for row in each.registries)]
        self.destination.put([*registries, *(each.aip for each in made if each.aip), aip], contents.open)
        self._waiting[aip.uuid] = (outcome._replace(notes=tuple(plan.notes)), package)
        self._open.append(package)
        self._bytes += sum(row.size for row in aip.bitstreams)
        if plan.kind is not Kind.ITEM:
            if aip.uuid not in self._flush():
                self._accounts(plan.accounts, str(package.path), written=True)
        elif len(self._open) >= AT_ONCE or self._bytes >= AT_ONCE_BYTES:
            self._flush()
        return True

    def _flush(self) -> set[Uuid]:
        """Have everything written that was put, and tell what became of it; what of it was refused."""
        refused = {each.uuid: each.error for each in self.destination.flush()}
        for uuid, (outcome, package) in self._waiting.items():
            if uuid not in refused:
                self._tell(outcome)
            elif package is not None:
                self._refused(package, refused[uuid])
            else:
                self._tell(_refusal(outcome, refused[uuid]))
        for package in self._open:
            package.close()
        self._waiting, self._open, self._bytes = {}, [], 0
        return set(refused)

    # --- people and groups ------------------------------------------------------------------------------------------

    def _people(self, aips: Sequence[Aip], where: str) -> None:
        self._accounts(self.resolver.accounts.plan(aips), where)
        self._flush()

    def _accounts(self, accounts: Sequence[Account], where: str, *, written: bool = False) -> None:
        """Have them written, unless that is `written` already, and tell what becomes of each."""
        for each in accounts:
            waits = each.later and not self._retrying
            if waits:
                self._later.append(each.source)
                if not each.name:
                    continue  # what it is called will be known when its container is there
            outcome = Outcome(
                "skipped" if not each.name else DONE.get(each.action, "refused"), where, each.kind.value,
                each.name or None, each.uuid, notes=() if waits else tuple(each.notes),
            )  # fmt: skip
            if each.error is not None:
                outcome = _refusal(outcome, each.error)
            if each.aip is None:
                self._tell(outcome)
                continue
            self.resolver.accounts.made.add(each.uuid)
            if written:
                self._tell(outcome)
                continue
            self.destination.put([*each.registries, each.aip], _no_contents)
            self._waiting[each.uuid] = (outcome, None)
            if len(self._waiting) >= ACCOUNTS_AT_ONCE:
                self._flush()

    def _accounts_again(self) -> None:
        """Groups that had members, or names, of what came only later."""
        if self._later:
            self._retrying = True
            self._people(self._later, "")

    # --- what could not be done -------------------------------------------------------------------------------------

    def _orphans_again(self) -> None:
        """What came before its container, because its name said something else than its content."""
        while self._orphans:
            again, self._orphans = self._orphans, []
            before = self.report.counts["created"] + self.report.counts["unchanged"]
            arrived = [path for path in again if self._has_parent(path)]
            if not arrived:
                break
            for path in arrived:
                self.report.told = [each for each in self.report.told if each.path != str(path)]
                self.report.counts["refused"] -= 1
                self._one(path)
            self._flush()
            if self.report.counts["created"] + self.report.counts["unchanged"] == before:
                break

    def _has_parent(self, path: Path) -> bool:
        try:
            with open_package(path, self.options.limits, self.options.at, self.options.shelf) as package:
                return package.parent is not None and self.resolver.container(package.parent) is not None
        except (AipstreamError, OSError):
            return False

    def _refused(self, package: Package, error: Exception) -> None:
        self.resolver.forget(package)
        if isinstance(error, ParentMissing):
            self._orphans.append(package.path)
            if self.options.skip_if_parent_missing:
                aip = package.aip
                self._tell(Outcome("skipped", str(package.path), aip.kind.value if aip else "",
                                   aip.handle if aip else None, aip.uuid if aip else "",
                                   notes=(str(error),)))  # fmt: skip
                return
        self._refuse(package.path, package.aip, error)

    def _refuse(self, path: Path, aip: Aip | None, error: Exception) -> None:
        outcome = Outcome("refused", str(path))
        if aip is not None:
            outcome = Outcome("refused", str(path), aip.kind.value, aip.handle, aip.uuid)
        self._tell(_refusal(outcome, error))

    def _tell(self, outcome: Outcome) -> None:
        self.report.counts[outcome.what] += 1
        given = self.options.new_handle and outcome.what == "created"
        if outcome.what in ("refused", "deleted") or outcome.notes or given or self.dry_run:
            self.report.told.append(outcome)
        told = ("created", "replaced", *(["unchanged"] if outcome.kind == Kind.REGISTRY else []))
        if outcome.notes and outcome.kind and outcome.what in told:
            kind = Kind(outcome.kind)
            self.report.losses += [
                Loss(outcome.uuid, kind, outcome.handle, "import", 1, note) for note in outcome.notes
            ]

    def _missing(self, found: Found) -> None:
        """Children that a package names, whose own package is not beside it, and which are not there either."""
        for each in found.missing:
            handle = each.child.handle
            if handle is None or self.resolver.container(handle) is None:
                name = each.child.package or handle or "one without a name"
                self.report.missing.append(f"{each.parent}: its {each.child.kind} {name}")

    # --- deletions --------------------------------------------------------------------------------------------------

    def _catalog(self, package: Package) -> None:
        """Delete what a catalog of deletions names, children first; only in mode replace."""
        there = [(handle, found) for handle in package.deleted if (found := self.destination.holder(handle))]
        if self.options.mode is not Mode.REPLACE:
            self._tell(Outcome("skipped", str(package.path), notes=(
                "a catalog of deletions is carried out in mode replace only",)))  # fmt: skip
            return
        self._flush()
        objects = sorted(
            {found for _, found in there if found[0] in (Kind.ITEM, Kind.COLLECTION, Kind.COMMUNITY)},
            key=lambda each: (-KIND_ORDER[each[0]], each[1]),
        )
        gone = {uuid for _, uuid in objects}
        for kind, uuid in objects:
            left = self.destination.held_below(uuid) - gone if kind is not Kind.ITEM else set()
            if left:
                raise StillInUse(f"{package.path}: {kind} {uuid} still holds {len(left)} others, {min(left)} for one")
        self.destination.delete(objects)
        handles = {found[1]: handle for handle, found in there}
        for kind, uuid in objects:
            self._tell(Outcome("deleted", str(package.path), kind.value, handles[uuid], uuid))
        if not objects:
            self._tell(Outcome("unchanged", str(package.path), notes=("nothing that it names is there",)))


def _refusal(outcome: Outcome, error: Exception) -> Outcome:
    message = " ".join(str(error).split()) or type(error).__name__
    hint = error.hint if isinstance(error, AipstreamError) else ""
    return outcome._replace(what="refused", error=type(error).__name__, message=message, hint=hint)


def _modified(package: Package, aip: Aip) -> str:
    """When the item was last modified, by the clock that `updatedAfter` goes by."""
    if package.modified:
        return package.modified[:19]
    said = next((row.last_modified for row in aip.items if row.uuid == aip.uuid), None)
    if not said:
        return "9999"
    return datetime.fromisoformat(said).astimezone().replace(tzinfo=None).isoformat(timespec="seconds")


def _no_contents(bitstream: Uuid, sha256: str) -> BinaryIO:
    raise NameUnknown(f"people and groups have no files: {bitstream} {sha256}")
