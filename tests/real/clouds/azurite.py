"""A real server of Azure's Blob protocol for tests: Azurite, Microsoft's own, on a free port of the loopback.

    with Azurite(folder) as server:
        os.environ.update(server.environment)
        open_blobs(f"az://{server.bucket()}/prefix", create=True)

It is fetched once by npm and kept beside the jars of DSpace, in `$DSPACE_RIG_CACHE` (or `~/.cache/dspace-rig`).

`stop` ends it by SIGTERM, upon which it writes down what it keeps; `start` afterwards serves that on the same port.
(SIGKILL is not for it: it keeps its lists in memory, and writes them every few seconds.)
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
import time
from email.utils import formatdate
from pathlib import Path
from typing import Final, Self
from urllib.request import Request, urlopen

from daemon.scratch import free_port
from events.errors import PreconditionError

VERSION: Final = "3.37.0"
API: Final = "2021-08-06"
ACCOUNT: Final = "accountoftests"
KEY: Final = base64.b64encode(b"the key of the account of tests " * 2).decode()
PATIENCE: Final = 120


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


class Azurite:
    """One Azurite. `folder` holds what it keeps, and its log."""

    scheme = "az"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client finds it and is let in."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_ALLOW_HTTP": "true",
            **self.found_at(f"http://127.0.0.1:{self.port}"),
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
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}?restype=container"
        with urlopen(Request(url, method="PUT", headers=headers)):
            return name

    def start(self) -> Self:
        """Start it and wait until it answers."""
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["node", installed(), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location",
                 self.folder, "--disableTelemetry", "--skipApiVersionCheck", "--silent"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"Azurite did not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except OSError:
            return False
        return True

    def revive(self) -> None:
        """Start it if it does not run."""
        if self._process is None:
            self.start()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
