"""A manifest that DSpace wrote itself becomes rows; what it names is referred to by name."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from events.aip import links, markup, read, write
from events.aip.model import Aip, Kind, Name, Policy, Value
from events.aip.stock import reference
from events.errors import InvalidAip
from tests.hunting import examples

ITEM, FILE, TEXT = (f"6b0c6d0e-0000-4000-8000-00000000000{digit}" for digit in "123")
RELAXED = settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))


def wrap(section: str, identity: str, label: str, content: str) -> str:
    return (
        f'<{section} ID="{identity}"><mdWrap MDTYPE="OTHER" OTHERMDTYPE="{label}"><xmlData'
        f' xmlns:dim="{markup.DIM}" xmlns:rights="{markup.RIGHTS}">{content}</xmlData></mdWrap></{section}>'
    )


def field(name: str, text: str, more: str = "") -> str:
    element, _, qualifier = name.partition(".")
    named = f' qualifier="{qualifier}"' if qualifier else ""
    return f'<dim:field mdschema="dc" element="{element}"{named}{more}>{text}</dim:field>'


def context(kind: str, user: str = "", permissions: str = 'DISCOVER="true" DISPLAY="true"', more: str = "") -> str:
    named = f'<rights:UserName USERTYPE="X">{user}</rights:UserName>' if user else ""
    return (
        f'<rights:Context in-effect="true" CONTEXTCLASS="{kind}"{more}>{named}<rights:Permissions {permissions}/>'
        "</rights:Context>"
    )


def rights(*contexts: str) -> str:
    return f'<rights:RightsDeclarationMD RIGHTSCATEGORY="LICENSED">{"".join(contexts)}</rights:RightsDeclarationMD>'


def dim(*fields: str) -> str:
    return f'<dim:dim dspaceType="ITEM">{"".join(fields)}</dim:dim>'


DOCUMENT = f"""<?xml version="1.0" encoding="utf-8" standalone="no"?>
<mets ID="DSpace_ITEM_DB-ID-{ITEM}" OBJID="hdl:20.500.12345/77" TYPE="DSpace ITEM" xmlns="{markup.METS}"
 PROFILE="http://www.dspace.org/schema/aip/mets_aip_1_0.xsd" xmlns:xlink="{markup.XLINK}">
 <metsHdr LASTMODDATE="2026-03-01T09:30:00"/>
 <dmdSec ID="dmdSec_1"><mdWrap MDTYPE="MODS"><xmlData><x xmlns="urn:mods"/></xmlData></mdWrap></dmdSec>
 {
    wrap(
        "dmdSec",
        "dmdSec_2",
        "DIM",
        dim(
            field("title", "A title", ' lang="en"'),
            field("contributor.author", "Doe, Jo", ' authority="abc" confidence="ACCEPTED"'),
            field("contributor.author", "Roe, Al"),
            field("contributor.author", "Virtual", ' authority="virtual::7" confidence="ACCEPTED"'),
        ),
    )
}
 <amdSec ID="amd_3">
  {
    wrap(
        "rightsMD",
        "rightsMD_4",
        "METSRIGHTS",
        rights(context("GENERAL PUBLIC", permissions=""), context("ACADEMIC USER", "jo@example.org")),
    )
}
  {
    wrap(
        "sourceMD",
        "sourceMD_5",
        "AIP-TECHMD",
        dim(
            field("creator", "jo@example.org"),
            field("identifier.uri", "hdl:20.500.12345/77"),
            field("relation.isPartOf", "hdl:20.500.12345/3"),
            field("relation.isReferencedBy", "hdl:20.500.12345/4"),
            field("rights.accessRights", "WITHDRAWN"),
        ),
    )
}
 </amdSec>
 <amdSec ID="amd_6">{
    wrap(
        "rightsMD",
        "rightsMD_7",
        "METSRIGHTS",
        rights(context("MANAGED GRP", "Staff", more=' start-date="2027-01-01" rpName="embargo"')),
    )
}</amdSec>
 <amdSec ID="amd_8">
  <techMD ID="techMD_9"><mdWrap MDTYPE="PREMIS"><xmlData xmlns:premis="{markup.PREMIS}"><premis:premis><premis:object>
   <premis:objectCharacteristics><premis:size>9</premis:size></premis:objectCharacteristics>
   <premis:originalName>premis.pdf</premis:originalName></premis:object></premis:premis></xmlData></mdWrap></techMD>
  {
    wrap(
        "sourceMD",
        "sourceMD_10",
        "AIP-TECHMD",
        dim(field("title", "paper.pdf"), field("title.alternative", "upload/x"), field("format.medium", "Adobe PDF")),
    )
}
 </amdSec>
 <fileSec>
  <fileGrp ADMID="amd_6" USE="CONTENT">
   <file ID="bitstream_{FILE}" MIMETYPE="application/pdf" SEQ="1" SIZE="9" CHECKSUM="{"ab" * 16}" CHECKSUMTYPE="MD5"
    ADMID="amd_8"><FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="bitstream_{FILE}.pdf"/></file></fileGrp>
  <fileGrp USE="TEXT"><file ID="bitstream_{TEXT}" SIZE="3"><FLocat LOCTYPE="URL" xlink:href="t"/></file></fileGrp>
 </fileSec>
 <structMap ID="struct_11" LABEL="DSpace Object" TYPE="LOGICAL">
  <div ID="div_12" DMDID="dmdSec_1 dmdSec_2" ADMID="amd_3" TYPE="DSpace Object Contents">
   <fptr FILEID="bitstream_{FILE}"/></div></structMap>
 <structMap ID="struct_13" LABEL="Parent" TYPE="LOGICAL"><div ID="div_14">
  <mptr ID="mptr_15" LOCTYPE="HANDLE" xlink:href="20.500.12345/3"/></div></structMap>
</mets>""".encode()


def test_a_stock_item_becomes_rows() -> None:
    """Metadata without what relationships derive, policies by name, bundles, files, owner, mapping and withdrawal."""
    aip = read(DOCUMENT)
    staff, anonymous = reference(Kind.GROUP, "Staff"), reference(Kind.GROUP, "Anonymous")
    jo, owner = reference(Kind.PERSON, "jo@example.org"), reference(Kind.COLLECTION, "20.500.12345/3")
    assert (aip.kind, aip.uuid, aip.handle) == (Kind.ITEM, ITEM, "20.500.12345/77")
    assert [value for value in aip.values if value.subject == ITEM] == [
        Value(ITEM, "dc.contributor.author", 0, "Doe, Jo", None, "abc", 600),
        Value(ITEM, "dc.contributor.author", 1, "Roe, Al"),
        Value(ITEM, "dc.title", 0, "A title", "en"),
    ]
    (own,) = aip.items
    assert (own.in_archive, own.withdrawn, own.submitter, own.owning_collection) == (False, True, jo, owner)
    assert {row.other for row in aip.parents} == {owner, reference(Kind.COLLECTION, "20.500.12345/4")}
    original = aip.placed[0].bundle if aip.placed[0].bitstream == FILE else aip.placed[1].bundle
    assert set(aip.policies) == {
        Policy(ITEM, 12, anonymous, None, type="TYPE_CUSTOM"),
        Policy(ITEM, 0, None, jo, type="TYPE_CUSTOM"),
        Policy(original, 0, staff, None, "2027-01-01", None, "embargo", "TYPE_CUSTOM"),
    }
    assert Name(staff, Kind.GROUP, "Staff") in aip.names
    assert {row.uuid: row.primary for row in aip.bundles}[original] == FILE
    assert Value(original, "dc.title", 0, "ORIGINAL") in aip.values
    first = next(row for row in aip.bitstreams if row.uuid == FILE)
    assert (first.format, first.checksum, first.sequence_id, first.size) == ("Adobe PDF", "ab" * 16, 1, 9)
    named = {(value.field, value.text) for value in aip.values if value.subject == FILE}
    assert named == {("dc.title", "paper.pdf"), ("dc.source", "upload/x")}


def test_what_stock_wrote_can_be_written_by_us() -> None:
    """From then on it has our extension, and comes back as it is."""
    aip = read(DOCUMENT)
    assert read(write(aip)) == aip


def test_each_file_names_its_zip_entry() -> None:
    """In a package of stock DSpace as in one of ours."""
    assert links.entries(markup.parse(DOCUMENT))[f"bitstream_{FILE}"] == f"bitstream_{FILE}.pdf"
    ours = links.entries(markup.parse(write(read(DOCUMENT))))
    assert ours == {f"bitstream_{FILE}": f"bitstream_{FILE}.pdf", f"bitstream_{TEXT}": f"bitstream_{TEXT}"}


def test_containers_keep_neither_empty_fields_nor_hdl_forms() -> None:
    """Stock writes all eight fields of a container, empty or not, and identifiers as hdl: (aip-format 9)."""
    document = (
        DOCUMENT.replace(b"DSpace ITEM", b"DSpace COLLECTION")
        .replace(b">Roe, Al<", b"><")
        .replace(b">A title<", b">hdl:20.500.12345/77<")
    )
    aip = read(document)
    assert [value.text for value in aip.values if value.subject == ITEM] == ["Doe, Jo"]
    assert aip.collection is not None


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (rb'DMDID="[^"]*"', b'DMDID="dmdSec_9"', "DMDID names 'dmdSec_9'"),
        (rb'DMDID="[^"]*"', b'DMDID="dmdSec_1"', "no section of DIM"),
        (rb'ADMID="amd_8"', b'ADMID="amd_80"', "ADMID names 'amd_80'"),
        (rb' USE="TEXT"', b"", "USE is missing"),
        (rb'SIZE="9"', b'SIZE="x"', "not a number"),
        (rb'start-date="2027-01-01"', b'start-date="1/1/2027"', "not a date"),
        (rb'CONTEXTCLASS="MANAGED GRP"', b'CONTEXTCLASS="EVERYBODY"', "CONTEXTCLASS 'EVERYBODY'"),
        (rb"<structMap.*</structMap>", b"", "no structMap"),
        (rb'OBJID="[^"]*"', b"", "OBJID is missing"),
    ],
)
def test_a_broken_stock_manifest_is_refused(pattern: bytes, replacement: bytes, message: str) -> None:
    """References to nothing, malformed dates (which would open an embargo), unknown subjects of policies."""
    with pytest.raises(InvalidAip, match=message):
        read(re.sub(pattern, replacement, DOCUMENT, count=1, flags=re.S))


@RELAXED
@given(st.data())
def test_a_stock_manifest_with_a_hole_is_an_aip_or_invalid(data: st.DataObject) -> None:
    """Elements and attributes taken out at random never end in another error."""
    root = markup.parse(DOCUMENT)
    elements = [element for element in root.iter() if element is not root]
    for _ in range(data.draw(st.integers(1, 3))):
        element = data.draw(st.sampled_from(elements))
        parent = element.getparent()
        if element.attrib and data.draw(st.booleans()):
            del element.attrib[data.draw(st.sampled_from(sorted(element.attrib)))]
        elif parent is not None:
            parent.remove(element)
    with suppress(InvalidAip):
        assert isinstance(read(etree.tostring(root)), Aip)
