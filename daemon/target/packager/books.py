"""What was applied through the packager, and what waits: one SQLite file in the work folder.

Invariants:

* An object is noted as applied after DSpace's command ended well, never before. So a kill in between means that its
  package is loaded once more in replace mode, which is harmless.
* The position moves after everything up to it is noted as applied or parked.
* A commit is synced. One replayer writes (it holds the lock beside the file), any number of others read.

    cursor     which log the position belongs to, and the event at it
    applied    every object of the log: what became of it on the target, from which event, and by which name
    parked     events that could not be applied, with the reason
    loss       what of an object could not be carried, by its code
    reindex    objects of which the search index has still to be told
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from daemon.losses import Loss
from daemon.portions import portions
from daemon.small_file import AT_ONCE, Meta, SmallFile
from daemon.target.ledger import Parked
from events.aip.model import Kind, Uuid
from events.errors import PreconditionError, StorageUnusable
from events.event import Event, Position
from events.instants import now

FORMAT: Final = "1"
SEQUENCES: Final = "sequences"
"""`meta`: since when the target's sequences are to be looked at, if they are."""
LOG: Final = "log"
"""`meta`: the log that all positions belong to."""
VERSION: Final = "version"
"""`meta`: the release of the target's DSpace, and the day on which it was asked."""
FILE: Final = "applied.sqlite"
LOCK: Final = "applied.lock"

TABLES: Final = sa.MetaData()
_META: Final = Meta(TABLES, FORMAT)
_CURSOR: Final = sa.Table(
    "cursor",
    TABLES,
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("event", sa.LargeBinary, nullable=False),
    sa.Column("lsn", sa.Integer, nullable=False),
    sa.Column("commit_time", sa.Text, nullable=False),
    sa.Column("applied_at", sa.Text, nullable=False),
)
_APPLIED: Final = sa.Table(
    "applied",
    TABLES,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("within", sa.Text, nullable=False),
)
_PARKED: Final = sa.Table(
    "parked",
    TABLES,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("needs", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
)
_LOSS: Final = sa.Table(
    "loss",
    TABLES,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("handle", sa.Text),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
REINDEX: Final = sa.Table(
    "reindex",
    TABLES,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("handle", sa.Text),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("below", sa.Boolean, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("touched", sa.Text, nullable=False),
    sa.Column("marked", sa.Text),
)

T = TypeVar("T")


class State(StrEnum):
    """What there is of an object on the target. `STAYS`: it is gone from the source, but stock cannot delete it."""

    THERE = "there"
    WITHDRAWN = "withdrawn"
    LEFT_OUT = "left out"
    DELETED = "deleted"
    STAYS = "stays"


PRESENT: Final = frozenset({State.THERE, State.WITHDRAWN, State.STAYS})


class Standing(NamedTuple):
    """What the books say of one object as the target has it.

    `name` is what stock finds it by: handle, e-mail address or group name. `owner` is the container in which it was
    made, `within` the others that it was put into since: stock moves nothing and takes nothing out again. Of a person
    or group `within` are the names that it had before, by which another one stays.
    """

    uuid: Uuid
    kind: Kind
    position: Position
    state: State
    name: str | None = None
    owner: Uuid | None = None
    within: tuple[Uuid, ...] = ()

    @property
    def present(self) -> bool:
        """Whether the object is on the target."""
        return self.state in PRESENT


class Books:
    """The books in that folder; made if `create`. `indexed`: what changes is due for the search index.

    Raises StorageUnusable, Locked, PreconditionError.
    """

    def __init__(self, folder: Path, *, create: bool = False, indexed: bool = False) -> None:
        self.indexed = indexed
        self.path = folder / FILE
        if create:
            try:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            except OSError as error:
                raise StorageUnusable(f"the work folder {folder} cannot be made: {error.strerror}") from error
        self._file = SmallFile(self.path, "the book")
        try:
            self._open(create=create)
        except BaseException:
            self._file.close()
            raise

    @staticmethod
    def there(folder: Path) -> bool:
        """Whether books were ever made in that folder."""
        return (folder / FILE).exists()

    def _open(self, *, create: bool) -> None:
        with self.transaction(write=create) as connection:
            if create:
                _META.create(connection)
            found = _META.get(connection, "format")
        if found != FORMAT:
            raise PreconditionError(
                f"the books {self.path} have format {found!r}, this program writes {FORMAT!r}",
                "Use the version of aipstream that made them, or move the folder away and replay the log.",
            )

    def transaction(self, *, write: bool = False) -> AbstractContextManager[sa.Connection]:
        """A transaction of the books, for what reads or writes one of its tables. Raises Locked, StorageUnusable."""
        return self._file.transaction(write=write)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    # --- reading ------------------------------------------------------------------------------------------------

    def position(self, log: str) -> Position:
        """Up to where that log has been applied; 0 if nothing of it has."""
        row = self.cursor(log)
        return int(row["position"]) if row else 0

    def cursor(self, log: str) -> dict[str, Any] | None:
        """Position, event id, LSN and times of that log; None if nothing of it was applied."""
        with self.transaction() as connection:
            row = connection.execute(sa.select(_CURSOR).where(_CURSOR.c.log == log)).mappings().one_or_none()
            return dict(row) if row else None

    def standings(self, uuids: Iterable[Uuid]) -> dict[Uuid, Standing]:
        """What is known of those objects; those that were never applied are left out."""
        found = {}
        with self.transaction() as connection:
            for some in portions(uuids, AT_ONCE):
                for row in connection.execute(sa.select(_APPLIED).where(_APPLIED.c.uuid.in_(some))):
                    found[row.uuid] = _standing(row)
        return found

    def named(self, names: Iterable[str]) -> dict[str, set[Uuid]]:
        """The objects on the target that stock finds by those names."""
        found: dict[str, set[Uuid]] = {}
        with self.transaction() as connection:
            for some in portions(names, AT_ONCE):
                query = sa.select(_APPLIED.c.name, _APPLIED.c.uuid).where(_APPLIED.c.state.in_(PRESENT))
                for name, uuid in connection.execute(query.where(_APPLIED.c.name.in_(some))):
                    found.setdefault(name, set()).add(uuid)
        return found

    def meta(self, key: str) -> str | None:
        """What was remembered under that key."""
        with self.transaction() as connection:
            return _META.get(connection, key)

    def counts(self) -> dict[str, int]:
        """How many objects of each kind are there."""
        query = sa.select(_APPLIED.c.kind, sa.func.count()).where(_APPLIED.c.state.in_(PRESENT))
        with self.transaction() as connection:
            return {str(kind): count for kind, count in connection.execute(query.group_by(_APPLIED.c.kind))}

    def parked(self, uuids: Sequence[Uuid] | None = None) -> list[Parked]:
        """What is parked, or what of `uuids` is; oldest position first."""
        wanted = None if uuids is None else set(uuids)
        with self.transaction() as connection:
            rows = connection.execute(sa.select(_PARKED).order_by(_PARKED.c.position)).all()
        return [
            Parked(uuid, Kind(kind), position, error, reason, tuple(json.loads(needs)), attempts, since)
            for uuid, kind, position, error, reason, needs, attempts, since in rows
            if wanted is None or uuid in wanted
        ]

    def count_parked(self) -> int:
        """How much is parked."""
        with self.transaction() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(_PARKED)).scalar_one())

    def losses(self) -> Iterator[Loss]:
        """Everything that was lost, by object and code."""
        query = sa.select(_LOSS).order_by(_LOSS.c.code, _LOSS.c.uuid)
        with self.transaction() as connection:
            for row in connection.execute(query).mappings():
                yield Loss(row["uuid"], Kind(row["kind"]), row["handle"], row["code"], row["rows"], row["detail"])

    # --- writing ------------------------------------------------------------------------------------------------

    def adopt(self, log: str) -> None:
        """Begin with that log, if it is another one than before: positions in another one mean nothing in it."""
        with self.transaction(write=True) as connection:
            if _META.get(connection, LOG) != log:
                for table in (_APPLIED, _PARKED):
                    connection.execute(sa.update(table).values(position=0))
                connection.execute(sa.delete(_CURSOR))
                _META.put(connection, {LOG: log})

    def advance(self, log: str, to: Position, event: Event) -> None:
        """Move the position of that log forward, to that event; a position that is further on already stays."""
        row = insert(_CURSOR).values(
            log=log, position=to, event=event.id, lsn=event.lsn, commit_time=event.commit_time, applied_at=now()
        )
        names = ("position", "event", "lsn", "commit_time", "applied_at")
        with self.transaction(write=True) as connection:
            connection.execute(
                row.on_conflict_do_update(
                    set_={name: row.excluded[name] for name in names},
                    where=_CURSOR.c.position < row.excluded.position,
                )
            )

    def note(self, standings: Sequence[Standing], losses: Sequence[Loss] = (), parked: Sequence[Parked] = ()) -> None:
        """What became of some objects: where they stand, what of them was lost (in place of what was lost before), and
        which could not be applied. Objects that stand at or beyond their parked event are parked no longer.
        """
        with self.transaction(write=True) as connection:
            moment = now()
            if standings:
                _put(connection, _APPLIED, [_written(row) for row in standings])
                _META.put(connection, {SEQUENCES: moment})
                positions = {row.uuid: row.position for row in standings}
                for row in standings:
                    connection.execute(
                        sa.delete(_PARKED).where(_PARKED.c.uuid == row.uuid, _PARKED.c.position <= row.position)
                    )
                for some in portions(positions, AT_ONCE):
                    connection.execute(sa.delete(_LOSS).where(_LOSS.c.uuid.in_(some)))
                _put(connection, _LOSS, [
                    {**loss._asdict(), "kind": loss.kind.value, "position": positions.get(loss.uuid, 0), "at": moment}
                    for loss in losses
                ])  # fmt: skip
                if self.indexed:
                    make_due(connection, [
                        {"uuid": row.uuid, "kind": row.kind.value, "handle": row.name, "below": False,
                         "deleted": row.state is State.DELETED, "owner": row.owner}
                        for row in standings if row.kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)
                        and row.state is not State.LEFT_OUT
                    ])  # fmt: skip
            _park(connection, parked)

    def unpark(self, uuids: Iterable[Uuid]) -> None:
        """Forget what was parked for those objects."""
        with self.transaction(write=True) as connection:
            for some in portions(uuids, AT_ONCE):
                connection.execute(sa.delete(_PARKED).where(_PARKED.c.uuid.in_(some)))

    def remember(self, key: str, value: str) -> None:
        """Remember that under that key."""
        with self.transaction(write=True) as connection:
            _META.put(connection, {key: value})

    def forget(self, key: str, value: str) -> None:
        """Remember nothing under that key, if it is still that value."""
        with self.transaction(write=True) as connection:
            if _META.get(connection, key) == value:
                _META.put(connection, {key: None})


def _standing(row: Any) -> Standing:  # noqa: ANN401 - a row of SQLAlchemy, whose columns are ours
    within = tuple(json.loads(row.within))
    return Standing(row.uuid, Kind(row.kind), row.position, State(row.state), row.name, row.owner, within)


def _written(row: Standing) -> dict[str, Any]:
    return {**row._asdict(), "kind": row.kind.value, "state": row.state.value, "within": json.dumps(row.within)}


def _put(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        row = insert(table)
        named = [column.name for column in table.columns if not column.primary_key]
        connection.execute(row.on_conflict_do_update(set_={name: row.excluded[name] for name in named}), rows)


def make_due(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Note that the search index is to be told of those objects; what is due already was touched again."""
    if rows:
        row, moment = insert(REINDEX), now()
        renewed = {name: row.excluded[name] for name in ("kind", "deleted", "owner", "touched")}
        connection.execute(
            row.on_conflict_do_update(
                set_={
                    **renewed,
                    "handle": sa.func.coalesce(row.excluded.handle, REINDEX.c.handle),
                    "below": sa.or_(row.excluded.below, REINDEX.c.below),
                }
            ),
            [{**each, "since": moment, "touched": moment} for each in rows],
        )


def _park(connection: sa.Connection, parked: Sequence[Parked]) -> None:
    if not parked:
        return
    row = insert(_PARKED)
    renewed = {name: row.excluded[name] for name in ("kind", "error", "reason", "needs")}
    connection.execute(
        row.on_conflict_do_update(
            set_={
                **renewed,
                "attempts": _PARKED.c.attempts + 1,
                "position": sa.func.max(_PARKED.c.position, row.excluded.position),
            }
        ),
        [
            {**each._asdict(), "kind": each.kind.value, "needs": json.dumps(each.needs), "attempts": 1, "since": now()}
            for each in parked
        ],
    )
