"""Bytes flipped, cut out or repeated anywhere in a package: it is refused by name, or still gives what it says."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from events.aip import read, write
from events.errors import AipstreamError
from events.package import Package
from events.package.listing import no_package, packages
from events.package.reading import open_package
from tests.events.package.composed import bag_entries, item, item_entries, item_payload, tarred, zipped
from tests.events.package.test_stock_zips import collection, site
from tests.hunting import examples

RELAXED = settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))

FORMS: dict[str, Callable[[Path], Path]] = {
    "deflated": lambda path: zipped(path, item_entries()),
    "stored": lambda path: zipped(path, item_entries(), zipfile.ZIP_STORED),
    "collection": lambda path: zipped(path, {"mets.xml": collection().encode()}, zipfile.ZIP_STORED),
    "bag": lambda path: zipped(path, bag_entries(item_payload()), zipfile.ZIP_STORED),
    "tgz": lambda path: tarred(path, bag_entries(item_payload())),
    "tar": lambda path: tarred(path, bag_entries(item_payload()), gzipped=False),
    "bare": lambda path: path.write_bytes(item().encode()) and path,  # type: ignore[dict-item]
}


def read_whole(package: Package) -> dict[str, int]:
    """Every content to its end, which verifies it."""
    return {uuid: len(package.open(uuid).read()) for uuid in package.contents}


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_package_is_refused_or_still_right(tmp_path: Path, form: str) -> None:
    """Never another exception than ours, never contents of another size than the manifest says, and never a hang."""
    whole = FORMS[form](tmp_path / "whole").read_bytes()
    path = tmp_path / "damaged"

    @RELAXED
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        content = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(content) - 1))
            what = data.draw(st.integers(0, 3))
            if what < 2:
                content[place] ^= data.draw(st.integers(1, 255))
            elif what == 2:
                del content[place : place + data.draw(st.integers(1, 64))]
            else:
                content[place:place] = content[: data.draw(st.integers(1, 64))]
        path.write_bytes(bytes(content))
        no_package(path)
        assert list(packages([path])) in ([path], [])
        with suppress(AipstreamError), open_package(path) as package:
            for uuid, size in read_whole(package).items():
                assert size == package.contents[uuid].size

    holds()


DOCUMENTS = {"item": item().encode(), "collection": collection().encode(), "site": site().encode()}
BAG = {f"bag {name}": content for name, content in item_payload().items() if content.startswith(b"<")}


@pytest.mark.parametrize("name", [*DOCUMENTS, *BAG])
def test_a_document_with_a_hole_is_refused_or_read(tmp_path: Path, name: str) -> None:
    """Elements and attributes taken out, doubled, moved, emptied or exchanged at random."""
    path = tmp_path / "a.zip"

    @RELAXED
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        root = etree.fromstring((DOCUMENTS | BAG)[name])
        elements = list(root.iter())
        for _ in range(data.draw(st.integers(1, 4))):
            element, other = (data.draw(st.sampled_from(elements)) for _ in range(2))
            what = data.draw(st.integers(0, 5))
            parent = element.getparent()
            if what == 0 and parent is not None:
                parent.remove(element)
            elif what == 1 and element.attrib:
                del element.attrib[data.draw(st.sampled_from(sorted(element.attrib)))]
            elif what == 2 and element.attrib:
                value = data.draw(st.sampled_from(["", "x", "-1", "hdl:", *other.attrib.values()]))
                element.set(data.draw(st.sampled_from(sorted(element.attrib))), value)
            elif what == 3:
                other.append(copy.deepcopy(element))
            elif what == 4:
                element.text = data.draw(st.sampled_from([None, "x", other.text]))
            else:
                element.tag = other.tag
        document = etree.tostring(root)
        if name in DOCUMENTS:
            zipped(path, item_entries() | {"mets.xml": document})
        else:
            zipped(path, bag_entries(item_payload() | {name.removeprefix("bag "): document}))
        with suppress(AipstreamError), open_package(path) as package:
            assert len(read_whole(package)) == len(package.contents)
            assert package.aip is None or read(write(package.aip)) == package.aip

    holds()


@pytest.mark.parametrize("form", ["stored", "tar"])
def test_every_byte_counts(tmp_path: Path, form: str) -> None:
    """Each byte of a small package flipped in turn."""
    whole = FORMS[form](tmp_path / "whole").read_bytes()
    path = tmp_path / "damaged"
    refused: list[str] = []
    for place in range(0, len(whole), 1 if form == "stored" else 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            with open_package(path) as package:
                read_whole(package)
        except AipstreamError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all(str(path) in message for message in refused)
