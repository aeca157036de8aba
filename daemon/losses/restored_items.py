"""Items as the stock packager restores them: what `InstallItemService` and the services of bundles add and change."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from daemon.losses.natural import bitstream_uuid, bundle_uuid
from daemon.losses.release import NOW, cleaned, stored
from daemon.losses.restored import Restored
from events.aip import dim, files
from events.aip.files import NAME_FIELD, Remaining, entry_name
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    ItemRow,
    Kind,
    Member,
    Placed,
    Policy,
    Uuid,
    Value,
    Version,
)
from events.aip.named import reference

ACCESSIONED: Final = "dc.date.accessioned"
PROVENANCE: Final = "dc.description.provenance"
IDENTIFIER: Final = "dc.identifier.uri"
RESTORED: Final = "Restored into DSpace on"
LICENCE_BUNDLE: Final = "LICENSE"
LICENCE_NAME: Final = "license.txt"
LICENCE_FORMAT: Final = "License"
VERSION_SUMMARY: Final = "Restoring from AIP Service"

_RENAMED: Final = {"CONTENT": "ORIGINAL", "MANIFESTMD": "METADATA"}
_VERSIONED: Final = re.compile(r".*\.([0-9]+)")
_FORM: Final = re.compile(r"(?:hdl:|info:hdl/|https?://hdl\.handle\.net/|https?://.+/handle/).*")


class Item(Restored):
    """An item with its files."""

    withdrawn = False

    def restored(self) -> Aip | None:
        """The object on the target; None if it is not there afterwards."""
        aip = self.aip
        row = next((row for row in aip.items if row.uuid == aip.uuid), None)
        if row is None or not aip.handle or row.owning_collection not in self.names:
            return None
        if row.withdrawn and self.at.withdraws:
            self.withdrawn = True
        elif row.withdrawn or not row.in_archive:
            return None
        self.bundles: list[BundleRow] = []
        self.placed: list[Placed] = []
        self.formats = {row.short_description: row for row in aip.formats}
        self._metadata()
        self._files()
        self._licence()
        self.policies += self.declared(self.uuid, self.uuid)
        if self.withdrawn:
            # the second package states no rights: the item keeps its own, bundles and files come without any
            own = [row for row in self.policies if row.subject == self.uuid]
            self.policies = [replace(row, action=12) if row.action in (0, -1) else row for row in own]
        itself = self._row(row)
        return self.finished(
            bundles=self.bundles, placed=self.placed, items=[itself], parents=self._parents(row),
            **self._versions(itself.submitter),
        )  # fmt: skip

    def _row(self, row: ItemRow) -> ItemRow:
        known = row.submitter is not None and row.submitter in self.names
        before = next((item for item in self.existing.items if item.uuid == self.uuid), None) if self.existing else None
        if before is not None:
            submitter = row.submitter if known else before.submitter
            return replace(before, last_modified=NOW, submitter=submitter, legacy_id=before.legacy_id)
        there = not self.withdrawn
        who = row.submitter if known else self.at.person
        return ItemRow(self.uuid, None, there, self.withdrawn, True, NOW, who, row.owning_collection)

    def _parents(self, row: ItemRow) -> list[Member]:
        mapped = [parent for parent in self.aip.parents if parent.other in self.names]
        owner = Member(self.uuid, row.owning_collection or "")
        found = [*mapped, *([owner] if owner not in mapped else [])]
        if self.existing is None:
            return found
        by_name = {parent.other: reference(Kind.COLLECTION, self.names[parent.other]) for parent in found}
        had = {parent.other for parent in self.existing.parents}
        return self.existing.parents + [parent for parent in mapped if by_name[parent.other] not in had]

    def _versions(self, submitter: Uuid | None) -> dict[str, Any]:
        numbered = _VERSIONED.fullmatch(self.aip.handle or "")
        if numbered is None or self.existing is not None:
            return {}
        return {"versions": [Version(int(numbered[1]), self.uuid, NOW, VERSION_SUMMARY, submitter)]}

    # --- metadata -----------------------------------------------------------------------------------------------------

    def _metadata(self) -> None:
        own = self.of(self.uuid)
        said = self.said(own)
        if not any(value.field == "dc.title" for value in said):
            said.append(Value(self.uuid, "dc.title", 0, "Untitled"))
        if self.existing is None:
            said = self._installed(said)
        counted: dict[str, int] = {}
        for value in said:
            place = counted[value.field] = counted.get(value.field, -1) + 1
            self.values.append(stored(value, place, self.at))

    def _installed(self, said: list[Value]) -> list[Value]:
        """What the installation of a restored item changes: the link of its handle, dates, provenance."""
        handle = self.aip.handle or ""
        prefix = handle.partition("/")[0]
        others = [value for value in said if value.field != IDENTIFIER or not _is_handle(value.text, prefix)]
        link = Value(self.uuid, IDENTIFIER, 0, self._link(handle, said))
        dates = [] if any(value.field == ACCESSIONED for value in said) else [Value(self.uuid, ACCESSIONED, 0, NOW)]
        return [*others, link, *dates, Value(self.uuid, PROVENANCE, 0, RESTORED, "en")]

    def _link(self, handle: str, said: list[Value]) -> str:
        """The link of the handle, without the number of a version: as the target is set up, or as other links are."""
        numbered = _VERSIONED.fullmatch(handle)
        plain = handle.removesuffix(f".{numbered[1]}") if numbered else handle
        if self.at.canonical is not None:
            return self.at.canonical + plain
        for value in said:
            begin, found, _ = (value.text or "").partition(f"/{handle.partition('/')[0]}/")
            if value.field == IDENTIFIER and found and "://" in begin and "hdl.handle.net" not in begin:
                return f"{begin}/{plain}"
        return f"https://hdl.handle.net/{plain}"

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> None:
        primary = self._primary(bundles := files.take(self.aip, Remaining.of(self.aip)))
        by_name: dict[str, Uuid] = {}
        rights_of: dict[Uuid, list[Policy]] = {}
        orders: dict[Uuid, int] = {}
        chosen: dict[Uuid, Uuid] = {}
        for bundle in bundles:
            name = _RENAMED.get(bundle.name, bundle.name)
            uuid = by_name.setdefault(name, bundle_uuid(self.uuid, name))
            for file in bundle.files:
                if file.bitstream.size == 0 and self.release.leaves_out_empty_files:
                    continue
                order = orders[uuid] = orders.get(uuid, -1) + 1
                bitstream = bitstream_uuid(uuid, order)
                self.placed.append(Placed(uuid, bitstream, order, None))
                self._bitstream(file, bitstream)
                if file.bitstream.uuid == primary:
                    chosen[uuid] = bitstream
            rights_of[uuid] = self.declared(bundle.row.uuid, uuid)
        for name, uuid in by_name.items():
            self.bundles.append(BundleRow(self.uuid, uuid, None, chosen.get(uuid)))
            self.values.append(Value(uuid, NAME_FIELD, 0, cleaned(name)))
            self.policies += rights_of[uuid]

    def _primary(self, bundles: list[files.Bundle]) -> Uuid | None:
        for bundle in bundles:
            if bundle.name == "ORIGINAL" and any(file.bitstream.uuid == bundle.row.primary for file in bundle.files):
                return bundle.row.primary
        return None

    def _bitstream(self, file: files.File, uuid: Uuid) -> None:
        row = file.bitstream
        self.bitstreams.append(
            BitstreamRow(uuid, None, row.format or "Unknown", row.checksum, "MD5", row.sequence_id, row.size)
        )
        said = {value.field: value for value in self.said(file.values, dim.BITSTREAM_FIELDS)}
        said.pop("dc.format", None)
        if NAME_FIELD not in said:
            said[NAME_FIELD] = Value(row.uuid, NAME_FIELD, 0, file.name or entry_name(row.uuid, file.name))
        self.values += [
            stored(replace(value, subject=uuid, lang=None, authority=None), 0, self.at) for value in said.values()
        ]
        self.policies += self.declared(row.uuid, uuid)

    def _licence(self) -> None:
        """DSpace adds the licence of the collection to an item without any. Its text is not known here."""
        uuid = bundle_uuid(self.uuid, LICENCE_BUNDLE)
        if any(placed.bundle == uuid for placed in self.placed):
            return
        if not any(bundle.uuid == uuid for bundle in self.bundles):
            self.bundles.append(BundleRow(self.uuid, uuid, None, None))
            self.values.append(Value(uuid, NAME_FIELD, 0, LICENCE_BUNDLE))
        bitstream = bitstream_uuid(uuid, 0)
        self.placed.append(Placed(uuid, bitstream, 0, None))
        number = max((row.sequence_id or 0 for row in self.bitstreams), default=0) + 1
        self.bitstreams.append(BitstreamRow(bitstream, None, LICENCE_FORMAT, NOW, "MD5", max(number, 1), 0))
        self.values += [Value(bitstream, field, 0, LICENCE_NAME) for field in (NAME_FIELD, "dc.source")]


def _is_handle(text: str | None, prefix: str) -> bool:
    """Whether DSpace takes the text for a handle, of itself or another repository."""
    text = text or ""
    return text.startswith(f"{prefix}/") or _FORM.fullmatch(text) is not None
