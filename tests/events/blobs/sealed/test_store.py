"""Encrypted blobs over a local folder: the contract, who may read, and that nothing is ever written plain."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from events.blobs import Blobs, Keys, Sweeping, open_blobs
from events.blobs.sealed.format import FRAME
from events.blobs.sealed.keys import PRIVATE, make, text_of
from events.errors import (
    BlobMissing,
    BlobNotEncrypted,
    BlobSealed,
    ChecksumMismatch,
    ConfigError,
)
from tests.events.blobs.contract import BlobsContract, digests_of
from tests.events.blobs.sealed.keyed import BOTH, ONE, ONE_PUBLIC, OTHER, OTHER_PUBLIC, SECRET, WRITER, holding

LARGE = SECRET * 60_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def url(folder: Path) -> str:
    """A store of encrypted blobs that was made and is empty."""
    open_blobs(f"file://{folder}", create=True, keys=BOTH)
    return f"file://{folder}"


class TestSealedBlobs(BlobsContract):
    """The contract on encrypted blobs in a local folder."""

    keys = BOTH


def kept(blobs: Blobs, content: bytes) -> str:
    """Put and flush: the name."""
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    return name


def place(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:4] / name


@pytest.mark.parametrize("content", [SECRET, LARGE], ids=["small", "large"])
def test_nothing_of_a_content_is_in_the_store(url: str, folder: Path, content: bytes) -> None:
    """Neither before the flush nor after it, nor anything of the keys; a second put writes nothing."""
    blobs = open_blobs(url, keys=WRITER)
    name = blobs.put(io.BytesIO(content)).sha256
    assert not holding(folder)
    blobs.flush()
    assert not holding(folder)
    before = place(folder, name).stat()
    assert kept(open_blobs(url, keys=BOTH), content) == name
    assert place(folder, name).stat().st_ino == before.st_ino
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == sorted(["encrypted", name])
    assert open_blobs(url, keys=BOTH).open(name).read() == content


def test_a_writer_needs_no_private_key_and_cannot_read(url: str) -> None:
    """Everything works for it but `open`, and `verify` looks at the ciphertext."""
    blobs = open_blobs(url, keys=WRITER)
    name = kept(blobs, LARGE)
    assert blobs.has(name)
    assert blobs.size(name) == len(LARGE)
    assert list(blobs.list()) == [name]
    assert blobs.verify(name) == (name, "", len(LARGE))
    with pytest.raises(BlobSealed, match="no key") as caught:
        blobs.open(name)
    assert "identity" in caught.value.hint


def test_a_reader_needs_no_public_key_and_cannot_write(url: str) -> None:
    """It says so before anything is read."""
    name = kept(open_blobs(url, keys=WRITER), SECRET)
    reader = open_blobs(url, keys=Keys(identity=str(ONE)))
    assert reader.open(name).read() == SECRET
    with pytest.raises(ConfigError, match="encrypt_to is missing"):
        reader.put(io.BytesIO(b"content"))


def test_another_private_key_opens_nothing(url: str) -> None:
    """The message names both keys by their fingerprints."""
    name = kept(open_blobs(url, keys=WRITER), SECRET)
    with pytest.raises(BlobSealed, match=r"is encrypted for [0-9a-f]{16}, and not for [0-9a-f]{16}"):
        open_blobs(url, keys=Keys(identity=str(OTHER))).open(name)


def test_each_of_several_recipients_reads(url: str) -> None:
    """With one key of their own."""
    name = kept(open_blobs(url, keys=Keys((ONE_PUBLIC, OTHER_PUBLIC))), SECRET)
    for private in (ONE, OTHER):
        assert open_blobs(url, keys=Keys(identity=str(private))).open(name).read() == SECRET


def test_a_content_is_read_from_anywhere(url: str) -> None:
    """Across the borders of frames."""
    content = random.Random(1).randbytes(5 * FRAME + 7)
    blobs = open_blobs(url, keys=BOTH)
    with blobs.open(kept(blobs, content)) as file:
        for at, length in ((5 * FRAME, 100), (0, 1), (FRAME - 1, 2), (FRAME, 3 * FRAME), (len(content), 1)):
            file.seek(at)
            assert file.read(length) == content[at : at + length]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "header": lambda blob: blob[:60] + b"\xff\xff" + blob[62:],
    "size": lambda blob: blob[:51] + bytes([blob[51] ^ 1]) + blob[52:],
    "frame": lambda blob: blob[:1000] + bytes([blob[1000] ^ 1]) + blob[1001:],
    "last byte": lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
    "cut": lambda blob: blob[:-5],
    "cut at a frame": lambda blob: blob[: 202 + FRAME + 16],
    "longer": lambda blob: blob + b"\0",
    "frames swapped": lambda blob: blob[:202] + blob[202 + FRAME + 16 : 202 + 2 * FRAME + 32] + blob[202 : 218 + FRAME]
    + blob[202 + 2 * FRAME + 32 :],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_with_and_without_the_private_key(url: str, folder: Path, damage: str) -> None:
    """By `verify`; and reading never gives another content. The next put of one that lacks bytes mends it."""
    name = kept(open_blobs(url, keys=WRITER), LARGE)
    path = place(folder, name)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for keys in (WRITER, BOTH):
        with pytest.raises(ChecksumMismatch, match=name):
            open_blobs(url, keys=keys).verify(name)
    with pytest.raises(ChecksumMismatch):
        open_blobs(url, keys=BOTH).open(name).read()
    if damage in {"cut", "cut at a frame", "longer", "size"}:
        kept(open_blobs(url, keys=WRITER), LARGE)
        assert open_blobs(url, keys=BOTH).verify(name) == digests_of(LARGE)


def test_a_blob_under_another_name_is_found(url: str, folder: Path) -> None:
    """Whoever can write to the store cannot exchange two contents."""
    blobs = open_blobs(url, keys=BOTH)
    one, other = kept(blobs, b"one" * 100), kept(blobs, b"two" * 100)
    shutil.copy(place(folder, one), place(folder, other))
    for ask in (blobs.open, blobs.size, blobs.verify, open_blobs(url, keys=WRITER).verify):
        with pytest.raises(ChecksumMismatch, match="says that it is"):
            ask(other)


def test_a_plain_blob_in_the_store_is_refused(url: str, folder: Path) -> None:
    """Unless it is said that such are to be read; and a put of its content replaces it by an encrypted one."""
    name = digests_of(SECRET).sha256
    place(folder, name).parent.mkdir(parents=True)
    place(folder, name).write_bytes(SECRET)
    for keys in (WRITER, BOTH):
        blobs = open_blobs(url, keys=keys)
        for ask in (blobs.open, blobs.size, blobs.verify):
            with pytest.raises(BlobNotEncrypted, match=name):
                ask(name)
    tolerant = open_blobs(url, keys=BOTH._replace(plain="read"))
    assert tolerant.open(name).read() == SECRET
    assert tolerant.verify(name) == digests_of(SECRET)
    assert tolerant.size(name) == len(SECRET)
    kept(tolerant, SECRET)
    assert not holding(folder)
    assert open_blobs(url, keys=BOTH).open(name).read() == SECRET


def test_a_store_is_encrypted_or_it_is_not(tmp_path: Path, url: str) -> None:
    """Neither is opened as the other, whatever is configured later, and nothing is written."""
    with pytest.raises(ConfigError, match="are encrypted, and there is no key"):
        open_blobs(url)
    with pytest.raises(ConfigError, match="are encrypted, and there is no key"):
        open_blobs(url, create=True)
    plain = f"file://{tmp_path}/plain"
    kept(open_blobs(plain, create=True), b"content")
    with pytest.raises(ConfigError, match="not one of encrypted blobs"):
        open_blobs(plain, keys=BOTH)
    with pytest.raises(ConfigError, match="holds blobs that are not encrypted"):
        open_blobs(plain, create=True, keys=BOTH)
    assert kept(open_blobs(plain), b"more")


def test_a_plain_store_goes_over_to_encryption(tmp_path: Path) -> None:
    """If that is asked for: what was there is read, what is new is encrypted."""
    plain = f"file://{tmp_path}/plain"
    before = kept(open_blobs(plain, create=True), b"content of before")
    keys = BOTH._replace(plain="read")
    blobs = open_blobs(plain, create=True, keys=keys)
    after = kept(blobs, SECRET)
    assert blobs.open(before).read() == b"content of before"
    assert blobs.open(after).read() == SECRET
    assert not holding(tmp_path / "plain")


MALFORMED = {
    "no key": "rubbish",
    "cut off": ONE_PUBLIC[:-4],
    "mistyped": ONE_PUBLIC[:-10] + ("A" if ONE_PUBLIC[-10] != "A" else "B") + ONE_PUBLIC[-9:],
    "of small order": text_of(bytes(32)),
    "private": PRIVATE + "secret-that-is-not-told",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_key_writes_nothing(tmp_path: Path, url: str, what: str) -> None:
    """Neither into a store that is there, nor is a new one made; it does not help that another key is good."""
    for where in (url, f"file://{tmp_path}/new"):
        with pytest.raises(ConfigError) as caught:
            open_blobs(where, create=True, keys=Keys((ONE_PUBLIC, MALFORMED[what])))
        assert "secret-that-is-not-told" not in str(caught.value) + caught.value.hint
    assert not (tmp_path / "new").exists()


def test_a_missing_library_writes_nothing(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told what to install, and no store is opened."""
    for name in [name for name in sys.modules if name.startswith(("cryptography", "events.blobs.sealed"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for where in (url, f"file://{tmp_path}/new"):
        with pytest.raises(ConfigError) as caught:
            open_blobs(where, create=True, keys=WRITER)
        assert caught.value.hint == "pip install aipstream[objectstore]"
    assert not (tmp_path / "new").exists()


def test_a_private_key_is_for_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    """Not through a symbolic link either."""
    path = tmp_path / "key"
    public = make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert public in path.read_text()
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for there in (path, tmp_path / "link"):
        with pytest.raises(ConfigError, match="is there already"):
            make(there)
    with pytest.raises(ConfigError, match="cannot be made"):
        make(tmp_path / "none" / "key")
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "rubbish", PRIVATE, PRIVATE + "AAAA", "# only a comment", "\xff"])
def test_a_damaged_private_key_is_told_and_not_repeated(tmp_path: Path, url: str, text: str) -> None:
    """With the name of its file."""
    path = tmp_path / "key"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=str(path)):
        open_blobs(url, keys=Keys(identity=str(path)))
    with pytest.raises(ConfigError, match="cannot be read"):
        open_blobs(url, keys=Keys(identity=str(tmp_path / "none")))


def test_a_put_that_fails_leaves_no_file(url: str, folder: Path) -> None:
    """What was written of it is removed."""

    class Broken(io.RawIOBase):
        left = 3

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            if not self.left:
                raise OSError(5, "the source failed")
            return bytes(size)

    with pytest.raises(OSError, match="the source failed"):
        open_blobs(url, keys=WRITER).put(Broken())  # type: ignore[arg-type]
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["encrypted"]


def test_blobs_that_are_aside_come_back(url: str) -> None:
    """As in any store; what is freed is counted as it is stored."""
    blobs = open_blobs(url, keys=WRITER)
    assert isinstance(blobs, Sweeping)
    name = kept(blobs, SECRET)
    assert blobs.quarantine([name]) > len(SECRET)
    assert list(blobs.list()) == []
    assert blobs.size(name) == len(SECRET)
    assert list(blobs.quarantined()) == []
    blobs.quarantine([name])
    assert blobs.purge([name]) > len(SECRET)
    with pytest.raises(BlobMissing):
        blobs.size(name)


FILL = """
import io, resource, sys
from events.blobs import Keys, open_blobs
from events.errors import StorageUnusable
blobs = open_blobs(sys.argv[1], keys=Keys((sys.argv[2],)))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
try:
    blobs.put(io.BytesIO(bytes(3_000_000)))
except StorageUnusable as error:
    print(error.exit_code)
"""


def test_a_full_disk_is_told(url: str, folder: Path) -> None:
    """A file that can grow no more: a named error, and nothing is left."""
    done = subprocess.run([sys.executable, "-c", FILL, url, ONE_PUBLIC], capture_output=True, text=True, check=True)
    assert done.stdout == "10\n"
    assert list((folder / "tmp").iterdir()) == []
