"""A repository whose WAL is followed, and what its objects are at a moment: the measure of what must be touched."""

from __future__ import annotations

import shutil
import uuid as uuids
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg2

from daemon.dspace import connect, fingerprint
from daemon.dspace.facets import Options
from daemon.dspace.tables import create_schema
from daemon.scratch import Cluster
from daemon.source import Touched, publication, slot
from daemon.source.wal import Batch, WalSource
from events.aip.model import Kind

OPTIONS = (Options(passwords=True), Options(passwords=True, drafts=True))
"""With and without drafts: who is in scope decides what the others say of them."""

Digests = dict[tuple[bool, Kind, str], str]


class Followed:
    """A database made ready, with a slot of its own. `source()` streams from it."""

    def __init__(self, cluster: Cluster, template: str | None = None) -> None:
        self.cluster = cluster
        name = uuids.uuid4().hex[:8]
        self.database, self.slot = f"followed_{name}", f"slot_{name}"
        self.dsn = cluster.create(self.database, template)
        self.writer = psycopg2.connect(self.dsn)
        self.last: Digests = {}

    def prepare(self) -> None:
        """Publication, replica identities and slot."""
        publication.prepare(self.dsn)
        slot.create(self.dsn, self.slot).close()

    def source(self, **options: Any) -> WalSource:
        return WalSource(self.dsn, self.slot, **{"patience": 20.0, **options})

    def sql(self, statement: str, *values: object, **named: object) -> list[tuple[Any, ...]]:
        """One transaction, committed."""
        with self.writer.cursor() as cursor:
            cursor.execute(statement, named or values or None)
            rows = cursor.fetchall() if cursor.description else []
        self.writer.commit()
        return rows

    def digests(self) -> Digests:
        """The digest of every object there is, kept as `last`."""
        connection = connect.connect(self.dsn, "source")
        try:
            self.last = {
                (options.drafts, kind, uuid): digest
                for options in OPTIONS
                for kind in fingerprint.KINDS
                for uuid, digest in fingerprint.sweep(connection, kind, options)
            }
            return self.last
        finally:
            connection.close()

    def close(self) -> None:
        self.writer.close()
        slot.drop(self.dsn, self.slot)
        self.cluster.drop(self.database)


def changed(before: Digests, after: Digests) -> set[tuple[Kind, str]]:
    """The objects that are new, gone or different."""
    return {(kind, uuid) for drafts, kind, uuid in before.keys() | after.keys()
            if before.get((drafts, kind, uuid)) != after.get((drafts, kind, uuid))}  # fmt: skip


def touched(batches: Sequence[Batch]) -> list[Touched]:
    """Everything of these batches."""
    return [one for batch in batches for one in batch.touched]


def untold(objects: set[tuple[Kind, str]], batches: Sequence[Batch]) -> set[tuple[Kind, str]]:
    """Which of these objects the batches do not name, neither by kind nor by UUID alone."""
    told = {(one.kind, one.uuid) for one in touched(batches)}
    return {(kind, uuid) for kind, uuid in objects if (kind, uuid) not in told and (None, uuid) not in told}


def make_metadata_site(followed: Followed, items: int) -> None:
    """An almost empty repository: a schema, a field (number 1), and so many items named by `item_uuid`."""
    create_schema(followed.writer, "9")
    followed.writer.commit()
    followed.sql(
        """INSERT INTO metadataschemaregistry (metadata_schema_id, namespace, short_id) VALUES (1, 'http://x/', 'dc');
        INSERT INTO metadatafieldregistry (metadata_field_id, metadata_schema_id, element) VALUES (1, 1, 'title');
        INSERT INTO dspaceobject SELECT md5('item' || n)::uuid FROM generate_series(1, %(n)s) n;
        INSERT INTO item (uuid, in_archive, withdrawn, discoverable, last_modified)
          SELECT md5('item' || n)::uuid, true, false, true, now() FROM generate_series(1, %(n)s) n""",
        n=items,
    )


ADD_VALUES = """INSERT INTO metadatavalue (metadata_field_id, text_value, place, confidence, dspace_object_id)
    SELECT 1, 'a value of an ordinary length, number ' || n, n, -1, md5('item' || (n %% %s + 1))::uuid
    FROM generate_series(1, %s) n"""


def assetstore_of(folder: Path, sample: Path) -> Path:
    """A copy of the sample's files that edits may change."""
    return shutil.copytree(sample, folder / "assetstore")
