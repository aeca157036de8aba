"""What is gone from the source: deleted where stock has a command for it, else emptied, and named as it stays.

Invariant: a name that another object of the target has taken over is not deleted by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from daemon.failpoint import failpoint
from daemon.losses import Loss
from daemon.target.batch import decode
from daemon.target.packager import accounts, deletion, kept
from daemon.target.packager.books import Standing, State
from daemon.target.packager.loader import PackageRefused, Prepared
from daemon.target.packager.steps import Phase, Work
from events.aip.model import Aip, GroupRow, Kind
from events.event import Type

if TYPE_CHECKING:
    from daemon.target.packager.round import Round

AT_ONCE: Final = 25
"""Items that one command deletes, in one transaction of DSpace."""

_KEEP: Final = frozenset({"Anonymous", "Administrator"})


class Going:
    """The deletions of a round, which come after all else."""

    def __init__(self, of: Round) -> None:
        self.round = of

    def run(self, works: Sequence[Work]) -> None:
        """Contents before containers, people last; each by what stock has for it."""
        names = {work.uuid: self._name_before(work) for work in works}
        taken = self.round.books.named({name for name in names.values() if name})
        items: list[tuple[Work, str]] = []
        emptied: list[Prepared] = []
        for work in works:
            name = names[work.uuid]
            never = work.before is not None and not work.before.present
            if name is None or never or taken.get(name, set()) - {work.uuid}:
                self._deleted([(work, name or "")])  # it is not there, or its row became another object's
            elif work.phase is Phase.GONE_ITEMS:
                items.append((work, name))
            elif work.phase is Phase.GONE_GROUPS and name not in _KEEP:
                empty = Aip(kind=Kind.GROUP, uuid=work.uuid, group=GroupRow(work.uuid, None, name, False))
                stays = self._stays(work, name)
                emptied.append(Prepared(work, stays, roles=(empty,), losses=(self._not_deleted(work, name),)))
        for start in range(0, len(items), AT_ONCE):
            if not self.round.stop():
                deletion.items(
                    self.round.command, self.round.target.eperson, self.round.folder, items[start : start + AT_ONCE],
                    self._deleted, self._not_taken,
                )  # fmt: skip
        if emptied and not self.round.stop():
            self.round.runs(emptied)
        for work in works:
            name = names[work.uuid]
            if name is None or work.uuid in self.round.arrived or work.uuid in self.round.failed or self.round.stop():
                continue
            if work.phase is Phase.GONE_PEOPLE and name != self.round.target.eperson:
                reason = accounts.delete(self.round.command, name)
                if reason is None:
                    self._deleted([(work, name)])
                else:
                    self._not_taken(work, reason)
            elif work.phase not in (Phase.GONE_ITEMS, Phase.GONE_GROUPS) or name in _KEEP:
                self.round.note([self._stays(work, name)], [self._not_deleted(work, name)])
                self.round.applied.unchanged += 1
                self.round.progress(1)

    def _name_before(self, work: Work) -> str | None:
        """What stock finds the object by that is to be deleted; None if it was never there."""
        if work.before is not None and work.before.name:
            return work.before.name
        named = work.kind in (Kind.PERSON, Kind.GROUP)  # in its document
        entry = self.round.target.log.latest(work.uuid, work.position - 1, whole=named)
        if entry is None or entry.event.type is Type.DELETE:
            return None
        if named:
            return kept.name_of(decode(entry.event))
        return entry.event.handle or work.uuid

    def _deleted(self, gone: Sequence[tuple[Work, str]]) -> None:
        failpoint("replay.written")
        rows = [Standing(work.uuid, work.kind, work.position, State.DELETED, name or None) for work, name in gone]
        self.round.note(rows, [])
        self.round.applied.deleted += len(rows)
        self.round.progress(len(rows))

    def _not_taken(self, work: Work, reason: str) -> None:
        self.round.park(work, PackageRefused(reason))
        self.round.progress(1)

    def _stays(self, work: Work, name: str) -> Standing:
        return Standing(work.uuid, work.kind, work.position, State.STAYS, name)

    def _not_deleted(self, work: Work, name: str) -> Loss:
        emptied = ", without its members" if work.kind is Kind.GROUP and name not in _KEEP else ""
        detail = f"{name} stays{emptied}: stock has no command that deletes it; delete it on the target by hand"
        handle = name if work.kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM) else None
        return Loss(work.uuid, work.kind, handle, "deletion", 1, detail)
