"""`make bench`: bootstrap, replay, verify, edits and latency, beside `pg_dump | pg_restore` and a file copy; and the
way back (`--part back`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from daemon.scratch import Cluster, postgres_programs
from ops.bench import contents, kafka, live, process, replayers
from ops.bench.back import back
from ops.bench.site import Site
from ops.bench.table import Table

TITLES = """
    UPDATE metadatavalue SET text_value = text_value || ' (edited)' WHERE metadata_value_id IN (
      SELECT min(m.metadata_value_id) FROM metadatavalue m JOIN item i ON i.uuid = m.dspace_object_id
      WHERE i.in_archive GROUP BY i.uuid)"""


def alternative(site: Site, table: Table) -> float:
    """`pg_dump | pg_restore` into an empty database, and a copy of the assetstore; the seconds of both."""
    bin_folder = postgres_programs()
    dsn = site.cluster.create("restored")
    began = time.monotonic()
    dump = subprocess.Popen([bin_folder / "pg_dump", "-Fc", "-Z1", "-d", site.source], stdout=subprocess.PIPE)
    subprocess.run([bin_folder / "pg_restore", "--no-owner", "-d", dsn], stdin=dump.stdout, check=True)
    dump.wait()
    database = time.monotonic() - began
    table.add("pg_dump | pg_restore", database, units=site.items)
    began = time.monotonic()
    shutil.copytree(site.folder / "source-assetstore", site.folder / "copied")
    subprocess.run(["sync", "-f", site.folder / "copied"], check=True)
    table.add("copy of the assetstore, synced", time.monotonic() - began, units=site.items)
    total = database + time.monotonic() - began
    shutil.rmtree(site.folder / "copied")
    site.cluster.drop("restored")
    return total


def whole_site(site: Site, table: Table) -> None:
    """Bootstrap, replay and proof of everything, and everything again."""
    other = alternative(site, table)
    process.run(site.command("init"))
    cost = process.run(site.command("snapshot"))
    table.add("aipstream snapshot (bootstrap)", cost.seconds, units=site.items, memory=cost.memory,
              note=f"{cost.seconds / other:.1f} x dump, restore and copy")
    cost = process.run(site.command("replay"))
    table.add("aipstream replay (new items)", cost.seconds, units=site.items, memory=cost.memory)
    cost = process.run(site.command("verify"))
    table.add("aipstream verify", cost.seconds, units=site.items, memory=cost.memory)
    cost = process.run(site.command("replay", "--from", "0"))
    table.add("aipstream replay --from 0 (nothing to do)", cost.seconds, units=site.items, memory=cost.memory)
    log = sum(path.stat().st_size for path in site.folder.glob("log.sqlite*"))
    print(f"{'log and state':46} {log / 1e6:9.1f} MB  {log / site.items:,.0f} bytes an item")


def edits(site: Site, table: Table) -> None:
    """One metadata edit of every item, in one transaction, captured and replayed."""
    count = site.execute(site.source, TITLES)
    end = live.log_end(site)
    with live.daemon(site, "capture") as running:
        began = time.monotonic()
        live.await_events(site, end + count, running)
        table.add("capture of one transaction of that many edits", time.monotonic() - began, units=count,
                  memory=process.resident(running.pid))
    cost = process.run(site.command("replay"))
    table.add("aipstream replay (one edit an item)", cost.seconds, units=count, memory=cost.memory)
    site.execute(site.target, "CHECKPOINT")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.bench", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200.0, help="item edits a second for the latency")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long they go on")
    parser.add_argument("--part", choices=["all", "forth", "back", "replayers", "kafka", "contents"], default="all",
                        help="kafka: the log in Kafka beside the bare clients; contents: the blob stores side by side; "
                        "neither is a part of all")
    parser.add_argument("--events", type=int, default=50_000, help="how far the way back is, or how many into Kafka")
    parser.add_argument("--payload", type=int, default=10 * 1024, help="bytes of each of those")
    parser.add_argument("--contents", type=int, default=300, help="small contents in each store")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    table = Table()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if arguments.part == "kafka":
        kafka.measure(arguments.events, arguments.payload, table.add)
    elif arguments.part == "contents":
        contents.measure(table, arguments.contents)
    else:
        site_parts(arguments, table)
    print(f"load average {os.getloadavg()[0]:.1f} in the end")
    if arguments.json:
        arguments.json.write_text(json.dumps(table.rows, indent=1) + "\n", encoding="utf-8")


def site_parts(arguments: argparse.Namespace, table: Table) -> None:
    """What needs a repository."""
    with Cluster({"shared_buffers": "256MB", "max_wal_size": "4GB"}, durable=True) as cluster, \
            tempfile.TemporaryDirectory(prefix="aipstream-bench-") as folder:
        site = Site(cluster, Path(folder), arguments.items, "wal")
        print(f"{site.summary.items:,} items of 20 values and two files; PostgreSQL with fsync on\n")
        if arguments.part in ("back", "replayers"):
            for verb in ("init", "snapshot", "replay") if arguments.part == "back" else ("init", "snapshot"):
                process.run(site.command(verb))
        else:
            forth(site, table, arguments.rate, arguments.seconds)
        if arguments.part in ("all", "replayers"):
            replayers.side_by_side(site, table.add)
        if arguments.part in ("all", "back"):
            back(site, table, arguments.events)


def forth(site: Site, table: Table, rate: float, seconds: float) -> None:
    """Everything once, then edits, in bulk and at a rate."""
    whole_site(site, table)
    edits(site, table)
    latencies = live.latencies(site, rate, seconds)
    ordered = sorted(latencies.milliseconds)
    table.add(f"{len(ordered):,} edits at {latencies.rate:.0f}/s: commit to durable event, median",
              statistics.median(ordered) / 1000, memory=latencies.memory)
    table.add("  the same, 99th percentile", ordered[int(len(ordered) * 0.99)] / 1000)
    print(f"{'CPU of the idle daemon':46} {latencies.idle * 100:9.2f} %")
    cost = process.run(site.command("run", "--until-current"))
    cost = process.run(site.command("verify"))
    print(f"\n{cost.output.strip().splitlines()[-1]}")


main()
