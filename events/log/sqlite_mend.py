"""A SQLite log put right, record by record.

Invariants:

* What is written is proved first, in the same transaction: a payload by the checksum in its header, a header by its own
  checksum and the chain on both of its sides, a link by the next one.
* A payload that is given up is kept beside its mark in `lost`, as damaged as it is: nothing is thrown away.
* A file whose own structure is torn is not written into (`unsound`): SQLite might write over what is still whole.

`lost` is a table of its own that a log has only once something was lost. Readers need not know it: a lost event is in
`thinned` too, and so has its header and its place in the chain, and is read no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from events.errors import ChecksumMismatch, GapInLog
from events.event import BEGINNING, Position
from events.log import Mark
from events.log.chain import COVERED, NO_CHAIN, Record, digest, follows, link, proved
from events.log.inspecting import Claimed
from events.log.sqlite import SqliteLog
from events.log.sqlite_headers import KEPT
from events.log.sqlite_inspect import torn
from events.log.sqlite_marks import SqliteMarks
from events.log.sqlite_rows import EVENT, LOST, META, PAYLOAD, THINNED, rows

PAGE: Final = 500

_ROW: Final = select(EVENT).where(EVENT.c.position == bindparam("at"))
_FOUND: Final = select(PAYLOAD.c.payload).where(PAYLOAD.c.position == bindparam("at"))
_NEXT: Final = (
    select(EVENT, PAYLOAD.c.payload)
    .select_from(EVENT.outerjoin(PAYLOAD, PAYLOAD.c.position == EVENT.c.position))
    .where(EVENT.c.uuid == bindparam("uuid"), EVENT.c.position > bindparam("at"), KEPT)
    .order_by(EVENT.c.position.desc())
)


class SqliteMending:
    """See `events.log.inspecting.Mending`. Raises what the log raises."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log

    def put_payload(self, position: Position, payload: bytes) -> None:
        """Over what is there, if anything is."""
        with self.log.transaction(write=True) as connection:
            row = self._proved(connection, position)
            if len(payload) != row[COVERED - 2] or digest(payload) != row[COVERED - 1]:
                raise ChecksumMismatch(f"that is not the payload of position {position}")
            _put(connection, {"position": position, "payload": payload})

    def put_records(self, first: Position, records: Iterable[Record]) -> Position:
        """In one transaction, which is taken back if the last of them is not what the next record here is chained to.
        Behind the last record here there is no next: there they have to end where the log has noted its end.
        """
        at, chain = first, NO_CHAIN
        with self.log.transaction(write=True) as connection:
            if first > 1:
                chain = self._link(connection, first - 1)
            for record in records:
                follows(record, chain, at)
                self._put_record(connection, record)
                at, chain = at + 1, record.chain
            following = connection.execute(_ROW, {"at": at}).first()
            if following is not None:
                if not self._is_proved(following) or link(chain, following[COVERED]) != following[COVERED + 1]:
                    raise ChecksumMismatch(f"position {at} here is not chained to the records before it in the copy")
            elif at - 1 != self._noted(connection) or self._behind(connection, at):
                raise ChecksumMismatch(f"nothing here proves the records from position {first} to {at - 1}")
        return at - 1

    def _put_record(self, connection: Connection, record: Record) -> None:
        at = record.position
        row, payload = rows(record)
        self._make_room(connection, record)
        put = insert(EVENT)
        others = {name: put.excluded[name] for name in row if name != "position"}
        connection.execute(put.on_conflict_do_update(index_elements=[EVENT.c.position], set_=others), [row])
        found = connection.execute(_FOUND, {"at": at}).scalar_one_or_none()
        if isinstance(found, bytes) and digest(found) == record.payload_checksum:
            return
        if record.thinned:
            connection.execute(delete(PAYLOAD).where(PAYLOAD.c.position == at))
            connection.execute(insert(THINNED).on_conflict_do_nothing(), [{"position": at}])
        elif connection.execute(select(THINNED.c.position).where(THINNED.c.position == at)).first() is None:
            _put(connection, payload)

    def _make_room(self, connection: Connection, record: Record) -> None:
        """Take away a record with the id of that one at another position: there it is damage, for its checksum covers
        where it stands. What is lost of it is in the record that comes now.
        """
        elsewhere = select(EVENT).where(EVENT.c.id == record.event.id, EVENT.c.position != record.position)
        for row in connection.execute(elsewhere).all():
            if self._is_proved(row):
                raise ChecksumMismatch(f"the event of position {record.position} in the copy is at {row[0]} here")
            connection.execute(delete(EVENT).where(EVENT.c.position == row[0]))

    def put_chain(self, position: Position) -> None:
        """The link of a record is a function of the link before it and its checksum; the next one shows that it was
        so when the next one was appended.
        """
        with self.log.transaction(write=True) as connection:
            row = self._proved(connection, position)
            before = NO_CHAIN if position == 1 else self._link(connection, position - 1)
            following = connection.execute(_ROW, {"at": position + 1}).first()
            if following is None or not self._is_proved(following):
                raise ChecksumMismatch(f"the records around position {position} do not prove its place in the chain")
            chain = link(before, row[COVERED])
            if link(chain, following[COVERED]) != following[COVERED + 1]:
                raise ChecksumMismatch(f"position {position + 1} is chained to another record at position {position}")
            connection.execute(update(EVENT).where(EVENT.c.position == position).values(chain=chain))

    def put_end(self) -> None:
        """Forward only: events that are missing at the end cannot be made to never have been."""
        with self.log.transaction(write=True) as connection:
            noted, at = self._noted(connection), BEGINNING
            chain = NO_CHAIN if noted == BEGINNING else self._link(connection, noted)
            for at in range(noted + 1, noted + 1 + self._behind(connection, noted)):
                row = self._proved(connection, at)
                if link(chain, row[COVERED]) != row[COVERED + 1]:
                    raise ChecksumMismatch(f"position {at}, behind the noted end, is not chained to the one before it")
                chain = row[COVERED + 1]
            if at:
                connection.execute(update(META).where(META.c.key == "end").values(value=str(at)))

    def keep(self, position: Position) -> None:
        """Only the mark is taken away."""
        with self.log.transaction(write=True) as connection:
            row = self._proved(connection, position)
            found = connection.execute(_FOUND, {"at": position}).scalar_one_or_none()
            if not isinstance(found, bytes) or digest(found) != row[COVERED - 1]:
                raise ChecksumMismatch(f"the payload of position {position} is not there")
            connection.execute(delete(THINNED).where(THINNED.c.position == position))

    def put_marks(self, known: Sequence[Mark], *, dry_run: bool = False) -> tuple[str, str]:
        """By the checksum of each, and the digest over all."""
        return SqliteMarks(self.log).mend(known, dry_run=dry_run)

    def lose_marks(self, *, dry_run: bool = False) -> list[str] | None:
        """By noting the digest over those that are there."""
        return SqliteMarks(self.log).accept(dry_run=dry_run)

    def reindex(self) -> None:
        """All indexes of `event`."""
        with self.log.transaction(write=True) as connection:
            connection.execute(text("REINDEX event"))

    def unsound(self) -> str | None:
        """By SQLite's own look at the pages of the file, without the indexes."""
        return torn(self.log)

    def lose(self, positions: Sequence[Position], why: str) -> list[Position]:
        """In one transaction an event: the mark, the bytes kept, the payload away."""
        done = []
        for position in positions:
            with self.log.transaction(write=True) as connection:
                row = self._proved(connection, position)
                if not self._succeeded(connection, row[4], position):
                    continue
                found = connection.execute(_FOUND, {"at": position}).scalar_one_or_none()
                if isinstance(found, bytes) and digest(found) == row[COVERED - 1]:
                    continue
                LOST.create(connection, checkfirst=True)
                noted = {"position": position, "at": _now(), "why": why, "found": found}
                connection.execute(insert(LOST).on_conflict_do_nothing(), [noted])
                connection.execute(insert(THINNED).on_conflict_do_nothing(), [{"position": position}])
                connection.execute(delete(PAYLOAD).where(PAYLOAD.c.position == position))
                done.append(position)
        return done

    def lost(self, after: Position = BEGINNING) -> Iterator[tuple[Position, Claimed, str]]:
        """By pages; none where there is no such table."""
        with self.log.transaction() as connection:
            if not inspect(connection).has_table(LOST.name):
                return
        page = (
            select(LOST.c.position, LOST.c.why, EVENT.c.uuid, EVENT.c.kind, EVENT.c.handle, EVENT.c.commit_time)
            .select_from(LOST.join(EVENT, EVENT.c.position == LOST.c.position))
            .where(LOST.c.position > bindparam("after"))
            .order_by(LOST.c.position)
            .limit(PAGE)
        )
        while True:
            with self.log.transaction() as connection:
                found = connection.execute(page, {"after": after}).all()
            for position, why, *claimed in found:
                yield position, Claimed(*claimed), why
                after = position
            if len(found) < PAGE:
                return

    # --- what proves ----------------------------------------------------------------------------------------------

    def _proved(self, connection: Connection, position: Position) -> Sequence[Any]:
        row = connection.execute(_ROW, {"at": position}).first()
        if row is None:
            raise ChecksumMismatch(f"there is no record at position {position}")
        proved(row)
        return row

    def _is_proved(self, row: Sequence[Any]) -> bool:
        try:
            proved(row)
        except GapInLog:
            return False
        return True

    def _link(self, connection: Connection, position: Position) -> bytes:
        """The chain at that position, whose record is there and whole in itself."""
        chain: bytes = self._proved(connection, position)[COVERED + 1]
        return chain

    def _succeeded(self, connection: Connection, uuid: str, position: Position) -> bool:
        """Whether the newest event of that object that is left is a later one, and whole."""
        row = connection.execute(_NEXT, {"uuid": uuid, "at": position}).first()
        if row is None or not self._is_proved(row[:-1]):
            return False
        return isinstance(row[-1], bytes) and digest(row[-1]) == row[COVERED - 1]

    def _noted(self, connection: Connection) -> Position:
        return int(connection.execute(select(META.c.value).where(META.c.key == "end")).scalar_one())

    def _behind(self, connection: Connection, position: Position) -> int:
        return int(
            connection.execute(text("SELECT count(*) FROM event WHERE position > :at"), {"at": position}).scalar_one()
        )


def _put(connection: Connection, row: dict[str, Any]) -> None:
    put = insert(PAYLOAD)
    connection.execute(put.on_conflict_do_update(set_={"payload": put.excluded.payload}), [row])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
