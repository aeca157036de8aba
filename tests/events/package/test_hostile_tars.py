"""Tars that lie, or that were made to do harm, are refused by name, gzipped or not."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from events.errors import InvalidPackage
from events.package.limits import Limits
from events.package.reading import open_package
from tests.events.package.composed import PAPER, PDF, bag_entries, item_payload, tarred

BAG = bag_entries(item_payload())


def written(path: Path, *infos: tarfile.TarInfo, kind: int = tarfile.GNU_FORMAT) -> Path:
    """The bag of an item, and these entries behind it, each with as many zeros as it says."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=kind) as archive:
        for name, content in BAG.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in infos:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    path.write_bytes(gzip.compress(plain.getvalue()))
    return path


def info(name: str, **said: object) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for key, value in said.items():
        setattr(found, key, value)
    return found


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (info("../x"), "could lead out"),
        (info("a/../../x"), "could lead out"),
        (info("/etc/passwd"), "could lead out"),
        (info("a\\b"), "could lead out"),
        (info("..", type=tarfile.DIRTYPE), "could lead out"),
        (info("bag/x", type=tarfile.SYMTYPE, linkname="/etc"), "'bag/x' refused: a link"),
        (info("bag/x", type=tarfile.LNKTYPE, linkname="bag/bagit.txt"), "'bag/x' refused: a link"),
        (info("bag/x", type=tarfile.SYMTYPE, linkname="y" * 200), "refused: a special file"),
        (info("bag/x", type=tarfile.FIFOTYPE), "'bag/x' refused: a special file"),
        (info("bag/x", type=tarfile.CHRTYPE), "'bag/x' refused: a special file"),
        (info("bag/x", type=tarfile.GNUTYPE_SPARSE), "'bag/x' refused: a special file"),
        (info("bag/bagit.txt"), "'bag/bagit.txt' refused: there are two of that name"),
        (info("x" * 1025), "name of 1025 characters refused"),
        (info("x" * 70_000), "extended header of 70001 bytes refused"),
    ],
)
def test_an_entry_that_could_do_harm_is_enough(tmp_path: Path, entry: tarfile.TarInfo, message: str) -> None:
    """Whatever else is in the tar; the message names file and entry."""
    path = written(tmp_path / "a.tgz", entry)
    with pytest.raises(InvalidPackage, match=message) as caught:
        open_package(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({"path": "../x"}, "could lead out"),
        ({"size": "x"}, "'x' is no size"),
        ({"size": "9" * 15}, "too early"),
        ({"GNU.sparse.major": "1"}, "a sparse entry refused"),
    ],
)
def test_an_extended_header_that_lies_is_refused(tmp_path: Path, records: dict[str, str], message: str) -> None:
    """It may name the entry anew, and give another size."""
    path = written(tmp_path / "a.tgz", info("bag/x", pax_headers=records), kind=tarfile.PAX_FORMAT)
    with pytest.raises(InvalidPackage, match=message):
        open_package(path)


def test_a_bomb_is_stopped_while_it_is_looked_through(tmp_path: Path) -> None:
    """What it comes to, nobody knows before; so it is counted on the way."""
    path = written(tmp_path / "a.tgz", info("bag/x", size=30_000_000))
    with pytest.raises(InvalidPackage, match=r"more than .* bytes when decompressed refused"):
        open_package(path, Limits(unquestioned=1_000_000, ratio=100))
    with pytest.raises(InvalidPackage, match="the limits are 2000000 bytes"):
        open_package(path, Limits(total=2_000_000))
    with pytest.raises(InvalidPackage, match="more than 5 entries refused"):
        open_package(path, Limits(entries=5))


def flipped(content: bytes) -> bytes:
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[: len(content) // 2], "end too early"),
        (lambda content: content[:-4], "end too early"),
        (lambda content: content + b"x", "behind its compressed data"),
        (lambda content: content + gzip.compress(b"x"), "behind its compressed data"),
        (flipped, "damaged"),
        (lambda content: gzip.compress(gzip.decompress(content)[:5000]), "its tar ends too early"),
        (lambda content: gzip.compress(b"no tar at all" * 99), "no tar, or a header of it is damaged"),
        (lambda content: gzip.compress(b""), "its tar ends too early"),
        (lambda content: gzip.compress(bytes(1024)), "so it is no bag"),
        (lambda content: gzip.compress(b"\xff" + gzip.decompress(content)[1:]), "a header of it is damaged"),
    ],
)
def test_a_damaged_tgz_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    """Cut off, continued, altered, or something else in the same wrapping."""
    path = tarred(tmp_path / "a.tgz", BAG)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InvalidPackage, match=message):
        open_package(path)


def test_names_in_other_encodings_and_with_a_dot_before_are_read(tmp_path: Path) -> None:
    """`tar czf x.tgz ./bag` is what people type."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(info(".", type=tarfile.DIRTYPE))
        for name, content in BAG.items():
            archive.addfile(info(f"./{name}", size=len(content)), io.BytesIO(content))
        archive.addfile(info("beside/é"))
    path = tmp_path / "a.tar"
    path.write_bytes(plain.getvalue())
    with open_package(path) as package:
        assert package.open(PAPER).read() == PDF
        assert "'beside/é' is not in UTF-8" in package.doubts[0]
