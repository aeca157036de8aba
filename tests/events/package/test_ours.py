"""Packages that we write are opened whole: with our extension nothing of an object is lost."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.aip import canonical, links, markup, stock_out
from events.aip.files import entry_name, file_name
from events.aip.mets import TYPES
from events.aip.model import Aip, Kind, Stored
from events.aip.surroundings import Surroundings
from events.errors import ChecksumMismatch
from events.package.reading import open_package
from events.package.writing import Part, write_manifest, write_zip
from tests.events.aip.strategies import aips
from tests.events.aip.test_structure import item
from tests.hunting import examples

RELAXED = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
SURROUNDINGS = Surroundings()


def lasting(content: bytes, path: str) -> Part:
    return Part(path, len(content), hashlib.sha256(content).hexdigest(), lambda: io.BytesIO(content))


@pytest.mark.parametrize("kind", list(TYPES))
def test_whatever_is_in_an_aip_comes_back(tmp_path: Path, kind: Kind) -> None:
    """In a zip as in a bare manifest."""

    @RELAXED
    @given(aips(kind))
    def holds(aip: Aip) -> None:
        manifest = stock_out.write(aip, SURROUNDINGS)
        root = markup.parse(manifest)
        handles = [pointer.get("{http://www.w3.org/1999/xlink}href") for pointer in root.iter(f"{{{markup.METS}}}mptr")]
        assume(links.own_handle(root) not in handles)  # nothing contains itself
        write_zip(tmp_path / "a.zip", manifest, [])
        write_manifest(tmp_path / "a.xml", manifest)
        for path in (tmp_path / "a.zip", tmp_path / "a.xml"):
            with open_package(path) as package:
                assert (package.whole, package.anonymous) == (True, False)
                assert package.aip == canonical(aip)

    holds()


@given(st.binary(max_size=300_000))
@RELAXED
def test_a_content_comes_back_and_is_verified_by_both_checksums(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """The SHA-256 of the log, and the MD5 of DSpace."""
    path = tmp_path_factory.mktemp("ours") / "a.zip"
    aip = item()
    (row, *_), md5 = aip.bitstreams, hashlib.md5(content).hexdigest()
    row = replace(row, size=len(content), checksum=md5, checksum_algorithm="MD5")
    entry = entry_name(row.uuid, file_name([value for value in aip.values if value.subject == row.uuid]))
    sha256 = hashlib.sha256(content).hexdigest()
    others = aip.bitstreams[1:]
    for shown, good in ((row, True), (replace(row, checksum="ab" * 16), False)):
        stored = [Stored(row.uuid, "1", 0, sha256)]
        changed = replace(aip, bitstreams=[shown, *others], stored=stored)
        write_zip(path, stock_out.write(changed, SURROUNDINGS), [lasting(content, entry)])
        with open_package(path) as package:
            assert package.contents[row.uuid].checksum == sha256
            if good:
                assert package.open(row.uuid).read() == content
            else:
                with pytest.raises(ChecksumMismatch, match="MD5 is"):
                    package.open(row.uuid).read()
