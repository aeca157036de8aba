"""Keys as text: a public one stands in the configuration, a private one in a file.

Both are a name, and 32 bytes with the first 4 of their SHA-256 in base64url, so that a slip of the pen is found.
Invariant: no message holds any of a private key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from events.blobs.sealed.library import KEY, public_of, shared
from events.errors import ConfigError

PUBLIC: Final = "aipstream-public-1:"
PRIVATE: Final = "aipstream-private-1:"
_CHECK: Final = 4


def public_key(text: str) -> bytes:
    """The 32 bytes of a public key. Raises ConfigError."""
    what = f"[blobs] encrypt_to: {text[:60]!r}"
    if text.startswith(PRIVATE):
        raise ConfigError(
            "[blobs] encrypt_to: that is a private key", "Write the public one there, and make a new pair of keys."
        )
    if not text.startswith(PUBLIC):
        raise ConfigError(f"{what} is no public key", _MAKE)
    key = _bytes(text.removeprefix(PUBLIC))
    if key is None:
        raise ConfigError(f"{what} is no public key: it was cut off or mistyped", _MAKE)
    try:
        shared(secrets.token_bytes(KEY), key)
    except ValueError as error:
        raise ConfigError(f"{what} is no public key that protects anything", _MAKE) from error
    return key


def public_keys(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Those of several recipients, each once. Raises ConfigError."""
    return tuple(dict.fromkeys(public_key(text) for text in texts))


def private_key(path: Path) -> bytes:
    """The 32 bytes of the private key in that file. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"[blobs] identity: {path} cannot be read: {reason}", _MAKE) from error
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    key = _bytes(found[0].removeprefix(PRIVATE)) if len(found) == 1 and found[0].startswith(PRIVATE) else None
    if key is None:
        raise ConfigError(f"[blobs] identity: {path} holds no private key, or a damaged one", _MAKE)
    return key


def text_of(public: bytes) -> str:
    """A public key as it is written into the configuration."""
    return PUBLIC + _text(public)


def make(path: Path) -> str:
    """A new pair: the private key in a new file that only its owner may read; returns the public one.

    Raises ConfigError if the file is there already or cannot be made.
    """
    private = secrets.token_bytes(KEY)
    public = text_of(public_of(private))
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already", "Name another file; a key is never overwritten.") from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be made: {error.strerror}", "Name a file in a folder that is there."
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"# private key of aipstream: whoever has it can read the blobs\n# public key: {public}\n")
        file.write(f"{PRIVATE}{_text(private)}\n")
        file.flush()
        os.fsync(file.fileno())
    return public


_MAKE: Final = "`aipstream blobs keygen --out FILE` makes a pair of keys and prints the public one."


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key + hashlib.sha256(key).digest()[:_CHECK]).decode()


def _bytes(text: str) -> bytes | None:
    try:
        whole = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    key = whole[:KEY]
    return key if len(whole) == KEY + _CHECK and whole[KEY:] == hashlib.sha256(key).digest()[:_CHECK] else None
