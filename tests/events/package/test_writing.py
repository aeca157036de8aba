"""Packages that are written: the same bytes each time, whole or not there, in bounded memory."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest

from events.errors import ChecksumMismatch, StorageUnusable
from events.package.writing import Part, durable, same, write_manifest, write_zip

MANIFEST = b"<mets/>"


def part(entry: str, content: bytes, **changed: object) -> Part:
    made = Part(entry, len(content), hashlib.sha256(content).hexdigest(), lambda: io.BytesIO(content))
    return made._replace(**changed)  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_same_object_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whenever, and in whatever zone and umask it is written; every entry is there, the manifest first."""
    parts = [part("bitstream_1.txt", b"one" * 5000), part("bitstream_2", b"")]
    written = []
    for number, (zone, mask) in enumerate((("UTC", 0o022), ("Pacific/Kiritimati", 0o077))):
        before, old = os.environ.get("TZ"), os.umask(mask)
        os.environ["TZ"] = zone
        time.tzset()
        try:
            path = tmp_path / f"{number}.zip"
            assert write_zip(path, MANIFEST, parts) == path.stat().st_size
            written.append(path.read_bytes())
        finally:
            os.umask(old)
            os.environ.pop("TZ")
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert archive.namelist() == ["mets.xml", "bitstream_1.txt", "bitstream_2"]
        assert archive.testzip() is None
        assert archive.read("bitstream_1.txt") == b"one" * 5000
        assert archive.comment.startswith(b"METS archive created by")


@pytest.mark.parametrize(
    "changed",
    [{"size": 4}, {"size": 6}, {"sha256": "0" * 64}, {"open": lambda: io.BytesIO(b"wrong")}, {"size": 0}],
    ids=["longer", "shorter", "another digest", "other bytes", "not empty"],
)
def test_a_content_that_is_not_what_it_was_leaves_no_package(tmp_path: Path, changed: dict[str, object]) -> None:
    """Nor anything else; and a package that stood under the name before is still there."""
    path = tmp_path / "a.zip"
    write_zip(path, MANIFEST, [part("a", b"right")])
    before = path.read_bytes()
    with pytest.raises(ChecksumMismatch, match="bitstream_9"):
        write_zip(path, MANIFEST, [part("a", b"right"), part("bitstream_9", b"right", **changed)])
    with pytest.raises(ChecksumMismatch):
        write_zip(tmp_path / "b.zip", MANIFEST, [part("bitstream_9", b"right", **changed)])
    assert names(tmp_path) == ["a.zip"]
    assert path.read_bytes() == before


class _Failing(io.RawIOBase):
    """A content that cannot be read to its end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise OSError(5, "Input/output error")


def test_what_cannot_be_opened_or_read_leaves_no_package(tmp_path: Path) -> None:
    """Whatever it is that goes wrong, it is told."""

    def missing() -> BinaryIO:
        raise FileNotFoundError(2, "No such file or directory", "blob")

    for opener in (missing, lambda: io.BufferedReader(_Failing())):
        with pytest.raises(StorageUnusable, match=r"a\.zip"):
            write_zip(tmp_path / "a.zip", MANIFEST, [part("a", b"x", open=opener)])
    with pytest.raises(KeyboardInterrupt):
        write_zip(tmp_path / "a.zip", MANIFEST, [part("a", b"x", open=_interrupted)])
    assert names(tmp_path) == []


def _interrupted() -> BinaryIO:
    raise KeyboardInterrupt


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit of the process on the size of a file stands for the disk: the system refuses to write on."""
    script = """
import resource, signal, sys, io, os, hashlib
from pathlib import Path
from events.errors import StorageUnusable
from events.package.writing import Part, write_manifest, write_zip
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
content = os.urandom(3_000_000)
part = Part("a", len(content), hashlib.sha256(content).hexdigest(), lambda: io.BytesIO(content))
for write in (lambda path: write_zip(path, b"<mets/>", [part]), lambda path: write_manifest(path, content)):
    try:
        write(Path(sys.argv[1]) / "a.zip")
    except StorageUnusable as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written: File too large") == 2
    assert names(tmp_path) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By the path that was to be written."""
    for write in (lambda path: write_zip(path, MANIFEST, []), lambda path: write_manifest(path, MANIFEST)):
        with pytest.raises(StorageUnusable, match=r"nowhere/a\.zip cannot be written: No such file"):
            write(tmp_path / "nowhere" / "a.zip")
    with pytest.raises(StorageUnusable, match="nowhere"):
        durable(tmp_path / "nowhere")


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    """Killed while a content is on its way: what it leaves cannot be taken for a package."""
    script = """
import io, sys, time
from pathlib import Path
from events.package.writing import Part, write_zip
class Slow(io.RawIOBase):
    def readable(self): return True
    def read(self, size=-1):
        print("begun", flush=True)
        time.sleep(600)
write_zip(Path(sys.argv[1]) / "a.zip", b"<mets/>", [Part("a", 10, "0" * 64, Slow)])
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(240) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    (left,) = names(tmp_path)
    assert left.startswith(".")
    assert left.endswith(".part")


WRITE_SPARSE = """
import hashlib, re, sys
from pathlib import Path
from events.package.writing import Part, write_zip
sparse = Path(sys.argv[1])
write_zip(Path(sys.argv[2]), b"<mets/>", [Part("zeros", sparse.stat().st_size, sys.argv[3], lambda: sparse.open("rb"))])
print(int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_a_content_of_more_than_two_gigabytes_is_streamed(tmp_path: Path) -> None:
    """As an entry of a zip64, in the memory that a small one takes."""
    size = 2**31 + 4096
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(size)
    digest, block, left = hashlib.sha256(), bytes(1 << 20), size
    while left:
        digest.update(block[: min(left, len(block))])
        left -= min(left, len(block))
    path = tmp_path / "a.zip"
    done = subprocess.run(
        [sys.executable, "-c", WRITE_SPARSE, str(sparse), str(path), digest.hexdigest()],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert int(done.stdout) < 60
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("zeros")
        assert info.file_size == size
        assert b"\x01\x00" in info.extra or info.extract_version >= zipfile.ZIP64_VERSION
    assert path.stat().st_size < size // 100


@pytest.mark.parametrize("name", ["ITEM@1-2.zip", "ITEM@20.500.12345-ä語😀.zip", "ITEM@a b'\"&<$(x).zip", "-rf.zip"])
def test_a_package_can_have_an_odd_name(tmp_path: Path, name: str) -> None:
    """It is a file in that folder, and nothing else is."""
    write_zip(tmp_path / name, MANIFEST, [part("bitstream_ä", b"x")])
    write_manifest(tmp_path / f"{name}.xml", MANIFEST)
    assert names(tmp_path) == sorted([name, f"{name}.xml"])
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert archive.read("bitstream_ä") == b"x"


@pytest.mark.parametrize("damage", ["cut in its comment", "cut", "longer", "flipped", "other content", "gone"])
def test_a_package_that_is_there_is_the_same_only_to_the_last_byte(tmp_path: Path, damage: str) -> None:
    """So a repeated export keeps what is whole, and writes anew whatever is not."""
    path = tmp_path / "a.zip"
    parts = [part("bitstream_1.txt", b"one" * 5000)]
    write_zip(path, MANIFEST, parts)
    content = path.read_bytes()
    assert same(path, MANIFEST, parts) == len(content)
    assert same(path, b"<mets />", parts) is None
    if damage == "other content":
        parts = [part("bitstream_1.txt", b"two" * 5000)]
    elif damage == "gone":
        path.unlink()
    else:
        middle = content.index(b"bitstream_1.txt") + 20
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes(
            {"cut in its comment": content[:-5], "cut": content[:-60], "longer": content + b"x", "flipped": flipped}[
                damage
            ]
        )
    assert same(path, MANIFEST, parts) is None
