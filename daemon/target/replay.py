"""The native target: batches of events applied by SQL, exactly once in effect.

Invariants (and why killing it anywhere is harmless):

1. Files first. They are durable before the transaction that names them commits; a file without a row is harmless.
   (Small ones are written while that transaction is under way, see `daemon.target.placing`.)
2. Objects, ledger and position commit together. So the position never says more or less than the rows.
3. An event that cannot be applied is parked in that same transaction, with its reason, and the position goes on.
   When what it needs arrives, it is applied from the log. Nothing is lost and nothing blocks the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import psycopg2
import psycopg2.errors
import structlog

from daemon.dspace import sequences
from daemon.dspace.connect import Connection, unreachable
from daemon.failpoint import failpoint
from daemon.losses import Loss
from daemon.losses.summary import merged
from daemon.target import ledger, losses, neighbours, reindex
from daemon.target.applied import Applied, EditedOnTarget, ParentMissing
from daemon.target.batch import Ahead, Decided, Drifted, OnDrift, Put, decide, newest, parked
from daemon.target.drift import digests, edited
from daemon.target.files import Assetstore
from daemon.target.held import Held
from daemon.target.native import match, missing_parents, write
from daemon.target.placing import FilesFailed, Placing
from daemon.target.retries import with_retries
from events.aip.model import Kind, Uuid
from events.blobs import Blobs
from events.errors import (
    AipstreamError,
    Locked,
    PreconditionError,
    StorageUnusable,
    TargetUnreachable,
    UnknownField,
)
from events.log import Entry, Log

logger = structlog.get_logger(__name__)

_AT_ONCE = 500
"""Events that are taken from the log at once to be applied again: memory does not grow with what is parked."""

Turn = Literal["next", "again", "back"]
"""Whether events are applied in their turn, once more, or out of it to objects that are known to be otherwise here."""

_OF_ALL = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)
"""No fault of one object: every other one would meet it too, and be parked."""


class NativeTarget(Held):
    """One target database with its assetstore. Not safe for use from several threads."""

    def __init__(
        self,
        dsn: str,
        assetstore: Path,
        blobs: Blobs,
        log: Log,
        *,
        passwords: bool = False,
        drafts: bool = False,
        on_drift: OnDrift = "overwrite",
        indexed: bool = False,
    ) -> None:
        """`indexed`: a search index has to be told what changes, so that is noted (`daemon.target.reindex`)."""
        super().__init__(dsn, Assetstore(assetstore), log, passwords=passwords, drafts=drafts)
        self.blobs = blobs
        self.width = 1
        self.on_drift = on_drift
        self.indexed = indexed
        self._ahead: Ahead = {}
        self._resumed: Connection | None = None

    def expect(self, entries: Sequence[Entry]) -> None:
        """What will be applied after the next batch. One process alone has it decoded by a thread (`ahead`)."""

    # --- batches ----------------------------------------------------------------------------------------------------

    def apply(self, entries: Sequence[Entry], ahead: Ahead | None = None) -> Applied:
        """Apply a run of the log: consecutive entries after the position. Raises TargetUnreachable.

        `ahead` is what `batch.decode_ahead` made of them, if anybody did. The position moves to the last entry.
        What cannot be applied is parked; what it was waiting for releases it.
        """
        self._ahead = ahead or {}
        done = self._apply(newest(entries), move_to=entries[-1] if entries else None)
        self._ahead = {}
        done.events = len(entries)
        return done

    def resume(self) -> Applied:
        """Release what waits for something that is there, once a connection: the last one may have ended just after
        that was committed.
        """
        overdue = ledger.overdue(self.connection)
        self.connection.rollback()
        done = self._again(overdue, last=False) if overdue and self._resumed is not self.connection else Applied()
        self._resumed = self.connection
        return done

    def retry(self, uuids: Sequence[Uuid] | None = None) -> Applied:
        """Try parked events again, all or those of `uuids`, each as it now stands in the log."""
        return self._again([row.uuid for row in self.parked(uuids)])

    def again(self, uuids: Sequence[Uuid]) -> Applied:
        """Apply the last event of each of those objects once more, whatever the ledger says of them.

        Mends what was edited here. Events after the position are left to their turn.
        """
        return self._again(uuids)

    def put_back(self, entries: Sequence[Entry], ahead: Ahead | None = None) -> Applied:
        """Apply events out of their turn, one an object, whatever was applied of them; the position stays.

        The objects are known to be otherwise here, so they are not compared before, and no edit of them is told.
        """
        self._ahead = ahead or {}
        done = self._apply(entries, turn="back")
        self._ahead = {}
        return done

    def retry_conflicts(self) -> Applied:
        """Try together what was refused because of others: two people who exchanged their addresses in one transaction
        of the source, and whose events fell into two batches; or one alone who got what another one gave up, whose
        event came later. What is refused again was counted.
        """
        refused = [row.uuid for row in self.parked() if row.error == psycopg2.errors.UniqueViolation.__name__]
        done = self.retry(refused) if refused else Applied()
        done.parked = 0
        return done

    def finish(self) -> list[sequences.SequenceChange]:
        """Move the sequences forward over everything that was written."""
        failpoint("replay.sequences")
        changes = sequences.advance(self.connection)
        self.connection.commit()
        return changes

    def _again(self, uuids: Sequence[Uuid], *, last: bool = True) -> Applied:
        """Each as it stands last in what was applied of the log, or else as it was applied itself, which is older if
        it was brought back alone.
        """
        place, done = self.position(), Applied()
        for start in range(0, len(uuids), _AT_ONCE):
            some = uuids[start : start + _AT_ONCE]
            # In a batch that is applied in halves, objects are ahead of the position of the whole.
            upto = ledger.reached(self.connection, some)
            self.connection.rollback()
            at = {uuid: max(place, upto.get(uuid, place)) if last else upto.get(uuid, place) for uuid in some}
            found = (self.log.latest(uuid, at=at[uuid]) for uuid in some)
            entries = sorted((entry for entry in found if entry is not None), key=lambda entry: entry.position)
            done.add(self._apply(entries, turn="again"))
        done.released = done.written
        return done

    def _apply(self, entries: Sequence[Entry], *, move_to: Entry | None = None, turn: Turn = "next") -> Applied:
        try:
            done, arrived = with_retries(self.connection, lambda: self._transaction(entries, move_to, turn))
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self.close()
            raise unreachable("target", self.dsn, error) from error
        except (TargetUnreachable, StorageUnusable, Locked):
            self.close()
            raise
        except _OF_ALL as error:
            self.connection.rollback()
            raise PreconditionError(f"[target] {str(error).strip()}") from error
        except (psycopg2.Error, AipstreamError, ValueError) as error:
            self.connection.rollback()
            done, arrived = self._halves(entries, move_to, turn, error)
        failpoint("replay.committed")
        self._arrive(arrived, done)
        return done

    def _arrive(self, arrived: Sequence[Uuid], done: Applied) -> None:
        """Release what has waited for those objects. What is held up as edited was just told, and would be again."""
        if arrived:
            held = set() if self.on_drift == "overwrite" else {each.uuid for each in done.drifted}
            released = [uuid for uuid in ledger.released_by(self.connection, arrived) if uuid not in held]
            self.connection.rollback()
            if released:
                done.add(self._again(released, last=False))

    def _halves(
        self, entries: Sequence[Entry], move_to: Entry | None, turn: Turn, error: Exception
    ) -> tuple[Applied, list[Uuid]]:
        """Find the object that is refused: halve until one is left, park that one, apply the others."""
        if len(entries) <= 1:
            if not entries:
                raise error
            needs = sorted(error.needs) if isinstance(error, UnknownField) else ()
            ledger.park(self.connection, [parked(entries[0], error, needs)])
            self._move(move_to)
            self.connection.commit()
            logger.warning("replay.parked", uuid=entries[0].event.uuid, error=str(error).strip().split("\n")[0])
            return Applied(parked=1), []
        middle = len(entries) // 2
        done = self._apply(entries[:middle], turn=turn)
        done.add(self._apply(entries[middle:], move_to=move_to, turn=turn))
        return done, []

    def _move(self, to: Entry | None) -> None:
        if to is not None:
            ledger.advance(self.connection, self.log.identity, to.position, to.event)

    # --- one transaction ----------------------------------------------------------------------------------------------

    def _transaction(self, entries: Sequence[Entry], move_to: Entry | None, turn: Turn) -> tuple[Applied, list[Uuid]]:
        """Everything of one batch; returns the counts and the objects that are now there."""
        try:
            return self._attempt(entries, move_to, turn, beside=True)
        except FilesFailed:
            self.connection.rollback()
            return self._attempt(entries, move_to, turn, beside=False)

    def _attempt(
        self, entries: Sequence[Entry], move_to: Entry | None, turn: Turn, *, beside: bool
    ) -> tuple[Applied, list[Uuid]]:
        """`beside`: files may be placed while rows are written. Raises FilesFailed then, with nothing committed."""
        connection = self.connection
        standings = ledger.standings(connection, [entry.event.uuid for entry in entries])
        decided = decide(entries, standings, self._ahead, again=turn != "next")
        done = Applied(old=decided.old)
        match(connection, [put.aip for put in decided.puts])
        aside = list(decided.broken)
        puts = decided.puts
        before: dict[Uuid, str] = {}
        if turn != "back":
            puts, before = self._different(decided, standings, done, aside)
        puts = self._with_parents(puts, aside)
        files = Placing(connection, self.assetstore, self.blobs, [put.aip for put in puts])
        beside = beside and files.quick
        if not beside:
            failed = files.place()
            aside += [
                parked(Entry(put.position, put.event), failed[put.event.uuid])
                for put in puts
                if put.event.uuid in failed
            ]
            puts = self._with_parents([put for put in puts if put.event.uuid not in failed], aside)
        done.files = len(files.names)
        with files.beside() if beside else nullcontext():
            self._write(puts, decided, files.names, done, None if turn == "back" else before)
            ledger.park(connection, aside)
            self._move(move_to)
            failpoint("replay.recorded")
        connection.commit()
        done.parked, done.deleted = len(aside), len(decided.deletes)
        there = {put.event.uuid for put in decided.puts} - {each.uuid for each in aside}
        done.right = there.union(entry.event.uuid for entry in decided.deletes) - set(done.differing)
        return done, list(there)

    def _write(
        self,
        puts: Sequence[Put],
        decided: Decided,
        internal_ids: Mapping[Uuid, str],
        done: Applied,
        before: Mapping[Uuid, str] | None,
    ) -> None:
        """The rows of a batch, and what the ledger says of them. `before` are the digests that the objects had; None if
        every one of them is known to change.
        """
        connection = self.connection
        deletes = [(entry.event.kind, entry.event.uuid) for entry in decided.deletes]
        missing: dict[Uuid, set[Uuid]] = {}
        lost: list[Loss] = []
        shapes: reindex.Shapes | None = None
        if puts or deletes:
            aips = [put.aip for put in puts]
            shapes = reindex.before(connection, aips, deletes) if self.indexed else None
            near = neighbours.untouched(connection, aips, deletes, self.options)
            written = write(connection, aips, deletes, self.options, internal_ids)
            if near.changed_by(written.touched):
                neighbours.keep_up(connection, near, self.options)
            if before is None:
                ledger.wait(connection, near.cut)
            missing = written.missing
            lost = merged(written.losses)
            done.losses += lost
        failpoint("replay.written")
        here = self._record(puts, decided, missing, done)
        self._record_losses(puts, decided, lost)
        if shapes is not None:
            changed = [put for put in puts if before is None or before.get(put.event.uuid) != here.get(put.event.uuid)]
            reindex.note(connection, shapes, changed, [entry.event for entry in decided.deletes])

    def _different(
        self, decided: Decided, standings: dict[Uuid, ledger.Standing], done: Applied, aside: list[ledger.Parked]
    ) -> tuple[list[Put], dict[Uuid, str]]:
        """The puts that have something to do, and the digests before; the others are noted in the ledger. Finds edits
        behind our back.
        """
        events = [put.event for put in decided.puts] + [entry.event for entry in decided.deletes]
        here = digests(self.connection, ((event.kind, event.uuid) for event in events), self.options)
        puts: list[Put] = []
        same: list[Put] = []
        for put in decided.puts:
            uuid = put.event.uuid
            if here.get(uuid) == put.event.digest:
                same.append(put)
            elif not self._held_up(Entry(put.position, put.event), standings.get(uuid), here.get(uuid), done, aside):
                puts.append(put)
        decided.deletes[:] = [
            entry
            for entry in decided.deletes
            if not self._held_up(entry, standings.get(entry.event.uuid), here.get(entry.event.uuid), done, aside)
        ]
        done.unchanged = len(same)
        ledger.record(
            self.connection, [(put.event.uuid, put.event.kind, put.event.digest, put.position, False) for put in same]
        )
        if same:
            ledger.settle(self.connection, [(put.event.uuid, put.position) for put in same])
            ledger.set_waiting(self.connection, [put.event.uuid for put in same], {})
            losses.record(self.connection, [(put.event.uuid, put.position) for put in same], [])
        return puts, here

    def _held_up(
        self, entry: Entry, standing: ledger.Standing | None, now: str | None, done: Applied, aside: list[ledger.Parked]
    ) -> bool:
        """Whether the event is not applied because its object was edited here, which is told in any case."""
        event = entry.event
        if not edited(event, standing, now):
            return False
        done.drifted.append(Drifted(event.uuid, event.kind, event.handle))
        if self.on_drift == "park":
            error = EditedOnTarget(f"{event.kind} {event.handle or event.uuid} was edited on the target")
            aside.append(parked(entry, error))
        return self.on_drift != "overwrite"

    def _with_parents(self, puts: list[Put], aside: list[ledger.Parked]) -> list[Put]:
        """The puts whose owners are on the target or among them; the others are put aside, and so are theirs."""
        while missing := missing_parents(self.connection, [put.aip for put in puts]):
            aside += [_orphan(put, needs) for put in puts if (needs := missing.get(put.event.uuid))]
            puts = [put for put in puts if put.event.uuid not in missing]
        return puts

    def _record_losses(self, puts: Sequence[Put], decided: Decided, lost: Sequence[Loss]) -> None:
        """What was lost of those objects now is all that counts."""
        done = [(put.event.uuid, put.position) for put in puts]
        done += [(entry.event.uuid, entry.position) for entry in decided.deletes]
        losses.record(self.connection, done, lost)

    def _record(
        self, puts: Sequence[Put], decided: Decided, missing: dict[Uuid, set[Uuid]], done: Applied
    ) -> dict[Uuid, str]:
        """Note what is there now, and return its digests. What was written but does not read back as the event says is
        told, not hidden.
        """
        here = digests(self.connection, ((put.event.kind, put.event.uuid) for put in puts), self.options)
        rows = []
        for put in puts:
            uuid, now = put.event.uuid, here.get(put.event.uuid, "")
            rows.append((uuid, put.event.kind, now, put.position, False))
            known = put.event.digest and put.event.kind is not Kind.REGISTRY
            if known and now != put.event.digest and uuid not in missing:
                done.differing.append(uuid)
                logger.warning(
                    "replay.differs",
                    kind=put.event.kind.value,
                    uuid=uuid,
                    handle=put.event.handle,
                    position=put.position,
                )
        rows += [(entry.event.uuid, entry.event.kind, "", entry.position, True) for entry in decided.deletes]
        ledger.record(self.connection, rows)
        touched = [row[0] for row in rows]
        ledger.set_waiting(self.connection, touched, missing)
        ledger.settle(self.connection, [(row[0], row[3]) for row in rows])
        done.written = len(puts)
        return here


def _orphan(put: Put, needs: set[Uuid]) -> ledger.Parked:
    error = ParentMissing(
        f"{put.event.kind} {put.event.handle or put.event.uuid} belongs to {', '.join(sorted(needs))}, "
        "which is not on the target"
    )
    return parked(Entry(put.position, put.event), error, sorted(needs))
