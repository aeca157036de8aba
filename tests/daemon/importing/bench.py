"""A captured repository, its packages as `aipstream export` writes them, and empty places to import them into."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psycopg2

from daemon import replayer
from daemon.export.moment import Moment
from daemon.export.packages import Options as ExportOptions
from daemon.export.packages import Packages
from daemon.export.run import Choice, export
from daemon.importing.importer import Importer, Report
from daemon.importing.into_log import LogDestination
from daemon.importing.into_target import TargetDestination
from daemon.importing.options import Mode, Options
from daemon.scratch import Cluster
from daemon.target.replay import NativeTarget
from events.aip.model import Aip
from events.blobs import Blobs, open_blobs
from events.log import Log
from events.log.opening import open_log
from tests.comparator import differences, row_versions
from tests.daemon.pair import Pair

_counter = iter(range(1_000_000))


class Bench:
    """`bench.into_log(folder, mode=...)`, `bench.into_target(...)`; the log and the target are its own."""

    def __init__(self, cluster: Cluster, folder: Path, template: str) -> None:
        self.cluster = cluster
        self.folder = folder / f"bench{next(_counter)}"
        self.store = self.folder / "assetstore"
        self.store.mkdir(parents=True)
        self.dsn = cluster.create(f"bench{next(_counter)}", template)
        self.log: Log = open_log(f"sqlite:///{self.folder}/log.sqlite", create=True)
        self.blobs: Blobs = open_blobs(f"file://{self.folder}/blobs", create=True)

    def into_log(self, *paths: Path, dry_run: bool = False, captured: bool = False, **options: Any) -> Report:
        chosen = _options(options)
        place = LogDestination(self.log, self.blobs, "test", prefix=chosen.prefix, captured=captured, dry_run=dry_run)
        return Importer(place, chosen, dry_run=dry_run)(paths)

    def into_target(self, *paths: Path, dry_run: bool = False, index: bool = False, **options: Any) -> Report:
        chosen = _options(options)
        with contextlib.closing(
            TargetDestination(
                self.dsn, self.store, self.blobs, passwords=chosen.passwords, index=index, dry_run=dry_run
            )
        ) as place:
            return Importer(place, chosen, dry_run=dry_run)(paths)

    def run(self, into: str, *paths: Path, **options: Any) -> Report:
        """An import into `log` or `target`."""
        return (self.into_log if into == "log" else self.into_target)(*paths, **options)

    def read(self, into: str, name: str) -> Aip | None:
        """The object of that handle or UUID, or the group or person of that name, as it is there."""
        with contextlib.closing(self.place(into)) as place:
            holder = place.holder(name)
            uuid = holder[1] if holder else place.group(name) or place.person(name)
            return place.aip(uuid or name) if uuid or "/" not in name else None

    def there(self, into: str, name: str) -> Aip:
        """The same, and it is there."""
        found = self.read(into, name)
        assert found is not None, name
        return found

    def place(self, into: str) -> LogDestination | TargetDestination:
        """To look into."""
        if into == "log":
            return LogDestination(self.log, self.blobs, "test")
        return TargetDestination(self.dsn, self.store, self.blobs, passwords=True, dry_run=True)

    def replay(self) -> None:
        target = NativeTarget(self.dsn, self.store, self.blobs, self.log)
        with contextlib.closing(target):
            replayer.replay(target, self.log)
            replayer.finish(target)
            assert not target.parked(), target.parked()

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def versions(self) -> dict[str, str]:
        """Where every row lies and which transaction wrote it."""
        return row_versions(self.dsn)

    def close(self) -> None:
        self.log.close()
        self.cluster.drop(self.dsn.rsplit("/", 1)[1])


def _options(given: dict[str, Any]) -> Options:
    if isinstance(given.get("mode"), str):
        given["mode"] = Mode(given["mode"])
    return Options(**given)


class Origin:
    """A repository that was captured, and packages of it."""

    def __init__(self, cluster: Cluster, folder: Path, *, items: int = 30, version: str = "9") -> None:
        self.pair = Pair(cluster, folder, version, items=items)
        self.pair.capture()

    def packages(self, folder: Path, **options: Any) -> Path:
        """Every object that has a package; `options` are those of the export."""
        folder.mkdir(parents=True, exist_ok=True)
        moment = Moment(self.pair.log)
        site = moment.site()
        assert site is not None
        done = export(
            Packages(moment, self.pair.blobs, ExportOptions(**options)), Choice((site.uuid,), every_item=True), folder
        )
        assert not done.refused, done.refused
        return folder

    def differences(self, bench: Bench) -> list[str]:
        return differences(
            self.pair.source_dsn, bench.dsn, source_assetstore=self.pair.source_store, target_assetstore=bench.store
        )
