"""The native target with several replayers: see `daemon.target.parallel` for the order and why it converges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg2
import psycopg2.errors

from daemon.dspace.sequences import SequenceChange
from daemon.failpoint import failpoint
from daemon.target import ledger
from daemon.target.applied import Applied
from daemon.target.batch import Ahead, is_old, newest
from daemon.target.parallel.crew import Crew
from daemon.target.parallel.divide import Link, Parts, divide, parted
from daemon.target.parallel.edges import edges
from daemon.target.parallel.worker import Plan
from daemon.target.replay import NativeTarget
from events.aip.model import Kind, Uuid, derived_uuid
from events.blobs import Blobs
from events.event import Position
from events.log import Entry, Log

LEAST: Final = 100
"""Items below which a window is not worth dividing: asking the workers costs more than they save."""

_OF_EACH_OTHER: Final = {
    each.__name__
    for each in (
        psycopg2.errors.UniqueViolation,
        psycopg2.errors.ForeignKeyViolation,
        psycopg2.errors.DeadlockDetected,
        psycopg2.errors.SerializationFailure,
        psycopg2.errors.LockNotAvailable,
    )
}
"""Why an object may have been parked that one process alone would have written."""


class ParallelTarget(NativeTarget):
    """A target database with its assetstore, written by `replayers` processes besides this one."""

    def __init__(
        self,
        plan: Plan,
        blobs: Blobs,
        log: Log,
        *,
        replayers: int,
        batch: int,
        least: int = LEAST,
    ) -> None:
        """`batch` is what one transaction takes at most where nothing is divided."""
        super().__init__(
            plan.dsn,
            plan.assetstore,
            blobs,
            log,
            passwords=plan.passwords,
            drafts=plan.drafts,
            on_drift=plan.on_drift,
            indexed=plan.indexed,
        )
        self.width = replayers
        self.crew: Crew | None = None
        self._plan = plan
        self._batch, self._least = batch, least
        self._held: list[Uuid] | None = None
        self._following: Sequence[Entry] = ()
        self._asked: Sequence[Entry] = ()

    def expect(self, entries: Sequence[Entry]) -> None:
        """What will be applied after the next window: it is decoded while that is written."""
        self._following = entries

    def apply(self, entries: Sequence[Entry], ahead: Ahead | None = None) -> Applied:
        """See `NativeTarget.apply`; `ahead` is not needed."""
        try:
            return self._window(entries, ahead)
        except BaseException:
            self._dismiss()
            raise

    def finish(self) -> list[SequenceChange]:
        """Move the sequences; whoever does so has nothing to write for a while, so the workers are sent home."""
        self._dismiss()
        return super().finish()

    def close(self) -> None:
        """Give locks, processes and connections back."""
        self._dismiss()
        super().close()

    # --- a window -----------------------------------------------------------------------------------------------------

    def _window(self, entries: Sequence[Entry], ahead: Ahead | None) -> Applied:
        following, self._following = self._following, ()
        parts = parted(newest(entries))
        items = self._new(parts.items) if parts is not None else []
        if parts is None or len(items) < self._least:
            return self._undivided(entries, ahead)
        crew = self._crew()
        links = self._links(crew, entries, items)
        if _clash(parts, links):
            return self._undivided(entries, ahead)
        self._begin(entries[-1].position)
        self._held = []
        try:
            done = self._apply(parts.first) if parts.first else Applied()
            joined = edges(self.connection, [entry.event.uuid for entry in items], set().union(*links.values()))
            self.connection.rollback()
            written, arrived = crew.write(divide(items, links, joined, self.width), lambda: self._ask(crew, following))
            done.add(written)
            done.old += len(parts.items) - len(items)
            failpoint("replay.shared")
            done.add(self._apply(parts.last, move_to=entries[-1]))
            arrived += self._held
        finally:
            self._held = None
        if done.parked:
            done.add(self._conflicts(items))
        super()._arrive(arrived, done)
        done.events = len(entries)
        return done

    def _undivided(self, entries: Sequence[Entry], ahead: Ahead | None) -> Applied:
        """The same by this process alone. A window that was begun is one batch, so that it ends as it would have."""
        if len(entries) <= self._batch or self.begun() > self.position():
            return super().apply(entries, ahead)
        done = Applied()
        for start in range(0, len(entries), self._batch):
            done.add(super().apply(entries[start : start + self._batch]))
        return done

    def _new(self, items: Sequence[Entry]) -> list[Entry]:
        """Those that are not applied yet."""
        stands = ledger.standings(self.connection, [entry.event.uuid for entry in items])
        self.connection.rollback()
        return [entry for entry in items if not is_old(entry, stands.get(entry.event.uuid))]

    def _begin(self, until: Position) -> None:
        """Note where the window ends, before anything of it is written."""
        ledger.begin(self.connection, self.log.identity, until)
        self.connection.commit()
        failpoint("replay.begun")

    def _conflicts(self, items: Sequence[Entry]) -> Applied:
        """Once more by this process alone: what was refused only because another process was at it goes through."""
        rows = self.parked([entry.event.uuid for entry in items])
        refused = [row.uuid for row in rows if row.error in _OF_EACH_OTHER]
        return self.retry(refused) if refused else Applied()

    def _arrive(self, arrived: Sequence[Uuid], done: Applied) -> None:
        """While a window is under way nothing is released: it could be in a worker's hands."""
        if self._held is None:
            super()._arrive(arrived, done)
        else:
            self._held += arrived

    # --- the workers --------------------------------------------------------------------------------------------------

    def _crew(self) -> Crew:
        self.connection  # noqa: B018 - nobody writes before the lock is ours
        if self.crew is None:
            self.crew = Crew(self._plan, self.width)
        return self.crew

    def _ask(self, crew: Crew, entries: Sequence[Entry]) -> None:
        """Have the items of a window decoded, as far as it will probably be divided."""
        parts = parted(newest(entries)) if entries else None
        items = self._new(parts.items) if parts is not None else []
        if len(items) >= self._least:
            crew.decode(items)
            self._asked = entries

    def _links(self, crew: Crew, entries: Sequence[Entry], items: Sequence[Entry]) -> dict[Position, frozenset[Link]]:
        asked, self._asked = self._asked, ()
        if asked is not entries:
            if asked:
                crew.decoded()  # of a window that came otherwise
            crew.decode(items)
        wanted = {entry.position for entry in items}
        return {at: links for at, links in crew.decoded().items() if at in wanted}

    def _dismiss(self) -> None:
        if self.crew is not None:
            self.crew.dismiss()
        self.crew, self._asked = None, ()


def _clash(parts: Parts, links: dict[Position, frozenset[Link]]) -> bool:
    """Whether a tombstone of the window has the name of an item's identifier in it: then the item counts, which only
    one batch can tell.
    """
    stones = {entry.event.uuid for entry in parts.last if entry.event.kind is Kind.TOMBSTONE}
    names = {"h": "handle", "d": "doi"}
    return bool(stones) and any(
        derived_uuid(f"{names[kind]}/{name}") in stones
        for each in links.values()
        for kind, name in each
        if kind in names
    )
