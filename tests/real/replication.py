"""aipstream between two homes of a real DSpace, by its command line only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg2

from tests.comparator import differences
from tests.real.rig import Home

PROGRAM = Path(sys.executable).with_name("aipstream")


class Replication:
    """One source, one target, one log; the slot ends with `close`."""

    def __init__(self, source: Home, target: Home, mode: str, folder: Path) -> None:
        self.source = source
        self.target = target
        self.slot = f"aipstream_{source.path.name}"
        self.config = folder / "aipstream.toml"
        self.config.write_text(f"""
[source]
dsn = {json.dumps(source.dsn)}
assetstore = {json.dumps(str(source.assetstore))}
mode = "{mode}"
slot = "{self.slot}"

[log]
url = {json.dumps(f"sqlite:///{folder}/log.sqlite")}

[blobs]
url = {json.dumps(f"file://{folder}/blobs")}

[target]
dsn = {json.dumps(target.dsn)}
assetstore = {json.dumps(str(target.assetstore))}
driver = "native"

[people]
passwords = true
""")

    def __call__(self, *words: str) -> str:
        """One verb of aipstream; what it printed. Fails if it does."""
        done = subprocess.run(
            [str(PROGRAM), "--config", str(self.config), *words],
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, f"aipstream {' '.join(words)}: status {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def catch_up(self) -> None:
        """Bring the target to where the source stands now."""
        self("run", "--until-current")

    def differences(self) -> list[str]:
        """What the independent comparator finds, passwords included."""
        return differences(
            self.source.dsn,
            self.target.dsn,
            source_assetstore=self.source.assetstore,
            target_assetstore=self.target.assetstore,
            passwords=True,
        )

    def close(self) -> None:
        """Drop the slot, which would else hold the cluster's WAL."""
        connection = psycopg2.connect(self.source.dsn)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                    "where slot_name = %s and not active",
                    (self.slot,),
                )
        finally:
            connection.close()
