"""A living source for the tests of this folder: a sample repository, and a log, blobs and state to capture it into."""

from __future__ import annotations

import shutil
import uuid as uuids
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg2

from daemon.dspace import connect, fingerprint
from daemon.dspace.facets import Options
from daemon.dspace.fresh import install
from daemon.dspace.tables import create_schema
from daemon.sample.generator import generate
from daemon.scratch import Cluster
from daemon.source import Touched
from daemon.source.assetstore import Assetstore
from daemon.source.emitter import Emitter
from daemon.source.state import State
from events.aip.model import Kind
from events.blobs import Blobs, open_blobs
from events.event import Event
from events.log import Log
from events.log.opening import open_log

OPTIONS = Options()
VERSION = "9"


def make_template(cluster: Cluster, folder: Path, *, items: int = 12, rich: bool = True) -> str:
    """The name of a database with a sample repository whose assetstore is `folder`; databases are copied from it."""
    name = f"source_template_{uuids.uuid4().hex[:8]}"
    connection = psycopg2.connect(cluster.create(name))
    try:
        create_schema(connection, VERSION)
        install(connection, VERSION)
        connection.commit()
        generate(connection, folder, items=items, seed=7, rich=rich)
    finally:
        connection.close()
    return name


class Site:
    """One source database with its assetstore, and what captures it. Everything in `folder` belongs to the test."""

    def __init__(self, cluster: Cluster, template: str, assetstore: Path, folder: Path) -> None:
        self.cluster = cluster
        self.database = f"source_{uuids.uuid4().hex[:8]}"
        self.dsn = cluster.create(self.database, template)
        self.folder = folder
        self.assetstore = folder / "assetstore"
        shutil.copytree(assetstore, self.assetstore)
        self.log: Log = open_log(f"sqlite:///{folder}/log.sqlite", create=True)
        self.blobs: Blobs = open_blobs(f"file://{folder}/blobs", create=True)
        self.state = State(f"sqlite:///{folder}/state.sqlite")
        self.files = Assetstore({0: self.assetstore})
        self.emitter = self.new_emitter()
        self.writer = psycopg2.connect(self.dsn)
        self.lsn = 1000

    def connect(self) -> connect.Connection:
        return connect.connect(self.dsn, "source")

    def new_emitter(self, files: Any = None) -> Emitter:
        return Emitter(self.connect, self.log, self.blobs, self.state, files or self.files, OPTIONS, "test-source")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement, committed at once."""
        with self.writer.cursor() as cursor:
            cursor.execute(statement, values)
            rows = cursor.fetchall() if cursor.description else []
        self.writer.commit()
        return rows

    def touch(self, *uuids: str, kind: Kind | None = Kind.ITEM) -> list[Touched]:
        """Those objects as touched by a commit later than every one before."""
        self.lsn += 10
        return [Touched(kind, uuid, self.lsn, "2026-01-02T03:04:05.000000Z", 7) for uuid in uuids]

    def everything(self) -> list[Touched]:
        """All objects there are, as touched."""
        touched = []
        connection = self.connect()
        for kind in fingerprint.KINDS:
            touched += self.touch(*[uuid for uuid, _ in fingerprint.sweep(connection, kind, OPTIONS)], kind=kind)
        connection.close()
        return touched

    def digests(self) -> dict[str, str]:
        """The digest of every object of the source, now."""
        connection = self.connect()
        found = {
            uuid: digest for kind in fingerprint.KINDS for uuid, digest in fingerprint.sweep(connection, kind, OPTIONS)
        }
        connection.close()
        return found

    def heads(self) -> dict[str, str]:
        """The digest of every object by the log."""
        return {uuid: digest for uuid, _, digest, _ in self.log.heads()}

    def events(self, after: int = 0) -> list[Event]:
        return [entry.event for entry in self.log.read(after)]

    def item(self, which: int = 0) -> str:
        """An archived item with files."""
        rows = self.sql(
            "select i.uuid::text from item i where in_archive and exists (select from item2bundle b where "
            "b.item_id = i.uuid) order by uuid offset %s limit 1",
            which,
        )
        return str(rows[0][0])

    def file_of(self, item: str) -> tuple[str, Path]:
        """(UUID, path) of one bitstream of an item that no other object shares."""
        rows = self.sql(
            "select b.uuid::text, b.internal_id from bitstream b join bundle2bitstream bb on "
            "bb.bitstream_id = b.uuid join item2bundle ib on ib.bundle_id = bb.bundle_id "
            "where ib.item_id = %s and not b.deleted order by 1 limit 1",
            item,
        )
        return str(rows[0][0]), self.files.path(rows[0][1], 0)

    def close(self) -> None:
        self.emitter.close()
        self.writer.close()
        self.state.close()
        self.log.close()
        self.cluster.drop(self.database)


def kinds(events: Iterable[Event]) -> list[Kind]:
    return [event.kind for event in events]


def uuids_of(touched: Sequence[Touched]) -> set[str]:
    return {touch.uuid for touch in touched}


def retitle(site: Site, item: str, title: str) -> None:
    """Change one metadata value of an item, and nothing else: not even `last_modified`."""
    site.sql(
        "update metadatavalue set text_value = %s where dspace_object_id = %s and place = 0 and metadata_field_id = "
        "(select metadata_field_id from metadatafieldregistry where element = 'title' and qualifier is null limit 1)",
        title,
        item,
    )
