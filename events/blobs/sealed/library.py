"""The primitives, from the library `cryptography`: the only place that imports it.

Invariant: without the library nothing is encrypted and nothing is written: every way in raises ConfigError.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from events.errors import ConfigError

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
except ImportError as error:
    raise ConfigError(
        "[blobs] encrypt_to and identity need a library that is not installed", "pip install aipstream[objectstore]"
    ) from error

__all__ = ["AESGCM", "InvalidTag", "derived", "mac", "public_of", "shared", "unwrapped", "wrapped"]

KEY: Final = 32
"""Bytes of every key here."""


def derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    """A key for that purpose: HKDF with SHA-256 (RFC 5869)."""
    return HKDF(SHA256(), KEY, salt, purpose).derive(secret)


def mac(key: bytes, text: bytes) -> bytes:
    """HMAC with SHA-256 (RFC 2104)."""
    return hmac.new(key, text, hashlib.sha256).digest()


def public_of(private: bytes) -> bytes:
    """The public key of a private one (X25519, RFC 7748)."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def shared(private: bytes, public: bytes) -> bytes:
    """What the holders of either private key have in common. Raises ValueError for a public key of small order."""
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def wrapped(under: bytes, key: bytes) -> bytes:
    """A key encrypted under another: AES key wrap (RFC 3394), 8 bytes longer."""
    return aes_key_wrap(under, key)


def unwrapped(under: bytes, text: bytes) -> bytes | None:
    """The key, or None if it was wrapped under another one or is damaged."""
    try:
        return aes_key_unwrap(under, text)
    except InvalidUnwrap:
        return None
