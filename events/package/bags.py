"""Bags of the Replication Task Suite (dspace-replicate), as packages (aip-format 7; RFC 8493 BagIt).

A bag is a zip or a gzipped tar with one folder, the bag itself. Its payload manifest lists every file of `data/` with a
checksum; its documents are verified as they are read, contents while they are streamed. What the payload means is in
`events.package.bag_objects`.

Invariant: a bag whose payload is not exactly what its manifest lists is refused, as the Task Suite refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from events.errors import ChecksumMismatch, InvalidAip, InvalidPackage
from events.package import Package
from events.package.bag_objects import BagObject
from events.package.checked import verifiable
from events.package.limits import Limits
from events.package.manifests import shortened
from events.package.xml import refused

_DECLARATION: Final = "bagit.txt"
_MANIFEST: Final = re.compile(r"(tag)?manifest-([a-z0-9]+)\.txt")
_LINE: Final = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")
_PROFILES: Final = ("beyondtherepository", "btr-bagit-profile")
_ESCAPED: Final = {"%0A": "\n", "%0a": "\n", "%0D": "\r", "%0d": "\r", "%25": "%"}


class Sized(Protocol):
    """An entry."""

    @property
    def size(self) -> int:
        """Bytes of the content."""


class Holder(Protocol):
    """A zip or a tar."""

    path: Path
    doubts: list[str]

    @property
    def entries(self) -> Mapping[str, Sized]:
        """By name, without folders."""

    def read(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> bytes:
        """A whole document."""

    def open(self, name: str, checksums: Sequence[tuple[str, str]] = ()) -> BinaryIO:
        """The content of an entry."""

    def close(self) -> None:
        """Give the file back."""


def is_bag(names: Iterable[str]) -> bool:
    """Whether entries of these names are a bag."""
    return any(name == _DECLARATION or (name.endswith(f"/{_DECLARATION}") and name.count("/") == 1) for name in names)


def bag_package(holder: Holder, limits: Limits) -> Package:
    """The package of a bag. Raises InvalidPackage, and closes the file, if it is none or a damaged one."""
    try:
        bag = Bag(holder)
        return BagObject(bag.read, bag.payload, bag.md5, bag.where, limits).package(
            holder.path, holder.doubts, bag.open, holder.close, shortened
        )
    except InvalidPackage:
        holder.close()
        raise
    except ChecksumMismatch as error:
        holder.close()
        raise InvalidPackage(str(error)) from error
    except InvalidAip as error:
        holder.close()
        raise refused(str(holder.path), error) from error
    except BaseException:
        holder.close()
        raise


class Bag:
    """A bag that is complete. `payload`: the size of each file below `data/`, by its name there."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.where = str(holder.path)
        found = [name for name in holder.entries if is_bag([name])]
        if len(found) != 1:
            raise InvalidPackage(f"{self.where}: {len(found)} files {_DECLARATION}, so it is no bag")
        self.root = found[0].removesuffix(_DECLARATION)
        self.checksums: dict[str, list[tuple[str, str]]] = {}
        self._manifests("tag")
        algorithms = self._manifests("")
        if not algorithms:
            raise InvalidPackage(f"{self.where}: no payload manifest of a type that can be verified")
        if f"{self.root}fetch.txt" in holder.entries and self._text("fetch.txt").strip():
            raise InvalidPackage(f"{self.where}: fetch.txt names files to be fetched, which are not in the bag")
        self.payload = {
            name.removeprefix(f"{self.root}data/"): entry.size
            for name, entry in holder.entries.items()
            if name.startswith(f"{self.root}data/")
        }
        unlisted = [name for name in self.payload if not self.checksums.get(f"data/{name}")]
        if unlisted:
            raise InvalidPackage(f"{self.where}: data/{unlisted[0]} is not in the payload manifest")
        strangers = [name for name in holder.entries if not name.startswith(self.root)]
        if strangers:
            holder.doubts.append(f"{len(strangers)} entries beside the bag, {strangers[0]!r} first: left out")
        self._about()

    def read(self, name: str) -> bytes:
        """A document below `data/`, verified."""
        return self.holder.read(f"{self.root}data/{name}", self.checksums[f"data/{name}"])

    def open(self, name: str) -> BinaryIO:
        """A content below `data/`, verified at its end."""
        return self.holder.open(f"{self.root}data/{name}", self.checksums[f"data/{name}"])

    def md5(self, name: str) -> str | None:
        """The MD5 of a file below `data/`; None if the bag has other checksums."""
        return next((value for algorithm, value in self.checksums[f"data/{name}"] if algorithm == "md5"), None)

    def _text(self, name: str) -> str:
        content = self.holder.read(f"{self.root}{name}", self.checksums.get(name, []))
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidPackage(f"{self.where}: {name} is not in UTF-8") from error

    def _manifests(self, kind: str) -> list[str]:
        """Take in the manifests of the payload (``) or of the tag files (`tag`). Returns their algorithms."""
        algorithms = []
        for name in sorted(self.holder.entries):
            parts = _MANIFEST.fullmatch(name.removeprefix(self.root)) if name.startswith(self.root) else None
            if parts is None or (parts[1] or "") != kind:
                continue
            if not verifiable(parts[2]):
                self.holder.doubts.append(f"{parts[0]} cannot be verified: its algorithm is not known")
                continue
            algorithms.append(parts[2])
            self._take(parts[0], parts[2])
        if kind:  # tag files are few and small: they are verified at once
            for listed in list(self.checksums):
                self._text(listed)
        return algorithms

    def _take(self, manifest: str, algorithm: str) -> None:
        for line in self._text(manifest).splitlines():
            if not line.strip():
                continue
            parts = _LINE.fullmatch(line.strip())
            if parts is None:
                raise InvalidPackage(f"{self.where}: {manifest}: not a checksum and a name: {line[:80]!r}")
            name = re.sub("%0[AaDd]|%25", lambda found: _ESCAPED[found[0]], parts[2]).removeprefix("./")
            if f"{self.root}{name}" not in self.holder.entries:
                raise InvalidPackage(f"{self.where}: {name[:200]!r}, which {manifest} lists, is not in the bag")
            self.checksums.setdefault(name, []).append((algorithm, parts[1].lower()))

    def _about(self) -> None:
        """What the bag says of itself; oddities are doubts."""
        declared = self._text(_DECLARATION)
        if "utf-8" not in declared.lower():
            self.holder.doubts.append("its tag files say that they are not in UTF-8; read as UTF-8")
        if f"{self.root}bag-info.txt" not in self.holder.entries:
            self.holder.doubts.append("no bag-info.txt")
            return
        info = {}
        for line in self._text("bag-info.txt").splitlines():
            key, _, value = line.partition(":")
            info[key.strip().lower()] = value.strip()
        profile = info.get("bagit-profile-identifier", "")
        if not any(known in profile for known in _PROFILES):
            self.holder.doubts.append(f"not of a profile that the Replication Task Suite writes: {profile[:120]!r}")
        announced = info.get("payload-oxum")
        actual = f"{sum(self.payload.values())}.{len(self.payload)}"
        if announced and announced != actual:
            self.holder.doubts.append(f"Payload-Oxum is {actual}, announced was {announced[:40]}")
