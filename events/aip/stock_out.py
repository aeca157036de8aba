"""The manifest of a package: what `mets_out` writes, and all that a stock DSpace wants besides (aip-format 2 and 6).

Invariants:

* METS elements have no attributes of ours, so the document is valid against the METS schema; what the log's document
  states there is in the extension, which has every row of the object.
* Nothing in it makes stock DSpace publish what is not public: a withdrawn item says so only where that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from events.aip import dim, extension, files, markup, roles_stock
from events.aip.mets import EXTENSION_ID
from events.aip.mets_out import Manifest, wrapped
from events.aip.model import Aip, BitstreamRow, Kind, Uuid
from events.aip.order import canonical
from events.aip.registry_rows import Format
from events.aip.surroundings import Surroundings

_OURS: Final = re.compile(r' as:\w+="[^"]*"')
_FILE: Final = re.compile(r'<file ID="(?:bitstream|logo)_([0-9a-f-]{36})" SIZE="\d+"')
_HREF: Final = re.compile(r'xlink:href="bitstream_([0-9a-f-]{36})[^"]*"')

SUPPORT: Final = ("UNKNOWN", "KNOWN", "SUPPORTED")
"""The names that AIP-TECHMD has for the levels of support 0, 1 and 2."""


def write(aip: Aip, surroundings: Surroundings, *, producer: str = "aipstream") -> bytes:
    """The manifest of a site, community, collection or item, in UTF-8."""
    return _Packaged(canonical(aip), producer, surroundings).written().encode()


class _Packaged(Manifest):
    """One manifest in the making."""

    def __init__(self, aip: Aip, producer: str, surroundings: Surroundings) -> None:
        super().__init__(replace(aip, bitstreams=[_held(row) for row in aip.bitstreams]), producer)
        self.whole = aip
        self.surroundings = surroundings
        self.names = {
            uuid: name
            for uuid, name in {**self.names, **surroundings.called}.items()
            if uuid not in surroundings.absent
        }
        self.formats: dict[str, Format] = {row.short_description: row for row in aip.formats}
        self.media: dict[Uuid, str] = {}
        for row in aip.bitstreams:
            known = self.formats.get(row.format or "")
            if known is not None and known.mimetype and markup.holds(known.mimetype):
                self.media[row.uuid] = known.mimetype

    def _people(self) -> None:
        if self.surroundings.people:
            uuid = self.aip.uuid
            self.out.append(wrapped("techMD", f"techMD_{uuid}", "DSPACE-ROLES"))
            around = self.surroundings
            self.out.append(roles_stock.written(around.people, around.types, around.called))
            self.out.append("</xmlData></mdWrap></techMD>\n")

    def _object_facts(self) -> list[str]:
        facts = super()._object_facts()
        own = next((row for row in self.aip.items if row.uuid == self.aip.uuid), None)
        if self.aip.kind is Kind.ITEM and own is not None and own.withdrawn and self.surroundings.withdrawn:
            facts.append(dim.plain("dc.rights.accessRights", "WITHDRAWN"))
        return facts

    def _format_facts(self, name: str | None) -> list[str]:
        facts = super()._format_facts(name)
        known = self.formats.get(name or "")
        if known is not None:
            if known.mimetype:
                facts.append(dim.plain("dc.format.mimetype", known.mimetype))
            if 0 <= known.support < len(SUPPORT):
                facts.append(dim.plain("dc.format.supportlevel", SUPPORT[known.support]))
            facts.append(dim.plain("dc.format.internal", "true" if known.internal else "false"))
        return facts

    def _extension(self) -> None:
        if not self.surroundings.extension:
            return
        self.out.append(f'<amdSec ID="{EXTENSION_ID}">')
        self.out.append(wrapped("digiprovMD", "digiprovMD_aipstream", "AIPSTREAM"))
        extension.whole(self.whole, None, self.out)
        self.out.append("</xmlData></mdWrap></digiprovMD></amdSec>\n")

    def _file_section(self, bundles: list[files.Bundle], logo: files.File | None) -> None:
        begin = len(self.out)
        super()._file_section(bundles, logo)
        self.out[begin:] = [self._stock(piece) for piece in self.out[begin:]]

    def _stock(self, piece: str) -> str:
        """A piece of the fileSec as a package has it."""

        def opening(found: re.Match[str]) -> str:
            uuid = found[1]
            media = f' MIMETYPE="{markup.quoted(self.media[uuid])}"' if uuid in self.media else ""
            said = f'{found[0].rpartition(" SIZE=")[0]} SIZE="0"' if uuid in self.surroundings.empty else found[0]
            return said + media

        piece = _FILE.sub(opening, _OURS.sub("", piece))
        if self.surroundings.links is None:
            return piece
        base = markup.quoted(self.surroundings.links.rstrip("/"))
        return _HREF.sub(lambda found: f'xlink:href="{base}/bitstreams/{found[1]}/download"', piece)

    def _inside(self) -> Iterator[str]:
        for each in self.surroundings.inside:
            handle = (
                f'<mptr ID="mptr_{each.uuid}" LOCTYPE="HANDLE" xlink:type="simple"'
                f' xlink:href="{markup.quoted(each.handle)}"/>'
                if each.handle
                else ""
            )
            yield (
                f'<div ID="div_{each.uuid}" TYPE="DSpace {each.kind.value.upper()}">{handle}<mptr'
                f' ID="mptr_package_{each.uuid}" LOCTYPE="URL" xlink:type="simple"'
                f' xlink:href="{markup.quoted(each.package)}"/></div>\n'
            )


def _held(row: BitstreamRow) -> BitstreamRow:
    """The bitstream as METS can state it: without a format or checksum that XML cannot hold."""
    texts = {"format": row.format, "checksum": row.checksum, "checksum_algorithm": row.checksum_algorithm}
    lost = {name: None for name, text in texts.items() if text is not None and not markup.holds(text)}
    return replace(row, **lost) if lost else row
