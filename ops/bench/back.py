"""The way back: a restore of every item to a moment many events ago, beside a dump of that moment restored; and what
the log costs a year, before and after retention.

Honest about what each does: a restore compares every object and writes what differs, into a target in use or an empty
one, from a log that holds every moment; `pg_restore` fills an empty database from a dump of one moment that somebody
has to have taken, and its files are a copy that somebody has to have kept.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import psycopg2

from daemon.config_sections import Retention
from daemon.dspace.assetstore import relative_path
from daemon.retention.policy import Policy, age
from daemon.retention.prune import prune
from daemon.scratch import postgres_programs
from daemon.verify import verify
from events.aip.model import Kind
from events.blobs import open_blobs
from events.event import Event
from events.instants import text_of
from events.log import Log
from events.log.opening import open_log
from ops.bench import live, process
from ops.bench.site import Site

EDIT = """
    UPDATE metadatavalue SET text_value = text_value || ' {number}' WHERE metadata_value_id IN (
      SELECT min(m.metadata_value_id) FROM metadatavalue m JOIN item i ON i.uuid = m.dspace_object_id
      WHERE i.in_archive GROUP BY i.uuid)"""

YEARLY = 10
"""Edits of an item in a year."""

SAMPLE = 500


class Lines(Protocol):
    """Where the figures go."""

    def add(self, what: str, seconds: float, *, units: int = 0, unit: str = "items", memory: float | None = None,
            note: str = "") -> None:
        """One line."""


def back(site: Site, table: Lines, events: int) -> None:
    """Everything stands at the end of the log; then so many events more (bulk SQL and sweeps), and back."""
    then = live.log_end(site)
    dump, files = _backup(site)
    rounds = max(1, round(events / site.items))
    before = _size(site)
    began = time.monotonic()
    for number in range(rounds):
        site.execute(site.source, EDIT.format(number=number))
        process.run(site.command("snapshot"))
    made = live.log_end(site) - then
    table.add(f"{rounds} edits of every item, each captured by a sweep", time.monotonic() - began, units=made,
              unit="events")
    print(f"{'log':46} {(_size(site) - before) / made:9,.0f} bytes an event (metadata edit of an item)")
    process.run(site.command("replay"))

    cost = process.run(site.command("restore", "--at", str(then), "--dry-run", "--json"))
    table.add(f"restore --dry-run, {made:,} events back", cost.seconds, units=site.items, memory=cost.memory)
    cost = process.run(site.command("restore", "--at", str(then), "--yes"))
    table.add(f"restore --at, {made:,} events back, target in use", cost.seconds, units=site.items,
              memory=cost.memory, note=f"{cost.cpu:.1f} s of CPU without the server's")
    copy = _restored(site, dump, files, table)
    _equal(site, copy, table)

    site.renew_target()
    cost = process.run(site.command("restore", "--at", str(then), "--yes"))
    table.add("restore --at the same, into an empty target", cost.seconds, units=site.items, memory=cost.memory,
              note=f"database and files; {cost.cpu:.1f} s of CPU without the server's")
    _equal(site, copy, table)
    site.cluster.drop("then")
    _yearly(site)


def _backup(site: Site) -> tuple[Path, Path]:
    """A dump and a copy of the files, as they are now."""
    dump, files = site.folder / "then.dump", site.folder / "then-assetstore"
    subprocess.run([postgres_programs() / "pg_dump", "-Fc", "-Z1", "-f", dump, "-d", site.source], check=True)
    shutil.copytree(site.folder / "source-assetstore", files)
    return dump, files


def _restored(site: Site, dump: Path, files: Path, table: Lines) -> str:
    """That backup put back, each half timed."""
    dsn = site.cluster.create("then")
    cost = process.run([postgres_programs() / "pg_restore", "--no-owner", "-d", dsn, dump])
    table.add("pg_restore of a dump of that state", cost.seconds, units=site.items, note="into an empty database")
    began = time.monotonic()
    shutil.copytree(files, site.folder / "copied")
    subprocess.run(["sync", "-f", site.folder / "copied"], check=True)
    table.add("copy of the assetstore of then, synced", time.monotonic() - began, units=site.items)
    shutil.rmtree(site.folder / "copied")
    return dsn


def _equal(site: Site, copy: str, table: Lines) -> None:
    """Compare every object with the dump that was restored, and every file with the copy."""
    for dsn in (copy, site.target):  # both were just filled: without it the planner knows nothing of them
        site.execute(dsn, "ANALYZE")
    began = time.monotonic()
    report = verify(copy, site.target)
    if not report.equal:
        raise RuntimeError(f"the restored state is another one: {report}")
    compared = sum(report.compared.values())
    table.add("  equal to the restored dump, object by object", time.monotonic() - began, units=compared,
              unit="objects", note=f"{_whole(site):,} files of the right size and digest")


def _whole(site: Site) -> int:
    """How many files the rows of the target name; RuntimeError unless each is there and has its row's MD5."""
    sql = """
        SELECT internal_id, size_bytes, checksum FROM bitstream
        WHERE NOT coalesce(deleted, false) AND checksum_algorithm = 'MD5'"""
    with closing(psycopg2.connect(site.target)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall()
    for identifier, size, checksum in rows:
        content = (site.folder / "target-assetstore" / relative_path(identifier)).read_bytes()
        if len(content) != size or hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
            raise RuntimeError(f"the file {identifier} is not what its row says")
    return len(rows)


def _size(site: Site) -> int:
    return sum(path.stat().st_size for path in site.folder.glob("log.sqlite*") if "state" not in path.name)


def _yearly(site: Site) -> None:
    """The real events of some items, with their times spread over a year, into a log of their own; then retention."""
    section = Retention()
    policy = Policy(*(age(getattr(section, key), key) for key in ("all", "hourly", "daily", "monthly")))
    now = datetime.now(UTC)
    for how, days in (("evenly", [365 / YEARLY * number for number in range(YEARLY)]),
                      ("in two sittings of half an hour", [100 + 150 * (n // 5) + n % 5 / 240 for n in range(YEARLY)])):
        with tempfile.TemporaryDirectory(prefix="aipstream-year-", dir=site.folder) as name, \
                closing(live.open_site_log(site)) as log, \
                closing(open_log(f"sqlite:///{name}/log.sqlite", create=True)) as year:
            some = [uuid for uuid, _, _, kind in log.heads() if kind is Kind.ITEM][:SAMPLE]
            for number, day in enumerate(days):
                year.append(list(_events(log, some, number, now - timedelta(days=365 - day))))
            before = _folded(year, Path(name))
            blobs = open_blobs(f"file://{name}/blobs", create=True)
            done = prune(year, blobs, policy, timedelta(days=14), now=now)
            print(f"log, {YEARLY} edits an item and year {how}: {before / len(some):,.0f} bytes an item-year, "
                  f"{_folded(year, Path(name)) / len(some):,.0f} after the default retention "
                  f"({done.thinned:,} of {len(some) * YEARLY:,} events thinned)")


def _events(log: Log, some: list[str], number: int, at: datetime) -> Iterator[Event]:
    for place, uuid in enumerate(some):
        history = [entry.event for entry in log.history(uuid)]
        yield msgspec.structs.replace(
            history[number % len(history)], lsn=number * len(some) + place + 1, commit_time=text_of(at))


def _folded(log: Log, folder: Path) -> int:
    """The size of the log with its WAL folded in."""
    log.close()
    return sum(path.stat().st_size for path in folder.glob("log.sqlite*"))
