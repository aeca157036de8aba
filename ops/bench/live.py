"""The daemon while people edit: how long from a commit on the source to the durable event."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg2

from events.log import Log
from events.log.opening import open_log
from ops.bench import process
from ops.bench.site import Site

EDIT = """
    WITH one AS (SELECT uuid FROM item WHERE in_archive OFFSET %s LIMIT 1),
         stamp AS (UPDATE item SET last_modified = now() WHERE uuid = (SELECT uuid FROM one))
    UPDATE metadatavalue SET text_value = %s WHERE metadata_value_id =
      (SELECT min(metadata_value_id) FROM metadatavalue WHERE dspace_object_id = (SELECT uuid FROM one))"""


class Latencies(NamedTuple):
    """Milliseconds of each event, the rate that was reached, memory in MB, and the CPU share of the idle daemon."""

    milliseconds: list[float]
    rate: float
    memory: float
    idle: float


def open_site_log(site: Site) -> Log:
    return open_log(f"sqlite:///{site.folder}/log.sqlite")


def log_end(site: Site) -> int:
    """The position of the last event."""
    with closing(open_site_log(site)) as log:
        return log.end()


@contextmanager
def daemon(site: Site, what: str = "run") -> Iterator[subprocess.Popen[str]]:
    """`aipstream run` (capture alone: with `what` "capture"), stopped by SIGTERM at the end."""
    command = site.command("run")
    if what == "capture":
        text = site.config.read_text(encoding="utf-8")
        config = site.folder / "capture.toml"
        config.write_text(text.partition("[target]")[0], encoding="utf-8")
        command[2] = config
    with (site.folder / "daemon.log").open("a") as log:
        running = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, text=True,
                                   stdin=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)


def await_events(site: Site, position: int, running: subprocess.Popen[str]) -> None:
    """Return when the log has come so far. Raises RuntimeError if the daemon ends before."""
    with closing(open_site_log(site)) as log:
        while log.end() < position:
            if running.poll() is not None:
                raise RuntimeError((site.folder / "daemon.log").read_text()[-3000:])
            time.sleep(0.02)


def latencies(site: Site, rate: float, seconds: float) -> Latencies:
    """Edit one item after another at that rate, and see when each event can be read from the log."""
    seen: dict[int, tuple[str, float]] = {}
    done = threading.Event()
    with daemon(site) as running, closing(open_site_log(site)) as log, closing(psycopg2.connect(site.source)) as editor:
        time.sleep(5)
        cpu, began = process.cpu_seconds(running.pid), time.monotonic()
        time.sleep(15)
        idle = (process.cpu_seconds(running.pid) - cpu) / (time.monotonic() - began)
        start = log.end()

        def look() -> None:
            after = start
            while not done.is_set():
                for entry in log.read(after):
                    seen[entry.position] = (entry.event.commit_time, time.time())
                    after = entry.position
                time.sleep(0.002)

        watcher = threading.Thread(target=look)
        watcher.start()
        began = time.monotonic()
        count, memory = 0, 0.0
        while (now := time.monotonic() - began) < seconds:
            if count > now * rate:
                time.sleep(count / rate - now)
            with editor, editor.cursor() as cursor:
                cursor.execute(EDIT, [count * 7 % site.items, f"Edit {count}"])
            count += 1
            if count % 200 == 0:
                memory = max(memory, process.resident(running.pid))
        reached = count / (time.monotonic() - began)
        time.sleep(3)
        done.set()
        watcher.join()
    taken = [(at - datetime.strptime(commit, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()) * 1000
             for commit, at in seen.values()]
    return Latencies(taken, reached, memory, idle)
