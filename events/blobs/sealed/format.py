"""An encrypted blob, byte by byte; docs/blobs.md says the same for whoever reads one without this program.

    offset  bytes
         0      8  b"aipblob1"
         8      4  length of the header, all numbers big-endian
        12     32  SHA-256 of the content: the name of the blob
        44      8  size of the content
        52      4  size of a frame: bytes of the content in each but the last
        56     32  SHA-256 of the body, so that damage is found without a key
        88      2  number of recipients
        90   80 n  of each: the first 8 bytes of the SHA-256 of its public key, the blob's own public key for it (32),
                   the data key wrapped (40)
               32  HMAC of all of the header before it
    body           frames, each 16 bytes longer than its part of the content; there is always a last one

Invariants:

* The data key is random and of this blob alone. A frame's nonce is its number and whether it is the last, so a frame
  that is missing, doubled, moved, cut, or taken from another blob does not open.
* The header's HMAC is made with the data key, so header and body belong together, and to that name.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from events.blobs import Digests
from events.blobs.sealed.library import AESGCM, KEY, InvalidTag, derived, mac, public_of, shared, unwrapped, wrapped

MAGIC: Final = b"aipblob1"
FRAME: Final = 65_536
TAG: Final = 16
_FIXED: Final = struct.Struct(">8sI32sQI32sH")
_STANZA: Final = struct.Struct(">8s32s40s")
_MAC: Final = 32
MOST_RECIPIENTS: Final = 100
LONGEST: Final = _FIXED.size + MOST_RECIPIENTS * _STANZA.size + _MAC
"""Bytes in which every header is whole."""

_KEY_OF_FRAMES: Final = b"aipstream blob 1 frames"
_KEY_OF_HEADER: Final = b"aipstream blob 1 header"
_KEY_OF_KEY: Final = b"aipstream blob 1 data key"

Random = Callable[[int], bytes]


class NotSealed(Exception):
    """The bytes are no encrypted blob: they begin otherwise."""


class Damaged(Exception):
    """The bytes began as an encrypted blob, and are not whole and unchanged."""


class Header(NamedTuple):
    """What the first bytes say. `raw` are they."""

    raw: bytes
    sha256: str
    size: int
    frame: int
    body: bytes
    stanzas: tuple[tuple[bytes, bytes, bytes], ...]

    @property
    def stored(self) -> int:
        """Bytes of the whole blob as it is stored."""
        return len(self.raw) + self.size + TAG * self.frames

    @property
    def frames(self) -> int:
        """How many."""
        return max(1, -(-self.size // self.frame))

    def data_key(self, private: bytes) -> bytes | None:
        """The data key, if it was wrapped for that private key. Raises Damaged if the header was changed."""
        public = public_of(private)
        mine = fingerprint(public)
        for whom, ephemeral, text in self.stanzas:
            if whom != mine:
                continue
            try:
                under = _under(shared(private, ephemeral), ephemeral, public)
            except ValueError as error:
                raise Damaged("its key for this recipient is none") from error
            key = unwrapped(under, text)
            if key is None:
                raise Damaged("its wrapped key does not open")
            if not secrets.compare_digest(_header_mac(key, self.raw[:-_MAC]), self.raw[-_MAC:]):
                raise Damaged("its header was changed")
            return key
        return None


def fingerprint(public: bytes) -> bytes:
    """By which a recipient is found in a header."""
    return hashlib.sha256(public).digest()[:8]


def parse(first: bytes) -> Header:
    """The header in the first bytes of a blob (`LONGEST`, or fewer if it has no more). Raises NotSealed, Damaged."""
    if first[: len(MAGIC)] != MAGIC:
        raise NotSealed
    if len(first) < _FIXED.size:
        raise Damaged("it is shorter than a header")
    _, length, name, size, frame, body, count = _FIXED.unpack_from(first)
    if length != _FIXED.size + count * _STANZA.size + _MAC or not 1 <= count <= MOST_RECIPIENTS or not frame:
        raise Damaged("its header is none")
    if len(first) < length:
        raise Damaged("it is shorter than its header")
    stanzas = tuple(_STANZA.unpack_from(first, _FIXED.size + at * _STANZA.size) for at in range(count))
    return Header(bytes(first[:length]), name.hex(), size, frame, body, stanzas)


class Sealing:
    """One content on its way to become a blob for those recipients (public keys).

    Its bytes are `length` ones that `header` gives in the end, then what `update` and `last` return. `random` is for
    test vectors only.
    """

    def __init__(self, recipients: Sequence[bytes], random: Random = secrets.token_bytes) -> None:
        if not 1 <= len(recipients) <= MOST_RECIPIENTS:
            raise ValueError(f"{len(recipients)} recipients; 1 to {MOST_RECIPIENTS} are possible")
        self.length = _FIXED.size + len(recipients) * _STANZA.size + _MAC
        self._key = random(KEY)
        self._stanzas = [self._for(public, random) for public in recipients]
        self._cipher = AESGCM(derived(self._key, b"", _KEY_OF_FRAMES))
        self._number = 0
        self._rest = b""
        self._body = hashlib.sha256()

    def _for(self, public: bytes, random: Random) -> bytes:
        own = random(KEY)
        ephemeral = public_of(own)
        return _STANZA.pack(
            fingerprint(public), ephemeral, wrapped(_under(shared(own, public), ephemeral, public), self._key)
        )

    def update(self, chunk: bytes) -> bytes:
        """The frames that are full by now; the last one waits for `last`."""
        content = self._rest + chunk if self._rest else chunk
        full = max(0, (len(content) - 1) // FRAME)
        sealed = [self._frame(content[at * FRAME : (at + 1) * FRAME], last=False) for at in range(full)]
        self._rest = content[full * FRAME :]
        return b"".join(sealed)

    def last(self) -> bytes:
        """The last frame, which may be of an empty part."""
        return self._frame(self._rest, last=True)

    def _frame(self, part: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(nonce(self._number, last=last), part, None)
        self._number += 1
        self._body.update(sealed)
        return sealed

    def header(self, digests: Digests) -> bytes:
        """The header, when the content's digests are known."""
        name, body = bytes.fromhex(digests.sha256), self._body.digest()
        fixed = _FIXED.pack(MAGIC, self.length, name, digests.size, FRAME, body, len(self._stanzas))
        text = fixed + b"".join(self._stanzas)
        return text + _header_mac(self._key, text)


class Opening:
    """The frames of a blob whose data key is known."""

    def __init__(self, header: Header, key: bytes) -> None:
        self._header = header
        self._cipher = AESGCM(derived(key, b"", _KEY_OF_FRAMES))

    def place(self, number: int) -> tuple[int, int]:
        """Where a frame begins in the blob, and its length there."""
        begin = number * self._header.frame
        part = min(self._header.frame, self._header.size - begin)
        return len(self._header.raw) + number * (self._header.frame + TAG), part + TAG

    def frame(self, number: int, sealed: bytes) -> bytes:
        """The part of the content in that frame. Raises Damaged."""
        try:
            return self._cipher.decrypt(nonce(number, last=number == self._header.frames - 1), sealed, None)
        except InvalidTag as error:
            raise Damaged(f"its frame {number} does not open") from error


def nonce(number: int, *, last: bool) -> bytes:
    """Of a frame: three zero bytes, its number, and 1 for the last."""
    return b"\0\0\0" + number.to_bytes(8, "big") + (b"\1" if last else b"\0")


def _under(secret: bytes, ephemeral: bytes, public: bytes) -> bytes:
    return derived(secret, ephemeral + public, _KEY_OF_KEY)


def _header_mac(key: bytes, text: bytes) -> bytes:
    return mac(derived(key, b"", _KEY_OF_HEADER), text)
