"""What a package says beyond its object: what it contains, who belongs to it, and how far it is for stock DSpace alone.

A document of the log holds one object and nothing else. A package that stock DSpace restores has to name its children
too, so that a recursive restore finds them, and to bring the groups that its policies and roles need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from events.aip.model import Aip, Kind, Uuid

SUFFIX: Final = {True: "xml", False: "zip"}
"""The suffix of a package's name: of a bare manifest, and of a zip."""

_TYPES: Final = {Kind.SITE: "SITE", Kind.COMMUNITY: "COMMUNITY", Kind.COLLECTION: "COLLECTION", Kind.ITEM: "ITEM"}


def package_name(kind: Kind, handle: str | None, uuid: Uuid, suffix: str = "zip") -> str:
    """The file name that stock DSpace gives a package (class `PackageUtils`): `ITEM@123456789-7.zip`.

    Characters of a handle that a file name cannot hold are written as `_`; nobody reads the handle from there.
    """
    called = handle.replace("/", "-") if handle else f"internal-id-{uuid}"
    safe = "".join(letter if letter.isprintable() and letter not in '\\:*?"<>|\0' else "_" for letter in called)
    short = safe.encode()[:180].decode(errors="ignore")  # with what a half-written file adds, below 255 bytes
    return f"{_TYPES[kind]}@{short}.{suffix}"


class Inside(NamedTuple):
    """An object that a container has, with the name of its package beside this one."""

    kind: Kind
    uuid: Uuid
    handle: str | None
    package: str


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """How a package is written for stock DSpace.

    inside      what the container contains, in the order in which it is restored
    people      persons and groups for its DSPACE-ROLES section
    types       for groups that play a role of this very object: `ADMIN`, `SUBMIT`, `WORKFLOW_STEP_1` to 3
    called      how the stock sections name groups, where it is not what `Aip.names` says
    absent      groups that are not there yet when the package is restored: stock would stop at a policy for one
    withdrawn   say so in AIP-TECHMD; stock DSpace fails to restore a missing item that says so
    extension   with everything that stock DSpace has no place for, so that `import` gets the object whole
    links       address of files in the user interface, in place of entries of a zip (a bare manifest)
    empty       bitstreams whose content is left out, so that their size is stated as 0
    """

    inside: tuple[Inside, ...] = ()
    people: tuple[Aip, ...] = ()
    types: Mapping[Uuid, str] = {}
    called: Mapping[Uuid, str] = {}
    absent: frozenset[Uuid] = frozenset()
    withdrawn: bool = False
    extension: bool = True
    links: str | None = None
    empty: frozenset[Uuid] = frozenset()
