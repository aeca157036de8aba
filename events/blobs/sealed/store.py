"""A blob store whose contents are encrypted before they reach the store that keeps them.

Invariants:

* Nothing of a content is written anywhere, not into a temporary file either, but as ciphertext.
* A store is marked as one of encrypted blobs. It is never opened as a plain one, nor a plain one as this.
* A blob that is not encrypted is not read from it, unless `plain = "read"` says so; a put replaces it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from events.blobs import Blobs, Digests, Distant, Finding, Keeping, Keys, Probing, Sweeping
from events.blobs.content import CHUNK, Hashing, chunks, digests_of
from events.blobs.sealed.format import LONGEST, Damaged, Header, NotSealed, Opening, Sealing, fingerprint, parse
from events.blobs.sealed.keys import private_key, public_keys
from events.blobs.sealed.library import public_of
from events.blobs.seekable import Seekable
from events.errors import BlobNotEncrypted, BlobSealed, ChecksumMismatch, ConfigError, StorageUnusable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@runtime_checkable
class Underneath(Blobs, Keeping, Sweeping, Protocol):
    """What the store that keeps the ciphertext has to be able to do."""


class SealedBlobs:
    """Encrypted blobs; see `events.blobs.Blobs` and `Sweeping`. Raises ConfigError for keys that cannot be used.

    Sizes are those of the contents, but for what `quarantine` and `purge` free.
    """

    def __init__(self, under: Underneath, keys: Keys) -> None:
        self.under = under
        self._plain = keys.plain == "read"
        self._recipients = public_keys(keys.encrypt_to)
        self._private = private_key(Path(keys.identity)) if keys.identity else None
        self._identity = keys.identity

    @classmethod
    def over(cls, under: Blobs, keys: Keys, *, create: bool = False) -> SealedBlobs:
        """The encrypted blobs in that store; `create` makes it one of such. Raises ConfigError."""
        if not isinstance(under, Underneath):
            raise ConfigError("[blobs] encrypt_to: this store cannot keep encrypted blobs")
        store = (DistantSealedBlobs if isinstance(under, Distant) else cls)(under, keys)
        if not under.marked():
            if not create:
                raise ConfigError(
                    "[blobs] encrypt_to: the store is not one of encrypted blobs",
                    "`aipstream init` makes an empty one that; for one that holds plain blobs read docs/blobs.md.",
                )
            if not store._recipients:
                raise ConfigError("[blobs] encrypt_to is missing: identity alone only reads", _BOTH)
            store._mark()
        return store

    def _mark(self) -> None:
        if not self._plain and next(self.under.list(), None) is not None:
            raise ConfigError(
                "[blobs] encrypt_to: the store holds blobs that are not encrypted",
                'Take an empty store and fill it by `aipstream copy`; or set [blobs] plain = "read", with which those '
                "stay as they are and only new contents are encrypted.",
            )
        self.under.mark()

    @property
    def reads(self) -> bool:
        """Whether contents can be read back here."""
        return self._private is not None

    def put(self, content: BinaryIO) -> Digests:
        """Take in a content, encrypting it as it goes by. Errors of reading `content` go through as they are."""
        if not self._recipients:
            raise ConfigError("[blobs] encrypt_to is missing: nothing can be written", _BOTH)
        hashing, sealing, spool = Hashing(), Sealing(self._recipients), self.under.spool()
        try:
            _write(spool, bytes(sealing.length))
            for chunk in chunks(content):
                hashing.update(chunk)
                _write(spool, sealing.update(chunk))
            _write(spool, sealing.last())
            digests = hashing.digests()
            spool.seek(0)
            _write(spool, sealing.header(digests))
            self.under.keep(digests.sha256, spool, lambda stored: self._stands(digests, stored))
        except BaseException:
            spool.close()
            raise
        return digests

    def _stands(self, digests: Digests, stored: int) -> bool:
        """Whether the blob that is there will do: encrypted, of that content, and of the right length."""
        try:
            header = parse(self.under.peek(digests.sha256, LONGEST)[0])
        except (NotSealed, Damaged):
            return False
        return (header.sha256, header.size, header.stored) == (digests.sha256, digests.size, stored)

    def flush(self) -> None:
        """Make everything put so far durable."""
        self.under.flush()

    def open(self, sha256: str) -> BinaryIO:
        """The content. Raises BlobMissing, BlobSealed without a key for it, BlobNotEncrypted, ChecksumMismatch."""
        header = self._header(sha256)
        if header is None:
            return self.under.open(sha256)
        return io.BufferedReader(self._reader(header), CHUNK)

    def _reader(self, header: Header) -> _Reader:
        if self._private is None:
            raise BlobSealed(f"the blob {header.sha256} is encrypted, and no key to read it is configured")
        try:
            key = header.data_key(self._private)
        except Damaged as error:
            raise _damaged(header.sha256, error) from error
        if key is None:
            mine = fingerprint(public_of(self._private)).hex()
            theirs = ", ".join(whom.hex() for whom, _, _ in header.stanzas)
            raise BlobSealed(
                f"the blob {header.sha256} is encrypted for {theirs}, and not for {mine}, which {self._identity} is of",
                "Set [blobs] identity to the private key of one of the public keys it was encrypted to.",
            )
        return _Reader(self.under.open(header.sha256), header, Opening(header, key))

    def _header(self, sha256: str) -> Header | None:
        """The blob's header; None if it is plain and that is accepted."""
        first, stored = self.under.peek(sha256, LONGEST)
        try:
            header = parse(first)
        except NotSealed:
            if self._plain:
                return None
            raise BlobNotEncrypted(f"the blob {sha256} is not encrypted, in a store whose blobs should be") from None
        except Damaged as error:
            raise _damaged(sha256, error) from error
        if header.sha256 != sha256:
            raise ChecksumMismatch(f"the blob {sha256} says that it is {header.sha256}")
        if header.stored != stored:
            raise ChecksumMismatch(f"the blob {sha256} should have {header.stored} bytes, and has {stored}")
        return header

    def has(self, sha256: str) -> bool:
        """Whether the blob is there."""
        return self.under.has(sha256)

    def size(self, sha256: str) -> int:
        """Bytes of the content. Raises BlobMissing, ChecksumMismatch, BlobNotEncrypted."""
        header = self._header(sha256)
        return self.under.size(sha256) if header is None else header.size

    def list(self) -> Iterator[str]:
        """All that is there."""
        return self.under.list()

    def delete(self, names: Iterable[str]) -> None:
        """Remove blobs."""
        self.under.delete(names)

    def verify(self, sha256: str) -> Digests:
        """Read the blob back. Without a key to read it, its bytes are held against the digest in its header, which
        finds damage but no forgery, and the MD5 of the result is empty.
        """
        header = self._header(sha256)
        if header is None:
            return self.under.verify(sha256)
        if self._private is None:
            self._whole(header)
            return Digests(sha256, "", header.size)
        with self.open(sha256) as content:
            found = digests_of(content)
        if found.sha256 != sha256:
            raise ChecksumMismatch(f"the blob {sha256} holds {found.size} bytes of {found.sha256}")
        return found

    def _whole(self, header: Header) -> None:
        body = hashlib.sha256()
        with self.under.open(header.sha256) as content:
            content.read(len(header.raw))
            while chunk := content.read(CHUNK):
                body.update(chunk)
        if body.digest() != header.body:
            raise _damaged(header.sha256, Damaged("its body is not what its header says"))

    def quarantine(self, names: Iterable[str]) -> int:
        """Put blobs aside; their bytes as they are stored."""
        return self.under.quarantine(names)

    def quarantined(self) -> Iterator[tuple[str, float]]:
        """What is put aside, with the seconds since then."""
        return self.under.quarantined()

    def purge(self, names: Iterable[str]) -> int:
        """Delete for good what is put aside; its bytes as they are stored."""
        return self.under.purge(names)

    def probe(self) -> Iterator[Finding]:
        """What the store underneath tells, and what the keys here are good for."""
        if isinstance(self.under, Probing):
            yield from self.under.probe()
        if self._recipients:
            yield Finding(
                True, f"contents are encrypted to {', '.join(fingerprint(k).hex() for k in self._recipients)}"
            )
        if self._private is None:
            yield Finding(
                False,
                "contents cannot be read back here: what is verified is the ciphertext",
                "That is enough to capture. To replay, export or restore set [blobs] identity.",
                needed=False,
            )
        elif self._recipients and public_of(self._private) not in self._recipients:
            yield Finding(False, f"[blobs] identity {self._identity} is of none of the keys in encrypt_to", _BOTH)
        if self._private is not None and Path(self._identity).stat().st_mode & 0o077:
            yield Finding(
                False,
                f"[blobs] identity {self._identity} may be read by others",
                f"chmod 600 {self._identity}",
                needed=False,
            )

    def close(self) -> None:
        """Give back what is held."""
        close = getattr(self.under, "close", None)
        if close:
            close()


class DistantSealedBlobs(SealedBlobs):
    """Encrypted blobs in a store to which the way is long."""

    @property
    def at_once(self) -> int:
        """Requests at a time."""
        return self.under.at_once if isinstance(self.under, Distant) else 1


class _Reader(Seekable):
    """The content of an encrypted blob, opened frame by frame. Raises ChecksumMismatch where one does not open."""

    def __init__(self, sealed: BinaryIO, header: Header, opening: Opening) -> None:
        super().__init__(header.size)
        self._sealed, self._header, self._opening = sealed, header, opening
        self._number, self._part = -1, b""
        if not header.size:
            self._frame(0)  # nothing will be read, but it must open all the same

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some of the next bytes: of as many frames as fill the buffer."""
        done = 0
        with memoryview(buffer).cast("B") as into:
            while done < len(into) and self._at < self._size:
                number, offset = divmod(self._at, self._header.frame)
                self._frame(number)
                some = self._part[offset : offset + len(into) - done]
                into[done : done + len(some)] = some
                done += len(some)
                self._at += len(some)
        return done

    def _frame(self, number: int) -> None:
        if number == self._number:
            return
        place, length = self._opening.place(number)
        if self._sealed.tell() != place:
            self._sealed.seek(place)
        try:
            self._part = self._opening.frame(number, self._sealed.read(length))
        except Damaged as error:
            raise _damaged(self._header.sha256, error) from error
        self._number = number

    def close(self) -> None:
        """Close what is underneath too."""
        self._sealed.close()
        super().close()


_BOTH = "encrypt_to holds the public keys that contents are encrypted to, identity names the file with the private one."


def _write(spool: IO[bytes], sealed: bytes) -> None:
    try:
        spool.write(sealed)
    except OSError as error:
        raise StorageUnusable(
            f"an encrypted blob on its way in cannot be written: {error.strerror or error}"
        ) from error


def _damaged(sha256: str, error: Damaged) -> ChecksumMismatch:
    return ChecksumMismatch(
        f"the encrypted blob {sha256} is damaged: {error}",
        "Restore it from a copy of the store, or remove it and run `aipstream snapshot`, which takes what is missing "
        "from the source; then `aipstream park retry`.",
    )
