"""The two repositories that a benchmark works on, and the configuration between them."""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from pathlib import Path

import psycopg2

from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.generator import Summary, generate
from daemon.scratch import Cluster

AIPSTREAM = Path(sys.executable).with_name("aipstream")


class Site:
    """A source of so many items, an empty target, and `aipstream.toml` between them."""

    def __init__(self, cluster: Cluster, folder: Path, items: int, mode: str) -> None:
        self.cluster, self.folder, self.items = cluster, folder, items
        self.source = self.repository("source", 1)
        self.target = self.repository("target", 2)
        with closing(psycopg2.connect(self.source)) as connection:
            self.summary: Summary = generate(connection, folder / "source-assetstore", items=items, seed=1)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
                cursor.execute("CHECKPOINT")
        self.config = folder / "aipstream.toml"
        self.config.write_text(
            f'[source]\ndsn = "{self.source}"\nassetstore = "{folder}/source-assetstore"\nmode = "{mode}"\n'
            f'poll_seconds = 3600\n[log]\nurl = "sqlite:///{folder}/log.sqlite"\n[blobs]\nurl = "file://{folder}/blobs"\n'
            f'[target]\ndsn = "{self.target}"\nassetstore = "{folder}/target-assetstore"\n[run]\nverify_seconds = 0\n',
            encoding="utf-8",
        )

    def repository(self, name: str, shuffle: int) -> str:
        """An empty repository, and a folder for its assetstore; its dsn."""
        dsn = self.cluster.create(name)
        with closing(psycopg2.connect(dsn)) as connection:
            create_schema(connection, "9")
            install(connection, "9", shuffle=shuffle)
            connection.commit()
        (self.folder / f"{name}-assetstore").mkdir()
        return dsn

    def renew_target(self) -> None:
        """An empty target in the place of the one that there was."""
        self.cluster.drop("target")
        shutil.rmtree(self.folder / "target-assetstore")
        self.repository("target", 2)

    def command(self, *words: str) -> list[str | Path]:
        """The command line of that verb."""
        return [AIPSTREAM, "--config", self.config, *words]

    def execute(self, dsn: str, sql: str) -> int:
        """Run one statement, committed; the number of rows."""
        with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.rowcount
