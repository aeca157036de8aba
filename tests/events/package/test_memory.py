"""What a package costs in memory follows from the limits, not from its size. Measured in processes of their own."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

from tests.events.aip.test_stock import field
from tests.events.package.composed import COLLECTION, child, item, manifest, metsrights, zipped

SIZE = 2**31 + 4096
ZEROS_CRC, ZEROS_MD5 = 0x5C7B2279, "91e157c7e944d12879069edad019ad5e"

READ = """
import re, sys
from pathlib import Path
from events.package.reading import open_package
with open_package(Path(sys.argv[1])) as package:
    passed = 0
    for uuid in package.contents:
        with package.open(uuid) as stream:
            while block := stream.read(1 << 20):
                passed += len(block)
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]
print(passed, len(package.children), int(peak) // 1024)
"""


def read(path: Path) -> tuple[int, int, int]:
    """Bytes of contents, number of children, and the most megabytes that the process ever had."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], text=True, capture_output=True, check=True, timeout=300
    )
    passed, children, memory = map(int, done.stdout.split())
    return passed, children, memory


def sparse_zip(path: Path, document: bytes) -> None:
    """A zip with a content of zeros, stored, in a hole of the file."""

    name = b"zeros"
    with path.open("wb") as file:
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, zlib.crc32(document), *[len(document)] * 2, 8, 0)
        file.write(head + b"mets.xml" + document)
        begin = file.tell()
        file.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, ZEROS_CRC, SIZE, SIZE, len(name), 0) + name)
        file.seek(SIZE, 1)
        directory = file.tell()
        for entry, crc, size, offset in ((b"mets.xml", zlib.crc32(document), len(document), 0),
                                         (name, ZEROS_CRC, SIZE, begin)):  # fmt: skip
            file.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, crc, size, size, len(entry),
                                   0, 0, 0, 0, 0, offset) + entry)  # fmt: skip
        extent = file.tell() - directory
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, extent, directory, 0))


def test_a_content_of_more_than_two_gigabytes_is_streamed(tmp_path: Path) -> None:
    """And verified, in less memory than a tenth of it."""
    group = (
        f'<fileGrp USE="ORIGINAL"><file ID="bitstream_1" SIZE="{SIZE}" CHECKSUM="{ZEROS_MD5}" CHECKSUMTYPE="MD5">'
        '<FLocat LOCTYPE="URL" xlink:href="zeros"/></file></fileGrp>'
    )
    path = tmp_path / "a.zip"
    sparse_zip(path, item(files=group, inside="", sections="").encode())
    passed, _, memory = read(path)
    assert passed == SIZE
    assert memory < 120


def test_a_collection_of_a_hundred_thousand_items_is_read(tmp_path: Path) -> None:
    """Its manifest has some twenty megabytes, and would have hundreds once parsed."""
    inside = "".join(child("ITEM", f"123456789/{n}", f"ITEM@123456789-{n}.zip") for n in range(10, 100_010))
    document = manifest(
        "COLLECTION", COLLECTION, "123456789/3", descriptive=field("title", "x"), administrative=metsrights(),
        inside=inside, parent="123456789/2",
    )  # fmt: skip
    _, children, memory = read(zipped(tmp_path / "a.zip", {"mets.xml": document.encode()}))
    assert children == 100_000
    assert memory < 150
