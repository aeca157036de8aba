"""A source, its log, and one target for each number of replayers."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import psycopg2

from daemon import replayer
from daemon.scratch import Cluster
from daemon.target.applied import Applied
from daemon.target.parallel.target import ParallelTarget
from daemon.target.parallel.worker import Plan
from daemon.target.replay import NativeTarget
from tests.comparator import differences
from tests.daemon.cli.place import eventually
from tests.daemon.pair import Pair, repository


class Replayed:
    """One target of the pair's log: `replay()` with any number of replayers, `differences()` from the source."""

    def __init__(self, pair: Pair, cluster: Cluster, folder: Path, version: str = "9") -> None:
        self.pair, self.cluster = pair, cluster
        self.dsn, self.store = repository(cluster, folder, version, shuffle=5, admin="c@example.org")

    def target(self, replayers: int, *, batch: int = 20, least: int = 2) -> NativeTarget:
        pair = self.pair
        plan = Plan(self.dsn, self.store, f"file://{pair.folder}/blobs", False, False, "overwrite", False)
        if replayers == 1:
            return NativeTarget(self.dsn, self.store, pair.blobs, pair.log)
        return ParallelTarget(plan, pair.blobs, pair.log, replayers=replayers, batch=batch, least=least)

    def replay(self, replayers: int, *, batch: int = 20, least: int = 2, until: int | None = None) -> Applied:
        target = self.target(replayers, batch=batch, least=least)
        try:
            done = replayer.replay(target, self.pair.log, batch=batch, until=until)
            replayer.finish(target)
        finally:
            target.close()
        return done

    def free(self) -> None:
        """Wait until the server has noticed that whoever replayed is gone."""
        with contextlib.closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            eventually(lambda: not _locked(cursor))

    def differences(self) -> list[str]:
        return list(
            differences(
                self.pair.source_dsn, self.dsn, source_assetstore=self.pair.source_store, target_assetstore=self.store
            )
        )

    def close(self) -> None:
        self.cluster.drop(self.dsn.rsplit("/", 1)[1])
        shutil.rmtree(self.store, ignore_errors=True)


def _locked(cursor: psycopg2.extensions.cursor) -> bool:
    cursor.execute("""
        select exists (select from pg_locks l join pg_database d on d.oid = l.database
                       where l.locktype = 'advisory' and d.datname = current_database())""")
    return bool(cursor.fetchone()[0])  # type: ignore[index]
