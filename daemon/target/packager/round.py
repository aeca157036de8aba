"""One round: the works of a piece of the log, carried out in their order.

Invariant: what a work comes to is noted in the books before the next run begins. So a round that ends anywhere, by a
signal or an error, has done what the books say it has, and the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from daemon.failpoint import failpoint
from daemon.losses import Loss
from daemon.target.applied import Applied, ParentMissing
from daemon.target.batch import decode, parked
from daemon.target.ledger import Parked
from daemon.target.packager import accounts, kept, packing, registries
from daemon.target.packager.books import Standing, State
from daemon.target.packager.carried import losses as lost_of
from daemon.target.packager.going import Going
from daemon.target.packager.loader import Loader, PackageRefused, Prepared
from daemon.target.packager.steps import Phase, Work, container_of_role, ordered
from events.aip.model import Aip, Kind, Uuid
from events.errors import BlobMissing, ChecksumMismatch, InvalidAip
from events.event import Position, Type
from events.log import Entry

if TYPE_CHECKING:
    from daemon.target.packager.target import PackagerTarget

logger = structlog.get_logger(__name__)

PACKAGES: Final = 25
BYTES: Final = 512 * 1024 * 1024
ROLES: Final = 500
"""What one run of the packager takes at most: packages, bytes of packages, people and groups.

A run is one Hibernate session, in which a package costs the more the more there are: measured on 7.6.6, a JVM for each
takes 2.6 s a package, ten in one 0.44 s, 25 0.39 s, 50 0.49 s.
"""

_LOADED: Final = frozenset(range(Phase.PEOPLE, Phase.NOTHING))
_BROKEN: Final = (InvalidAip, ValueError, BlobMissing, ChecksumMismatch)
"""What is one object's own fault, before DSpace is asked."""


class Round:
    """Carries out `works`, which stand in the log at or before `at`. Afterwards `applied` says what came of them."""

    def __init__(self, target: PackagerTarget, works: Sequence[Work], at: Position, *, again: bool = False) -> None:
        self.target, self.at, self.again = target, at, again
        self.books, self.command = target.books, target.command
        self.folder = self.command.scratch
        self.works = works
        self.applied = Applied()
        self.arrived: set[Uuid] = set()
        self.tried = {work.uuid for work in works}
        self.new_names = False
        self.stopped = False
        self._done = 0
        self._on_the_way: set[Uuid] = set()
        self.failed: set[Uuid] = set()
        self._orphans: list[Parked] = []
        self._loader = Loader(
            self.command,
            target.eperson,
            self.folder,
            _site(works),
            loaded=self._loaded,
            refused=self._refused,
            still=self._still,
        )

    def run(self) -> None:
        """All of it, or until `stopped` of the target says so. Raises PackagerFailed, TargetUnreachable,
        StorageUnusable; what was done until then is noted.
        """
        self.progress(0)
        self._registries([work for work in self.works if work.phase is Phase.REGISTRIES])
        self.runs(self._prepared([work for work in self.works if work.phase in _LOADED]))
        if self.stopped:
            return
        for work in self.works:
            if work.phase is Phase.NOTHING:
                self._left_out(work)
        Going(self).run([work for work in self.works if work.phase > Phase.NOTHING])

    # --- registries -------------------------------------------------------------------------------------------------

    def _registries(self, works: Sequence[Work]) -> None:
        read = [(work, aip) for work in works if (aip := self._read(work)) is not None]
        for work, aip, error in registries.load(self.command, self.folder, read):
            if error is not None:
                self.park(work, PackageRefused(error))
            else:
                there = Standing(work.uuid, work.kind, work.position, State.THERE, aip.key)
                self.note([there], lost_of(aip, self.target.version))
                self.new_names = True
                self.applied.written += 1
            self.progress(1)

    # --- packages ---------------------------------------------------------------------------------------------------

    def runs(self, prepared: Iterable[Prepared]) -> None:
        """Cut into runs and load each. People and groups stand in the package on top, so they begin a run."""
        run: list[Prepared] = []
        for each in prepared:
            packages = sum(len(one.files) for one in run)
            size = each.size + sum(one.size for one in run)
            if run and (
                each.instead is not None
                or run[0].instead is not None
                or packages + len(each.files) > PACKAGES
                or size > BYTES
                or (bool(each.roles) and packages > 0)
                or len(run) >= ROLES
            ):
                self._load(run)
                run = []
                if self.stopped:
                    return
            run.append(each)
        self._load(run)
        self._loader.flush()
        orphans, self._orphans = self._orphans, []
        for orphan in orphans:
            self._put_aside(orphan)

    def _load(self, run: Sequence[Prepared]) -> None:
        if not self.target.stopped():
            failpoint("replay.files")
            self._loader.load(self._still(run))
        else:
            self.stopped = True
        for each in run:
            for name in each.files:
                (self.folder / name).unlink(missing_ok=True)

    def _loaded(self, run: Sequence[Prepared]) -> None:
        failpoint("replay.written")
        for each in run:
            self.arrived.add(each.work.uuid)
            self.new_names |= each.work.kind in (Kind.PERSON, Kind.GROUP) and each.work.before is None
            self.applied.losses += each.losses
        self.books.note([each.standing for each in run], [loss for each in run for loss in each.losses])
        failpoint("replay.recorded")
        self.applied.written += len(run)
        self.applied.files += sum(len(each.files) for each in run)
        self.progress(len(run))

    def _refused(self, prepared: Prepared, reason: str) -> None:
        self.park(prepared.work, PackageRefused(reason))
        self.progress(1)

    def _still(self, run: Sequence[Prepared]) -> Sequence[Prepared]:
        """Those whose container was not refused meanwhile; what is in a container that was waits for it."""
        refused = self.failed | self._loader.pending()
        kept_back = []
        for each in run:
            parent = each.work.parent
            there = each.work.before is not None and each.work.before.present
            if parent in refused and not there and self._no_parent(each.work, waiting=False):
                self._orphan(each.work)
                refused = refused | {each.work.uuid}
            else:
                kept_back.append(each)
        return kept_back

    def _orphan(self, work: Work) -> None:
        self.failed.add(work.uuid)
        error = ParentMissing(
            f"{work.kind} {work.event.handle or work.uuid} belongs to {work.parent}, which is not on the target"
        )
        self._orphans.append(parked(Entry(work.position, work.event), error, [work.parent] if work.parent else []))

    # --- preparing --------------------------------------------------------------------------------------------------

    def _prepared(self, works: Sequence[Work]) -> Iterator[Prepared]:
        for work, aip in self._with_role_groups(works):
            if self._no_parent(work):
                self._orphan(work)
                continue
            found = aip if aip is not None else self._read(work)
            if found is None:
                continue
            try:
                prepared = (
                    self._roles(work, found) if work.kind in (Kind.PERSON, Kind.GROUP) else self._pack(work, found)
                )
            except _BROKEN as error:
                self.park(work, error)
                continue
            if prepared is not None:
                self._on_the_way.add(work.uuid)
                yield prepared

    def _with_role_groups(self, works: Sequence[Work]) -> Iterator[tuple[Work, Aip | None]]:
        """The works in order, the groups of roles after the containers; a group that contains such a group comes
        twice, the first time without it.
        """
        groups: dict[Uuid, Aip] = {}
        found: list[Work] = []
        for work in works:
            aip = self._read(work) if work.phase is Phase.GROUPS else None
            if work.phase is not Phase.GROUPS or aip is None:
                found += [work] if work.phase is not Phase.GROUPS else []
                continue
            groups[work.uuid] = aip
            late = container_of_role(aip.group.name if aip.group else None) is not None
            if not late:
                found.append(work)
            if late or _of_roles(aip):
                found.append(work._replace(phase=Phase.ROLE_GROUPS))
        for work in ordered(found):
            aip = groups.get(work.uuid)
            if aip is not None and work.phase is Phase.GROUPS and (inner := _of_roles(aip)):
                aip = replace(aip, groups_in=[row for row in aip.groups_in if row.other not in inner])
            yield work, aip

    def _no_parent(self, work: Work, *, waiting: bool = True) -> bool:
        """Whether the container is missing on the target though the log knows it. `waiting`: it may be on its way."""
        parent = work.parent
        if parent is None or parent in self.arrived or (waiting and parent in self._on_the_way):
            return False
        if work.before is not None and work.before.present:
            return False
        stands = self.books.standings([parent]).get(parent)
        if stands is not None and stands.present:
            return False
        entry = self.target.log.latest(parent, self.at, whole=False)
        return entry is not None and entry.event.type is Type.PUT

    def _roles(self, work: Work, aip: Aip) -> Prepared | None:
        """A person or group, for the roles of the package on top."""
        container = container_of_role(aip.group.name if aip.group else None)
        if container is not None and not self.again and not (work.before and work.before.present):
            entry = self.target.log.latest(container, self.at)
            owner = decode(entry.event) if entry is not None and entry.event.type is Type.PUT else None
            stands = self.books.standings([container]).get(container)
            if owner is not None and (
                work.uuid not in packing.roles(owner)
                or not (container in self._on_the_way or (stands is not None and stands.present))
            ):
                error = ParentMissing(
                    f"group {aip.group.name if aip.group else work.uuid} waits for its {owner.kind}, which makes it"
                )
                self._orphans.append(parked(Entry(work.position, work.event), error, [container]))
                return None
        if aip.person is not None and not self.target.passwords:
            aip = replace(aip, person=replace(aip.person, password=None, salt=None, digest_algorithm=None))
        work = self._renamed(work, aip)
        after = kept.standing(work, aip, work.position)
        if work.phase is Phase.GROUPS and _of_roles_left(aip, work):
            after = after._replace(position=work.position - 1)
        return Prepared(work, after, roles=(aip,), losses=self._lost(work, aip, after))

    def _renamed(self, work: Work, aip: Aip) -> Work:
        """Give an account its new address, so that its roles find it. If that is refused, the old one stays beside."""
        old, new = work.before.name if work.before and work.before.present else None, kept.name_of(aip)
        if work.before is None or aip.kind is not Kind.PERSON or not old or not new or old == new:
            return work
        if old == self.target.eperson:
            return work
        reason = accounts.rename(self.command, old, new)
        if reason is not None:
            logger.warning("packager.not_renamed", uuid=work.uuid, reason=reason)
            return work
        return work._replace(before=work.before._replace(name=new))

    def _pack(self, work: Work, aip: Aip) -> Prepared | None:
        """The packages of a community, collection or item. None for an item that stock would publish."""
        before = work.before if work.before is not None and work.before.present else None
        withdrawn = kept.is_withdrawn(aip)
        if aip.kind is Kind.ITEM and before is None and not withdrawn and not kept.is_archived(aip):
            self._left_out(work, aip)
            return None
        after = kept.standing(work, aip, work.position)
        groups = [] if aip.kind is Kind.ITEM else self._groups_of(aip)
        size, names = 0, []
        ways = _ways(withdrawn, before)
        for way in ways:
            names.append(f"{aip.kind}-{aip.uuid}-{way}.zip")
            size += packing.write(aip, self.folder / names[-1], self.target.blobs, groups=groups, way=way)
        instead = before.name if before is not None and before.name and before.name != aip.handle else None
        return Prepared(
            work,
            after,
            tuple(names),
            size=size,
            losses=self._lost(work, aip, after, "withdraw" in ways),
            instead=instead,
        )

    def _lost(self, work: Work, aip: Aip, after: Standing, withdraws: bool = False) -> tuple[Loss, ...]:
        prior = None
        if work.before is not None and work.before.present:
            entry = self.target.log.latest(work.uuid, work.before.position)
            prior = decode(entry.event) if entry is not None and entry.event.type is Type.PUT else None
        return tuple(lost_of(aip, self.target.version, after, prior, withdraws=withdraws))

    def _groups_of(self, aip: Aip) -> list[Aip]:
        """The groups of a container's roles, as they stand at this moment."""
        found = []
        for group in packing.roles(aip):
            entry = self.target.log.latest(group, self.at)
            if entry is not None and entry.event.type is Type.PUT:
                found.append(decode(entry.event))
        return found

    # --- what has no package ------------------------------------------------------------------------------------------

    def _left_out(self, work: Work, aip: Aip | None = None) -> None:
        """A site or a tombstone, of which stock carries nothing, and items that are not of the archive."""
        lost: list[Loss] = []
        if not work.gone:
            found = aip if aip is not None else self._read(work)
            if found is None:
                return
            lost = lost_of(found, self.target.version)
        state = State.DELETED if work.gone else State.LEFT_OUT
        self.note([Standing(work.uuid, work.kind, work.position, state, work.event.handle)], lost)
        self.applied.unchanged += 1
        self.progress(1)

    # --- books --------------------------------------------------------------------------------------------------------

    def _read(self, work: Work) -> Aip | None:
        try:
            return decode(work.event)
        except (InvalidAip, ValueError) as error:
            self.park(work, error)
            return None

    def note(self, standings: Sequence[Standing], losses: Sequence[Loss]) -> None:
        """Keep in the books where those objects stand now, and what of them was lost."""
        self.books.note(standings, losses)
        self.arrived.update(row.uuid for row in standings)
        self.applied.losses += losses

    def park(self, work: Work, error: Exception) -> None:
        """Put the event aside for that reason."""
        self.failed.add(work.uuid)
        self._put_aside(parked(Entry(work.position, work.event), error))

    def _put_aside(self, row: Parked) -> None:
        self.books.note((), (), [row])
        self.applied.parked += 1
        logger.warning("replay.parked", kind=row.kind.value, uuid=row.uuid, error=row.reason.split("\n")[0])

    def stop(self) -> bool:
        """Whether the target should stop; asked between two commands."""
        self.stopped = self.stopped or self.target.stopped()
        return self.stopped

    def progress(self, done: int) -> None:
        """Tell that so many more objects are done."""
        self._done += done
        self.target.progress(self._done, len(self.works))


def _of_roles(aip: Aip) -> set[Uuid]:
    """The groups in a general group that hold roles of containers."""
    named = {row.uuid: row.name for row in aip.names if row.kind is Kind.GROUP}
    return {row.other for row in aip.groups_in if container_of_role(named.get(row.other)) is not None}


def _of_roles_left(aip: Aip, work: Work) -> bool:
    """Whether this is the first of two times that a group is written."""
    return len(decode(work.event).groups_in) != len(aip.groups_in)


def _ways(withdrawn: bool, before: Standing | None) -> tuple[packing.Way, ...]:
    """The packages that bring an object from where it stands to what it is. Stock never reinstates an item."""
    if before is not None and before.state is State.WITHDRAWN:
        return ("withdrawn",)
    return ("plain", "withdraw") if withdrawn else ("plain",)


def _site(works: Sequence[Work]) -> str:
    """A handle for the site: `<prefix>/0`. Stock finds its site by the type alone where it knows no such handle."""
    handle = next((work.event.handle for work in works if work.event.handle and "/" in work.event.handle), "0/0")
    return f"{handle.partition('/')[0]}/0"
