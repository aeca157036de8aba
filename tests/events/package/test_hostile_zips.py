"""Zips that lie, or that were made to do harm, are refused by name before they cost anything."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from events.errors import ChecksumMismatch, InvalidPackage
from events.package.limits import Limits
from events.package.reading import open_package
from tests.events.package.composed import EXTRACT, PAPER, PDF, TEXT, item_entries, zipped
from tests.events.package.raw import PIPE, SYMLINK, Entry, good, raw_zip

X = Entry(b"x", b"x" * 100)
WIDE = 0xFFFFFFFF


def test_the_crafted_zip_is_good_as_it_stands(tmp_path: Path) -> None:
    """What the other tests change in it is what they are about."""
    with open_package(
        raw_zip(tmp_path / "a.zip", [*good(), X], comment=b"METS archive created by DSpace 9.3")
    ) as found:
        assert {uuid: found.open(uuid).read() for uuid in found.contents} == {PAPER: PDF, EXTRACT: TEXT}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry(b"../x"), r"'\.\./x' refused: its name could lead out"),
        (Entry(b"a/../../x"), "could lead out"),
        (Entry(b"/etc/passwd"), "could lead out"),
        (Entry(b"C:x"), "could lead out"),
        (Entry(b"..\\x"), "could lead out"),
        (Entry(b"a//b"), "could lead out"),
        (Entry(b"./x"), "could lead out"),
        (Entry(b"../"), "could lead out"),
        (Entry(b".."), "could lead out"),
        (Entry(b""), "could lead out"),
        (Entry(b"a\0b"), "could lead out"),
        (Entry(b"a\nb"), "could lead out"),
        (Entry(b"x" * 1025), "name of 1025 bytes refused"),
        (Entry(b"\xff\xfe"), "not the UTF-8 that it says"),
        (replace(X, mode=SYMLINK), "'x' refused: a link"),
        (replace(X, mode=PIPE), "'x' refused: a special file"),
        (replace(X, flags=0x801), "'x' refused: encrypted"),
        (replace(X, flags=0x840), "'x' refused: encrypted"),
        (replace(X, method=12), "'x' refused: compression method 12"),
        (replace(X, method=0, size=99), "not compressed, but 100 bytes for 99"),
        (Entry(b"folder/", b"x"), "a folder with content"),
        (Entry(b"mets.xml", b"<other/>"), "'mets.xml' refused: there are two of that name"),
        (replace(X, size=WIDE), "it says ZIP64, but has no such field"),
        (replace(X, size=WIDE, extra=struct.pack("<2HQ", 1, 8, 2**41)), "2199023.* when decompressed refused"),
        (replace(X, size=WIDE, extra=struct.pack("<2HQ", 1, 8, 2**40 - 2**30)), "more than 200 times"),
        (replace(X, offset=0), "overlaps"),
        (replace(X, compressed=10**6), "overlaps"),
    ],
)  # fmt: skip
def test_an_entry_that_nobody_names_is_enough(tmp_path: Path, entry: Entry, message: str) -> None:
    """It is refused before anything of the package is used; the message names file and entry."""
    path = raw_zip(tmp_path / "a.zip", [*good(), entry])
    with pytest.raises(InvalidPackage, match=message) as caught:
        open_package(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 2}, "more than its end says"),
        ({"count": 9}, "ends too early"),
        ({"directory": 0}, "not where its end says"),
        ({"extent": 10}, "not where its end says"),
        ({"before": b"#!/bin/sh\n"}, "neither a zip"),
        ({"before": b"PK\3\4" + b"x" * 99, "directory": 10}, "not where its end says"),
        ({"announced_comment": 7}, "its end is missing"),
        ({"comment": b"abc", "announced_comment": 2}, "its end is missing"),
        ({"disk": 1}, "several volumes"),
        ({"count": 0xFFFF}, "no locator"),
        ({"between": b"x" * 100 + b"PK\6\7" + b"\0" * 16, "count": 0xFFFF}, "no locator"),
    ],
)
def test_an_end_that_lies_is_refused(tmp_path: Path, changes: dict[str, int | bytes], message: str) -> None:
    """Its counts and places have to be those of the directory."""
    with pytest.raises(InvalidPackage, match=message):
        open_package(raw_zip(tmp_path / "a.zip", good(), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"crc": 1}, ChecksumMismatch, "CRC is"),
        ({"size": 15, "content": PDF[:15], "data": Entry(b"", PDF).body()}, ChecksumMismatch, "has 15 bytes, the"),
        ({"data": Entry(b"", PDF + b"x").body()}, InvalidPackage, "longer than the 16 bytes"),
        ({"data": Entry(b"", PDF[:9]).body(), "crc": zlib.crc32(PDF[:9])}, InvalidPackage, "ends after 9 of 16"),
        ({"data": Entry(b"", PDF).body()[:-3]}, InvalidPackage, "end too early"),
        ({"data": Entry(b"", PDF).body() + b"x"}, InvalidPackage, "behind its compressed data"),
        ({"data": b"\xff" * 20}, InvalidPackage, "damaged"),
        ({"local_name": b"y" * 99}, InvalidPackage, "own header"),
        ({"local_name": b"y" * len(f"bitstream_{PAPER}.pdf")}, InvalidPackage, "own header"),
        ({"local_method": 0}, InvalidPackage, "own header"),
        ({"local_flags": 0x801}, InvalidPackage, "own header"),
        ({"method": 0, "content": PDF[:9], "size": 9}, ChecksumMismatch, "has 9 bytes"),
    ],
)  # fmt: skip
def test_an_entry_that_is_not_what_it_says_fails_when_it_is_read(
    tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    """The others of the package are not concerned."""
    entries = good()
    entries[1] = replace(entries[1], **change)  # type: ignore[arg-type]
    with open_package(raw_zip(tmp_path / "a.zip", entries)) as package:
        with pytest.raises(error, match=message):
            package.open(PAPER).read()
        assert package.open(EXTRACT).read() == TEXT


def test_a_bomb_of_overlapping_entries_is_refused(tmp_path: Path) -> None:
    """Many entries that share one block of compressed zeros (quoted or fully overlapped) are as many overlaps."""
    kernel = Entry(b"k", b"\0" * 1_000_000)
    shared = [replace(kernel, name=b"k%d" % number, offset=0, data=b"", compressed=900) for number in range(500)]
    with pytest.raises(InvalidPackage, match="overlaps"):
        open_package(raw_zip(tmp_path / "a.zip", [kernel, *shared]))


def test_an_entry_that_inflates_without_end_is_stopped_at_its_size(tmp_path: Path) -> None:
    """The directory says 16 bytes, the data are a hundred megabytes of zeros."""
    entries = good()
    entries[1] = replace(entries[1], data=Entry(b"", b"\0" * 2**27).body())
    with (
        open_package(raw_zip(tmp_path / "a.zip", entries)) as package,
        pytest.raises(InvalidPackage, match="longer than"),
    ):
        package.open(PAPER).read()


def test_a_manifest_that_inflates_beyond_its_limit_is_not_inflated(tmp_path: Path) -> None:
    """The limit counts for what the directory says, and what it says is what there may be."""
    path = zipped(tmp_path / "a.zip", item_entries() | {"mets.xml": b" " * 200 * 1024**2})
    with pytest.raises(InvalidPackage, match=r"mets.xml of 209715200 bytes refused: more than 134217728"):
        open_package(path)


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    """Before the directory is read."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(100_000):
            archive.writestr(str(number), b"")
    with pytest.raises(InvalidPackage, match="100000 entries refused: more than 50000"):
        open_package(tmp_path / "a.zip")


def test_zip64_is_read(tmp_path: Path) -> None:
    """As Java writes it for more than 65,535 entries; here with a limit that allows it."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in item_entries().items():
            archive.writestr(name, content)
        for number in range(70_000):
            archive.writestr(f"more/{number}", b"")
    with open_package(tmp_path / "a.zip", Limits(entries=100_000)) as package:
        assert package.open(PAPER).read() == PDF


def test_names_in_other_encodings_are_doubts(tmp_path: Path) -> None:
    """Unless the entry says that it is UTF-8; nobody names it, and nothing is written under its name."""
    odd = [Entry(b"r\x82sum\x82.txt", flags=0), Entry("é.txt".encode()), Entry("e\u0301.TXT".encode())]
    with open_package(raw_zip(tmp_path / "a.zip", [*good(), *odd])) as package:
        said = " | ".join(package.doubts)
    assert "'résumé.txt' is not in UTF-8" in said
    assert "differ only in case or form" in said
    assert "3 entries that the manifest does not name" in said


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "no mets.xml in it, so it is no AIP"),
        ({"x": b""}, "no mets.xml in it, so it is no AIP"),
        ({"ITEM/mets.xml": b"<x/>"}, "only 'ITEM/mets.xml'"),
        ({"METS.XML": b"<x/>"}, "only 'METS.XML'"),
        ({"mets.xml": b""}, "not well-formed"),
        ({"mets.xml": b"<DSpaceRoles/>"}, "its root is DSpaceRoles, not mets"),
    ],
)
def test_a_zip_without_a_manifest_is_no_package(tmp_path: Path, entries: dict[str, bytes], message: str) -> None:
    """Nor one in which it is somewhere else than at the root."""
    with pytest.raises(InvalidPackage, match=message):
        open_package(zipped(tmp_path / "a.zip", entries))


def test_a_truncated_zip_is_refused(tmp_path: Path) -> None:
    """Wherever it ends; without its end the directory is gone."""
    whole = zipped(tmp_path / "a.zip", item_entries()).read_bytes()
    for length in range(4, len(whole)):
        path = tmp_path / "b.zip"
        path.write_bytes(whole[:length])
        with pytest.raises(InvalidPackage):
            open_package(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Folders, pipes (without waiting for a writer), empty and missing files, other formats."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no package")
    (tmp_path / "png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "gzip").write_bytes(b"\x1f\x8b\x08")
    for name, message in (
        (".", "a folder"),
        ("pipe", "not a file"),
        ("empty", "empty"),
        ("missing", "cannot be opened: No such file"),
        ("text", "neither a zip"),
        ("png", "neither a zip"),
        ("gzip", "too early"),
    ):
        with pytest.raises(InvalidPackage, match=message):
            open_package(tmp_path / name)


def test_a_file_without_the_right_to_read_it_is_refused(tmp_path: Path) -> None:
    """The message gives the reason. Root may read everything, so there a loop of links stands in."""
    path = tmp_path / "a.zip"
    if os.geteuid() == 0:
        path.symlink_to(path)
    else:
        zipped(path, item_entries()).chmod(0)
    with pytest.raises(InvalidPackage, match="cannot be opened: "):
        open_package(path)


def test_a_zip_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    """At the end of the content, before its last bytes are handed over; a shortened one at once."""
    path = zipped(tmp_path / "a.zip", item_entries(), zipfile.ZIP_STORED)
    with open_package(path) as package:
        stream = package.open(PAPER)
        content = path.read_bytes()
        path.write_bytes(content)  # the same again: even so nobody knows what was there in between
        os.utime(path, ns=(1, 1))
        with pytest.raises(InvalidPackage, match="was changed while it was read"):
            stream.read()
    with open_package(path) as package:
        os.truncate(path, 100)
        with pytest.raises(InvalidPackage, match="was changed while it was read"):
            package.open(PAPER).read()


def test_a_zip_that_is_replaced_stays_what_it_was(tmp_path: Path) -> None:
    """Whoever renames a new file into its place does no harm."""
    path = zipped(tmp_path / "a.zip", item_entries())
    with open_package(path) as package:
        zipped(tmp_path / "b.zip", {"other": b""}).replace(path)
        assert package.open(PAPER).read() == PDF


def test_a_refused_package_keeps_no_file_open(tmp_path: Path) -> None:
    """Whatever it is refused for."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number, entries in enumerate((item_entries(inside="<fptr FILEID='x'/>"), {"a": b""}, {"mets.xml": b"<"})):
        with pytest.raises(InvalidPackage):
            open_package(zipped(tmp_path / f"{number}.zip", entries))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
