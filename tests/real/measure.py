"""How long each step of the rig takes here:  python -m tests.real.measure [VERSION...]

A scratch PostgreSQL; per version the jars (if they are not in the cache yet), two migrations, seed, edit, export,
restore and the rest, then the same by templates. Everything is thrown away at the end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.scratch import Cluster
from tests.real.rig import SITE, Home, Repositories, Rig, _extension


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    print(f"  {what:32} {time.monotonic() - start:6.1f} s", flush=True)


def measure(version: str, cluster: Cluster, folder: Path) -> None:
    print(version)
    with timed("jars (0.0: in the cache)"):
        rig = Rig.ensure(version)
    homes = []
    for origin in "ab":
        home = Home(folder / origin, cluster.create(f"measure_{version}_{origin}"), rig)
        _extension(home.dsn)
        with timed(f"new home {origin}"):
            home.create(admin=origin == "a")
        homes.append(home)
    source, target = homes
    with timed("seed"):
        source.seed(3)
    with timed("start (database info)"):
        source.run("database", "info")
    with timed("edit (one JVM, 3 edits)"):
        source.edit('metadata {rich} dc.title "Another"\nwithdraw {empty}\nnewitem {articles} 2')
    with timed("editor, with its start"), source.editor() as edit, timed("editor: one edit"):
        edit('metadata {rich} dc.title "A third"')
    with timed("read"):
        source.read()
    with timed("export of the site"):
        package = source.export_aips(SITE, folder / "aips")
    with timed("one edit of the registry"):
        target.run("rig-edit", "field", "rig", "http://example.org/rig", "shelf", "mark")
    with timed("account on the target"):
        target.run("create-administrator", "-e", "admin@example.org", "-f", "R", "-l", "A", "-p", "admin", "-c", "en")
    with timed("restore of the site"):
        target.load_aips(package, "-r", "-a", "-f")
    with timed("update-sequences"):
        target.update_sequences()
    with timed("metadata-export"):
        source.export_metadata(source.handles["articles"], folder / "articles.csv")
    repositories = Repositories(cluster, folder)
    for step in ("template", "template, from the dump"):
        with timed(f"fresh home by {step}"):
            repositories._fresh(rig, "b")
        repositories._templates.clear()
        cluster.drop(f"rig_fresh_{version}_b")
        for left in folder.glob("fresh-*"):
            left.rename(left.with_name(f"old-{step[-4:]}-{left.name}"))
    with timed("seeded template"):
        repositories.seeded(version)
    with timed("seeded home from it"):
        repositories.seeded(version)


def main() -> None:
    for version in sys.argv[1:] or ["7.6.6", "8.2"]:
        with Cluster() as cluster, tempfile.TemporaryDirectory(prefix="dspace-rig-") as folder:
            measure(version, cluster, Path(folder))


if __name__ == "__main__":
    main()
