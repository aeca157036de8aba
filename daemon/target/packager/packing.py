"""The packages of a run, as files in the work folder: manifest and contents of one object each, for `packager -r -f`.

They are written as `export` writes them, but for what a run of this driver needs besides:

* A container brings the groups of its roles with it, typed: stock links a role to its group only if the group is made
  by that package (aip-format 4.10).
* A package names no children: which ones are loaded with it is the run's business.
* An item that becomes withdrawn takes two packages in one transaction: the first makes it as it was before, and the
  second states WITHDRAWN, no rights of the item, and nobody's rights of its files. So DSpace itself turns the item's
  right to read into the one that withdrawn items have, which no package can state (aip-format 3.4, 5.3), and the files
  are readable by administrators only; without a word on them they would get the collection's defaults.

Invariant: contents are streamed and proved; a package that cannot be written whole leaves nothing behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import structs

from daemon.export.groups import roles_of
from events.aip import stock_out
from events.aip.files import entry_name, file_name
from events.aip.model import Aip, Uuid
from events.aip.stock import WITHDRAWN_READ
from events.aip.surroundings import Surroundings
from events.blobs import Blobs
from events.errors import BlobMissing
from events.package.writing import Part, write_zip

Way = Literal["plain", "withdraw", "withdrawn"]
"""A package as it is, one that withdraws an item that is there, one of an item that is withdrawn already."""


def roles(aip: Aip) -> dict[Uuid, str]:
    """The groups that hold a role of a community or collection, with the type that stock has for it (`""`: none)."""
    return {row.group: "" for row in aip.roles} | roles_of(aip)


def write(aip: Aip, path: Path, blobs: Blobs, *, groups: Iterable[Aip] = (), way: Way = "plain") -> int:
    """Write the package of a community, collection or item; its size in bytes. `groups` are those of its roles.

    Raises InvalidAip, BlobMissing, ChecksumMismatch, and StorageUnusable where the disk is full.
    """
    around = Surroundings(people=tuple(groups), types=roles_of(aip), withdrawn=way == "withdraw", extension=False)
    if way == "plain":
        manifest = stock_out.write(readable(aip), around)
    else:
        own = rb'<rightsMD ID="rightsMD_' + aip.uuid.encode() + rb'".*?</rightsMD>\n?'
        manifest = re.sub(own, b"", stock_out.write(structs.replace(aip, policies=[]), around), flags=re.DOTALL)
    return write_zip(path, manifest, _parts(aip, blobs))


def readable(aip: Aip) -> Aip:
    """The item with the right to read in place of the one that stock packages have no word for."""
    if not any(row.action == WITHDRAWN_READ for row in aip.policies):
        return aip
    return structs.replace(
        aip,
        policies=[structs.replace(row, action=0) if row.action == WITHDRAWN_READ else row for row in aip.policies],
    )


def _parts(aip: Aip, blobs: Blobs) -> list[Part]:
    stored = {row.uuid: row.sha256 for row in aip.stored}
    parts = []
    for row in aip.bitstreams:
        digest = stored.get(row.uuid)
        if digest is None or not blobs.has(digest):
            raise BlobMissing(f"the content of bitstream {row.uuid} is not in the blob store")
        name = entry_name(row.uuid, file_name([value for value in aip.values if value.subject == row.uuid]))
        parts.append(Part(name, row.size, digest, partial(blobs.open, digest)))
    return parts
