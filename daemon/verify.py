"""Proof: source and target compared object by object, by digests that each database computes over its own rows.

Invariants:

* Nothing is believed of the log or the ledger: only the two repositories are read, each in one snapshot.
* Both sides are streamed in the order of their UUIDs and merged, so memory does not grow with the site.
* The few objects with another UUID on the target are looked up one by one through `aipstream.alias`.

Registries are compared by containment: a target may know more fields and formats than the source, never fewer.
People and groups that only the target has, and that no log ever brought, are its own (its local administrator, say):
told, but no difference.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import Any, Final, Literal, NamedTuple

import msgspec

from daemon.dspace import fingerprint, snapshot, version
from daemon.dspace.connect import Connection, connect
from daemon.dspace.facets import FACETS, Options
from daemon.target import ledger
from events.aip.model import Kind, Uuid
from events.errors import PreconditionError

_MAY_BE_LOCAL: Final = {Kind.PERSON, Kind.GROUP, Kind.TOMBSTONE}

How = Literal["missing on the target", "only on the target", "differs"]


class Difference(NamedTuple):
    """One object that is not the same. `parts` are the facets that differ, as far as they were looked into."""

    kind: Kind
    uuid: Uuid
    how: How
    handle: str | None = None
    parts: tuple[str, ...] = ()


class Report(msgspec.Struct):
    """What a comparison found. `lsn` is the source's position at its snapshot; `compared` counts by kind."""

    lsn: str
    compared: dict[str, int]
    differences: list[Difference]
    more: int
    local: dict[str, int]
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences and not self.more


class Ends(NamedTuple):
    """The two repositories, each in a transaction of its own, with how digests are computed there."""

    source: Connection
    source_options: Options
    target: Connection
    target_options: Options


def open_ends(source_dsn: str, target_dsn: str, *, passwords: bool = False, drafts: bool = False) -> Ends:
    """Connect to both ends, read-only. Raises what `connect` and `version.probe` raise; PreconditionError for a
    target that nothing was ever replayed into.
    """
    source = connect(source_dsn, "source", readonly=True)
    target = connect(target_dsn, "target", readonly=True)
    target.set_session(isolation_level="REPEATABLE READ", readonly=True)
    if not ledger.exists(target):
        raise PreconditionError("[target] nothing has been replayed into this database yet", "Run `aipstream replay`.")
    return Ends(
        source,
        Options(version.probe(source).has_security_level, False, passwords, drafts),
        target,
        Options(version.probe(target).has_security_level, True, passwords, drafts),
    )


def verify(
    source_dsn: str,
    target_dsn: str,
    *,
    passwords: bool = False,
    drafts: bool = False,
    limit: int = 1000,
    details: bool = False,
    patience: float = 0.0,
    progress: Callable[[Kind, int], None] = lambda _kind, _count: None,
) -> Report:
    """Compare everything. At most `limit` differences are kept by name, the others counted in `more`.

    `details` looks into each kept difference, facet by facet. As long as anything differs, and for `patience` seconds
    at most, it is looked at again, for a replica that is running may catch up: what is kept, if that is all, and else
    everything, with pauses as long as that takes.
    """

    def compared() -> Report:
        return _compared(source_dsn, target_dsn, passwords, drafts, limit, details, progress)

    report = compared()
    deadline = time.monotonic() + patience
    while not report.equal and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, max(1.0, report.seconds) if report.more else 1.0))
        if report.more:
            report = compared()
        else:
            report.differences = recheck(source_dsn, target_dsn, report.differences, passwords=passwords, drafts=drafts)
    return report


def _compared(
    source_dsn: str,
    target_dsn: str,
    passwords: bool,
    drafts: bool,
    limit: int,
    details: bool,
    progress: Callable[[Kind, int], None],
) -> Report:
    began = time.monotonic()
    ends = open_ends(source_dsn, target_dsn, passwords=passwords, drafts=drafts)
    with closing(ends.source), closing(ends.target):
        lsn = _lsn(ends.source)
        names = ledger.aliases(ends.target)
        report = Report(lsn, {}, [], 0, {}, 0.0)
        for kind in fingerprint.KINDS:
            pairs = _registry(ends) if kind is Kind.REGISTRY else _pairs(ends, kind, names)
            count = 0
            for uuid, here, there in pairs:
                count += 1
                if count % 1000 == 0:
                    progress(kind, count)
                if here == there:
                    continue
                if here is None and kind in _MAY_BE_LOCAL and not ledger.standings(ends.target, [uuid]):
                    report.local[kind.value] = report.local.get(kind.value, 0) + 1
                elif len(report.differences) < limit:
                    how: How = (
                        "only on the target"
                        if here is None
                        else "missing on the target"
                        if there is None
                        else "differs"
                    )
                    report.differences.append(Difference(kind, uuid, how))
                else:
                    report.more += 1
            report.compared[kind.value] = count
        report.differences = [_told(ends, each, names, details=details) for each in report.differences]
        report.seconds = time.monotonic() - began
    return report


def recheck(
    source_dsn: str, target_dsn: str, differences: list[Difference], *, passwords: bool = False, drafts: bool = False
) -> list[Difference]:
    """Those of the differences that still stand: a replica that is running may have caught up meanwhile."""
    ends = open_ends(source_dsn, target_dsn, passwords=passwords, drafts=drafts)
    with closing(ends.source), closing(ends.target):
        names = ledger.aliases(ends.target)
        left = []
        registries: set[Uuid] = set()
        if any(each.kind is Kind.REGISTRY for each in differences):
            registries = {uuid for uuid, here, there in _registry(ends) if here != there}
        for each in differences:
            if each.kind is Kind.REGISTRY:
                left += [each] if each.uuid in registries else []
                continue
            here = fingerprint.digests(ends.source, each.kind, [each.uuid], ends.source_options)
            there = fingerprint.digests(ends.target, each.kind, [names.get(each.uuid, each.uuid)], ends.target_options)
            if list(here.values()) != list(there.values()):
                left.append(each)
        return left


def _lsn(connection: Connection) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
            "ELSE pg_current_wal_insert_lsn() END)::text"
        )
        return str(cursor.fetchone()[0])  # type: ignore[index]


_Pair = tuple[Uuid, str | None, str | None]


def _pairs(ends: Ends, kind: Kind, names: dict[Uuid, Uuid]) -> Iterator[_Pair]:
    """(uuid, digest on the source, digest on the target) of every object of the kind; None where it is not."""
    renamed = {target: source for source, target in names.items()}
    sides = (
        _ahead(fingerprint.sweep(ends.source, kind, ends.source_options)),
        _ahead(fingerprint.sweep(ends.target, kind, ends.target_options)),
    )
    elsewhere: dict[Uuid, str] = {}
    here: dict[Uuid, str] = {}
    current: Uuid | None = None
    pair: list[str | None] = [None, None]

    def of(side: int) -> Iterator[tuple[Uuid, int, str]]:
        return ((uuid, side, digest) for uuid, digest in sides[side])

    for uuid, side, digest in heapq.merge(of(0), of(1)):
        if side == 1 and uuid in renamed:
            elsewhere[renamed[uuid]] = digest
            continue
        if side == 0 and uuid in names:
            here[uuid] = digest
            continue
        if uuid != current:
            if current is not None:
                yield current, pair[0], pair[1]
            current, pair = uuid, [None, None]
        pair[side] = digest
    if current is not None:
        yield current, pair[0], pair[1]
    for uuid in sorted(here.keys() | elsewhere.keys()):
        if uuid in here:
            yield uuid, here[uuid], elsewhere.get(uuid)


def _ahead(rows: Iterator[tuple[Uuid, str]]) -> Iterator[tuple[Uuid, str]]:
    """The same rows, the first of them fetched in the background: both databases compute at the same time."""
    box: list[Any] = []

    def first() -> None:
        try:
            box.append(next(rows, None))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread below
            box.append(error)

    thread = Thread(target=first, name="verify")
    thread.start()

    def rest() -> Iterator[tuple[Uuid, str]]:
        thread.join()
        if isinstance(box[0], BaseException):
            raise box[0]
        if box[0] is not None:
            yield box[0]
            yield from rows

    return rest()


def _registry(ends: Ends) -> Iterator[_Pair]:
    """Registry documents by containment: equal if every row of the source is on the target."""
    uuids = [uuid for uuid, _ in fingerprint.sweep(ends.source, Kind.REGISTRY, ends.source_options)]
    here = snapshot.read(ends.source, Kind.REGISTRY, uuids, ends.source_options)
    there = snapshot.read(ends.target, Kind.REGISTRY, uuids, ends.target_options)
    for uuid in uuids:
        if uuid not in there:
            yield uuid, "", None
            continue
        missing = any(
            set(getattr(here[uuid], facet.name)) - set(getattr(there[uuid], facet.name))
            for facet in FACETS[Kind.REGISTRY]
        )
        yield uuid, "", "missing rows" if missing else ""


def _told(ends: Ends, each: Difference, names: dict[Uuid, Uuid], *, details: bool) -> Difference:
    """The difference with the object's handle and, on demand, the facets in which it differs."""
    connection = ends.target if each.how == "only on the target" else ends.source
    with connection.cursor() as cursor:
        cursor.execute("SELECT handle FROM handle WHERE resource_id = %s ORDER BY handle_id LIMIT 1", [each.uuid])
        row = cursor.fetchone()
    parts: tuple[str, ...] = ()
    if details and each.how == "differs":
        here = fingerprint.by_facet(ends.source, each.kind, each.uuid, ends.source_options)
        there = fingerprint.by_facet(ends.target, each.kind, names.get(each.uuid, each.uuid), ends.target_options)
        parts = tuple(name for name in here if here[name] != there.get(name))
    return each._replace(handle=row[0] if row else None, parts=parts)
