"""How objects that an AIP refers to are called in its stock sections: by group name, e-mail address or handle.

Groups whose name holds the UUID of a community or collection are renamed for export as DSpace does it (class
`PackageUtils`, aip-format 3.6): `COLLECTION_<uuid>_SUBMIT` becomes `COLLECTION_hdl:<handle>_SUBMIT`, which the
target turns into the UUID that the collection has there. Where the handle is not known, or holds an underscore (which
DSpace cannot split again), the name stays as it is, which fits a target that has the same UUIDs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from events.aip import markup
from events.aip.model import Aip, Kind, Uuid

_GENERATED: Final = re.compile(r"(COMMUNITY|COLLECTION|ITEM)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(.+)", re.S)


def known(aip: Aip) -> dict[Uuid, str]:
    """The names that the AIP knows, by UUID, with group names as DSpace exports them."""
    found: dict[Uuid, str] = {}
    generated: list[Uuid] = []
    for row in aip.names:
        name = row.name
        if name and markup.holds(name):
            found[row.uuid] = name
            if row.kind is Kind.GROUP and "_" in name:
                generated.append(row.uuid)
    handle = aip.handle
    if handle and markup.holds(handle):
        found[aip.uuid] = handle
    for group in generated:
        found[group] = exported(found[group], found)
    return found


def exported(name: str, handles: Mapping[Uuid, str]) -> str:
    """The name of a group as DSpace exports it, given the handles of communities and collections by UUID."""
    parts = _GENERATED.fullmatch(name)
    if parts is None:
        return name
    handle = handles.get(parts[2])
    if handle is None or "_" in handle or "/" not in handle:
        return name
    return f"{parts[1]}_hdl:{handle}_{parts[3]}"
