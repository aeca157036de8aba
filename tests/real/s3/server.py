"""A real S3 server for tests: s3proxy with its files in a folder, on a free port of the loopback.

    with S3Server(folder) as server:
        os.environ.update(server.environment)
        server.bucket("bucket")
        open_blobs("s3://bucket/prefix", create=True)

For pytest there are the fixtures `s3_server` and `s3` (tests/real/conftest.py).

`kill` is SIGKILL and `start` afterwards serves the same files on the same port; `wipe` empties a bucket. Its jars are
fetched once by Maven and kept beside those of DSpace, in `$DSPACE_RIG_CACHE` (or `~/.cache/dspace-rig`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from events.errors import PreconditionError
from tests.real.buckets.program import Program

VERSION: Final = "4.1.0"
POM: Final = Path(__file__).with_name("pom.xml")
USER, SECRET = "key-of-tests", "secret-of-tests"


def jars() -> Path:
    """The folder of its jars. Raises PreconditionError without Java or Maven."""
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if missing:
        raise PreconditionError(
            f"the tests against a real S3 server need {', '.join(missing)}",
            "Install Java 17 and Maven (Debian: apt-get install openjdk-17-jdk-headless maven).",
        )
    base = Path(os.environ.get("DSPACE_RIG_CACHE") or Path.home() / ".cache" / "dspace-rig").absolute()
    base.mkdir(parents=True, exist_ok=True)
    folder = base / f"s3proxy-{VERSION}"
    with (base / "setup.lock").open("w") as lock:  # the rig's: Maven's own folder is not made for two of them
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "stamp"
        if not stamp.exists() or stamp.read_text() != POM.read_text():
            shutil.rmtree(folder, ignore_errors=True)
            _fetch(folder / "lib")
            stamp.write_text(POM.read_text())
    return folder / "lib"


def _fetch(lib: Path) -> None:
    command = ["mvn", "-q", "-B", "-C", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={lib}",
               "-DincludeScope=runtime"]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PreconditionError(
            f"s3proxy could not be fetched:\n{(done.stdout + done.stderr)[-3000:]}",
            "It comes from Maven's repository: is that reachable?",
        )
    for jar in lib.glob("*.jar"):
        zipfile.ZipFile(jar).close()


class S3Server(Program):
    """One s3proxy. `folder` holds its settings (`settings` are further ones), its log, and below `buckets/` what
    it keeps."""

    name = "s3proxy"
    scheme = "s3"
    no_such = "no such bucket"

    def __init__(self, folder: Path, settings: str = "") -> None:
        super().__init__(folder)
        self.buckets = folder / "buckets"
        self.buckets.mkdir(parents=True, exist_ok=True)
        self._settings = folder / "s3proxy.properties"
        self._settings.write_text(
            f"""s3proxy.endpoint=http://127.0.0.1:{self.port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={USER}
s3proxy.credential={SECRET}
jclouds.provider=filesystem
jclouds.filesystem.basedir={self.buckets}
{settings}
"""
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which an S3 client finds it and is let in."""
        return {
            "AWS_ACCESS_KEY_ID": USER,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            **self.found_at(self.url),
        }

    def found_at(self, url: str) -> dict[str, str]:
        """The variable that names the server, for another address of it."""
        return {"AWS_ENDPOINT_URL": url}

    def bucket(self, name: str) -> Path:
        """Make a bucket; the folder with its objects, as they lie on disk."""
        (self.buckets / name).mkdir(exist_ok=True)
        return self.buckets / name

    def wipe(self, name: str) -> None:
        """Empty a bucket."""
        shutil.rmtree(self.buckets / name, ignore_errors=True)
        self.bucket(name)

    def command(self) -> list[str | Path]:
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{jars()}/*",
                "org.gaul.s3proxy.Main", "--properties", self._settings]  # fmt: skip

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError as error:
            return getattr(error, "code", None) is not None
