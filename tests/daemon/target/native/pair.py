"""A source repository and a target installation, and the way between them without log and capture: read, then write."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterable, Sequence
from pathlib import Path

import psycopg2

from daemon.dspace import fingerprint, snapshot
from daemon.dspace.connect import Connection, connect
from daemon.dspace.facets import Options
from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.edits import Editor
from daemon.sample.generator import generate
from daemon.scratch import Cluster
from daemon.target import ledger
from daemon.target.native import Written, write
from events.aip.model import Aip, Kind, Uuid
from tests import comparator

State = dict[Uuid, tuple[Kind, str]]


def installation(cluster: Cluster, version: str, shuffle: int) -> str:
    """The name of the database of a freshly installed repository."""
    name = f"native_{uuids.uuid4().hex[:10]}"
    connection = psycopg2.connect(cluster.create(name))
    try:
        create_schema(connection, version)
        install(connection, version, shuffle=shuffle)
        connection.commit()
    finally:
        connection.close()
    return name


def repository(cluster: Cluster, version: str, assetstore: Path, items: int, *, rich: bool = True) -> str:
    """The name of a database with a generated repository."""
    name = installation(cluster, version, 3)
    connection = psycopg2.connect(cluster.dsn(name))
    try:
        generate(connection, assetstore, items=items, seed=5, rich=rich)
    finally:
        connection.close()
    return name


class Pair:
    """One source and one target with the ledger's schema, which share one assetstore: files need no placing here."""

    def __init__(
        self,
        cluster: Cluster,
        source: str,
        target: str,
        assetstore: Path,
        *,
        versions: Sequence[str] = ("9", "9"),
        drafts: bool = False,
        passwords: bool = False,
    ) -> None:
        self.cluster = cluster
        self.assetstore = assetstore
        self.names = [f"native_{uuids.uuid4().hex[:10]}" for _ in range(2)]
        self.source_dsn = cluster.create(self.names[0], source)
        self.target_dsn = cluster.create(self.names[1], target)
        self.source = connect(self.source_dsn, "source")
        self.target = connect(self.target_dsn, "target")
        self.options = Options(versions[0] == "10", False, passwords, drafts)
        self.target_options = Options(versions[1] == "10", True, passwords, drafts)
        self._editing: Connection | None = None
        ledger.create(self.target)
        self.target.commit()

    def close(self) -> None:
        """Cut the connections and drop both databases."""
        if self._editing is not None:
            self._editing.close()
        self.source.close()
        self.target.close()
        for name in self.names:
            self.cluster.drop(name)

    # --- the source

    def state(self) -> State:
        """Every object of the source with its digest, parents before children."""
        found = {
            uuid: (kind, digest)
            for kind in fingerprint.KINDS
            for uuid, digest in fingerprint.sweep(self.source, kind, self.options)
        }
        self.source.rollback()
        return found

    def read(self, uuids: Iterable[Uuid], state: State) -> list[Aip]:
        """Those objects, in the order given."""
        wanted = list(uuids)
        found: dict[Uuid, Aip] = {}
        for kind in fingerprint.KINDS:
            of_kind = [uuid for uuid in wanted if state[uuid][0] is kind]
            if of_kind:
                found |= snapshot.read(self.source, kind, of_kind, self.options)
        self.source.rollback()
        return [found[uuid] for uuid in wanted]

    def changes(self, before: State, after: State) -> tuple[list[Aip], list[tuple[Kind, Uuid]]]:
        """The objects that differ between two states of the source, and those that are gone."""
        changed = [uuid for uuid, what in after.items() if before.get(uuid) != what]
        gone = [(kind, uuid) for uuid, (kind, _) in before.items() if uuid not in after]
        return self.read(changed, after), gone

    def editor(self, seed: int) -> Editor:
        """Somebody who edits the source."""
        self._editing = psycopg2.connect(self.source_dsn)
        return Editor(self._editing, self.assetstore, seed)

    def one(self, sql: str, *values: object) -> Aip:
        """The object of the source whose UUID that statement gives, whole."""
        state = self.state()
        return self.read([str(self.sql(sql, *values)[0][0])], state)[0]

    def sql(self, statement: str, *values: object, end: str = "source") -> list[tuple]:
        """One statement on an end, committed at once."""
        connection = psycopg2.connect(self.source_dsn if end == "source" else self.target_dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    # --- the target

    def write(self, puts: Sequence[Aip], deletes: Sequence[tuple[Kind, Uuid]] = ()) -> Written:
        """Write them in one transaction, every file counting as placed under the source's name."""
        placed = {row.uuid: row.internal_id for aip in puts for row in aip.stored if row.internal_id}
        written = write(self.target, puts, deletes, self.target_options, placed)
        self.target.commit()
        return written

    def digests(self, state: State) -> dict[Uuid, str]:
        """The digest on the target of each of those objects, by the source's UUIDs."""
        alias = ledger.aliases(self.target)
        found = {}
        for kind in fingerprint.KINDS:
            ours = {alias.get(uuid, uuid): uuid for uuid, what in state.items() if what[0] is kind}
            here = fingerprint.digests(self.target, kind, list(ours), self.target_options)
            found |= {ours[uuid]: digest for uuid, digest in here.items()}
        self.target.rollback()
        return found

    def unequal(self, state: State) -> dict[Uuid, str]:
        """Objects (registries apart, which only grow) that the target does not hold as the source does, and why."""
        here = self.digests(state)
        wrong = {}
        for uuid, (kind, digest) in state.items():
            if kind is not Kind.REGISTRY and here.get(uuid) != digest:
                alias = ledger.aliases(self.target).get(uuid, uuid)
                source = fingerprint.by_facet(self.source, kind, uuid, self.options)
                target = fingerprint.by_facet(self.target, kind, alias, self.target_options)
                wrong[uuid] = f"{kind}: " + ", ".join(name for name in source if source[name] != target.get(name))
        self.source.rollback()
        self.target.rollback()
        return wrong

    def differences(self, **how: bool) -> list[str]:
        """What the independent judge says."""
        return comparator.differences(
            self.source_dsn,
            self.target_dsn,
            source_assetstore=self.assetstore,
            target_assetstore=self.assetstore,
            **how,
        )

    def follow(self, before: State) -> Written:
        """Write to the target what has changed on the source since then."""
        return self.write(*self.changes(before, self.state()))

    def touched(self) -> dict[str, str]:
        """Where every row of the target lies and who wrote it."""
        return comparator.row_versions(self.target_dsn)
