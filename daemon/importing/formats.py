"""Which format a file gets: the one that its package names, made if it is not there; else by MIME type, else by name.

Invariant: a format that is there is never changed by a package.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from daemon.importing.destination import Registry
from events.aip.model import Aip, BitstreamRow, Kind, derived_uuid
from events.aip.registry_rows import Format
from events.package import Package

UNKNOWN: Final = "Unknown"
KEY: Final = "formats"


def settled(package: Package, aip: Aip, registry: Registry) -> tuple[Aip, list[Aip]]:
    """The object with formats that are there, and the registry document of those that have to be made."""
    if not aip.bitstreams:
        return aip, []
    said = {row.short_description: row for row in aip.formats}
    made: dict[str, Format] = {}
    names = {row.subject: row.text or "" for row in aip.values if row.field == "dc.title"}

    def known(row: BitstreamRow) -> BitstreamRow:
        name = row.format
        if name is None and not package.whole:
            name = guessed(package.media.get(row.uuid), names.get(row.uuid, ""), registry)
        elif name is not None and name not in registry.formats and name != UNKNOWN:
            taken = {each for format_ in registry.formats.values() for each in format_.extensions}
            facts = said.get(name)
            if facts is None:
                name = guessed(package.media.get(row.uuid), names.get(row.uuid, ""), registry)
            else:
                made[name] = replace(facts, extensions=tuple(x for x in facts.extensions if x not in taken))
        return replace(row, format=name)

    bitstreams = [known(row) for row in aip.bitstreams]
    document = Aip(kind=Kind.REGISTRY, uuid=derived_uuid(KEY), key=KEY, formats=list(made.values()))
    return replace(aip, bitstreams=bitstreams, formats=[]), [document] if made else []


def guessed(media: str | None, name: str, registry: Registry) -> str:
    """As stock DSpace guesses: by MIME type among the formats that are not internal, then by the file's extension."""
    usual = sorted(registry.formats.values(), key=lambda row: row.short_description)
    for row in usual:
        if media and row.mimetype == media and not row.internal and media != "application/octet-stream":
            return row.short_description
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    for row in usual:
        if extension and extension in row.extensions:
            return row.short_description
    return UNKNOWN
