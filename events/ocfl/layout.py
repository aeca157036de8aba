"""Where things lie in a storage root: the files that say what it is, and the folder of each object.

Objects lie as the registered extension 0003 says: `ab/cd/urn%3auuid%3a…`, two pairs of digits of the SHA-256 of the
identifier, then the identifier itself, so that people find a UUID by its name. Two pairs make 65,536 folders, which
hold millions of objects; the extension's default of three triples would make a chain of folders for each object.

Invariant: pure. The place of an object follows from its identifier alone; the files at the root are always the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Final, Literal

from events.aip.model import Uuid

Algorithm = Literal["sha512", "sha256"]
"""What OCFL takes for content addresses; it recommends SHA-512."""

ROOT_DECLARATION: Final = "0=ocfl_1.1"
OBJECT_DECLARATION: Final = "0=ocfl_object_1.1"
LAYOUT: Final = "0003-hash-and-id-n-tuple-storage-layout"
EXTENSIONS: Final = "extensions"
STAGING: Final = f"{EXTENSIONS}/aipstream-staging"
"""Where objects are made. OCFL allows no other folder at the root; it is there only while somebody writes."""

ASIDE: Final = "old"
"""In there, an object that was set aside for its successor, where a file system cannot exchange the two."""

TUPLE, TUPLES = 2, 2

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]")
_LONGEST: Final = 100


def declaration(name: str) -> bytes:
    r"""The text of a declaration file, which repeats its name (NAMASTE).

    >>> declaration("0=ocfl_1.1")
    b'ocfl_1.1\n'
    """
    return f"{name.partition('=')[2]}\n".encode()


def root_files() -> dict[str, bytes]:
    """The files of an empty storage root by their paths, the declaration last: with it the root is one."""
    layout = {
        "extension": LAYOUT,
        "description": "ab/cd/IDENTIFIER: the first two pairs of hex digits of the SHA-256 of the object's identifier, "
        "then the identifier, percent-encoded. See extensions/ for the parameters.",
    }
    parameters = {
        "extensionName": LAYOUT,
        "digestAlgorithm": "sha256",
        "tupleSize": TUPLE,
        "numberOfTuples": TUPLES,
    }
    return {
        f"{EXTENSIONS}/{LAYOUT}/config.json": _json(parameters),
        "ocfl_layout.json": _json(layout),
        ROOT_DECLARATION: declaration(ROOT_DECLARATION),
    }


def identifier(uuid: Uuid) -> str:
    """The OCFL identifier of an object: a URN (RFC 9562)."""
    return f"urn:uuid:{uuid}"


def uuid_in(name: str) -> Uuid | None:
    """The UUID in an identifier; None if it is none of ours."""
    uuid = name.removeprefix("urn:uuid:")
    return uuid if uuid != name and re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid) else None


def place(name: str) -> PurePosixPath:
    """The folder of the object with that identifier, below the root.

    >>> str(place("object-01"))
    '3c/0f/object-01'
    """
    digest = hashlib.sha256(name.encode()).hexdigest()
    folders = [digest[start : start + TUPLE] for start in range(0, TUPLE * TUPLES, TUPLE)]
    own = "".join(
        letter if _PLAIN.fullmatch(letter) else "".join(f"%{byte:02x}" for byte in letter.encode()) for letter in name
    )
    return PurePosixPath(*folders, own if len(own) <= _LONGEST else f"{own[:_LONGEST]}-{digest}")


def _json(value: object) -> bytes:
    return f"{json.dumps(value, indent=2)}\n".encode()
