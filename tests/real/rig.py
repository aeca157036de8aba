"""A real DSpace for tests: its released jars, driven by the scripts in `dspace/`.

* `Rig.ensure(version)` fetches the jars once by Maven and keeps them in `$DSPACE_RIG_CACHE` (or `~/.cache/dspace-rig`).
* `Home` is one instance: a folder (configuration, assetstore) and a database. Every command is a JVM of its own and
  costs two to four seconds, so edits go in batches (`edit`); within `with home.editor()` they and every command go
  through one JVM that stays.
* `Repositories` makes homes quickly: a schema that DSpace's own migrations made is kept as a dump beside the jars,
  and homes of one session are copies of a database and a folder.

Invariant: what a home holds was written by DSpace itself, through its own migrations and services.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import psycopg2

from daemon.scratch import Cluster, postgres_programs
from events.errors import PreconditionError

SCRIPTS = Path(__file__).resolve().parent / "dspace"
ADMIN = "admin@example.org"
SITE = "123456789/0"
VERSIONS = ["7.6.6", "8.2"]

T = TypeVar("T")


class DSpaceFailed(AssertionError):
    """A command of DSpace ended badly, or printed an exception and ended well."""


@dataclass(frozen=True)
class Rig:
    """The jars and generated files of one DSpace version, ready in the cache."""

    version: str
    cache: Path

    @classmethod
    def ensure(cls, version: str) -> Rig:
        """Fetch and compile what is missing. Raises PreconditionError without Java 17, its compiler or Maven."""
        missing = [program for program in ("java", "javac", "mvn") if shutil.which(program) is None]
        if missing:
            raise PreconditionError(
                f"the tests against a real DSpace need {', '.join(missing)}",
                "Install Java 17 and Maven (Debian: apt-get install openjdk-17-jdk-headless maven).",
            )
        base = Path(os.environ.get("DSPACE_RIG_CACHE") or Path.home() / ".cache" / "dspace-rig").absolute()
        base.mkdir(parents=True, exist_ok=True)
        rig = cls(version, base / version)
        if not rig._ready():
            with _alone(
                base / "setup.lock"
            ) as lock:  # for all versions: Maven's own folder is not made for two of them
                if not rig._ready():
                    rig._set_up(lock)
        return rig

    def _ready(self) -> bool:
        stamp = self.cache / "stamp"
        return stamp.exists() and stamp.read_text() == _inputs()

    def _set_up(self, lock: int) -> None:
        """Run `setup`, which holds the lock as long as it lives. The stamp comes last: what stopped is made again."""
        stamp = self.cache / "stamp"
        stamp.unlink(missing_ok=True)
        done = subprocess.run(
            [str(SCRIPTS / "setup"), self.version],
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DSPACE_RIG_CACHE": str(self.cache.parent)},
            pass_fds=[lock],
        )
        if done.returncode:
            raise PreconditionError(
                f"setup {self.version} failed:\n{done.stdout[-3000:]}",
                "It fetches DSpace's jars with Maven: is its repository reachable?",
            )
        for stale in self.cache.glob("schema-*.sql"):
            stale.unlink()
        stamp.write_text(_inputs())


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """One process at a time, by a lock on that file; gives its descriptor, for a child that may outlive this one."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _inputs() -> str:
    """What the prepared files depend on."""
    digest = hashlib.sha256()
    for path in sorted(
        [SCRIPTS / "pom.xml", SCRIPTS / "setup", *(SCRIPTS / "java").glob("*.java"), *(SCRIPTS / "config").rglob("*")]
    ):
        if path.is_file():
            digest.update(f"{path.relative_to(SCRIPTS)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass
class Home:
    """One DSpace: the folder `path` (its `[dspace]`) and the database `dsn`. `handles` names what `seed` made."""

    path: Path
    dsn: str
    rig: Rig
    handles: dict[str, str] = field(default_factory=dict)
    _editor: Editor | None = field(default=None, repr=False, compare=False)

    @property
    def assetstore(self) -> Path:
        """The folder of the bitstreams."""
        return self.path / "assetstore"

    def create(self, *, admin: bool = True, schema: bool = True) -> Home:
        """Make folder and settings; with `schema` also the tables, by DSpace's migrations, and the account `ADMIN`."""
        cluster = urlsplit(self.dsn)
        url = f"jdbc:postgresql://{cluster.hostname}:{cluster.port}{cluster.path}"
        environment = {"RIG_SCHEMA": "yes" if schema else "no", "RIG_ADMIN": ADMIN if admin else ""}
        self._finish(
            [
                SCRIPTS / "new-home",
                self.path,
                url,
                cluster.username or "postgres",
                cluster.password or "none",
                self.rig.version,
            ],
            environment=environment,
        )
        return self

    def copy(self, path: Path, dsn: str) -> Home:
        """Another instance with the same files, on a database that is a copy already."""
        shutil.copytree(self.path, path)
        shutil.rmtree(path / "log")
        (path / "log").mkdir()
        return Home(path, dsn, self.rig, dict(self.handles)).create(schema=False)

    def run(self, *arguments: object, stdin: str | None = None, keep_classes: bool = False) -> str:
        """One command of DSpace's command line; what it printed. Raises DSpaceFailed.

        With `keep_classes` its classes are archived beside the jars, if none are: JVMs then start in half the time.
        DSpace's packager may end with status 0 in spite of an exception, so the output is looked at as well.
        """
        if self._editor is not None and stdin is None:
            return self._editor.run(arguments)
        command: list[object] = [SCRIPTS / "dspace", self.path, *arguments]
        archive = self.rig.cache / "classes.jsa"
        if not keep_classes or archive.exists():
            return self._finish(command, stdin)
        made = archive.with_suffix(f".{os.getpid()}")
        said = self._finish(command, stdin, {"DSPACE_RIG_JAVA_OPTS": f"-XX:ArchiveClassesAtExit={made}"})
        made.replace(archive)
        return said

    def _finish(
        self, command: list[object], stdin: str | None = None, environment: dict[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin or "",
            text=True,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env={**self._environment(), **(environment or {})},
        )
        if done.returncode or "Exception" in done.stdout:
            raise DSpaceFailed(
                f"{' '.join(str(word) for word in command[2:])}: status {done.returncode}\n"
                f"{done.stdout[-6000:]}\n{self.errors()[-20:]}"
            )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DSPACE_RIG_CACHE": str(self.rig.cache.parent)}

    def errors(self) -> list[str]:
        """The lines of level ERROR or FATAL in DSpace's own log."""
        log = self.path / "log" / "dspace.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        return [line for line in lines if " ERROR " in line or " FATAL " in line]

    def seed(self, plain: int = 3, *, named: bool = False) -> dict[str, str]:
        """One of everything and `plain` plain items; the handles by their names in RigSeed.

        `named` gives the members of groups full names: stock 7.6.6 cannot restore its own package of such people.
        """
        said = self.run("rig-seed", plain, *(["named"] if named else []), keep_classes=True)
        self.handles = dict(line.rsplit(" ", 1) for line in said.splitlines() if line.count("/") == 1 and " " in line)
        return self.handles

    def edit(self, lines: str | Iterable[str]) -> list[str]:
        """Edits, one a line, in one JVM, each its own transaction. `{name}` stands for the handle of that name."""
        text = lines if isinstance(lines, str) else "\n".join(lines)
        return self.run("rig-edit", stdin=text.format(**self.handles) + "\n").splitlines()

    def editor(self) -> Editor:
        """A JVM that stays, for edits and commands: `with home.editor() as edit: edit("withdraw {rich}")`."""
        return Editor(self)

    @property
    def running(self) -> Editor:
        """The JVM that is there now, within `editor()`."""
        assert self._editor is not None
        return self._editor

    def read(self, *what: str) -> list[str]:
        """Every fact that DSpace reads, sorted (see RigRead). `what`: `passwords`, `drafts`."""
        return [line[2:] for line in self.run("rig-read", *what).splitlines() if line.startswith("= ")]

    def export_aips(self, handle: str, folder: Path) -> Path:
        """`packager -d -a`: the AIP of that object and of all below it. Returns the topmost package."""
        folder.mkdir(parents=True, exist_ok=True)
        package = folder / "top.zip"
        self.run("packager", "-d", "-a", "-u", "-t", "AIP", "-e", ADMIN, "-i", handle, package)
        return package

    def load_aips(self, package: Path, *options: str) -> str:
        """The stock packager on one package: by default `-r -f`, restore in replace mode."""
        return self.run("packager", *(options or ("-r", "-f")), "-u", "-t", "AIP", "-e", ADMIN, package)

    def export_metadata(self, handle: str, file: Path) -> str:
        """`metadata-export`: the CSV of a collection or community."""
        self.run("metadata-export", "-i", handle, "-f", file)
        return file.read_text(encoding="utf-8")

    def update_sequences(self) -> None:
        """`database update-sequences`."""
        self.run("database", "update-sequences")


def both(one: Callable[[], T], other: Callable[[], T]) -> tuple[T, T]:
    """Two commands of two homes at the same time: each has a core."""
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(one), threads.submit(other)
        return first.result(), second.result()


@contextmanager
def editors(one: Home, other: Home) -> Iterator[tuple[Editor, Editor]]:
    """The JVMs of two homes, started at the same time."""
    with ExitStack() as stack:
        yield both(lambda: stack.enter_context(one.editor()), lambda: stack.enter_context(other.editor()))


class Editor:
    """A running `rig-edit`: call it with one edit, it returns what that printed once it is committed.

    What an edit made and printed, `newitem 123456789/30`, is `{newitem}` for the edits after it.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [str(SCRIPTS / "dspace"), str(self.home.path), "rig-edit", "--answer"],
            text=True,
            encoding="utf-8",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**self.home._environment(), "DSPACE_RIG_JAVA_OPTS": "-Djava.security.manager=allow"},
        )
        self._answer("start")
        self.home._editor = self
        return self

    def __call__(self, line: str) -> list[str]:
        """Raises DSpaceFailed if the edit failed; the process is over then."""
        said = self._ask(line.format(**self.home.handles))
        for words in said:
            if words.count(" ") == 1:
                name, handle = words.split()
                self.home.handles[name] = handle
        return said

    def run(self, arguments: Iterable[object]) -> str:
        """One command of DSpace's command line, in this JVM; what it printed. Raises DSpaceFailed."""
        line = " ".join(f'"{word}"' for word in ("dspace", *arguments))
        said = "\n".join(self._ask(line))
        if "Exception" in said:
            raise DSpaceFailed(f"{line}:\n{said[-6000:]}\n{self.home.errors()[-20:]}")
        return said

    def _ask(self, line: str) -> list[str]:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer(line)

    def _answer(self, line: str) -> list[str]:
        said: list[str] = []
        assert self._process.stdout is not None
        for printed in self._process.stdout:
            if printed == "done\n":
                return said
            said.append(printed.rstrip("\n"))
        self.home._editor = None
        raise DSpaceFailed(
            f"{line}: status {self._process.wait()}\n" + "\n".join(said[-60:]) + f"\n{self.home.errors()[-20:]}"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.home._editor = None
        try:
            self._process.communicate(timeout=240)  # closes its input: it ends by itself
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()


class Repositories:
    """Homes on one cluster, as copies of templates that are made once.

    Two origins of the same version are two installations: their sites, groups `Anonymous` and `Administrator`, and
    integer ids come from two runs of the migrations. Origin `a` has the account `ADMIN`, origin `b` nobody.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self._templates: dict[str, Home] = {}
        self._count = 0

    def fresh(self, version: str, origin: str = "a") -> Home:
        """An empty repository, just migrated."""
        return self.copy(self._fresh(Rig.ensure(version), origin))

    def seeded(self, version: str, plain: int = 3, *, named: bool = True) -> Home:
        """A repository of origin `a` with one of everything (`Home.seed`)."""
        rig = Rig.ensure(version)
        key = f"{version}-seeded-{plain}-{named}"
        if key not in self._templates:
            home = self.copy(self._fresh(rig, "a"))
            home.seed(plain, named=named)
            self._templates[key] = home
        return self.copy(self._templates[key])

    def copy(self, template: Home) -> Home:
        """Another home with the same content. Nobody may be connected to the database of `template`."""
        self._count += 1
        name = f"rig_{self._count}"
        dsn = self.cluster.create(name, urlsplit(template.dsn).path.lstrip("/"))
        return template.copy(self.folder / name, dsn)

    def _fresh(self, rig: Rig, origin: str) -> Home:
        key = f"{rig.version}-{origin}"
        if key not in self._templates:
            dump = rig.cache / f"schema-{origin}.sql"
            home = Home(self.folder / f"fresh-{key}", self.cluster.create(f"rig_fresh_{rig.version}_{origin}"), rig)
            with _alone(rig.cache / "schema.lock"):
                if dump.exists():
                    _client("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, home.dsn)
                    home.create(schema=False)
                else:
                    _extension(home.dsn)
                    home.create(admin=origin == "a")
                    _client("pg_dump", "--no-owner", "-f", dump.with_suffix(".new"), home.dsn)
                    dump.with_suffix(".new").replace(dump)
            self._templates[key] = home
        return self._templates[key]


def _client(program: str, *arguments: object) -> None:
    done = subprocess.run(
        [str(postgres_programs() / program), *map(str, arguments)],
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise PreconditionError(f"{program} failed: {done.stdout}", "The message above is PostgreSQL's own.")


def _extension(dsn: str) -> None:
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("create extension pgcrypto")
    finally:
        connection.close()
