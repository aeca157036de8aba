"""One source, one log, and several targets: native ones, and one behind the stand-in for DSpace's packager."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import psycopg2

from daemon.scratch import Cluster
from tests.comparator import differences
from tests.daemon.cli.place import Place, Templates
from tests.daemon.target.packager.stage import STANDIN

EVENTS = "select count(*) from aipstream.ledger"


class Several(Place):
    """`place.near` and `place.far` are the dsns of native targets; `stock` has no database that anybody may touch."""

    def __init__(self, cluster: Cluster, templates: Templates, folder: Path, mode: str = "poll") -> None:
        self.natives: dict[str, tuple[str, Path]] = {}
        self.asked = folder / "dspace"
        super().__init__(cluster, templates, folder, mode)
        self.asked.mkdir()
        for name in ("near", "far"):
            (folder / name).mkdir()
            self.natives[name] = cluster.create(f"{name}_{self.name}", templates.target), folder / name
        self.write()

    def dsn(self, name: str) -> str:
        return self.natives[name][0]

    def write(self, *names: str, more: str = "", **keys: str) -> None:
        """The configuration with those targets (`near`, `far` and `stock` if none is named). A key `far` is more lines
        for [targets.far].
        """
        self.configure()
        text = self.path.read_text().partition("[target]")[0]
        for name in names or ("near", "far", "stock"):
            text += f"[targets.{name}]\n"
            if name in self.natives:
                dsn, folder = self.natives[name]
                text += f"dsn = {json.dumps(dsn)}\nassetstore = {json.dumps(str(folder))}\n"
            else:
                words = f"{sys.executable} {STANDIN} {self.asked}"
                text += f'driver = "packager"\ndspace = {json.dumps(words)}\neperson = "admin@example.org"\n'
            text += keys.get(name, "") + "\n"
        self.path.write_text(text + "[run]\nverify_seconds = 0\nbackoff_seconds = 1\n" + more)

    def differences_of(self, name: str) -> list[str]:
        """How that target differs from the source, by an independent judge."""
        dsn, folder = self.natives[name]
        return list(differences(self.source, dsn, source_assetstore=self.source_store, target_assetstore=folder))

    def status(self) -> Any:
        return self("status", "--json").json

    def lag(self, name: str) -> int | None:
        """Events between log and that target; None if it does not answer."""
        events: int | None = self.status()["targets"][name]["lag"]["events"]
        return events

    def away(self, name: str) -> None:
        """Rename that target's database under whoever is connected to it."""
        self._rename(f"{name}_{self.name}", f"{name}_{self.name}_away")

    def back(self, name: str) -> None:
        """Give it its name again."""
        self._rename(f"{name}_{self.name}_away", f"{name}_{self.name}")

    def _rename(self, old: str, new: str) -> None:
        with contextlib.closing(psycopg2.connect(self.cluster.dsn("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while True:  # the daemon may come back between the two statements
                    cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [old])
                    with contextlib.suppress(psycopg2.errors.ObjectInUse):
                        cursor.execute(f'alter database "{old}" rename to "{new}"')
                        return

    def close(self) -> None:
        super().close()
        for name in self.natives:
            self.cluster.drop(f"{name}_{self.name}")
        shutil.rmtree(self.asked, ignore_errors=True)
