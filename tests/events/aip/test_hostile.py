"""Documents that are broken or malicious are refused by name: `read` ends with an AIP or with InvalidAip."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from events.aip import markup, read, write
from events.aip.model import Aip, Kind, derived_uuid
from events.aip.registry_rows import Tombstone
from events.errors import InvalidAip
from tests.events.aip.strategies import aips
from tests.events.aip.test_structure import ITEM, item
from tests.hunting import examples

GOOD = write(item())
RELAXED = settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><mets xmlns="http://www.loc.gov/METS/">&c;</mets>"""
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><mets xmlns="http://www.loc.gov/METS/">&x;</mets>'


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not well-formed"),
        (b"no xml", "not well-formed"),
        (BOMB, "document type declaration refused"),
        (EXTERNAL, "document type declaration refused"),
        (EXTERNAL.decode().encode("utf-16"), "not well-formed"),
        (b"<!DOCTYPE mets>" + GOOD.partition(b"?>\n")[2], "document type declaration refused"),
        (GOOD[: len(GOOD) // 2], "not well-formed"),
        (GOOD[:-10], "not well-formed"),
        (GOOD + GOOD, "not well-formed"),
        (GOOD.replace(b"Untitled", b"\xff\xfe"), "not well-formed"),
        (GOOD.replace(b"Untitled", b"&undefined;"), "not well-formed"),
        (b"<a>" * 5000 + b"</a>" * 5000, "not well-formed"),
        (b"<html/>", "not the root of an AIP"),
        (b'<mets xmlns="urn:other"/>', "not the root of an AIP"),
    ],
    ids=repr,
)
def test_what_is_no_aip_document_is_refused(document: bytes, message: str) -> None:
    """Not XML, cut short, with a DOCTYPE, nested without end, or of another vocabulary."""
    with pytest.raises(InvalidAip, match=message):
        read(document)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (rb'PROFILE="[^"]*"', b'PROFILE="http://example.org/other"', "PROFILE"),
        (rb' PROFILE="[^"]*"', b"", "PROFILE is missing"),
        (rb'TYPE="DSpace ITEM"', b'TYPE="DSpace BUNDLE"', "TYPE"),
        (rb'TYPE="DSpace ITEM"', b'TYPE="DSpace item"', "TYPE"),
        (rb'ID="DSpace_ITEM_DB-ID-[^"]*"', b'ID="DSpace_ITEM_DB-ID-123"', "not a UUID"),
        (rb'ID="DSpace_ITEM_DB-ID-[^"]*"', b'ID="' + derived_uuid("x").encode() + b'"', "is about"),
        (rb' ID="DSpace_ITEM_DB-ID-[^"]*"', b"", "ID is missing"),
        (rb'ID="dmdSec_[^"]*"', b'ID="dmdSec_1"', "dmdSec 'dmdSec_1'.*not a UUID"),
        (rb'element="title"', b'elephant="title"', "mdschema or element is missing"),
        (rb'"title">paper', b'"title" as:place="two">paper', "not a number"),
        (rb'"title">paper', b'"title" as:place="99999999999999999999">paper', "not a number"),
        (rb'"title">paper', '"title" as:place="٣">paper'.encode(), "not a number"),
        (rb'"title">paper', b'"title" as:text64="?">paper', "not base64"),
        (rb' as:stand-in="true"', b' as:text64="/w=="', "not base64"),
        (rb'SIZE="9"', b'SIZE="nine"', "not a number"),
        (rb' SIZE="9"', b"", "SIZE is missing"),
        (rb'ID="bitstream_[^"]*"', b'ID="bitstream_x"', "not a UUID"),
        (rb'in_archive="true"', b'in_archive="yes"', "neither true nor false"),
        (rb' in_archive="true"', b"", "in_archive is missing"),
        (rb'in_archive="true"', b'in_archive="true" colour="red"', "unknown attribute 'colour'"),
        (rb"<as:item ", b"<as:widget ", "not a row that this version knows"),
        (rb'owning_collection="[^"]*"', b'owning_collection="123"', "not a UUID"),
        (rb'kind="group"', b'kind="grape"', "not a kind of object"),
        (rb"<as:aip[^>]*>", b"<as:aip>", "kind is missing"),
    ],
)
def test_a_broken_part_is_named(pattern: bytes, replacement: bytes, message: str) -> None:
    """The message says what is wrong, and in which element."""
    broken, count = re.subn(pattern, replacement, GOOD, count=1)
    assert count == 1
    with pytest.raises(InvalidAip, match=message):
        read(broken)


@pytest.mark.parametrize("kind", Kind)
def test_a_document_with_a_hole_is_an_aip_or_invalid(kind: Kind) -> None:
    """Elements and attributes taken out, doubled or exchanged at random never end in another error."""

    @RELAXED
    @given(aips(kind), st.data())
    def holds(aip: Aip, data: st.DataObject) -> None:
        root = markup.parse(write(aip))
        elements = [element for element in root.iter() if element is not root]
        for _ in range(data.draw(st.integers(1, 3))):
            element = data.draw(st.sampled_from(elements)) if elements else root
            what = data.draw(st.integers(0, 4))
            parent = element.getparent()
            if what == 0 and parent is not None:
                parent.remove(element)
            elif what == 1 and element.attrib:
                del element.attrib[data.draw(st.sampled_from(sorted(element.attrib)))]
            elif what == 2 and element.attrib:
                element.set(
                    data.draw(st.sampled_from(sorted(element.attrib))), data.draw(st.sampled_from(["", "x", "1"]))
                )
            elif what == 3 and parent is not None:
                parent.append(markup.parse(markup_of(element)))
            else:
                element.append(markup.parse(markup_of(data.draw(st.sampled_from([root, *elements])))))
        with suppress(InvalidAip):
            assert isinstance(read(markup_of(root)), Aip)

    holds()


def markup_of(element: etree._Element) -> bytes:
    """An element as a document of its own."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)


@RELAXED
@given(st.data())
def test_bytes_that_were_flipped_are_an_aip_or_invalid(data: st.DataObject) -> None:
    """A damaged byte is refused or changes a text; it never raises anything but InvalidAip."""
    document = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidAip):
        assert isinstance(read(bytes(document)), Aip)


def test_a_document_that_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of a payload; here it is lowered, so that the test needs no half gigabyte."""
    monkeypatch.setattr(markup, "MAX_DOCUMENT", len(GOOD) - 1)
    with pytest.raises(InvalidAip, match="refused: more than"):
        read(GOOD)


def test_comments_and_processing_instructions_change_nothing() -> None:
    """Stock DSpace allows them next to everything."""
    sprinkled = re.sub(rb">\n", b"><!-- <x> --><?pi y?>\n", GOOD.partition(b"?>\n")[2])
    assert read(sprinkled) == read(GOOD)
    assert read(GOOD).uuid == ITEM


def test_a_tombstone_says_what_it_is() -> None:
    """The document of a tombstone is one readable element of our namespace."""
    row = Tombstone("handle", "123456789/9", 2, None)
    key = "handle/123456789/9"
    document = write(Aip(kind=Kind.TOMBSTONE, uuid=derived_uuid(key), key=key, tombstone=row))
    assert b'<as:gone scheme="handle" identifier="123456789/9" type="2"/>' in document
    assert read(document).tombstone == row
