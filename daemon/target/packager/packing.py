"""The packages of a run, as files in the work folder: manifest and contents of one object each, for `packager -r -f`.

They are the packages of `events.aip.write`, but for what a run of this driver needs besides:

* A container brings the groups of its roles with it, typed: stock links a role to its group only if the group is made
  by that package (aip-format 4.10).
* A package names no children: which ones are loaded with it is the run's business.
* An item that becomes withdrawn takes two packages in one transaction: the first makes it as it was before, and the
  second states WITHDRAWN and no rights at all. So DSpace itself turns the right to read into the one that withdrawn
  items have, which no package can state, and lets the files inherit it (aip-format 3.4, 5.3).

Invariant: contents are streamed; a package that cannot be written whole leaves nothing behind.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from msgspec import structs

import events.aip
from events.aip.files import entry_name, file_name
from events.aip.model import Aip, Kind, Uuid
from events.aip.roles import combined
from events.aip.stock import WITHDRAWN_READ
from events.blobs import Blobs
from events.errors import BlobMissing, InvalidAip, StorageUnusable

_PIECE: Final = 1024 * 1024
_ZIP64: Final = 2**31 - 1
_STEPS: Final = {"reviewer": 1, "editor": 2, "finaleditor": 3}
"""The roles of the default workflow, which stock packages know by their steps."""

_RIGHTS: Final = re.compile(r"<rightsMD .*?</rightsMD>\n?", re.DOTALL)
_WITHDRAWN: Final = '<dim:field mdschema="dc" element="rights" qualifier="accessRights">WITHDRAWN</dim:field>'


def roles(aip: Aip) -> dict[Uuid, str]:
    """The groups that hold a role of a community or collection, with the type that stock has for it (`""`: none)."""
    found: dict[Uuid, str] = {}
    if aip.kind is Kind.COLLECTION and aip.collection:
        found |= {row.group: "" for row in aip.roles if row.role not in _STEPS}
        found |= {row.group: f"WORKFLOW_STEP_{_STEPS[row.role]}" for row in aip.roles if row.role in _STEPS}
        if aip.collection.submitters:
            found[aip.collection.submitters] = "SUBMIT"
        if aip.collection.admin:
            found[aip.collection.admin] = "ADMIN"
    elif aip.kind is Kind.COMMUNITY and aip.community and aip.community.admin:
        found[aip.community.admin] = "ADMIN"
    return found


Way = Literal["plain", "withdraw", "withdrawn"]
"""A package as it is, one that withdraws an item that is there, one of an item that is withdrawn already."""


def write(aip: Aip, path: Path, blobs: Blobs, *, groups: Iterable[Aip] = (), way: Way = "plain") -> int:
    """Write the package of a community, collection or item; its size in bytes. `groups` are those of its roles.

    Raises InvalidAip, BlobMissing, ChecksumMismatch, and StorageUnusable where the disk is full.
    """
    document = events.aip.write(_readable(aip)).decode()
    if way != "plain":
        document = _RIGHTS.sub("", document)
    if way == "withdraw":
        document = _withdrawn(document, aip.uuid)
    document = _with_roles(document, aip, list(groups))
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("mets.xml", document, zipfile.ZIP_DEFLATED)
            _contents(aip, archive, blobs)
        return path.stat().st_size
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageUnusable(f"the package {path} cannot be written: {error.strerror or error}") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _contents(aip: Aip, archive: zipfile.ZipFile, blobs: Blobs) -> None:
    stored = {row.uuid: row.sha256 for row in aip.stored}
    for row in aip.bitstreams:
        digest = stored.get(row.uuid)
        if digest is None:
            raise BlobMissing(f"the content of bitstream {row.uuid} was never captured")
        entry = zipfile.ZipInfo(entry_name(row.uuid, file_name([v for v in aip.values if v.subject == row.uuid])))
        entry.compress_type = zipfile.ZIP_STORED
        with blobs.open(digest) as content, archive.open(entry, "w", force_zip64=row.size > _ZIP64) as out:
            shutil.copyfileobj(content, out, _PIECE)


def _readable(aip: Aip) -> Aip:
    """The item with the right to read in place of the one that stock packages have no word for."""
    if not any(row.action == WITHDRAWN_READ for row in aip.policies):
        return aip
    return structs.replace(
        aip,
        policies=[structs.replace(row, action=0) if row.action == WITHDRAWN_READ else row for row in aip.policies],
    )


def _withdrawn(document: str, uuid: Uuid) -> str:
    """The manifest with the word that makes stock withdraw the item."""
    before, marked, after = document.partition(f'<sourceMD ID="sourceMD_{uuid}">')
    head, found, rest = after.partition("</dim:dim>")
    if not marked or not found:
        raise InvalidAip(f"the manifest of item {uuid} has no AIP-TECHMD to state that it is withdrawn")
    return f"{before}{marked}{head}{_WITHDRAWN}{found}{rest}"


def _with_roles(document: str, aip: Aip, groups: list[Aip]) -> str:
    if not groups:
        return document
    stated = combined(groups).decode().partition("?>")[2].strip()
    for group, kind in roles(aip).items():
        if kind:
            stated = stated.replace(f'<Group ID="{group}"', f'<Group ID="{group}" Type="{kind}"')
    section = (
        '<techMD ID="techMD_roles"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="DSPACE-ROLES"><xmlData>'
        f"{stated}</xmlData></mdWrap></techMD>"
    )
    mark = f'<amdSec ID="amd_{aip.uuid}">'
    return document.replace(mark, mark + section, 1)
