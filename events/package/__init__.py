"""One package: a file in which an AIP travels by itself, with its contents. What is read, and what is written.

`Package` is what every form of package comes to once it is read: a stock zip, a bare manifest, a BagIt bag of the
Replication Task Suite, a DSPACE-ROLES document. Reading is `events.package.reading.open_package`; writing
`events.package.writing`.

Invariants:

* A package is hostile until it is read: names lead nowhere outside, sizes and counts are bounded before anything is
  decompressed, and what is refused is refused with `InvalidPackage`, which names the file and the entry.
* Nothing of a package is held in memory but its manifest: contents are streamed, and checked on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Self

from events.aip.model import Aip, Kind, Uuid

Form = Literal["zip", "mets", "bag", "roles", "registry"]
"""An object of an OCFL archive is taken for the zip that it would be; only there are registries and tombstones."""


class Child(NamedTuple):
    """An object that the package says it contains. `package` is the file name that its link gives, beside this one."""

    kind: Kind
    handle: str | None
    package: str | None


class Related(NamedTuple):
    """A trace of a relationship: the item has `field` = `other` under the number of a relationship of the source.

    The other item's package has the same number, with its own field and the UUID of this one.
    """

    number: int
    field: str
    other: Uuid


class Content(NamedTuple):
    """The content of one bitstream: where it is in the package, and what the manifest says of it.

    `size` is the size of the entry itself in bytes. `checksum` is lower-case hex of `algorithm`; None if not given.
    """

    entry: str
    size: int
    checksum: str | None = None
    algorithm: str | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """One package, opened. Close it with `close`, or use it as a context.

    aip        the object; of a stock package what it names (groups, people, containers) has the UUID
               `events.aip.stock.reference(kind, name)` and a row in `aip.names`. None for `roles` and for a catalog
               of deletions
    whole      whether the package says everything of the object (it has our extension); a stock one says only what
               stock DSpace carries, so what it does not say is not known
    anonymous  whether the object's UUID is not in the package, so that `aip.uuid` only stands for its handle
    parent     the handle in the link to the parent, None if there is none
    children   what it says it contains, in its order
    members    handles of all objects, at any depth and of any kind, that the bag of a site lists
    people     persons and groups of its DSPACE-ROLES sections, with references as in `aip`
    contents   for each bitstream of `aip`, where its content is. A bitstream without one has no file in the package:
               its `size` in `aip` is what the file has in the source
    media      MIME types of bitstreams whose format the package does not name otherwise
    related    traces of relationships of an item, which a stock package has no other words for
    modified   when the item was last modified: the exporter's local time, without a zone. None if it is not said
    deleted    handles of objects that a catalog of deletions names
    doubts     what was odd and tolerated, for people to read
    """

    path: Path
    form: Form
    aip: Aip | None
    whole: bool = False
    anonymous: bool = False
    parent: str | None = None
    children: tuple[Child, ...] = ()
    members: tuple[str, ...] = ()
    people: tuple[Aip, ...] = ()
    contents: Mapping[Uuid, Content] = field(default_factory=dict)
    media: Mapping[Uuid, str] = field(default_factory=dict)
    related: tuple[Related, ...] = ()
    modified: str | None = None
    deleted: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    opener: Callable[[Uuid], BinaryIO] | None = None
    closer: Callable[[], None] = lambda: None

    def open(self, bitstream: Uuid) -> BinaryIO:
        """The content of a bitstream, for reading; its end raises `ChecksumMismatch` if it is not what the manifest
        says. Raises `InvalidPackage` for a damaged entry, KeyError for a bitstream without content.
        """
        if self.opener is None or bitstream not in self.contents:
            raise KeyError(bitstream)
        return self.opener(bitstream)

    def close(self) -> None:
        """Give the file back."""
        self.closer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
