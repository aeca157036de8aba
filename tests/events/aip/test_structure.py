"""The manifest is what stock DSpace asks for: the checklist of aip-format 6.1, for every AIP that can be."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from events.aip import markup, write
from events.aip.files import entry_name, file_name
from events.aip.mets import PROFILE
from events.aip.model import (
    Aip,
    BitstreamRow,
    BundleRow,
    HandleRow,
    ItemRow,
    Kind,
    Member,
    Name,
    Placed,
    Policy,
    Value,
    derived_uuid,
)
from tests.events.aip.strategies import aips, wild
from tests.hunting import examples

RELAXED = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
NS = {"m": markup.METS, "x": markup.XLINK, "dim": markup.DIM, "r": markup.RIGHTS, "p": markup.PREMIS}
MANIFESTS = [Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM]
NCNAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
HREF = "{http://www.w3.org/1999/xlink}href"
ORDER = {"mets": ["metsHdr", "dmdSec", "amdSec", "fileSec", "structMap"],
         "amdSec": ["techMD", "rightsMD", "sourceMD", "digiprovMD"],
         "div": ["mptr", "fptr", "div"]}  # fmt: skip
INGESTED = {"DIM", "AIP-TECHMD", "PREMIS", "METSRIGHTS"}


def manifest(aip: Aip) -> etree._Element:
    return etree.fromstring(write(aip))


def check_stock(root: etree._Element, aip: Aip) -> None:
    """Each point of the checklist that a document alone can meet; the numbers are those of aip-format 6.1."""
    kind = aip.kind.value.upper()
    assert root.tag == f"{{{markup.METS}}}mets"  # 2
    assert root.get("PROFILE") == PROFILE  # 3
    assert root.get("TYPE") == f"DSpace {kind}"  # 4
    assert root.get("ID") == f"DSpace_{kind}_DB-ID-{aip.uuid}"  # 5
    if aip.handle and markup.holds(aip.handle):
        assert root.get("OBJID") == f"hdl:{aip.handle}"  # 6
    content = root.find("m:structMap", NS)
    assert content is not None
    main = content.find("m:div", NS)
    assert main is not None
    dmd = {section.get("ID"): section for section in root.findall("m:dmdSec", NS)}
    amd = {section.get("ID"): section for section in root.findall("m:amdSec", NS)}
    assert main.get("DMDID")
    assert set(main.get("DMDID").split()) <= dmd.keys()  # 7
    assert [wrap.get("OTHERMDTYPE") for wrap in dmd[main.get("DMDID")]] == ["DIM"]  # 8
    referenced = {token for element in root.iter() for token in (element.get("ADMID") or "").split()}
    assert referenced <= amd.keys()  # 9
    for section in root.iterfind(".//m:mdWrap/..", NS):
        assert len(section) == 1  # 10
    for token in referenced:
        for wrap in amd[token].iterfind("*/m:mdWrap", NS):
            label = wrap.get("MDTYPE")
            assert (wrap.get("OTHERMDTYPE") if label == "OTHER" else label) in INGESTED  # 11
    assert len(root.findall("m:structMap[@LABEL='Parent']", NS)) <= 1  # 12
    for group in root.iterfind(".//m:fileGrp", NS):
        assert group.get("USE") is not None  # 13
        for file in group:
            assert file.get("ID")
            assert [place.get("LOCTYPE") for place in file] == ["URL"]
            assert re.fullmatch(r"bitstream_[0-9a-f-]{36}(\.[A-Za-z0-9]{1,16})?", file[0].get(HREF))
    for size in root.iterfind(".//p:size", NS):
        assert 0 <= int(size.text) <= 2**31 - 1  # 15
    if aip.kind is Kind.ITEM:
        titles = dmd[main.get("DMDID")].iterfind(".//dim:field[@element='title']", NS)
        assert [title for title in titles if title.get("mdschema") == "dc" and title.get("qualifier") is None]  # 16
    for div in main.iterfind("m:div", NS):
        assert div.get("TYPE")  # 19
    files = {file.get("ID") for file in root.iterfind(".//m:file", NS)}
    assert {pointer.get("FILEID") for pointer in main.iterfind(".//m:fptr", NS)} <= files  # 20


def check_order(root: etree._Element) -> None:
    """The order of elements of the METS schema, unique NCNames as IDs (aip-format 6.2)."""
    identities = [element.get("ID") for element in root.iter() if element.get("ID") is not None]
    assert len(identities) == len(set(identities))
    assert all(NCNAME.fullmatch(identity) for identity in identities)
    for element in root.iter(f"{{{markup.METS}}}*"):
        order = ORDER.get(markup.local(element))
        if order:
            ranks = [order.index(markup.local(child)) for child in element]
            assert ranks == sorted(ranks)


def check_never(root: etree._Element) -> None:
    """What stock DSpace stumbles over is never there."""
    for field in root.iter(f"{{{markup.DIM}}}field"):
        assert field.get("qualifier") != ""
        assert not (field.get("authority") or "").startswith("virtual::")
        assert field.get("mdschema")
        assert field.get("element")
    for context in root.iter(f"{{{markup.RIGHTS}}}Context"):
        assert context.get("CONTEXTCLASS") in {"GENERAL PUBLIC", "REPOSITORY MGR", "MANAGED GRP", "ACADEMIC USER"}
        assert [markup.local(child) for child in context][-1] == "Permissions"
        for name in ("start-date", "end-date"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", context.get(name) or "2000-01-01")
        if context.get("CONTEXTCLASS") in {"MANAGED GRP", "ACADEMIC USER"}:
            assert context[0].text


def check_rights(root: etree._Element, aip: Aip) -> None:
    """The object, every bundle and every bitstream has a declaration of rights; a site has none."""
    for element in root.iter():
        token = element.get("ADMID")
        if token and aip.kind is not Kind.SITE:
            section = root.find(f"m:amdSec[@ID='{token}']", NS)
            assert section is not None
            assert section.find("m:rightsMD/m:mdWrap/m:xmlData/r:RightsDeclarationMD", NS) is not None


@pytest.mark.parametrize("kind", MANIFESTS)
def test_every_manifest_meets_the_checklist_of_stock_dspace(kind: Kind) -> None:
    """For AIPs as a DSpace has them, and for any rows whatever."""

    @RELAXED
    @given(st.one_of(aips(kind), wild(kind)))
    def meets(aip: Aip) -> None:
        root = manifest(aip)
        check_stock(root, aip)
        check_order(root)
        check_never(root)
        check_rights(root, aip)

    meets()


ITEM, COLLECTION, OTHER, BUNDLE, FILE = (derived_uuid(name) for name in ("item", "collection", "other", "b", "f"))
GROUP, STAFF, PERSON = (derived_uuid(name) for name in ("anonymous", "staff", "person"))


def item(**fields: object) -> Aip:
    """A small item with one file."""
    given_fields: dict[str, object] = {
        "kind": Kind.ITEM,
        "uuid": ITEM,
        "items": [ItemRow(ITEM, None, True, True, False, "2026-03-01T09:30:00.5Z", PERSON, COLLECTION)],
        "handles": [HandleRow(ITEM, "123456789/77", 0)],
        "bundles": [BundleRow(ITEM, BUNDLE, None, FILE)],
        "placed": [Placed(BUNDLE, FILE, 0, None)],
        "bitstreams": [BitstreamRow(FILE, None, "Adobe PDF", "ab" * 16, "MD5", 4, 9)],
        "values": [Value(BUNDLE, "dc.title", 0, "ORIGINAL"), Value(FILE, "dc.title", 0, "paper.PDF")],
        "names": [
            Name(COLLECTION, Kind.COLLECTION, "123456789/3"),
            Name(OTHER, Kind.COLLECTION, "123456789/4"),
            Name(GROUP, Kind.GROUP, "Anonymous"),
            Name(STAFF, Kind.GROUP, f"COLLECTION_{COLLECTION}_SUBMIT"),
            Name(PERSON, Kind.PERSON, "jo@example.org"),
        ],
    }
    return Aip(**{**given_fields, **fields})  # type: ignore[arg-type]


def test_a_file_is_described_once_for_stock_and_for_us() -> None:
    """Sequence, size, checksum, name of the zip entry, format, order and primary flag stand where stock looks."""
    root = manifest(item())
    file = root.find(".//m:file", NS)
    assert file is not None
    assert (file.get("SEQ"), file.get("SIZE"), file.get("CHECKSUM"), file.get("CHECKSUMTYPE")) == (
        "4", "9", "ab" * 16, "MD5",
    )  # fmt: skip
    assert file[0].get(HREF) == f"bitstream_{FILE}.PDF"
    assert root.findtext(f"m:amdSec[@ID='amd_{FILE}']//dim:field[@qualifier='medium']", None, NS) == "Adobe PDF"
    assert root.find("m:structMap/m:div/m:fptr", NS).get("FILEID") == f"bitstream_{FILE}"  # type: ignore[union-attr]
    assert write(item()).count(b"paper.PDF") == 2, "in AIP-TECHMD and PREMIS, not in the extension as well"


def test_parent_owner_submitter_and_mapped_collections_are_handles_and_addresses() -> None:
    """The parent link names the owning collection, AIP-TECHMD the submitter and every other collection."""
    root = manifest(item(parents=[Member(ITEM, COLLECTION), Member(ITEM, OTHER)]))
    assert root.find("m:structMap[@LABEL='Parent']/m:div/m:mptr", NS).get(HREF) == "123456789/3"  # type: ignore[union-attr]
    said = {
        (field.get("element"), field.get("qualifier")): field.text
        for field in root.iterfind(f"m:amdSec[@ID='amd_{ITEM}']/m:sourceMD//dim:field", NS)
    }
    assert said == {
        ("creator", None): "jo@example.org",
        ("identifier", "uri"): "hdl:123456789/77",
        ("relation", "isPartOf"): "hdl:123456789/3",
        ("relation", "isReferencedBy"): "hdl:123456789/4",
    }
    assert root.find("m:metsHdr", NS).get("LASTMODDATE") == "2026-03-01T09:30:00"  # type: ignore[union-attr]


def test_an_item_without_a_title_is_given_the_one_that_dspace_shows() -> None:
    """Stock refuses an item without dc.title; the stand-in is marked and does not come back as metadata."""
    fields = manifest(item()).findall("m:dmdSec//dim:field", NS)
    assert [field.text for field in fields] == ["Untitled"]


@pytest.mark.parametrize(
    ("action", "permissions"),
    [
        (0, {"DISCOVER": "true", "DISPLAY": "true", "MODIFY": "false", "DELETE": "false"}),
        (1, {"DISCOVER": "true", "DISPLAY": "true", "MODIFY": "true", "DELETE": "false"}),
        (2, {"DISCOVER": "true", "DISPLAY": "true", "MODIFY": "true", "DELETE": "true"}),
        (5, {}),
        (8, {}),
        (12, {}),
    ],
)
def test_actions_are_permissions_and_those_without_a_word_permit_nothing(
    action: int, permissions: dict[str, str]
) -> None:
    """The table of aip-format 3.4."""
    root = manifest(item(policies=[Policy(ITEM, action, GROUP, None)]))
    found = root.find(f"m:amdSec[@ID='amd_{ITEM}']//r:Permissions", NS)
    assert found is not None
    assert dict(found.attrib) == permissions
    assert (found.getparent().get(f"{{{markup.AS}}}action") is not None) == (not permissions)


def test_a_generated_group_name_is_exported_with_the_handle() -> None:
    """COLLECTION_<uuid>_SUBMIT would mean nothing where the collection has another UUID."""
    root = manifest(item(policies=[Policy(ITEM, 0, STAFF, None), Policy(ITEM, 0, None, PERSON)]))
    assert {name.text: name.get("USERTYPE") for name in root.iterfind(".//r:UserName", NS)} == {
        "COLLECTION_hdl:123456789/3_SUBMIT": "GROUP",
        "jo@example.org": "INDIVIDUAL",
    }


def test_a_policy_that_stock_would_misread_is_kept_from_it() -> None:
    """An unknown group would stop the restore, a date that it cannot parse would open the content."""
    hidden = [Policy(FILE, 0, derived_uuid("?"), None), Policy(FILE, 0, GROUP, None, "infinity")]
    root = manifest(item(policies=hidden))
    assert not list(root.iter(f"{{{markup.RIGHTS}}}Context"))
    assert len(list(root.iter(f"{{{markup.AS}}}policy"))) == 2


def test_premis_is_left_out_for_files_that_it_cannot_count() -> None:
    """Stock parses the size as a Java int; 2^31-1 bytes still fit."""
    for size, there in ((2**31 - 1, True), (2**31, False)):
        root = manifest(item(bitstreams=[BitstreamRow(FILE, None, None, None, None, None, size)]))
        assert (root.find(".//p:premis", NS) is not None) == there


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.pdf", ".pdf"), ("a.tar.gz", ".gz"), (".x", ".x"), ("a.", ""), ("pdf", ""), ("a.b c", ""), (None, ""),
        ("", ""), ("a.é", ""), ("a." + "x" * 16, "." + "x" * 16), ("a." + "x" * 17, ""), ("../../etc/pass.wd/x", ""),
    ],
)  # fmt: skip
def test_the_entry_name_has_only_a_plain_suffix(name: str | None, suffix: str) -> None:
    """1 to 16 ASCII letters and digits after the last dot; nothing of the name that could leave a folder."""
    assert entry_name(FILE, name) == f"bitstream_{FILE}{suffix}"


def test_the_file_name_is_the_first_title() -> None:
    """In canonical order, so by place."""
    assert (
        file_name([Value(FILE, "dc.source", 0, "x"), Value(FILE, "dc.title", 0, "a"), Value(FILE, "dc.title", 1, "b")])
        == "a"
    )
    assert file_name([]) is None
