"""A source and a target of one DSpace version with everything between them, for tests that replicate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import psycopg2

from daemon import replayer, verify
from daemon.dspace import fresh
from daemon.dspace import version as versions
from daemon.dspace.connect import connect
from daemon.dspace.facets import Options
from daemon.dspace.tables import create_schema
from daemon.sample.edits import Editor
from daemon.sample.generator import generate
from daemon.scratch import Cluster
from daemon.source import Emitted, publication, slot
from daemon.source.assetstore import Assetstore
from daemon.source.emitter import Emitter, added
from daemon.source.identity import identify
from daemon.source.poll import PollSource
from daemon.source.state import State
from daemon.source.wal import WalSource
from daemon.target.applied import Applied
from daemon.target.replay import NativeTarget
from events.blobs import open_blobs
from events.log.opening import open_log
from tests.comparator import differences

_counter = iter(range(1_000_000))


def repository(cluster: Cluster, folder: Path, version: str, *, shuffle: int, admin: str) -> tuple[str, Path]:
    """A freshly installed repository: its dsn and its assetstore."""
    name = f"pair{next(_counter)}"
    dsn = cluster.create(name, _installed(cluster, version, shuffle, admin))
    store = folder / name
    store.mkdir(parents=True)
    return dsn, store


@cache
def _installed(cluster: Cluster, version: str, shuffle: int, admin: str) -> str:
    """The database that those of this kind are copied from, made when the first one is asked for."""
    name = f"pair{next(_counter)}"
    connection = psycopg2.connect(cluster.create(name))
    create_schema(connection, version)
    fresh.install(connection, version, admin_email=admin, shuffle=shuffle)
    connection.commit()
    connection.close()
    return name


class Pair:
    """`pair.edit(...)`, `pair.capture()`, `pair.replay()`, `pair.differences()`."""

    def __init__(
        self, cluster: Cluster, folder: Path, version: str, *, target_version: str | None = None, items: int = 40,
        seed: int = 1, mode: str = "poll", rich: bool = True, **target_options: object,
    ) -> None:
        self.cluster, self.folder, self.mode = cluster, folder, mode
        self.source_dsn, self.source_store = repository(cluster, folder, version, shuffle=1, admin="a@example.org")
        self.target_dsn, self.target_store = repository(
            cluster, folder, target_version or version, shuffle=2, admin="b@example.org"
        )
        with psycopg2.connect(self.source_dsn) as connection:
            self.summary = generate(connection, self.source_store, items=items, seed=seed, rich=rich)
        connection.close()
        self.log = open_log(f"sqlite:///{folder}/log.sqlite", create=True)
        self.blobs = open_blobs(f"file://{folder}/blobs", create=True)
        self.state = State(f"sqlite:///{folder}/log.sqlite.state")
        probe = connect(self.source_dsn, "source")
        security = versions.probe(probe).has_security_level
        name = identify(probe, self.state)
        probe.close()
        self.emitter = Emitter(
            lambda: connect(self.source_dsn, "source"), self.log, self.blobs, self.state,
            Assetstore({0: self.source_store}), Options(security=security), name,
        )
        self.poll = PollSource(self.emitter)
        self.wal: WalSource | None = None
        if mode == "wal":
            publication.prepare(self.source_dsn)
            self.slot_name = f"slot_{self.source_dsn.rsplit('/', 1)[1]}"
            with slot.create(self.source_dsn, self.slot_name):
                pass
            self.wal = WalSource(self.source_dsn, self.slot_name)
            self.wal.start()
        self.target = NativeTarget(
            self.target_dsn, self.target_store, self.blobs, self.log, **target_options  # type: ignore[arg-type]
        )
        self.editor_connection = psycopg2.connect(self.source_dsn)
        self.editor = Editor(self.editor_connection, self.source_store, seed)

    def capture(self) -> Emitted:
        if self.wal is None:
            return self.poll.sweep()
        total = Emitted()
        for batch in self.wal.until_current():
            total = added(total, self.emitter.emit(batch.touched))
            if batch.sweep:
                total = added(total, self.poll.sweep(batch.sweep, (batch.lsn, batch.commit_time)))
            self.wal.confirm(batch.lsn)
        return total

    def bootstrap(self) -> Emitted:
        return self.poll.sweep()

    def replay(self, **options: object) -> Applied:
        done = replayer.replay(self.target, self.log, **options)  # type: ignore[arg-type]
        replayer.finish(self.target)
        return done

    def differences(self) -> list[str]:
        return differences(
            self.source_dsn, self.target_dsn, source_assetstore=self.source_store, target_assetstore=self.target_store
        )

    def verify(self) -> verify.Report:
        return verify.verify(self.source_dsn, self.target_dsn, details=True)

    def close(self) -> None:
        if self.wal is not None:
            self.wal.close()
        self.editor_connection.close()
        self.emitter.close()
        self.target.close()
        self.state.close()
        self.log.close()
        for dsn in (self.source_dsn, self.target_dsn):
            self.cluster.drop(dsn.rsplit("/", 1)[1])
