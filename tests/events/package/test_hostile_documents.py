"""Documents inside packages that were made to do harm: refused by name, within the limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.errors import InvalidPackage
from events.package.limits import Limits
from events.package.reading import open_package
from tests.events.package.composed import bag_entries, item, item_entries, item_payload, zipped

LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><mets xmlns="http://www.loc.gov/METS/">&c;</mets>'
)
EXTERNAL = (
    '<!DOCTYPE mets [<!ENTITY x SYSTEM "file:///etc/hostname">]><mets xmlns="http://www.loc.gov/METS/">&x;</mets>'
)
PARAMETER = '<!DOCTYPE mets SYSTEM "http://127.0.0.1:9/x.dtd"><mets xmlns="http://www.loc.gov/METS/"/>'


@pytest.mark.parametrize("document", [LAUGHS, EXTERNAL, PARAMETER], ids=["laughs", "external", "dtd"])
def test_entities_are_refused_wherever_a_document_stands(tmp_path: Path, document: str) -> None:
    """In a zip, by itself, in a bag: nothing is expanded and nothing fetched."""
    content = document.encode()
    bare = tmp_path / "bare.xml"
    bare.write_bytes(content)
    packages = [
        bare,
        zipped(tmp_path / "aip.zip", {"mets.xml": content}),
        zipped(tmp_path / "bag.zip", bag_entries(item_payload() | {"metadata.xml": content})),
    ]
    for path in packages:
        with pytest.raises(InvalidPackage, match="document type declaration refused") as caught:
            open_package(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7", "cp1140"])
def test_a_document_type_does_not_hide_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    """Every document is read as UTF-8, whatever it declares."""
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{EXTERNAL}'.encode(
        "utf-16" if encoding == "cp1140" else encoding
    )
    with pytest.raises(InvalidPackage):
        open_package(zipped(tmp_path / "a.zip", {"mets.xml": declared}))


def test_xml_of_200_megabytes_is_refused_unread(tmp_path: Path) -> None:
    """The limit counts before a byte of it is parsed. The file has holes."""
    path = tmp_path / "a.xml"
    path.write_text("<mets>")
    with path.open("r+b") as file:
        file.truncate(200 * 1024**2)
    with pytest.raises(InvalidPackage, match="209715200 bytes of XML refused: more than 134217728"):
        open_package(path)


def test_a_manifest_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    """A text as long as that is no attack: full texts stand in metadata."""
    text = "word " * 2_200_000
    field = f'<dim:field mdschema="dc" element="description">{text}</dim:field>'
    with open_package(zipped(tmp_path / "a.zip", item_entries(descriptive=field))) as package:
        assert package.aip is not None
        assert next(row.text for row in package.aip.values if row.field == "dc.description") == text


@pytest.mark.parametrize(
    ("inside", "limits", "message"),
    [
        ("<a/>" * 1000, Limits(marks=1000), "more than 1000 elements and attributes refused"),
        ("<a>" * 3000 + "</a>" * 3000, Limits(), "not well-formed"),
        ("<a>" * 4_000_000, Limits(), "not well-formed"),
    ],
    ids=["many", "deep", "deep and large"],
)
def test_trees_that_would_cost_memory_are_refused(tmp_path: Path, inside: str, limits: Limits, message: str) -> None:
    """Many elements, or elements in elements: the parsed tree is much larger than the document."""
    with pytest.raises(InvalidPackage, match=message):
        open_package(zipped(tmp_path / "a.zip", item_entries(inside=inside)), limits)


def test_a_huge_attribute_is_a_value_like_any_other(tmp_path: Path) -> None:
    """Or refused; it is never repeated whole in a message."""
    value = "x" * 20_000_000
    messages = []
    section = f'<rightsMD ID="{value}"><mdWrap MDTYPE="{value}"/></rightsMD>'
    cases = [
        {"inside": f'<a b="{value}"/>'},
        {"inside": f'<fptr FILEID="{value}"/>'},
        {"identity": value},
        {"administrative": section},
        {"files": f'<fileGrp USE="a" ADMID="{value}"/>'},
        {"files": f'<fileGrp USE="a"><{value} ID="{value}"/></fileGrp>'},
    ]
    for changes in cases:
        path = zipped(tmp_path / "a.zip", item_entries(**changes))
        try:
            with open_package(path) as package:
                messages += package.doubts
        except InvalidPackage as error:
            messages.append(str(error))
    assert messages
    assert max(map(len, messages)) < 1000


@pytest.mark.parametrize(
    "document",
    [
        item().replace("http://www.loc.gov/METS/", "urn:other"),
        item().replace(' PROFILE="', ' PROFIL="'),
        item().replace('TYPE="DSpace ITEM"', 'TYPE="DSpace BUNDLE"'),
        item().replace('OBJID="', 'OBJ="'),
        item().replace('ID="DSpace_', 'UD="DSpace_'),
        "<mets/>",
        "<html/>",
        "",
    ],
)
def test_another_document_is_no_manifest(tmp_path: Path, document: str) -> None:
    """In a zip as by itself the message names the file and what is missing."""
    bare = tmp_path / "a.xml"
    bare.write_text(document or " ", encoding="utf-8")
    for path in (zipped(tmp_path / "a.zip", {"mets.xml": document.encode()}), bare):
        with pytest.raises(InvalidPackage) as caught:
            open_package(path)
        assert str(path) in str(caught.value)


def test_doubts_are_bounded(tmp_path: Path) -> None:
    """A million oddities are a hundred lines, and how many more."""
    section = '<rightsMD><mdWrap MDTYPE="OTHER" OTHERMDTYPE="X"><xmlData><x/></xmlData></mdWrap></rightsMD>'
    with open_package(zipped(tmp_path / "a.zip", item_entries(administrative=section * 5000))) as package:
        assert len(package.doubts) == 101
        assert package.doubts[-1] == "and 4900 more"
