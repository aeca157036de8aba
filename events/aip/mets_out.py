"""METS AIP manifests of sites, communities, collections and items, as `packager -r -f` of a stock DSpace takes them.

What DSpace has a place for is stated there, and read back from there; the rest is an extension in an `amdSec` that no
`ADMID` names, where stock DSpace does not look (aip-format 6.3).

Invariants:

* The same AIP gives the same bytes: no dates of now, nothing random, rows in canonical order. IDs are made of the
  UUIDs of what they belong to, so a change in one part leaves the IDs of all others.
* Every row of the AIP is in the document exactly once.

Deliberately not as stock DSpace writes it (each for a reason in aip-format 9): no `WITHDRAWN` in AIP-TECHMD, because
the restore of a missing item fails on it; no `in-effect`, because it changes with the calendar; no MODS; no MIME types,
because an AIP of ours names the format only; no groups in containers, because a group is an AIP of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from events.aip import dim, extension, files, markup, names, rights
from events.aip.markup import AS, DIM, METS, PREMIS, RIGHTS, XLINK
from events.aip.mets import EXTENSION_ID, PROFILE, TEMPLATE_TYPE, TYPES
from events.aip.model import Aip, Kind, Policy, Uuid, Value

MAX_PREMIS_SIZE: Final = 2**31 - 1
"""Bytes. Stock DSpace parses the size in PREMIS as a Java int and fails above this."""

_INSTANT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z?")

_SPELLED: Final[dict[Kind, Mapping[str, str] | None]] = {
    Kind.SITE: None,
    Kind.COMMUNITY: dim.COMMUNITY_FIELDS,
    Kind.COLLECTION: dim.COLLECTION_FIELDS,
    Kind.ITEM: None,
}


def wrapped(section: str, identity: str, label: str) -> str:
    """The start of a metadata section whose content stands inside."""
    return f'<{section} ID="{identity}"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="{label}"><xmlData>'


class Manifest:
    """One document in the making: that of the log. `events.aip.stock_out` writes the one of a package."""

    def __init__(self, aip: Aip, producer: str) -> None:
        self.aip = aip
        self.type = TYPES[aip.kind]
        self.producer = producer
        self.names = names.known(aip)
        self.remaining = files.Remaining.of(aip)
        self.policies: dict[Uuid, list[Policy]] = {}
        for policy in aip.policies:
            self.policies.setdefault(policy.subject, []).append(policy)
        self.unstated_values: list[Value] = []
        self.unstated_policies: list[Policy] = []
        self.out: list[str] = []

    def written(self) -> str:
        """The whole document."""
        aip = self.aip
        bundles = files.take(aip, self.remaining) if aip.kind is Kind.ITEM else []
        logo, template = None, None
        if aip.kind is Kind.COMMUNITY and aip.community:
            logo = files.take_logo(aip.community.logo, self.remaining)
        elif aip.kind is Kind.COLLECTION and aip.collection:
            logo = files.take_logo(aip.collection.logo, self.remaining)
            template = aip.collection.template if aip.collection.template != aip.uuid else None

        self._head()
        self._descriptive(aip.uuid, self.type, _SPELLED[aip.kind])
        if template is not None:
            self._descriptive(template, "ITEM", None)
        self._administrative()
        for bundle in bundles:
            self.out.append(f'<amdSec ID="amd_{bundle.row.uuid}">')
            self._rights(bundle.row.uuid)
            self.out.append("</amdSec>\n")
            for file in bundle.files:
                self._bitstream(file)
        self._extension()
        self._file_section(bundles, logo)
        self._structure(bundles, logo, template)
        self.out.append("</mets>\n")
        return "".join(self.out)

    def _head(self) -> None:
        aip = self.aip
        handle = aip.handle
        identity = f"hdl:{handle}" if handle else f"DSpace_DB_{self.type}_{aip.uuid}"
        self.out.append(
            f'{markup.DECLARATION}<mets xmlns="{METS}" xmlns:xlink="{XLINK}" xmlns:dim="{DIM}" xmlns:rights="{RIGHTS}"'
            f' xmlns:premis="{PREMIS}" xmlns:as="{AS}" ID="DSpace_{self.type}_DB-ID-{aip.uuid}"'
            f' OBJID="{markup.quoted(identity)}" TYPE="DSpace {self.type}" PROFILE="{PROFILE}">\n'
        )
        modified = None
        if aip.kind is Kind.ITEM:
            own = next((row for row in aip.items if row.uuid == aip.uuid), None)
            modified = _INSTANT.fullmatch(own.last_modified or "") if own else None
        self.out.append(f'<metsHdr LASTMODDATE="{modified[1]}">' if modified else "<metsHdr>")
        site = handle if aip.kind is Kind.SITE else self._site()
        if site:
            self.out.append(_agent("CUSTODIAN", "DSpace Archive", site))
        self.out.append(f"{_agent('CREATOR', 'DSpace Software', self.producer)}</metsHdr>\n")

    def _site(self) -> str | None:
        return next((row.name for row in self.aip.names if row.kind is Kind.SITE and row.name), None)

    def _descriptive(self, subject: Uuid, kind: str, spelled: Mapping[str, str] | None) -> None:
        self.out.append(f'{wrapped("dmdSec", f"dmdSec_{subject}", "DIM")}<dim:dim dspaceType="{kind}">\n')
        values = self.remaining.values.pop(subject, [])
        rest = dim.write(values, self.out, spelled)
        self.unstated_values += rest
        if kind == "ITEM" and subject == self.aip.uuid and _titles(values) == _titles(rest):
            self.out.append(dim.STAND_IN_TITLE)
        self.out.append("</dim:dim></xmlData></mdWrap></dmdSec>\n")

    def _administrative(self) -> None:
        uuid = self.aip.uuid
        self.out.append(f'<amdSec ID="amd_{uuid}">')
        self._people()
        if self.aip.kind is not Kind.SITE:
            self._rights(uuid)
        self._source(uuid, self.type, self._object_facts())
        self.out.append("</amdSec>\n")

    def _people(self) -> None:
        """The DSPACE-ROLES section: a document of the log has none, for a group is an AIP of its own."""

    def _object_facts(self) -> list[str]:
        """What AIP-TECHMD says of the object itself."""
        aip, known = self.aip, self.names
        handle = aip.handle
        facts = []
        if aip.kind is Kind.ITEM:
            own = next((row for row in aip.items if row.uuid == aip.uuid), None)
            submitter = known.get(own.submitter) if own and own.submitter else None
            if submitter:
                facts.append(dim.plain("dc.creator", submitter))
        if handle:
            facts.append(dim.plain("dc.identifier.uri", f"hdl:{handle}"))
        first = self._parent()
        if first:
            facts.append(dim.plain("dc.relation.isPartOf", f"hdl:{known[first]}"))
        facts += [
            dim.plain("dc.relation.isReferencedBy", f"hdl:{known[parent.other]}")
            for parent in aip.parents
            if parent.subject == aip.uuid and parent.other != first and parent.other in known
        ]
        return facts

    def _parent(self) -> Uuid | None:
        """The object whose handle the parent link names: an item's owner, a container's first parent, or the site."""
        aip = self.aip
        if aip.kind is Kind.ITEM:
            own = next((row for row in aip.items if row.uuid == aip.uuid), None)
            return own.owning_collection if own and own.owning_collection in self.names else None
        for parent in aip.parents:
            if parent.subject == aip.uuid and parent.other in self.names:
                return parent.other
        if aip.kind is Kind.COMMUNITY and not aip.parents:
            return next((row.uuid for row in aip.names if row.kind is Kind.SITE and row.uuid in self.names), None)
        return None

    def _source(self, subject: Uuid, kind: str, facts: list[str]) -> None:
        self.out.append(
            f'{wrapped("sourceMD", f"sourceMD_{subject}", "AIP-TECHMD")}<dim:dim dspaceType="{kind}">'
            f"{''.join(facts)}</dim:dim></xmlData></mdWrap></sourceMD>\n"
        )

    def _rights(self, subject: Uuid) -> None:
        self.out.append(wrapped("rightsMD", f"rightsMD_{subject}", "METSRIGHTS"))
        self.unstated_policies += rights.write(self.policies.pop(subject, ()), self.names, self.out)
        self.out.append("</xmlData></mdWrap></rightsMD>\n")

    def _bitstream(self, file: files.File) -> None:
        row = file.bitstream
        uuid = row.uuid
        self.out.append(f'<amdSec ID="amd_{uuid}">')
        if 0 <= row.size <= MAX_PREMIS_SIZE:
            self.out.append(_premis(file))
        self._rights(uuid)
        facts: list[str] = []
        self.unstated_values += dim.write(file.values, facts, dim.BITSTREAM_FIELDS)
        facts += self._format_facts(row.format)
        self._source(uuid, "BITSTREAM", facts)
        self.out.append("</amdSec>\n")

    def _format_facts(self, name: str | None) -> list[str]:
        return [] if name is None else [dim.plain("dc.format.medium", name)]

    def _extension(self) -> None:
        aip, left = self.aip, self.remaining.rows()
        left["values"] = self.unstated_values + left["values"]
        left["policies"] = self.unstated_policies + [row for rows in self.policies.values() for row in rows]
        self.out.append(f'<amdSec ID="{EXTENSION_ID}">')
        self.out.append(wrapped("digiprovMD", "digiprovMD_aipstream", "AIPSTREAM"))
        extension.whole(aip, left, self.out)
        self.out.append("</xmlData></mdWrap></digiprovMD></amdSec>\n")

    def _file_section(self, bundles: list[files.Bundle], logo: files.File | None) -> None:
        if not bundles and logo is None:
            return
        originals = {
            file.name or "": file.bitstream.uuid
            for bundle in bundles
            if bundle.name == "ORIGINAL"
            for file in bundle.files
        }
        self.out.append("<fileSec>\n")
        for bundle in bundles:
            files.write_group(bundle, originals, self.out)
        if logo is not None:
            files.write_logo(logo, self.out)
        self.out.append("</fileSec>\n")

    def _structure(self, bundles: list[files.Bundle], logo: files.File | None, template: Uuid | None) -> None:
        uuid = self.aip.uuid
        inner = []
        if logo is not None:
            inner.append(f'<fptr FILEID="logo_{logo.bitstream.uuid}"/>')
        if template is not None:
            inner.append(f'<div ID="div_{template}" DMDID="dmdSec_{template}" TYPE="{TEMPLATE_TYPE}"/>\n')
        originals = [bundle for bundle in bundles if bundle.name == "ORIGINAL"]
        for bundle in originals:
            if any(file.bitstream.uuid == bundle.row.primary for file in bundle.files):
                inner.append(f'<fptr FILEID="bitstream_{bundle.row.primary}"/>')
                break
        inner += [
            f'<div ID="div_{file.bitstream.uuid}" TYPE="DSpace BITSTREAM">'
            f'<fptr FILEID="bitstream_{file.bitstream.uuid}"/></div>\n'
            for bundle in originals
            for file in bundle.files
        ]
        self.out.append(
            f'<structMap ID="struct_{uuid}" LABEL="DSpace Object" TYPE="LOGICAL"><div ID="div_{uuid}"'
            f' DMDID="dmdSec_{uuid}" ADMID="amd_{uuid}" TYPE="DSpace Object Contents">'
        )
        self.out += inner
        self.out += self._inside()
        self.out.append("</div></structMap>\n")
        parent = self._parent() if self.aip.kind is not Kind.SITE else None
        if parent is not None:
            self.out.append(
                '<structMap ID="struct_parent" LABEL="Parent" TYPE="LOGICAL"><div ID="div_parent"'
                ' LABEL="Parent of this DSpace Object" TYPE="AIP Parent Link"><mptr ID="mptr_parent" LOCTYPE="HANDLE"'
                f' xlink:type="simple" xlink:href="{markup.quoted(self.names[parent])}"/></div></structMap>\n'
            )

    def _inside(self) -> Iterable[str]:
        """The divs of what a container contains: an object of the log says only what contains it."""
        return ()


def _titles(values: list[Value]) -> int:
    return sum(value.field == "dc.title" for value in values)


def _agent(role: str, kind: str, name: str) -> str:
    return f'<agent ROLE="{role}" TYPE="OTHER" OTHERTYPE="{kind}"><name>{markup.text(name)}</name></agent>'


def _premis(file: files.File) -> str:
    row = file.bitstream
    fixity = ""
    if row.checksum and row.checksum_algorithm:
        fixity = (
            f"<premis:fixity><premis:messageDigestAlgorithm>{markup.text(row.checksum_algorithm)}"
            f"</premis:messageDigestAlgorithm><premis:messageDigest>{markup.text(row.checksum)}"
            "</premis:messageDigest></premis:fixity>"
        )
    name = f"<premis:originalName>{markup.text(file.name)}</premis:originalName>" if file.name else ""
    return (
        f'<techMD ID="techMD_{row.uuid}"><mdWrap MDTYPE="PREMIS"><xmlData><premis:premis><premis:object>'
        "<premis:objectIdentifier><premis:objectIdentifierType>URN</premis:objectIdentifierType>"
        f"<premis:objectIdentifierValue>urn:uuid:{row.uuid}</premis:objectIdentifierValue></premis:objectIdentifier>"
        "<premis:objectCategory>File</premis:objectCategory><premis:objectCharacteristics>"
        f"{fixity}<premis:size>{row.size}</premis:size></premis:objectCharacteristics>{name}"
        "</premis:object></premis:premis></xmlData></mdWrap></techMD>\n"
    )


def write(aip: Aip, producer: str) -> str:
    """The manifest of a canonical AIP of a site, community, collection or item."""
    return Manifest(aip, producer).written()
