"""A storage root of ours: made, opened, and what it remembers of the runs that wrote it.

`aipstream.json` at the root (OCFL lets files lie there) says from which log the root is written, with which digests,
and up to which position everything is there, so that a later run need not look at what it has. It is no part of the
archive: without it the objects say all the same.

Invariant: the declaration is written last. A folder without it is a root that was never begun, or is none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from events.aip.model import Uuid
from events.errors import ConfigError, InvalidPackage, StorageUnusable
from events.event import BEGINNING, Position
from events.ocfl import inventory as inventories
from events.ocfl.layout import EXTENSIONS, Algorithm, identifier, place, root_files
from events.ocfl.reading import LINK, OcflObject, is_object, is_root, link_on_the_way
from events.ocfl.writing import replaced, swept

BOOKS: Final = "aipstream.json"
README: Final = "README.txt"
LOCK: Final = "aipstream.lock"

_OWN: Final = frozenset({BOOKS, README, LOCK, EXTENSIONS, *(path.partition("/")[0] for path in root_files())})

_ABOUT: Final = """\
This folder is an archive of a DSpace repository in the Oxford Common File Layout, version 1.1 (https://ocfl.io/1.1/spec/).
It can be read without any program: inventory.json in the folder of each object lists its versions and their files.

Each object of the repository is one OCFL object, urn:uuid: and its UUID; its versions are the states that it was in.
The files of a version:

  event.json   which state it is: when, by which transaction, what kind of object, its handle, its containers.
               A version that has only this file says that the object was deleted.
  mets.xml     a site, community, collection or item: its METS manifest, as DSpace's AIP packager reads it.
               It gives the name, place and description of each file, and everything else that is known.
  bitstream_*  the files of an item, and the logos of communities and collections, as mets.xml refers to them.
  roles.xml, registry.xml, tombstone.xml   people and groups; metadata schemas, formats, entity types; retired handles.

aipstream-index.jsonl lists all objects with their handles and folders, one JSON object to a line.
"""


class Books(msgspec.Struct, kw_only=True):
    """What `aipstream.json` says. `position`: up to there the whole log is in the archive, but for the objects `due`.

    `passwords`: whether the documents of people have password hashes.
    """

    format: int = 1
    log: str
    digest: Algorithm
    passwords: bool = False
    position: Position = BEGINNING
    due: list[Uuid] = []


class StorageRoot:
    """An opened root. See `opened`."""

    def __init__(self, folder: Path, books: Books) -> None:
        self.folder = folder
        self.books = books

    def object(self, uuid: Uuid) -> OcflObject | None:
        """What is there of an object, None if there is nothing. Raises InvalidPackage, ChecksumMismatch."""
        name = identifier(uuid)
        folder = self.folder / place(name)
        if not is_object(folder) and link_on_the_way(folder) is None:
            if folder.exists():
                raise InvalidPackage(f"{folder}: there, but no OCFL object", "Restore it from a copy, or remove it.")
            return None
        return OcflObject(folder, name)

    def remember(self) -> None:
        """Keep the books. Raises StorageUnusable."""
        replaced(self.folder / BOOKS, inventories.plain(self.books))


def nothing_there(path: Path) -> str | None:
    """The sentence that says of a path that nothing can be read there, or that a folder is empty; else None."""
    try:
        if path.is_dir():
            with os.scandir(path) as listed:
                return f"{path} is an empty folder" if next(listed, None) is None else None
        path.stat()
    except OSError as error:
        return f"{path}: cannot be opened: {error.strerror}"
    return None


def existing(folder: Path) -> Books:
    """The books of an archive that is to be read. Raises ConfigError for anything else, StorageUnusable."""
    wrong = nothing_there(folder)
    if wrong is None and not is_root(folder):
        wrong = f"{folder} is no archive" + (", it is a file" if folder.is_file() else "")
    books = begun(folder) if wrong is None else None
    if books is None:
        raise ConfigError(f"{wrong}", "Name the folder that `aipstream export --ocfl DIR` has written.")
    return books


def begun(folder: Path) -> Books | None:
    """The books of a root that is there, None if the folder is empty or missing.

    Raises ConfigError for a folder with anything else in it, and for a root of another program.
    """
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise StorageUnusable(f"the folder {folder} cannot be used: {error.strerror or error}") from error
    if not is_root(folder):
        strange = sorted(name for name in names - _OWN if not name.endswith(".part"))
        if strange or any(name.startswith("0=") for name in names):
            raise ConfigError(
                f"{folder} is no OCFL storage root of version 1.1, and not empty: {strange[0] if strange else '0=…'}",
                "Name a folder that is empty or not there, or one that `export --ocfl` has made.",
            )
        return None
    if (folder / BOOKS).is_symlink():
        raise ConfigError(f"{folder / BOOKS}: {LINK}", "Put the file in its place.")
    try:
        return msgspec.json.decode((folder / BOOKS).read_bytes(), type=Books)
    except FileNotFoundError:
        raise ConfigError(
            f"{folder} is an OCFL storage root of another program: it has no {BOOKS}",
            "Name a folder of its own; two programs with different ideas of an object cannot share a root.",
        ) from None
    except OSError as error:
        raise StorageUnusable(f"{folder / BOOKS} cannot be read: {error.strerror or error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder / BOOKS}: {error}", "Restore the file from a copy of the archive.") from error


def opened(folder: Path, wanted: Books) -> StorageRoot:
    """The root in that folder, made if it is not there, with what a killed run left cleared away.

    Only while the lock is held. Raises ConfigError, StorageUnusable.
    """
    books = begun(folder)
    root = StorageRoot(folder, books or wanted)
    if books is None:
        root.remember()
        replaced(folder / README, _ABOUT.encode())
        for path, content in root_files().items():
            replaced(folder / path, content)
    else:
        swept(folder)
    return root
