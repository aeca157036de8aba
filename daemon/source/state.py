"""What the source side remembers: one SQLite file next to the log.

Invariants:

* `known` never says more than the log: a digest is written after the event that carries it is durable. What the log
  says more (a crash in between, a restored log) is taken over by `agree` before anything else is done.
* Everything in it can be made again: `known` from the log, `file` by reading the files once more, the rest by looking.
* A commit is synced. A `known` that fell back to an older digest would hide a change back to that older state.
* Nothing is ever loaded whole: lookups go by slices, walks by pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from daemon.portions import portions
from daemon.small_file import AT_ONCE, Meta, SmallFile
from events.aip.model import Kind, Uuid
from events.errors import ConfigError, StateDamaged, StorageUnusable
from events.event import BEGINNING, Position, Type
from events.instants import now
from events.log import Log

T = TypeVar("T")

FORMAT: Final = "1"

SEEN: Final = "seen_lsn"
"""`meta`: how far the source's WAL had come when it was last looked at. Whoever captures moves it (`identity` asks)."""

BOOTSTRAPPED: Final = "bootstrap"
"""`meta`: when the last bootstrap came to its end, by our clock; not there as long as one is unfinished."""

TABLES: Final = sa.MetaData()

META: Final = Meta(TABLES, FORMAT)

KNOWN: Final = sa.Table(
    "known",
    TABLES,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""The digest of the newest event of each object that is there. Sorted as the sweep sorts: by bytes."""

FILE: Final = sa.Table(
    "file",
    TABLES,
    sa.Column("internal_id", sa.Text, primary_key=True),
    sa.Column("checksum", sa.Text, primary_key=True),
    sa.Column("size", sa.Integer, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

PARKED: Final = sa.Table(
    "parked",
    TABLES,
    sa.Column("uuid", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", sa.Text, nullable=False),
    sa.Column("tried", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)

PAGE: Final = 5000

CATCH_UP: Final = 20_000
"""Up to so many events that the log is ahead are read one by one; if it is more, `known` is made anew."""


class FileKey(NamedTuple):
    """What tells one content from another without reading it: `bitstream.internal_id`, its checksum, its bytes."""

    internal_id: str
    checksum: str
    size: int


class Parked(NamedTuple):
    """An object that could not be captured. `error` is the name of the error's class; instants are UTC as in `Event`.

    `digest` is what the object was when it was tried, so that one that has changed since is tried at once.
    """

    kind: Kind
    uuid: Uuid
    digest: str
    error: str
    reason: str
    since: str = ""
    tried: str = ""
    attempts: int = 0


class Known(NamedTuple):
    """What is to be remembered of an object; `digest` None: that it is gone."""

    kind: Kind
    uuid: Uuid
    digest: str | None


class State:
    """The state behind `sqlite:///PATH`; the file is made if it is not there.

    Any number of processes may read, one writes. Raises ConfigError, StateDamaged, StorageUnusable, Locked.
    """

    def __init__(self, url: str) -> None:
        scheme, found, name = url.partition(":///")
        if scheme != "sqlite" or not found or not name or "?" in name:
            raise ConfigError(
                f"state: {url!r} names no file", "Use sqlite:///relative/path or sqlite:////absolute/path"
            )
        self.url = url
        self.path = Path(name).absolute()
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageUnusable(f"the state {self.path} cannot be made: {error.strerror or error}") from error
        self._file = SmallFile(self.path, "the state", damaged=StateDamaged)
        self._transaction = self._file.transaction
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> None:
        with self._transaction() as connection:
            found = META.format(connection)
        if found is None:
            with self._transaction(write=True) as connection:
                META.create(connection)
        elif found != FORMAT:
            raise StateDamaged(f"the state {self.path} has format {found!r}; known is {FORMAT!r}")

    # --- reading ------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """What was remembered under that key."""
        with self._transaction() as connection:
            return META.get(connection, key)

    def known(self, kind: Kind, uuids: Iterable[Uuid]) -> dict[Uuid, str]:
        """The digests of those objects of the kind that are known."""
        found: dict[Uuid, str] = {}
        with self._transaction() as connection:
            for some in portions(uuids, AT_ONCE):
                query = sa.select(KNOWN.c.uuid, KNOWN.c.digest).where(
                    KNOWN.c.kind == kind.value, KNOWN.c.uuid.in_(some)
                )
                found.update(connection.execute(query).all())
        return found

    def kinds(self, uuids: Iterable[Uuid]) -> dict[Uuid, Kind]:
        """The kinds of those objects that are known."""
        found: dict[Uuid, Kind] = {}
        every = [kind.value for kind in Kind]
        with self._transaction() as connection:
            for some in portions(uuids, AT_ONCE):
                query = sa.select(KNOWN.c.uuid, KNOWN.c.kind).where(KNOWN.c.kind.in_(every), KNOWN.c.uuid.in_(some))
                found.update((uuid, Kind(kind)) for uuid, kind in connection.execute(query))
        return found

    def walk(self, kind: Kind, page: int = PAGE) -> Iterator[tuple[Uuid, str]]:
        """(uuid, digest) of every known object of the kind, sorted by uuid. What is remembered meanwhile of objects
        that the walk has passed is not seen; no transaction stays open between two pages.
        """
        after = ""
        while True:
            query = (
                sa.select(KNOWN.c.uuid, KNOWN.c.digest)
                .where(KNOWN.c.kind == kind.value, KNOWN.c.uuid > after)
                .order_by(KNOWN.c.uuid)
                .limit(page)
            )
            with self._transaction() as connection:
                rows = connection.execute(query).all()
            yield from rows
            if len(rows) < page:
                return
            after = rows[-1][0]

    def counts(self) -> dict[Kind, int]:
        """How many objects of each kind are known."""
        query = sa.select(KNOWN.c.kind, sa.func.count()).group_by(KNOWN.c.kind)
        with self._transaction() as connection:
            return {Kind(kind): count for kind, count in connection.execute(query)}

    def files(self, keys: Iterable[FileKey]) -> dict[FileKey, str]:
        """The SHA-256 of those contents that were read before."""
        wanted = set(keys)
        found: dict[FileKey, str] = {}
        with self._transaction() as connection:
            for some in portions({key.internal_id for key in wanted}, AT_ONCE):
                for internal_id, checksum, size, sha256 in connection.execute(
                    sa.select(FILE).where(FILE.c.internal_id.in_(some))
                ):
                    found[FileKey(internal_id, checksum, size)] = sha256
        return {key: sha256 for key, sha256 in found.items() if key in wanted}

    def contents(self, page: int = PAGE) -> Iterator[tuple[FileKey, str]]:
        """Every content that was ever read with its SHA-256, by pages."""
        after = FileKey("", "", -1)
        first = sa.select(FILE).order_by(*FILE.primary_key).limit(page)
        while True:
            with self._transaction() as connection:
                rows = connection.execute(first.where(sa.tuple_(*FILE.primary_key) > sa.tuple_(*after))).all()
            for *key, sha256 in rows:
                after = FileKey(*key)
                yield after, sha256
            if len(rows) < page:
                return

    def parked(self, uuids: Iterable[Uuid] | None = None) -> Iterator[Parked]:
        """The parked objects, or those of `uuids` that are, sorted by uuid, by pages."""
        columns = [PARKED.c[name] for name in Parked._fields]
        if uuids is not None:
            for some in portions(uuids, AT_ONCE):
                with self._transaction() as connection:
                    rows = connection.execute(sa.select(*columns).where(PARKED.c.uuid.in_(some))).all()
                yield from (Parked(Kind(kind), *rest) for kind, *rest in rows)
            return
        after = ""
        while True:
            query = sa.select(*columns).where(PARKED.c.uuid > after).order_by(PARKED.c.uuid).limit(AT_ONCE)
            with self._transaction() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from (Parked(Kind(kind), *rest) for kind, *rest in rows)
            after = rows[-1][1]

    # --- writing ------------------------------------------------------------------------------------------------

    def remember(
        self,
        *,
        known: Sequence[Known] = (),
        files: Mapping[FileKey, str] | None = None,
        parked: Sequence[Parked] = (),
        cleared: Iterable[Uuid] = (),
        meta: Mapping[str, str | None] | None = None,
    ) -> None:
        """Keep all of that in one transaction, durably. `cleared` are no longer parked; a `meta` of None is removed.

        Of a `Parked` only what, why and the digest count; the first time stays as it was and the attempts are counted.
        """
        with self._transaction(write=True) as connection:
            _known(connection, known)
            if files:
                rows = [{**key._asdict(), "sha256": sha256} for key, sha256 in files.items()]
                row = insert(FILE)
                connection.execute(row.on_conflict_do_update(set_={"sha256": row.excluded.sha256}), rows)
            for some in portions(cleared, AT_ONCE):
                connection.execute(sa.delete(PARKED).where(PARKED.c.uuid.in_(some)))
            if parked:
                moment = now()
                rows = [
                    {**one._asdict(), "kind": one.kind.value, "since": moment, "tried": moment, "attempts": 1}
                    for one in parked
                ]
                row = insert(PARKED)
                connection.execute(
                    row.on_conflict_do_update(
                        set_={
                            **{name: row.excluded[name] for name in ("kind", "digest", "error", "reason", "tried")},
                            "attempts": PARKED.c.attempts + 1,
                        }
                    ),
                    rows,
                )
            META.put(connection, meta or {})

    def agree(self, log: Log) -> int:
        """Bring `known` to what the log says, if it does not say so already; how many objects or events that took.

        The log may be ahead (a crash before `remember`, an old copy of this file), another one, or cut off. Of the last
        two nobody can say that they have everything, and a stream does not bring it again: all is to be captured anew.
        """
        end = log.end()
        same = self.meta("log") == log.identity
        seen = int(self.meta("log_position") or BEGINNING)
        if same and seen == end:
            return 0
        if same and seen < end <= seen + CATCH_UP:
            return self._catch_up(log, seen)
        forgotten: dict[str, str | None] = {"log": None, "log_position": None}
        if not same or end < seen:
            forgotten[BOOTSTRAPPED] = None
        with self._transaction(write=True) as connection:
            META.put(connection, forgotten)
            connection.execute(sa.delete(KNOWN))
        taken = 0
        for heads in portions(log.heads(end), PAGE):
            self.remember(known=[Known(kind, uuid, digest) for uuid, _, digest, kind in heads])
            taken += len(heads)
        self.remember(meta={"log": log.identity, "log_position": str(end)})
        return taken

    def _catch_up(self, log: Log, seen: Position) -> int:
        taken = 0
        for entries in portions(log.read(seen, whole=False), 100):
            newest = {
                event.uuid: Known(event.kind, event.uuid, None if event.type is Type.DELETE else event.digest)
                for _, event, _ in entries
            }
            self.remember(known=list(newest.values()), cleared=newest, meta={"log_position": str(entries[-1].position)})
            taken += len(entries)
        return taken

    def close(self) -> None:
        """Give back the file. Nothing remembered depends on it."""
        self._file.close()


def _known(connection: sa.Connection, known: Sequence[Known]) -> None:
    there = [
        {"kind": one.kind.value, "uuid": one.uuid, "digest": one.digest} for one in known if one.digest is not None
    ]
    gone = [{"k": one.kind.value, "u": one.uuid} for one in known if one.digest is None]
    if there:
        row = insert(KNOWN)
        connection.execute(row.on_conflict_do_update(set_={"digest": row.excluded.digest}), there)
    if gone:
        connection.execute(
            sa.delete(KNOWN).where(KNOWN.c.kind == sa.bindparam("k"), KNOWN.c.uuid == sa.bindparam("u")), gone
        )
