"""A source, a target and a configuration in one folder, and the command line on them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid as uuids
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2

from daemon.cli.main import outcome
from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.edits import Editor
from daemon.sample.generator import generate
from daemon.scratch import Cluster
from tests.comparator import differences

VERSION = "9"

PATIENCE = 240.0
"""Seconds for what takes a few on a machine that does nothing else."""


class Done(NamedTuple):
    """How an invocation ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Templates(NamedTuple):
    """Databases that are copied for each test, and the assetstore of the first."""

    source: str
    target: str
    assetstore: Path


def make_templates(cluster: Cluster, folder: Path, *, items: int = 25) -> Templates:
    """A living repository, and a freshly installed one with other ids."""
    names = [f"cli_{end}_{uuids.uuid4().hex[:8]}" for end in ("source", "target")]
    for name, shuffle in zip(names, (0, 3), strict=True):
        connection = psycopg2.connect(cluster.create(name))
        create_schema(connection, VERSION)
        install(connection, VERSION, shuffle=shuffle)
        connection.commit()
        if not shuffle:
            generate(connection, folder, items=items, seed=11)
        connection.close()
    return Templates(names[0], names[1], folder)


class Place:
    """`place("verb", "--option")` runs a verb in this process, `place.process(…)` in one of its own."""

    def __init__(self, cluster: Cluster, templates: Templates, folder: Path, mode: str = "poll") -> None:
        self.cluster, self.folder, self.mode = cluster, folder, mode
        self.name = uuids.uuid4().hex[:8]
        self.source = cluster.create(f"s_{self.name}", templates.source)
        self.target = cluster.create(f"t_{self.name}", templates.target)
        self.source_store, self.target_store = folder / "source", folder / "target"
        shutil.copytree(templates.assetstore, self.source_store)
        self.target_store.mkdir()
        self.path = folder / "aipstream.toml"
        self.running: list[subprocess.Popen[str]] = []
        self.configure()

    def configure(
        self,
        *,
        source: str | None = None,
        target: str | None = None,
        blobs: str | None = None,
        more: str = "",
        **keys: Any,
    ) -> None:
        """Write the configuration anew; `keys` are further ones of [source], `blobs` all of [blobs], `more` is put at
        the end.
        """
        extra = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
        self.path.write_text(f"""
[source]
dsn = {json.dumps(source or self.source)}
assetstore = "{self.source_store}"
mode = "{self.mode}"
slot = "slot_{self.name}"
poll_seconds = 0.5
{extra}
[log]
url = "sqlite:///{self.folder}/log.sqlite"
[blobs]
{blobs or f'url = "file://{self.folder}/blobs"'}
[target]
dsn = {json.dumps(target or self.target)}
assetstore = "{self.target_store}"
{more}
""")

    def __call__(self, *arguments: str, options: tuple[str, ...] = ()) -> Done:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = outcome(["--config", str(self.path), *options, *arguments])
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return Done(code, *texts)

    def good(self, *arguments: str) -> Done:
        """The same, and it must end with 0."""
        done = self(*arguments)
        assert done.code == 0, done
        return done

    def process(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """A process of its own, with its messages as JSON in its stderr; ended by `close`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon.cli", "--config", str(self.path), "--log-format", "json", *arguments],
            stdout=subprocess.PIPE, stderr=(self.folder / "messages").open("w"), text=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
        )
        self.running.append(process)
        return process

    def messages(self) -> str:
        """What the last process has said."""
        return (self.folder / "messages").read_text()

    def says(self, text: str, process: subprocess.Popen[str] | None = None) -> None:
        """Wait until the last process has said that. If it ended before, its messages tell why."""
        process = process or self.running[-1]
        eventually(lambda: text in self.messages() or process.poll() is not None)
        assert text in self.messages(), self.messages()

    def stop(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
        """End a process and return its exit code. One that does not end says in which lines its threads stand."""
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            process.wait()
            raise AssertionError(f"it did not end at {number.name}:\n{self.messages()}") from None

    def edit(self, times: int, seed: int = 1) -> None:
        """Random edits of the source."""
        with contextlib.closing(psycopg2.connect(self.source)) as connection:
            editor = Editor(connection, self.source_store, seed)
            for _ in range(times):
                editor.step()

    def sql(self, dsn: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement, committed."""
        with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    def item_with_file(self) -> tuple[str, Path]:
        """An archived item and the path of one of its files that nothing else names."""
        uuid, internal_id = self.sql(self.source, """
            select i.uuid::text, b.internal_id from item i join item2bundle l on l.item_id = i.uuid
            join bundle2bitstream p using (bundle_id) join bitstream b on b.uuid = p.bitstream_id
            where i.in_archive and b.store_number = 0 and b.internal_id ~ '^[0-9]+$' and b.size_bytes > 10
            and (select count(*) from bitstream o where o.internal_id = b.internal_id) = 1
            and (select count(*) from bundle2bitstream o where o.bitstream_id = b.uuid) = 1 order by 1 limit 1""")[0]
        return uuid, self.source_store / internal_id[0:2] / internal_id[2:4] / internal_id[4:6] / internal_id

    def differences(self) -> list[str]:
        """How the two ends differ, by an independent judge."""
        return list(differences(self.source, self.target, source_assetstore=self.source_store,
                                target_assetstore=self.target_store))

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
        for name in (f"s_{self.name}", f"t_{self.name}"):
            self.cluster.drop(name)


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until it holds; the time is only a limit, nothing is measured by it."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.1)
