"""Objects of a moment as packages, one at a time.

Invariants:

* What a package calls things (groups, people, containers) is what they are called at that moment, not what they were
  called when the object last changed.
* A package that is less than its object (bundles left out, contents that are missing) has no extension: `import` then
  knows that it does not say everything, and deletes nothing for it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from msgspec.structs import replace

from daemon.export.bundles import Bundles, filtered, without
from daemon.export.groups import Groups
from daemon.export.moment import Head, Moment
from events.aip import roles_stock, stock_out
from events.aip.files import NAME_FIELD, entry_name
from events.aip.markup import DECLARATION
from events.aip.mets import TYPES
from events.aip.model import Aip, Kind, Name, Uuid
from events.aip.surroundings import SUFFIX, Inside, Surroundings, package_name
from events.blobs import Blobs
from events.errors import BlobMissing, ConfigError
from events.package.writing import Part, write_manifest, write_zip

Lacking = Literal["error", "skip", "zero"]

_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True)
class Options:
    """How packages are written.

    manifest_only  a bare METS document in place of a zip; files are links into the user interface at `ui_url`
    bundles        which bundles of items go; None: all
    passwords      password hashes of people (a restore in replace mode erases those that are missing)
    extension      with everything that stock DSpace has no place for
    withdrawn      say of withdrawn items that they are (only for items that the target has already)
    inside         name the children of containers, for a recursive restore
    lacking        a content that the blob store lacks: refuse the object, leave the file out, or keep it empty
    there          containers that are on the target already; None: those that a recursive restore has done before
    """

    manifest_only: bool = False
    ui_url: str = "http://localhost:4000"
    bundles: Bundles | None = None
    passwords: bool = False
    extension: bool = True
    withdrawn: bool = False
    inside: bool = True
    lacking: Lacking = "error"
    there: frozenset[Uuid] | None = None


class Written(NamedTuple):
    """A package that was written. `left_out` says in words what of the object is not in it."""

    path: Path
    kind: Kind
    uuid: Uuid
    handle: str | None
    bytes: int
    left_out: tuple[str, ...] = ()


class Packages:
    """Writes packages of the objects of one moment."""

    def __init__(self, moment: Moment, blobs: Blobs, options: Options = Options()) -> None:
        self.moment = moment
        self.blobs = blobs
        self.options = options
        self.groups = Groups(moment)
        self._archived: dict[Uuid, bool] = {}

    @property
    def suffix(self) -> str:
        """That of the names of packages."""
        return SUFFIX[self.options.manifest_only]

    def name(self, head: Head) -> str:
        """The file name of an object's package."""
        return package_name(head.kind, head.handle, head.uuid, self.suffix)

    def write(self, uuid: Uuid, folder: Path, name: str | None = None) -> Written:
        """Write the package of a site, community, collection or item into that folder.

        Raises ConfigError for another kind of object or one that is not there, BlobMissing, ChecksumMismatch,
        InvalidAip for a damaged event, StorageUnusable.
        """
        head, aip, notes = self._object(uuid)
        aip, parts, empty = self._contents(aip, notes)
        path = folder / (name or self.name(head))
        options = self.options
        links = options.ui_url if options.manifest_only else None
        manifest = stock_out.write(aip, self._surroundings(aip, not notes, empty, links))
        size = write_manifest(path, manifest) if options.manifest_only else write_zip(path, manifest, parts)
        return Written(path, head.kind, uuid, head.handle, size, tuple(notes))

    def roles(self, uuids: Iterable[Uuid] | None = None) -> bytes:
        """A DSPACE-ROLES document for `packager -t DSPACE-ROLES`: everybody and every group, or just those.

        Members are written if they are at the moment; of groups that belong to containers only if `there` has those.
        """
        there = self.options.there if self.options.there is not None else frozenset()
        everybody = self.groups.of_site(passwords=self.options.passwords, there=there)
        wanted = None if uuids is None else set(uuids)
        people = [aip for aip in everybody if wanted is None or aip.uuid in wanted]
        return f"{DECLARATION}{roles_stock.written(people, {})}".encode()

    def _object(self, uuid: Uuid) -> tuple[Head, Aip, list[str]]:
        head = self.moment.heads.get(uuid)
        if head is None:
            raise ConfigError(
                f"there is no object {uuid} at position {self.moment.at}", "`aipstream log` tells its past."
            )
        if head.kind not in TYPES:
            raise ConfigError(f"a {head.kind.value} has no package of its own", "Export the site, which has them all.")
        whole = self.moment.aip(uuid)
        if whole is None:
            raise ConfigError(f"there is no object {uuid} at position {self.moment.at}")
        aip = filtered(whole, self.options.bundles)
        notes = []
        if aip is not whole:
            notes.append(f"{len(whole.bundles) - len(aip.bundles)} bundles left out")
        return head, replace(aip, names=[self._renamed(row) for row in aip.names]), notes

    def _renamed(self, row: Name) -> Name:
        if row.kind in (Kind.GROUP, Kind.PERSON):
            return replace(row, name=self.groups.name(row.uuid) or row.name)
        head = self.moment.heads.get(row.uuid)
        return replace(row, name=head.handle) if head is not None and head.handle else row

    # --- contents -----------------------------------------------------------------------------------------------------

    def _contents(self, aip: Aip, notes: list[str]) -> tuple[Aip, list[Part], frozenset[Uuid]]:
        """The object as it can be packed, the contents of its package, and the files that are kept empty."""
        if self.options.manifest_only:
            return aip, [], frozenset()
        names = {row.subject: row.text for row in reversed(aip.values) if row.field == NAME_FIELD}
        sha256 = {row.uuid: row.sha256 for row in aip.stored}
        lacking: dict[Uuid, str] = {}
        parts: list[Part] = []
        for row in aip.bitstreams:
            name, content = entry_name(row.uuid, names.get(row.uuid)), sha256.get(row.uuid)
            if content is None or not self.blobs.has(content):
                lacking[row.uuid] = names.get(row.uuid) or row.uuid
                if self.options.lacking == "error":
                    raise BlobMissing(
                        f"the content of {lacking[row.uuid]!r} in {aip.kind.value} {aip.handle or aip.uuid} is not in "
                        "the blob store",
                        "`aipstream snapshot` takes it again from the source; or export with --unauthorized skip.",
                    )
                parts.append(Part(name, 0, _EMPTY, io.BytesIO))
            else:
                parts.append(Part(name, row.size, content, self._opener(content)))
        if not lacking:
            return aip, parts, frozenset()
        if self.options.lacking == "zero":
            notes.append(f"{len(lacking)} files kept empty: {', '.join(sorted(lacking.values())[:5])}")
            return aip, parts, frozenset(lacking)
        notes.append(f"{len(lacking)} files left out: {', '.join(sorted(lacking.values())[:5])}")
        left = without(aip, set(), set(lacking))
        there = {row.uuid for row in left.bitstreams}
        kept = [part for row, part in zip(aip.bitstreams, parts, strict=True) if row.uuid in there]
        return left, kept, frozenset()

    def _opener(self, sha256: str) -> _Opener:
        return _Opener(self.blobs, sha256)

    # --- surroundings -------------------------------------------------------------------------------------------------

    def _surroundings(self, aip: Aip, whole: bool, empty: frozenset[Uuid], links: str | None) -> Surroundings:
        people: list[Aip] = []
        types: dict[Uuid, str] = {}
        if aip.kind is Kind.SITE:
            people = self.groups.of_site(passwords=self.options.passwords)
        elif aip.kind in (Kind.COMMUNITY, Kind.COLLECTION):
            people, types = self.groups.of_container(aip, self._before(aip.uuid))
        inside = self.children(aip.uuid) if self.options.inside and aip.kind is not Kind.ITEM else []
        return Surroundings(
            inside=tuple(Inside(head.kind, head.uuid, head.handle, self.name(head)) for head in inside),
            people=tuple(people),
            types=types,
            withdrawn=self.options.withdrawn,
            extension=self.options.extension and whole,
            links=links,
            empty=empty,
        )

    def children(self, uuid: Uuid) -> list[Head]:
        """What a recursive restore of that container goes into, in order: of items only those in the archive."""
        return [head for head in self.moment.children(uuid) if head.kind is not Kind.ITEM or self.archived(head.uuid)]

    def archived(self, uuid: Uuid) -> bool:
        """Whether an item is in the archive: neither withdrawn nor an old version; stock DSpace reaches no others."""
        if uuid not in self._archived:
            aip = self.moment.aip(uuid)
            own = next((row for row in aip.items if row.uuid == uuid), None) if aip is not None else None
            self._archived[uuid] = own is not None and own.in_archive and not own.withdrawn
        return self._archived[uuid]

    @cached_property
    def _order(self) -> dict[Uuid, int]:
        """The containers in the order in which a recursive restore of the site comes to them: depth first."""
        order: dict[Uuid, int] = {}
        site = self.moment.site()
        waiting = list(reversed(self.moment.children(site.uuid))) if site else list(self.moment.of(Kind.COMMUNITY))
        while waiting:
            head = waiting.pop()
            if head.uuid in order or head.kind is Kind.ITEM:
                continue
            order[head.uuid] = len(order)
            waiting += reversed([each for each in self.moment.children(head.uuid) if each.kind is not Kind.ITEM])
        return order

    def _before(self, uuid: Uuid) -> frozenset[Uuid]:
        if self.options.there is not None:
            return self.options.there
        own = self._order.get(uuid, 0)
        return frozenset(each for each, rank in self._order.items() if rank < own)


class _Opener:
    """Opens one content when its turn comes."""

    def __init__(self, blobs: Blobs, sha256: str) -> None:
        self.blobs = blobs
        self.sha256 = sha256

    def __call__(self) -> BinaryIO:
        return self.blobs.open(self.sha256)
