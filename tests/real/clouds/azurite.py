"""A real server of Azure's Blob protocol for tests: Azurite, Microsoft's own, on a free port of the loopback.

    with Azurite(folder) as server:
        os.environ.update(server.environment)
        open_blobs(f"az://{server.bucket()}/prefix", create=True)

It is fetched once by npm and kept beside the jars of DSpace, in `$DSPACE_RIG_CACHE` (or `~/.cache/dspace-rig`).

`stop` and `kill` end it by SIGTERM, upon which it writes down what it keeps; `start` afterwards serves that on the same
port. (SIGKILL is not for it: it keeps its lists in memory, and writes them every few seconds.)
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import signal
import socket
import subprocess
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from events.errors import PreconditionError
from tests.real.buckets.program import Program

VERSION: Final = "3.37.0"
API: Final = "2021-08-06"
ACCOUNT: Final = "accountoftests"
KEY: Final = base64.b64encode(b"the key of the account of tests " * 2).decode()


def installed() -> Path:
    """The file that node runs. Raises PreconditionError without node and npm."""
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        raise PreconditionError(
            f"the tests against Azurite need {', '.join(missing)}", "Install node 20 or newer, with npm."
        )
    base = Path(os.environ.get("DSPACE_RIG_CACHE") or Path.home() / ".cache" / "dspace-rig").absolute()
    base.mkdir(parents=True, exist_ok=True)
    folder = base / f"azurite-{VERSION}"
    with (base / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "stamp").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", f"azurite@{VERSION}"]
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise PreconditionError(
                    f"Azurite could not be fetched:\n{(done.stdout + done.stderr)[-3000:]}",
                    "It comes from npm's registry: is that reachable?",
                )
            (folder / "stamp").touch()
    return folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


class Azurite(Program):
    """One Azurite."""

    name = "Azurite"
    scheme = "az"
    no_such = "no such container"
    killed_by = signal.SIGTERM

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client finds it and is let in."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_ALLOW_HTTP": "true",
            **self.found_at(self.url),
        }

    def found_at(self, url: str) -> dict[str, str]:
        """The variable that names the server, for another address of it."""
        return {"AZURE_STORAGE_ENDPOINT": f"{url}/{ACCOUNT}"}

    def bucket(self) -> str:
        """Make a container: its name, which no other has."""
        name = f"c{secrets.token_hex(8)}"
        date = formatdate(usegmt=True)
        place = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        signed = "PUT" + 12 * "\n" + f"x-ms-date:{date}\nx-ms-version:{API}\n{place}"
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": API,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        }
        url = f"{self.url}/{ACCOUNT}/{name}?restype=container"
        with urlopen(Request(url, method="PUT", headers=headers)):
            return name

    def command(self) -> list[str | Path]:
        return ["node", installed(), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location",
                self.folder, "--disableTelemetry", "--skipApiVersionCheck", "--silent"]  # fmt: skip

    @property
    def own_environment(self) -> dict[str, str]:
        return {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True
