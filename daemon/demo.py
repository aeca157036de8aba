"""The main job from end to end on this machine, with nothing but PostgreSQL: what `aipstream demo` shows.

Invariant: everything runs on a scratch cluster of its own and in one temporary folder. However it ends, by an error, by
Ctrl-C or by SIGTERM, the daemon and the cluster are stopped and the folder is removed (unless it is to be kept).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, Literal, NamedTuple

import psycopg2

from daemon.config import Config, load
from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.edits import Editor
from daemon.sample.generator import generate
from daemon.scratch import Cluster
from daemon.status import status
from daemon.verify import Report, verify
from events.errors import AipstreamError

VERSION: Final = "9"
SHUFFLE: Final = 7
"""The target numbers its registries otherwise than the source, as two real installations do."""
PAUSE: Final = 0.02
"""Seconds between two edits: some thirty a second, as a very busy repository has them."""
PATIENCE: Final = 240.0
"""Seconds that the daemon has to begin, and to stop."""

CONFIG: Final = """\
[source]
dsn = "{source}"
assetstore = "{folder}/source-assetstore"
mode = "{mode}"
poll_seconds = 2

[log]
url = "sqlite:///{folder}/log.sqlite"

[blobs]
url = "file://{folder}/blobs"

[target]
dsn = "{target}"
assetstore = "{folder}/target-assetstore"
"""


class DemoFailed(AipstreamError):
    """The demonstration did not come to its end."""

    hint = "Run it again with `--keep DIR`: the daemon's messages stay in DIR/daemon.log."


class Moment(NamedTuple):
    """How things stand while people edit: seconds since the beginning, and counts."""

    seconds: float
    edits: int
    events: int
    applied: int
    lag_events: int
    lag_seconds: float


class Outcome(NamedTuple):
    """What the demonstration showed. `kinds` counts the edits by kind."""

    report: Report
    kinds: dict[str, int]
    events: int
    largest_lag: float
    seconds: float


Say = Callable[[str], None]
Show = Callable[[Moment], None]


def demonstrate(
    *, seconds: float, items: int, mode: Literal["wal", "poll"], keep: Path | None, say: Say, show: Show
) -> Outcome:
    """Make two repositories, replicate one to the other while it is edited, and compare them.

    Raises DemoFailed, PreconditionError (no PostgreSQL on this machine), and what the parts raise.
    """
    began = time.monotonic()
    with _ended_by_signals(), _folder(keep) as folder:
        say("starting a scratch PostgreSQL")
        with Cluster() as cluster:
            source, target = _repositories(cluster, folder, items, say)
            path = folder / "aipstream.toml"
            path.write_text(CONFIG.format(source=source, target=target, folder=folder, mode=mode))
            config = load(path, {})
            _aipstream(path, "init")
            say("starting `aipstream run`: everything once, then every change")
            with _daemon(path, folder) as process:
                _await_copy(config, process, say)
                say(f"editing the source for {seconds:.0f} s, in every way that DSpace edits")
                kinds, lag = _edit(config, source, folder, seconds, process, show)
                say("stopping the daemon by SIGTERM")
            say("capturing and replaying the rest: `aipstream run --until-current`")
            _aipstream(path, "run", "--until-current")
            say("comparing: `aipstream verify`")
            report = verify(source, target, details=True)
            events = status(config)["log"]["end"]
            return Outcome(report, kinds, events, lag, time.monotonic() - began)


def _repositories(cluster: Cluster, folder: Path, items: int, say: Say) -> tuple[str, str]:
    dsns = []
    for name, shuffle in (("source", 0), ("target", SHUFFLE)):
        dsn = cluster.create(name)
        (folder / f"{name}-assetstore").mkdir()
        with closing(psycopg2.connect(dsn)) as connection:
            create_schema(connection, VERSION)
            install(connection, VERSION, shuffle=shuffle)
            connection.commit()
            if name == "source":
                say(f"making a sample repository of {items:,} items and some oddities; DSpace {VERSION}")
                generate(connection, folder / "source-assetstore", items=items, seed=1)
        dsns.append(dsn)
    return dsns[0], dsns[1]


def _await_copy(config: Config, process: subprocess.Popen[bytes], say: Say) -> None:
    """Wait until everything is on the target once."""
    began = time.monotonic()
    while True:
        told = status(config)
        if (told["capture"] or {}).get("bootstrapped_at") and told["lag"]["events"] == 0 and told["log"]["end"]:
            say(f"{told['log']['end']:,} objects are on the target after {time.monotonic() - began:.1f} s")
            return
        if process.poll() is not None or time.monotonic() - began > PATIENCE + config.need_source().poll_seconds:
            raise DemoFailed("the daemon did not bring everything to the target")
        time.sleep(0.2)


def _edit(
    config: Config, dsn: str, folder: Path, seconds: float, process: subprocess.Popen[bytes], show: Show
) -> tuple[dict[str, int], float]:
    kinds: Counter[str] = Counter()
    largest, shown, began = 0.0, 0.0, time.monotonic()
    with closing(psycopg2.connect(dsn)) as connection:
        editor = Editor(connection, folder / "source-assetstore", seed=1)
        while (now := time.monotonic() - began) < seconds:
            kinds[editor.step().partition(":")[0]] += 1
            if now - shown >= 1.0:
                shown = now
                if process.poll() is not None:
                    raise DemoFailed(f"the daemon ended by itself, with exit code {process.returncode}")
                told = status(config)
                applied = (told["replay"] or {}).get("position", 0)
                lag = told["lag"]["seconds"] or 0.0
                largest = max(largest, lag)
                show(Moment(now, kinds.total(), told["log"]["end"], applied, told["lag"]["events"] or 0, lag))
            time.sleep(PAUSE)
    return dict(kinds), largest


# --- what has to be stopped and removed -------------------------------------------------------------------------------


def _command(path: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "daemon.cli", "--config", str(path), "--log-format", "json", *arguments]


def _aipstream(path: Path, *arguments: str) -> None:
    done = subprocess.run(_command(path, *arguments), check=False, capture_output=True, text=True)  # noqa: S603 - ours
    if done.returncode:
        raise DemoFailed(f"`aipstream {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")


@contextmanager
def _daemon(path: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`aipstream run` as a process of its own; stopped by SIGTERM. Raises DemoFailed if it does not end well."""
    with (folder / "daemon.log").open("wb") as messages:
        process = subprocess.Popen(_command(path, "run"), stdout=messages, stderr=messages)  # noqa: S603 - ours
        try:
            yield process
            process.terminate()
            code = process.wait(PATIENCE)
            if code:
                raise DemoFailed(f"the daemon ended with exit code {code}")
        except subprocess.TimeoutExpired as error:
            raise DemoFailed("the daemon did not stop") from error
        finally:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise DemoFailed(f"{keep} is not empty", "Name a folder that is empty or not there yet.")
        yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="aipstream-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end it as Ctrl-C does, through every `finally`."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
