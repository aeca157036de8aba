"""The blob store: bitstream content, once, under its SHA-256. The port, and `open_blobs`, the only door to it.

Invariants that the contract tests (`tests/events/blobs/contract.py`) put to every back end:

* A blob that is there is whole and durable: it appears under its name only after all of it is on disk.
* Content is streamed; memory does not grow with the size of a file.
* Storing the same content twice is harmless and writes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO, BinaryIO, Literal, NamedTuple, Protocol, runtime_checkable


class Digests(NamedTuple):
    """What a content is: `sha256` and `md5` in lower-case hex, `size` in bytes."""

    sha256: str
    md5: str
    size: int


@runtime_checkable
class Blobs(Protocol):
    """What a blob store can do.

    Raises `BlobMissing`, `ChecksumMismatch`, `StorageUnusable` where it cannot write, and `InvalidAip` for a name
    that is not a SHA-256 in lower-case hex (names come out of documents, so they may be hostile).
    """

    def put(self, content: BinaryIO) -> Digests:
        """Take in a content. The blob is there, and durable, after the next `flush`.

        Whoever sees it earlier sees it whole and durable (an object store may show it as soon as it has it).
        """
        ...

    def flush(self) -> None:
        """Make everything put so far visible and durable. One call serves many puts (group commit).

        If it raises, what was put since the last one may not be kept and has to be put again, into a store that was
        opened anew.
        """
        ...

    def open(self, sha256: str) -> BinaryIO:
        """The content, for reading. Raises `BlobMissing`."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether the blob is there."""
        ...

    def size(self, sha256: str) -> int:
        """Bytes of the blob. Raises `BlobMissing`."""
        ...

    def list(self) -> Iterator[str]:
        """All SHA-256 that are there, in no order."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Remove blobs; what is not there is no error."""
        ...

    def verify(self, sha256: str) -> Digests:
        """Read the blob back. Raises `BlobMissing`, or `ChecksumMismatch` if its bytes are not its name."""
        ...


@runtime_checkable
class Sweeping(Protocol):
    """What a store can do besides in which blobs are collected that nothing needs any more: first aside, then away."""

    def quarantine(self, names: Iterable[str]) -> int:
        """Put blobs aside; their bytes. Whoever asks for one (`has`, `open`, `put`) brings it back."""
        ...

    def quarantined(self) -> Iterator[tuple[str, float]]:
        """What is put aside, with the seconds since then."""
        ...

    def purge(self, names: Iterable[str]) -> int:
        """Delete for good blobs that are put aside; their bytes."""
        ...


@runtime_checkable
class Distant(Protocol):
    """A store to which the way is long: `at_once` requests at a time hide how long each takes."""

    @property
    def at_once(self) -> int:
        """Requests at a time."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """What a store can do besides on which encryption stands: keep bytes under a name that is not their own SHA-256.

    `open`, `size` and `verify` are of the bytes as they are kept.
    """

    def spool(self) -> IO[bytes]:
        """Room for a content on its way in, which ends when it is closed."""
        ...

    def keep(self, sha256: str, spool: IO[bytes], stands: Callable[[int], bool]) -> None:
        """Put the spool's bytes under that name, and close it; they are there after the next `flush`.

        Not if there are some already that will do: `stands` is told how many, by whatever thread.
        """
        ...

    def peek(self, sha256: str, length: int) -> tuple[bytes, int]:
        """The first bytes, and how many there are in all. Raises BlobMissing."""
        ...

    def marked(self) -> bool:
        """Whether `mark` was ever called on this store."""
        ...

    def mark(self) -> None:
        """Note in the store, for good, that its blobs are encrypted."""
        ...


class Keys(NamedTuple):
    """How blobs are encrypted: the recipients' public keys, the file of the private one, and what is done with blobs
    that are not. Without either key they are not encrypted.
    """

    encrypt_to: tuple[str, ...] = ()
    identity: str = ""
    plain: Literal["refuse", "read"] = "refuse"


PLAIN = Keys()


class Finding(NamedTuple):
    """One thing that was tried on a store: what was found, and how to mend it. Work goes on if it is not `needed`."""

    ok: bool
    what: str
    mend: str = ""
    needed: bool = True


@runtime_checkable
class Probing(Protocol):
    """A store of which something can be found out by trying."""

    def probe(self) -> Iterator[Finding]:
        """Try what the work will need, with something that is removed again."""
        ...


def open_blobs(url: str, *, create: bool = False, keys: Keys = PLAIN, seconds: float | None = None) -> Blobs:
    """The store behind a URL: `file:///path`, `s3://bucket/prefix`, `gs://…`, `az://…`; encrypted if there are keys.

    `seconds` is how long a server may take to answer, for whoever only wants to know whether it does.
    Raises ConfigError for an unknown scheme, if there is no store (`create` makes one), for keys that cannot be used,
    and for a store of encrypted blobs without any.
    """
    from events.errors import ConfigError

    if keys.encrypt_to or keys.identity:
        from events.blobs.sealed.keys import public_keys
        from events.blobs.sealed.store import SealedBlobs

        public_keys(keys.encrypt_to)  # before anything is made
        return SealedBlobs.over(_plain(url, create=create, seconds=seconds), keys, create=create)
    store = _plain(url, create=create, seconds=seconds)
    if isinstance(store, Keeping) and store.marked():
        raise ConfigError(
            f"[blobs] url: the blobs in {url} are encrypted, and there is no key",
            "Set [blobs] encrypt_to to write, and identity to read.",
        )
    return store


def beneath(blobs: Blobs) -> Blobs:
    """The store that keeps the bytes: of encrypted blobs that of the ciphertext, else the same."""
    under: Blobs = getattr(blobs, "under", blobs)
    return under


def _plain(url: str, *, create: bool, seconds: float | None) -> Blobs:
    from events.errors import ConfigError

    if url.startswith("file:"):
        from events.blobs.local import LocalBlobs

        return LocalBlobs.from_url(url, create=create)
    if url.startswith(("s3:", "gs:", "az:")):
        from events.blobs.objectstore import ObjectBlobs

        return ObjectBlobs.from_url(url, create=create, seconds=seconds)
    raise ConfigError(
        f"[blobs] url: no blob store for {url.partition(':')[0]!r}",
        "Use file:///path/to/folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
    )
