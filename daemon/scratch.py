"""A throw-away PostgreSQL on a free port of 127.0.0.1: for tests, benchmarks and `aipstream demo`.

Invariants: it listens on loopback only; it never touches a cluster that it did not make; it stops, by its own pid,
when its context ends, and its files go with it. PostgreSQL refuses to run as root, so root hands it to the account
`postgres` (Debian's package makes it).
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from events.errors import PreconditionError

SETTINGS: Mapping[str, str] = {
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}


FIRST_PORT = 10000
"""The lowest port that is taken: below it are those of well-known servers."""

TRIES = 5
"""A port may be taken by somebody else before our server listens on it: so many are tried."""


def postgres_programs() -> Path:
    """The folder of initdb and pg_ctl. Raises PreconditionError if PostgreSQL's server is not installed."""
    on_path = shutil.which("initdb")
    folders = [os.environ.get("PG_BIN"), str(Path(on_path).resolve().parent) if on_path else None]
    folders += [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for folder in filter(None, folders):
        if all((Path(folder) / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return Path(folder)
    raise PreconditionError(
        "the programs of a PostgreSQL server (initdb, pg_ctl) were not found",
        "Install PostgreSQL (Debian: apt-get install postgresql), or set PG_BIN to the folder of initdb.",
    )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment.

    It is below those that the kernel gives to outgoing connections: one of these would be lost again to somebody's
    connection before the server that it is for has come to listen on it.
    """
    ports = range(FIRST_PORT, _first_outgoing())
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise PreconditionError(f"no port of 127.0.0.1 between {ports.start} and {ports.stop} is free", "Free one.")


def _first_outgoing() -> int:
    """Linux tells it; elsewhere as IANA has it. Where nearly all ports are for outgoing connections, no matter."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 49152
    return first if first > FIRST_PORT + 1000 else 60000


class Cluster:
    """One scratch cluster. `with Cluster() as cluster: dsn = cluster.create("a")`.

    Superuser `postgres`, trusted on loopback. `durable=False` turns fsync off (tests); benchmarks leave it on.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, *, durable: bool = False) -> None:
        self.settings = {
            **SETTINGS,
            **({} if durable else {"fsync": "off", "synchronous_commit": "off"}),
            **(settings or {}),
        }
        self.durable = durable
        self.folder = Path(tempfile.mkdtemp(prefix="aipstream-pg-"))
        self.port = free_port()

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self._begin()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        who = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            [*who, str(postgres_programs() / program), *arguments],
            cwd="/",
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            log = self.folder / "log"
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise PreconditionError(
                f"{program} failed: {done.stdout.strip()}\n{tail}".strip(), "The messages above are PostgreSQL's own."
            )

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run(
            "initdb",
            "-D",
            str(self.folder / "data"),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )

    def _begin(self) -> None:
        """Start it for the first time, on another port if its own was taken meanwhile."""
        for left in reversed(range(TRIES)):
            try:
                self.start()
            except PreconditionError as error:
                if not left or "Address already in use" not in str(error):
                    raise
                self.port = free_port()
            else:
                break

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = " ".join(f"-c {name}='{value}'" for name, value in {**self.settings, "port": str(self.port)}.items())
        self._run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-o",
            options,
            "-l",
            str(self.folder / "log"),
            "-w",
            "-t",
            "60",
            "start",
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server (`smart`, `fast` or `immediate`, as pg_ctl has it); no error if it is down already."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def dsn(self, database: str) -> str:
        """A libpq URL of that database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str | None = None) -> str:
        """Make a database (a copy of `template`, if given) and return its DSN."""
        clause = f' template "{template}"{self._copying()}' if template else ""
        self._statement(f'create database "{database}"{clause}')
        return self.dsn(database)

    def _copying(self) -> str:
        """Where nothing need be durable, a template is copied by its files, which takes a fraction of the time that
        writing each page of it into the WAL takes. Before PostgreSQL 15 there was no other way.
        """
        version = int((self.folder / "data" / "PG_VERSION").read_text())
        return " strategy file_copy" if version >= 15 and not self.durable else ""

    def drop(self, database: str) -> None:
        """Drop a database, cutting its connections and dropping its slots."""
        self._statement(
            "select pg_terminate_backend(active_pid) from pg_replication_slots "
            f"where active and database = '{database}'"
        )
        self._statement(
            f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '{database}'"
        )
        self._statement(f'drop database if exists "{database}" with (force)')

    def _statement(self, sql: str) -> None:
        connection = psycopg2.connect(self.dsn("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
        finally:
            connection.close()
