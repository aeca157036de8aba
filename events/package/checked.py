"""A content on its way out of a package: counted and hashed as it passes.

Invariant: the last byte is handed over only once length and all checksums were found right, so whoever has read a
content to its length, or to its end, has what the manifest says.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from events.errors import ChecksumMismatch, InvalidPackage

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ALGORITHMS: Final = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA1": "sha1",
    "SHA-256": "sha256",
    "SHA256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "SHA512": "sha512",
}
"""The checksum types of METS and BagIt that are verified, in upper case, and what `hashlib` calls them."""

HINT: Final = "The file is damaged, in the package or already when it was exported. Get a whole copy of the package."
_BUFFER: Final = 256 * 1024


def verifiable(algorithm: str | None) -> bool:
    """Whether checksums of that algorithm can be verified here."""
    return (algorithm or "").upper() in ALGORITHMS


class _Checked(io.RawIOBase):
    def __init__(
        self,
        blocks: Iterator[bytes],
        where: str,
        size: int,
        checksums: Sequence[tuple[str, str]],
        finish: Callable[[], None],
    ) -> None:
        self._blocks = blocks
        self._where = where
        self._size = size
        self._hashes: list[tuple[str, str, Any]] = [
            (name, value.lower(), hashlib.new(ALGORITHMS[name.upper()], usedforsecurity=False))
            for name, value in checksums
        ]
        self._finish = finish
        self._passed = 0
        self._block = memoryview(b"")
        self._whole = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._block and not self._whole:
            self._advance()
        into = memoryview(buffer)
        count = min(len(into), len(self._block))
        into[:count] = self._block[:count]
        self._block = self._block[count:]
        return count

    def _advance(self) -> None:
        block = next(self._blocks, b"")
        self._passed += len(block)
        for _, _, digest in self._hashes:
            digest.update(block)
        if self._passed > self._size:
            raise InvalidPackage(f"{self._where}: longer than the {self._size} bytes that were announced")
        if self._passed == self._size and block:
            rest = next(self._blocks, b"")  # lets the source see its own end, and check it
            if rest:
                raise InvalidPackage(f"{self._where}: longer than the {self._size} bytes that were announced")
        elif not block and self._passed < self._size:
            raise InvalidPackage(f"{self._where}: ends after {self._passed} of {self._size} bytes")
        if self._passed == self._size:
            for name, expected, digest in self._hashes:
                if digest.hexdigest() != expected:
                    raise ChecksumMismatch(
                        f"{self._where}: {name} is {digest.hexdigest()}, announced was {expected}", HINT
                    )
            self._finish()
            self._whole = True
        self._block = memoryview(block)


def checked(
    blocks: Iterator[bytes],
    where: str,
    size: int,
    checksums: Sequence[tuple[str, str]] = (),
    finish: Callable[[], None] = lambda: None,
) -> BinaryIO:
    """The content that the blocks (none of them empty) make up, for reading.

    `size` in bytes, `checksums` as pairs of algorithm and hex. `finish` is called before the last block is handed over.
    Raises ChecksumMismatch for another content, InvalidPackage for another length.
    """
    return io.BufferedReader(_Checked(blocks, where, size, checksums, finish), _BUFFER)
