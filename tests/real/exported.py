"""A repository of a real DSpace, exported by aipstream: captured into a log of its own, then written as packages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.real.replication import PROGRAM
from tests.real.rig import Home


class Exporter:
    """The log of one repository. Call it with a verb of aipstream and its options."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "aipstream.toml"
        self.config.write_text(f"""
[source]
dsn = {json.dumps(home.dsn)}
assetstore = {json.dumps(str(home.assetstore))}
mode = "poll"

[log]
url = {json.dumps(f"sqlite:///{folder}/log.sqlite")}

[blobs]
url = {json.dumps(f"file://{folder}/blobs")}

[people]
passwords = true
""")
        self("init")
        self("snapshot")

    def __call__(self, *words: object, code: int = 0) -> str:
        """One verb; what it printed. Fails unless it ends with that exit code."""
        done = subprocess.run(
            [str(PROGRAM), "--config", str(self.config), *map(str, words)],
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == code, f"aipstream {words}: status {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def export(self, name: str, *words: object, code: int = 0) -> Path:
        """The folder of an export with those options."""
        folder = self.folder / name
        self("export", *words, "--into", folder, code=code)
        return folder


def export_everything(home: Home, folder: Path) -> list[Path]:
    """Every package of a repository as it is now, that of the site first."""
    found = sorted(Exporter(home, folder).export("packages", "site", "--passwords").iterdir())
    return sorted(found, key=lambda path: not path.name.startswith("SITE@"))
