"""The inventory of one object: its versions, the files of each, and where every content lies.

Invariants:

* Pure, and the same versions added in one go or one by one give the same bytes: nothing of today is in it.
* A content is in the manifest once, under the version that first had it; later versions only name its digest.
* What is read is checked before it is believed (https://ocfl.io/1.1/spec/#inventory), for it may come from anywhere.

Each version's folder has a copy of the inventory as it was then, up to version `EVERY`; beyond that only the versions
200, 400, 800 and so on, or an object of ten thousand versions would hold ten thousand long inventories (OCFL: SHOULD).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from events.errors import InvalidPackage, ObjectTooLarge
from events.ocfl.layout import Algorithm

TYPE: Final = "https://ocfl.io/1.1/spec/#inventory"
NAME: Final = "inventory.json"
CONTENT: Final = "content"
EVERY: Final = 100
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of an inventory, which is written anew with each version and read whole. A version of an item with three files takes
about 1.5 KB of it, so this is some forty thousand such versions."""

LENGTHS: Final[Mapping[str, int]] = {"sha512": 128, "sha256": 64, "md5": 32}
VERSION: Final = re.compile(r"v[1-9][0-9]*")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


class New(NamedTuple):
    """A content that comes with a version: the name under which it is stored, and other digests of it by algorithm."""

    name: str
    fixity: Mapping[str, str] = {}


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state of the object: when it came to be, by what, and which names have which content (by digest)."""

    created: str
    state: dict[str, list[str]]
    message: str | None = None
    user: dict[str, str] | None = None


class Inventory(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """See https://ocfl.io/1.1/spec/#inventory-structure; the fields have the names that stand there."""

    id: str
    digestAlgorithm: Algorithm  # noqa: N815 - as in the document
    head: str = "v0"
    manifest: dict[str, list[str]] = {}
    fixity: dict[str, dict[str, list[str]]] = {}
    versions: dict[str, Version] = {}
    type: str = ""
    contentDirectory: str | None = None  # noqa: N815 - as in the document

    def __post_init__(self) -> None:
        self.type = self.type or TYPE

    @property
    def number(self) -> int:
        """The number of the newest version; 0 if there is none."""
        return int(self.head[1:])

    def add(
        self, created: str, message: str, user: Mapping[str, str], files: Mapping[str, str], new: Mapping[str, New]
    ) -> None:
        """One more version. `files`: the digest of each name; `new`: the contents that come with it, by digest."""
        head = f"v{self.number + 1}"
        state: dict[str, list[str]] = {}
        for name, digest in sorted(files.items()):
            state.setdefault(digest, []).append(name)
        for digest, content in sorted(new.items(), key=lambda each: each[1].name):
            path = f"{head}/{CONTENT}/{content.name}"
            self.manifest[digest] = [path]
            for algorithm, value in sorted(content.fixity.items()):
                self.fixity.setdefault(algorithm, {}).setdefault(value, []).append(path)
        self.versions[head] = Version(created, state, message, dict(user))
        self.head = head

    def files(self, version: str | None = None) -> dict[str, str]:
        """The digest of each name in a version, the newest if none is said."""
        state = self.versions[version or self.head].state
        return {name: digest for digest, names in state.items() for name in names}

    def known_by(self, algorithm: str) -> dict[str, str]:
        """The content digest of every content of which that other digest is known."""
        if algorithm == self.digestAlgorithm:
            return {digest: digest for digest in self.manifest}
        of = {path: digest for digest, paths in self.manifest.items() for path in paths}
        return {value: of[path] for value, paths in self.fixity.get(algorithm, {}).items() for path in paths[:1]}

    def encoded(self) -> bytes:
        """The document. Raises ObjectTooLarge."""
        written = {"type": self.type, **{name: value for name, value in msgspec.to_builtins(self).items() if value}}
        document = msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n"
        if len(document) > MAX_BYTES:
            raise ObjectTooLarge(
                f"the inventory of {self.id} would have {len(document):,} bytes with its {self.number:,} versions: "
                f"more than {MAX_BYTES:,}"
            )
        return document


def has_copy(number: int) -> bool:
    """Whether the folder of the version with that number has an inventory of its own.

    >>> [number for number in range(99, 1000) if has_copy(number)]
    [99, 100, 200, 400, 800]
    """
    if number <= EVERY:
        return True
    while number > EVERY and number % 2 == 0:
        number //= 2
    return number == EVERY


def decoded(document: bytes, where: str) -> Inventory:
    """The inventory in a document, checked. Raises InvalidPackage, which names `where` and what is wrong."""
    try:
        inventory = msgspec.json.decode(document, type=Inventory)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidPackage(f"{where}: no inventory of OCFL: {error}") from error
    wrong = _wrong(inventory)
    if wrong:
        raise InvalidPackage(f"{where}: {wrong}")
    return inventory


def _wrong(inventory: Inventory) -> str | None:
    if inventory.type != TYPE:
        return f"an inventory of type {inventory.type[:80]!r}, not of OCFL 1.1"
    if list(inventory.versions) and set(inventory.versions) != {f"v{n + 1}" for n in range(len(inventory.versions))}:
        return "its versions are not v1, v2 and so on"
    if not inventory.versions or inventory.head != f"v{len(inventory.versions)}":
        return f"its head is {inventory.head[:80]!r}, with {len(inventory.versions)} versions"
    content = inventory.contentDirectory or CONTENT
    if "/" in content or content in (".", ".."):
        return f"its content folder is called {content[:80]!r}"
    length = LENGTHS[inventory.digestAlgorithm]
    seen: set[str] = set()
    for digest, paths in inventory.manifest.items():
        if len(digest) != length or not _HEX.fullmatch(digest):
            return f"{digest[:140]!r} is no {inventory.digestAlgorithm}"
        for path in paths:
            parts = path.split("/")
            if not _safe(parts) or len(parts) < 3 or parts[0] not in inventory.versions or parts[1] != content:
                return f"the path {path[:140]!r} leads elsewhere"
            if path in seen:
                return f"the path {path[:140]!r} stands twice"
            seen.add(path)
    return _wrong_states(inventory)


def _wrong_states(inventory: Inventory) -> str | None:
    for head, version in inventory.versions.items():
        names: set[str] = set()
        for digest, of in version.state.items():
            if not inventory.manifest.get(digest):
                return f"{head} names a content that is not in the manifest: {digest[:140]}"
            for name in of:
                if name in names or not _safe(name.split("/")):
                    return f"{head} has the name {name[:140]!r}"
                names.add(name)
    return None


def _safe(parts: list[str]) -> bool:
    return all(part not in ("", ".", "..") and "\0" not in part for part in parts)


def sidecar(algorithm: Algorithm, digest: str) -> tuple[str, bytes]:
    """The name and the text of the file that proves an inventory."""
    return f"{NAME}.{algorithm}", f"{digest} {NAME}\n".encode()


def sidecar_digest(text: bytes) -> str | None:
    """The digest in such a file; None if it is none."""
    found = re.fullmatch(rb"([0-9a-fA-F]+)[ \t]+inventory\.json\s*", text)
    return found[1].decode().lower() if found else None


def plain(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
    """A small document in JSON for people and programs, the same bytes for the same value."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
