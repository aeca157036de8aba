"""The files of a repository whose assetstore is older, or less, than its database: put back from the blob store.

Invariants:

* A file is only added, under the very id that its row names; none that is there is touched, whatever is in it.
* Only what the log says of a bitstream is put back: its content is found by the object that holds it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from daemon.dspace.connect import Connection
from daemon.export.moment import Moment
from daemon.target import ledger
from daemon.target.files import Assetstore, Wanted
from events.aip.model import Stored, Uuid
from events.blobs import Blobs
from events.event import Position
from events.log import Log

AT_ONCE: Final = 500

_ROWS: Final = """
    SELECT b.uuid::text, b.internal_id, b.size_bytes, b.checksum,
           coalesce(
             (SELECT min(coalesce(c.uuid, i.item_id)::text) FROM bundle2bitstream p
                JOIN item2bundle i ON i.bundle_id = p.bundle_id LEFT JOIN collection c ON c.template_item_id = i.item_id
              WHERE p.bitstream_id = b.uuid),
             (SELECT min(c.uuid::text) FROM community c WHERE c.logo_bitstream_id = b.uuid),
             (SELECT min(c.uuid::text) FROM collection c WHERE c.logo_bitstream_id = b.uuid))
    FROM bitstream b WHERE NOT coalesce(b.deleted, false) AND coalesce(b.store_number, 0) = 0 ORDER BY b.uuid"""
"""Every file that a row names, with the object that it belongs to: an item, or a container for its logo or template."""

_CONVENTIONAL: Final = re.compile(r"[0-9]{6,39}")


@dataclass
class Files:
    """What was found: files that rows name and that are not there, those put back, those that could not be, with the
    reason, and files that no row names. `foreign` are missing files of what is no content (output of jobs, debris).
    """

    named: int = 0
    missing: int = 0
    put_back: int = 0
    foreign: int = 0
    lost: list[tuple[Uuid, str]] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


def put_back(
    connection: Connection,
    folder: Path,
    blobs: Blobs,
    log: Log,
    at: Position,
    *,
    besides: Collection[Uuid] = (),
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _count: None,
) -> Files:
    """Put back the files that the assetstore lacks, and list those that nobody names. Raises TargetUnreachable.

    Objects of `besides` (source UUIDs) are left out: in a dry run, those whose rows are still to be changed.
    """
    store = Assetstore(folder)
    moment = Moment(log, at)
    found = Files()
    back = {target: source for source, target in ledger.aliases(connection).items()}
    named: set[str] = set()
    gone: list[tuple[Uuid, str, int, str | None, Uuid | None]] = []
    with connection.cursor(name="aipstream_files") as cursor:
        cursor.itersize = 5000
        cursor.execute(_ROWS)
        for uuid, internal_id, size, checksum, owner in cursor:
            found.named += 1
            if found.named % 1000 == 0:
                progress(found.named)
            named.add(internal_id)
            if owner is not None and back.get(owner, owner) in besides:
                continue
            if not store.holds(internal_id, size or 0):
                gone.append((uuid, internal_id, size or 0, checksum, owner))
    connection.rollback()
    found.missing = len(gone)
    contents: dict[Uuid, dict[Uuid, Stored] | None] = {}
    for start in range(0, len(gone), AT_ONCE):
        wanted = []
        for uuid, internal_id, size, checksum, owner in gone[start : start + AT_ONCE]:
            if owner is not None and owner not in contents:
                aip = moment.aip(back.get(owner, owner))
                contents[owner] = {row.uuid: row for row in aip.stored} if aip is not None else None
            known = contents.get(owner) if owner is not None else None
            if known is None:
                found.foreign += 1
                continue
            stored = known.get(uuid)
            if stored is None or stored.sha256 is None:
                found.lost.append((uuid, "the log does not know its content at that moment"))
            else:
                wanted.append(Wanted(uuid, internal_id, stored.sha256, checksum, size))
        contents.clear()
        if dry_run:
            found.put_back += len(wanted)
            continue
        placed, failed = store.place(wanted, blobs)
        for want in wanted:
            if placed.get(want.bitstream) == want.internal_id:
                found.put_back += 1
            else:
                reason = failed.get(want.bitstream, "its id is taken by another file")
                found.lost.append((want.bitstream, str(reason)))
    found.missing -= found.foreign
    found.orphans = sorted(_orphans(folder, named))
    return found


def _orphans(folder: Path, named: set[str]) -> Iterator[str]:
    """Files of the assetstore, by their ids, that no row names."""
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if _CONVENTIONAL.fullmatch(name) and name not in named and Path(above) != folder:
                yield name
