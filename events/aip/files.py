"""The fileSec of an item, and the logo of a container: bundles, where bitstreams stand in them, and their contents.

`fileGrp` is a bundle, `file` a bitstream at its place in it. Columns that METS has no attribute for stand beside in
our namespace, named as in `events.aip.model`. The `FLocat` names the entry of the package's zip.

Invariant: a bitstream is a `file` only once in a document (its ID has to be unique), and only with all of its rows;
what does not fit so (a bundle of a template item, a bitstream in two bundles, a place without its bitstream) is left
in `Remaining` for the extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from lxml import etree

from events.aip import markup
from events.aip.markup import AS, METS, XLINK
from events.aip.model import Aip, BitstreamRow, BundleRow, Placed, Stored, Uuid, Value

_SUFFIX: Final = re.compile(r"[A-Za-z0-9]{1,16}")
_CHECKSUM_TYPES: Final = frozenset({"HAVAL", "MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512", "TIGER", "WHIRLPOOL"})
_FILE: Final = f"{{{METS}}}file"
_LOCATION: Final = f"{{{METS}}}FLocat"
_HREF: Final = f"{{{XLINK}}}href"

NAME_FIELD: Final = "dc.title"
LOGO: Final = "LOGO"


def entry_name(uuid: Uuid, name: str | None) -> str:
    """The name of a bitstream's entry in the zip: `bitstream_<uuid>`, with the suffix of its file name.

    The suffix is what follows the last dot of `dc.title` if that is 1 to 16 ASCII letters and digits, else there is
    none. Stock DSpace takes it from the format registry instead; it never reads it.
    """
    suffix = (name or "").rpartition(".")[2] if name and "." in name else ""
    return f"bitstream_{uuid}.{suffix}" if _SUFFIX.fullmatch(suffix) else f"bitstream_{uuid}"


def file_name(values: list[Value]) -> str | None:
    """The file name of a bitstream, or the name of a bundle, from its values in canonical order."""
    for value in values:
        if value.field == NAME_FIELD:
            return value.text
    return None


class Remaining(msgspec.Struct):
    """The rows of an AIP that are still to be written. Taken one by one; what stays goes into the extension."""

    bundles: list[BundleRow]
    placed: list[Placed]
    bitstreams: dict[Uuid, BitstreamRow]
    stored: dict[Uuid, Stored]
    values: dict[Uuid, list[Value]]
    doubled: dict[str, list[Any]]

    @classmethod
    def of(cls, aip: Aip) -> Remaining:
        """All rows of the AIP, which is canonical."""
        doubled: dict[str, list[Any]] = {"bitstreams": [], "stored": []}
        bitstreams: dict[Uuid, BitstreamRow] = {}
        for bitstream in aip.bitstreams:
            if bitstreams.setdefault(bitstream.uuid, bitstream) is not bitstream:
                doubled["bitstreams"].append(bitstream)
        stored: dict[Uuid, Stored] = {}
        for content in aip.stored:
            if stored.setdefault(content.uuid, content) is not content:
                doubled["stored"].append(content)
        values: dict[Uuid, list[Value]] = {}
        for value in aip.values:
            values.setdefault(value.subject, []).append(value)
        return cls(aip.bundles, aip.placed, bitstreams, stored, values, doubled)

    def rows(self) -> dict[str, list[Any]]:
        """What was not taken, by the names of the fields of `Aip`."""
        return {
            "bundles": self.bundles,
            "placed": self.placed,
            "bitstreams": [*self.bitstreams.values(), *self.doubled["bitstreams"]],
            "stored": [*self.stored.values(), *self.doubled["stored"]],
            "values": [value for values in self.values.values() for value in values],
        }


class File(msgspec.Struct):
    """A bitstream at its place in a bundle, with everything that the document says of it."""

    placed: Placed
    bitstream: BitstreamRow
    stored: Stored | None
    values: list[Value]
    name: str | None


class Bundle(msgspec.Struct):
    """A bundle of the item, with its files in order. `named`: its name is a plain dc.title, which `USE` states."""

    row: BundleRow
    name: str
    named: bool
    files: list[File]


def take(aip: Aip, remaining: Remaining) -> list[Bundle]:
    """The bundles of the item itself with their files. Their rows are taken from `remaining`."""
    bundles: dict[Uuid, Bundle] = {}
    others: list[BundleRow] = []
    for row in remaining.bundles:
        if row.subject != aip.uuid or row.uuid in bundles or row.uuid == aip.uuid:
            others.append(row)
            continue
        values = remaining.values.get(row.uuid, [])
        name = file_name(values) or ""
        said = Value(row.uuid, NAME_FIELD, 0, name)
        named = said in values and markup.holds(name)
        if named:
            values.remove(said)
        bundles[row.uuid] = Bundle(row, name, named, [])
    remaining.bundles = others
    left: list[Placed] = []
    taken = {aip.uuid, *bundles}
    for placed in sorted(remaining.placed, key=_position):
        bundle = bundles.get(placed.bundle)
        bitstream = remaining.bitstreams.get(placed.bitstream)
        if bundle is None or bitstream is None or placed.bitstream in taken or not _plain(bitstream):
            left.append(placed)
            continue
        bundle.files.append(_taken(placed, bitstream, remaining))
    remaining.placed = left
    return list(bundles.values())


def _position(placed: Placed) -> tuple[Uuid, int]:
    return placed.bundle, placed.order


def _plain(bitstream: BitstreamRow) -> bool:
    return all(
        part is None or markup.holds(part)
        for part in (bitstream.format, bitstream.checksum, bitstream.checksum_algorithm)
    )


def _taken(placed: Placed, bitstream: BitstreamRow, remaining: Remaining) -> File:
    uuid = bitstream.uuid
    del remaining.bitstreams[uuid]
    stored = remaining.stored.get(uuid)
    if stored is not None and all(part is None or markup.holds(part) for part in (stored.internal_id, stored.sha256)):
        del remaining.stored[uuid]
    else:
        stored = None
    values = remaining.values.pop(uuid, [])
    return File(placed, bitstream, stored, values, file_name(values))


def take_logo(logo: Uuid | None, remaining: Remaining) -> File | None:
    """The logo of a container, if its row is there. Its metadata stays in `remaining`: stock keeps none of a logo."""
    bitstream = remaining.bitstreams.get(logo) if logo else None
    if bitstream is None or not _plain(bitstream):
        return None
    values = remaining.values.get(bitstream.uuid, [])
    file = _taken(Placed("", bitstream.uuid, 0, None), bitstream, remaining)
    if values:
        remaining.values[bitstream.uuid] = values
    return file


def write_group(bundle: Bundle, originals: Mapping[str, Uuid], out: list[str]) -> None:
    """Append the `fileGrp` of a bundle. `originals` gives the bitstreams of the bundle ORIGINAL by file name."""
    row = bundle.row
    use = bundle.name
    written = f'<fileGrp ID="bundle_{row.uuid}" USE="{markup.quoted(use)}" ADMID="amd_{row.uuid}"'
    if not bundle.named:
        written += ' as:unnamed="true"'
    if row.legacy_id is not None:
        written += f' as:legacy_id="{row.legacy_id}"'
    if row.primary is not None:
        written += f' as:primary="{row.primary}"'
    out.append(written + ">\n")
    derived = use == "THUMBNAIL" or use.startswith("TEXT")
    for order, file in enumerate(bundle.files):
        uuid = file.bitstream.uuid
        group = originals.get((file.name or "")[:-4], uuid) if derived else uuid
        beside = f' ADMID="amd_{uuid}" GROUPID="GROUP_bitstream_{group}"'
        if file.placed.order != order:
            beside += f' as:order="{file.placed.order}"'
        if file.placed.order_legacy is not None:
            beside += f' as:order_legacy="{file.placed.order_legacy}"'
        out.append(_file(file, f"bitstream_{uuid}", beside))
    out.append("</fileGrp>\n")


def write_logo(file: File, out: list[str]) -> None:
    """Append the `fileGrp` of a logo, which in stock DSpace has no metadata sections."""
    beside = "" if file.bitstream.format is None else f' as:format="{markup.quoted(file.bitstream.format)}"'
    out.append(f'<fileGrp USE="{LOGO}">\n')
    out.append(_file(file, f"logo_{file.bitstream.uuid}", beside))
    out.append("</fileGrp>\n")


def _file(file: File, identity: str, beside: str) -> str:
    row, stored = file.bitstream, file.stored
    written = f'<file ID="{identity}" SIZE="{row.size}"'
    if row.sequence_id is not None:
        written += f' SEQ="{row.sequence_id}"'
    if row.checksum is not None and row.checksum_algorithm in _CHECKSUM_TYPES:
        written += f' CHECKSUM="{markup.quoted(row.checksum)}" CHECKSUMTYPE="{row.checksum_algorithm}"'
    else:
        if row.checksum is not None:
            written += f' as:checksum="{markup.quoted(row.checksum)}"'
        if row.checksum_algorithm is not None:
            written += f' as:checksum_algorithm="{markup.quoted(row.checksum_algorithm)}"'
    written += beside
    if row.legacy_id is not None:
        written += f' as:legacy_id="{row.legacy_id}"'
    if stored is not None:
        written += f' as:store_number="{stored.store_number}"'
        if stored.internal_id is not None:
            written += f' as:internal_id="{markup.quoted(stored.internal_id)}"'
        if stored.sha256 is not None:
            written += f' as:sha256="{markup.quoted(stored.sha256)}"'
    href = entry_name(row.uuid, file.name)
    return f'{written}><FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="{href}"/></file>\n'


_AS: Final = f"{{{AS}}}"
_LEGACY: Final = f"{_AS}legacy_id"
_ORDER: Final = f"{_AS}order"


def read(group: etree._Element, owner: Uuid, formats: Mapping[Uuid, str], into: Mapping[str, list[Any]]) -> None:
    """Add the rows of a `fileGrp` that `write_group` or `write_logo` made; `formats` are those in AIP-TECHMD.

    Raises InvalidAip for what is missing or malformed.
    """
    identity = group.get("ID")
    bundle = None
    if identity is not None:
        bundle = markup.uuid(identity.removeprefix("bundle_"), group)
        primary = group.get(f"{_AS}primary")
        into["bundles"].append(
            BundleRow(
                owner,
                bundle,
                _number(group, _LEGACY),
                None if primary is None else markup.uuid(primary, group),
            )
        )
        use = markup.need(group, "USE")
        if group.get(f"{_AS}unnamed") is None:
            into["values"].append(Value(bundle, NAME_FIELD, 0, use))
    for order, file in enumerate(element for element in group if element.tag == _FILE):
        given: dict[str, str] = dict(file.attrib)  # type: ignore[arg-type]
        uuid = markup.uuid(markup.need(file, "ID").partition("_")[2], file)
        algorithm = given.get("CHECKSUMTYPE", given.get(f"{_AS}checksum_algorithm"))
        checksum = given.get("CHECKSUM", given.get(f"{_AS}checksum"))
        into["bitstreams"].append(
            BitstreamRow(
                uuid,
                _number(file, _LEGACY),
                given.get(f"{_AS}format") if bundle is None else formats.get(uuid),
                checksum,
                algorithm,
                _number(file, "SEQ"),
                markup.number(markup.need(file, "SIZE"), file),
            )
        )
        store = given.get(f"{_AS}store_number")
        if store is not None:
            into["stored"].append(
                Stored(uuid, given.get(f"{_AS}internal_id"), markup.number(store, file), given.get(f"{_AS}sha256"))
            )
        if bundle is not None:
            place = given.get(_ORDER)
            into["placed"].append(
                Placed(
                    bundle,
                    uuid,
                    order if place is None else markup.number(place, file),
                    _number(file, f"{_AS}order_legacy"),
                )
            )


def _number(element: etree._Element, name: str) -> int | None:
    value = element.get(name)
    return None if value is None else markup.number(value, element)


def location(file: etree._Element) -> str | None:
    """The name of the zip entry that holds the content of a `file`; None if it names none."""
    for element in file:
        if element.tag == _LOCATION:
            return element.get(_HREF)
    return None
