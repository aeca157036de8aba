"""One `file` of a stock manifest: a bitstream, from what METS, AIP-TECHMD and PREMIS say (aip-format 2.6, 3.3, 3.7).

METS and PREMIS take size and checksum from the same row of DSpace's database. Where they differ, the one with a size of
0 was written for a content that could not be read (`unauthorized=zero`), and the other is right; any other difference
was made later.

Invariant: every file becomes one bitstream with a UUID of its own; contradictions raise InvalidAip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lxml import etree

from events.aip import dim, files, markup
from events.aip.markup import METS, PREMIS
from events.aip.model import BitstreamRow, Uuid, Value, derived_uuid
from events.aip.registry_rows import Format
from events.errors import InvalidAip

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUPPORT: Final = {"UNKNOWN": 0, "KNOWN": 1, "SUPPORTED": 2}
_FACTS: Final = ("messageDigest", "messageDigestAlgorithm", "size", "originalName", "formatName")
_SUFFIX: Final = re.compile(r"bitstream_[0-9a-f-]{36}\.([A-Za-z0-9_-]{1,16})")
_UNKNOWN: Final = "application/octet-stream"


class Files:
    """The files of one manifest, read one after the other. `owner` is the object's UUID."""

    def __init__(self, owner: Uuid) -> None:
        self.owner = owner
        self.uuids: dict[str, Uuid] = {}
        self.formats: dict[str, Format] = {}
        self.media: dict[Uuid, str] = {}
        self.doubts: list[str] = []
        self._seen: set[Uuid] = {owner}

    def read(
        self, file: etree._Element, described: Sequence[etree._Element], preserved: Sequence[etree._Element]
    ) -> tuple[BitstreamRow, list[Value]]:
        """The row and the metadata of a file. `described`: what its AIP-TECHMD holds, `preserved`: its PREMIS."""
        if file.tag != f"{{{METS}}}file":
            raise InvalidAip(f"{markup.place(file)}: expected file")
        uuid = self._uuid(file)
        premis: dict[str, str] = {}
        for part in (part for whole in preserved for part in whole.iter(f"{{{PREMIS}}}*")):
            if markup.local(part) in _FACTS:
                premis[markup.local(part)] = (part.text or "").strip()
        values: list[Value] = []
        facts: dict[str, str] = {}
        for declaration in described:
            facts |= dim.read(declaration, uuid, values, dim.BITSTREAM_FIELDS_READ)
        if not any(value.field == files.NAME_FIELD for value in values) and premis.get("originalName"):
            values.append(Value(uuid, files.NAME_FIELD, 0, premis["originalName"]))
        checksum, algorithm = _checksum(file, premis)
        sequence = file.get("SEQ")
        row = BitstreamRow(
            uuid,
            None,
            self._format(file, uuid, facts, premis),
            checksum,
            algorithm,
            None if sequence is None else markup.number(sequence, file),
            _size(file, premis),
        )
        return row, [value for value in values if value.text]

    def _uuid(self, file: etree._Element) -> Uuid:
        identity = markup.need(file, "ID")
        if identity in self.uuids:
            raise InvalidAip(f"{markup.place(file)}: there are two files of that ID")
        tail = identity.rpartition("_")[2].lower()
        uuid = tail if _UUID.fullmatch(tail) else derived_uuid(f"{self.owner}/{identity}")
        if uuid in self._seen:
            raise InvalidAip(f"{markup.place(file)}: its UUID is that of another object in the manifest")
        self._seen.add(uuid)
        self.uuids[identity] = uuid
        return uuid

    def _format(self, file: etree._Element, uuid: Uuid, facts: dict[str, str], premis: dict[str, str]) -> str | None:
        """The format's short description, which stock DSpace knows it by. What else is said makes a `Format`."""
        medium = facts.get("dc.format.medium") or None
        media = facts.get("dc.format.mimetype") or file.get("MIMETYPE") or premis.get("formatName")
        if medium is None:
            if media and media != _UNKNOWN:
                self.media[uuid] = media
            return None
        level = facts.get("dc.format.supportlevel", "UNKNOWN").upper()
        if level not in _SUPPORT:
            self.doubts.append(f"{markup.place(file)}: unknown level of support {level[:40]!r} of format {medium!r}")
        if medium not in self.formats:
            suffix = _SUFFIX.fullmatch(files.location(file) or "")
            self.formats[medium] = Format(
                medium,
                media,
                medium,
                _SUPPORT.get(level, 0),
                facts.get("dc.format.internal", "").lower() == "true",
                (suffix[1].lower(),) if suffix else (),
            )
        return medium


def _size(file: etree._Element, premis: dict[str, str]) -> int:
    sizes = [markup.number(text, file) for text in (file.get("SIZE"), premis.get("size")) if text]
    if any(size < 0 for size in sizes):
        raise InvalidAip(f"{markup.place(file)}: a size below zero")
    if len(sizes) == 2 and 0 not in sizes and sizes[0] != sizes[1]:
        raise InvalidAip(f"{markup.place(file)}: SIZE is {sizes[0]}, but its PREMIS says {sizes[1]}")
    return max(sizes, default=0)


def _checksum(file: etree._Element, premis: dict[str, str]) -> tuple[str | None, str | None]:
    """Checksum and algorithm. DSpace gives both in both places; what only one of them has is taken from there."""
    own, kind = file.get("CHECKSUM"), file.get("CHECKSUMTYPE")
    other, other_kind = premis.get("messageDigest") or None, premis.get("messageDigestAlgorithm") or None
    if own and kind and other and (other_kind or "").upper() == kind.upper() and own.lower() != other.lower():
        raise InvalidAip(f"{markup.place(file)}: CHECKSUM is {own[:80]!r}, but its PREMIS says {other[:80]!r}")
    if own and kind:
        return own.lower(), kind
    return (other.lower(), other_kind) if other and other_kind else (own.lower() if own else None, kind)
