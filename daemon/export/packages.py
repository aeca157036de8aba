"""Objects of a moment as packages, one at a time.

Invariants:

* What a package calls things (groups, people, containers) is what they are called at that moment, not what they were
  called when the object last changed.
* A package that is less than its object (bundles left out, contents that are missing) has no extension: `import` then
  knows that it does not say everything, and deletes nothing for it.
* What a package cannot have for another reason, its extension has; `Written.left_out` says either.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from daemon.export.bundles import Bundles, filtered, without
from daemon.export.groups import Groups, some
from daemon.export.layout import Layout
from daemon.export.moment import Head, Moment
from daemon.losses import Loss
from daemon.losses.compare import losses
from daemon.losses.stock import restored
from events.aip import roles_stock, stock_out
from events.aip.files import NAME_FIELD, entry_name
from events.aip.markup import DECLARATION
from events.aip.mets import TYPES
from events.aip.model import Aip, Kind, Name, Uuid
from events.aip.surroundings import SUFFIX, Inside, Surroundings
from events.blobs import Blobs
from events.errors import BlobMissing, ConfigError
from events.package.writing import Part, same, write_manifest, write_zip

Lacking = Literal["error", "skip", "zero"]

_EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing."""


@dataclass(frozen=True, slots=True)
class Options:
    """How packages are written.

    manifest_only  a bare METS document in place of a zip; files are links into the user interface at `ui_url`
    bundles        which bundles of items go; None: all
    passwords      password hashes of people (a restore in replace mode erases those that are missing)
    extension      with everything that stock DSpace has no place for
    withdrawn      say of withdrawn items that they are: stock DSpace then restores none that it lacks
    lacking        a content that the blob store lacks: refuse the object, leave the file out, or keep it empty
    roots          the packages with which a recursive restore begins, each after what was restored with the one before;
                   if the first is the site's, it may begin with an empty repository. None: each is for itself
    release        the DSpace that the packages are for, `8.2`: what its restore loses is told. None: nothing is
    """

    manifest_only: bool = False
    ui_url: str = "http://localhost:4000"
    bundles: Bundles | None = None
    passwords: bool = False
    extension: bool = True
    withdrawn: bool = False
    lacking: Lacking = "error"
    roots: tuple[Uuid, ...] = ()
    release: str | None = None


class Written(NamedTuple):
    """A package that was written. `left_out` says in words what of the object stock DSpace will not find in it.

    `kept`: it was there already, whole and the same. `losses`: what a restore by stock DSpace loses of the object, and
    of the people and groups that come with a site.
    """

    path: Path
    kind: Kind
    uuid: Uuid
    handle: str | None
    bytes: int
    left_out: tuple[str, ...] = ()
    kept: bool = False
    losses: tuple[Loss, ...] = ()


class Packages:
    """Writes packages of the objects of one moment."""

    def __init__(self, moment: Moment, blobs: Blobs, options: Options = Options()) -> None:
        self.moment = moment
        self.blobs = blobs
        self.options = options
        self.layout = Layout(moment, options.roots, SUFFIX[options.manifest_only])
        self.groups = Groups(self.layout)

    def write(self, uuid: Uuid, folder: Path, name: str | None = None) -> Written:
        """Write the package of a site, community, collection or item into that folder.

        Raises ConfigError for another kind of object or one that is not there, BlobMissing, ChecksumMismatch,
        InvalidAip for a damaged event, StorageUnusable.
        """
        notes: list[str] = []
        head, whole = self._object(uuid)
        aip = filtered(whole, self.options.bundles)
        if aip is not whole:
            notes.append(f"{some(len(whole.bundles) - len(aip.bundles), 'bundle')} left out")
        aip, parts, empty = self._contents(aip, notes)
        options = self.options
        around = self._surroundings(head, aip, notes, empty, extension=options.extension and not notes)
        notes += self._odd(head, aip)
        manifest = stock_out.write(aip, around)
        lost = tuple(self._losses(aip))
        path = folder / (name or self.layout.name(head))
        if (size := same(path, manifest, None if options.manifest_only else parts)) is not None:
            return Written(path, head.kind, uuid, head.handle, size, tuple(notes), True, lost)
        size = write_manifest(path, manifest) if options.manifest_only else write_zip(path, manifest, parts)
        return Written(path, head.kind, uuid, head.handle, size, tuple(notes), False, lost)

    def _losses(self, aip: Aip) -> Iterator[Loss]:
        """What a stock restore loses of the object, in the release that the packages are for."""
        if self.options.release is None:
            return
        yield from losses(aip, restored(aip, self.options.release))
        if aip.kind is Kind.SITE:
            for each in self.moment.aips(head.uuid for head in self.moment.of(Kind.PERSON, Kind.GROUP)):
                row = each.person
                if row is not None and not self.options.passwords:
                    row = replace(row, password=None, salt=None, digest_algorithm=None)
                yield from losses(each, restored(replace(each, person=row), self.options.release))

    def sizes(self, uuid: Uuid) -> tuple[int, int]:
        """How many contents the package of an object would have, and of how many bytes, uncompressed."""
        if self.options.manifest_only:
            return 0, 0
        aip = filtered(self._object(uuid)[1], self.options.bundles)
        return len(aip.bitstreams), sum(row.size for row in aip.bitstreams)

    def roles(self, uuids: Iterable[Uuid] | None = None) -> bytes:
        """A DSPACE-ROLES document for `packager -t DSPACE-ROLES`: everybody and every group, or just those."""
        everybody = self.groups.of_site(passwords=self.options.passwords, notes=[])
        wanted = None if uuids is None else set(uuids)
        people = [aip for aip in everybody if wanted is None or aip.uuid in wanted]
        return f"{DECLARATION}{roles_stock.written(people, {}, self.groups.called)}".encode()

    def _object(self, uuid: Uuid) -> tuple[Head, Aip]:
        head = self.moment.heads.get(uuid)
        if head is None:
            raise ConfigError(
                f"there is no object {uuid} at position {self.moment.at}", "`aipstream log` tells its past."
            )
        if head.kind not in TYPES:
            raise ConfigError(f"a {head.kind.value} has no package of its own", "Export the site, which has them all.")
        aip = self.moment.aip(uuid)
        if aip is None:
            raise ConfigError(f"there is no object {uuid} at position {self.moment.at}")
        return head, replace(aip, names=[self._renamed(row) for row in aip.names])

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
                parts.append(Part(name, row.size, content, partial(self.blobs.open, content)))
        if not lacking:
            return aip, parts, frozenset()
        names_of = ", ".join(sorted(lacking.values())[:5]) + (", ..." if len(lacking) > 5 else "")
        if self.options.lacking == "zero":
            notes.append(f"{some(len(lacking), 'file')} kept empty: {names_of}")
            return aip, parts, frozenset(lacking)
        notes.append(f"{some(len(lacking), 'file')} left out: {names_of}")
        left = without(aip, set(), set(lacking))
        there = {row.uuid for row in left.bitstreams}
        kept = [part for row, part in zip(aip.bitstreams, parts, strict=True) if row.uuid in there]
        return left, kept, frozenset()

    # --- surroundings -------------------------------------------------------------------------------------------------

    def _surroundings(
        self, head: Head, aip: Aip, notes: list[str], empty: frozenset[Uuid], *, extension: bool
    ) -> Surroundings:
        people: list[Aip] = []
        types: dict[Uuid, str] = {}
        if aip.kind is Kind.SITE:
            people = self.groups.of_site(passwords=self.options.passwords, notes=notes)
        elif aip.kind in (Kind.COMMUNITY, Kind.COLLECTION):
            people, types = self.groups.of_container(aip)
            if apart := self.groups.apart(aip):
                notes.append(f"left out: its groups are members of {some(apart, 'group')} not in these packages")
        named = {row.group for row in aip.policies if row.group} | {each.uuid for each in people}
        named |= {row.other for each in people for row in each.groups_in}
        rank = self.layout.rank(head)
        absent = frozenset(row.group for row in aip.policies if row.group and self.groups.later(row.group, rank))
        if absent:
            count = sum(row.group in absent for row in aip.policies)
            notes.append(
                f"{some(count, 'policy', 'policies')} left out for stock DSpace: the groups are restored only later"
            )
        linked = self.layout.children(aip.uuid) if aip.kind is not Kind.ITEM else []
        return Surroundings(
            inside=tuple(Inside(each.kind, each.uuid, each.handle, self.layout.name(each)) for each in linked),
            people=tuple(people),
            types=types,
            called={uuid: self.groups.called[uuid] for uuid in named if uuid in self.groups.called},
            absent=absent,
            withdrawn=self.options.withdrawn,
            extension=extension,
            links=self.options.ui_url if self.options.manifest_only else None,
            empty=empty,
        )

    def _odd(self, head: Head, aip: Aip) -> list[str]:
        """Why stock DSpace restores an object other than as it is, or not at all."""
        if head.kind is Kind.SITE:
            return []
        found = [] if head.handle else ["no handle: stock DSpace cannot replace it"]
        own = next((row for row in aip.items if row.uuid == aip.uuid), None)
        if own is None or head.kind is not Kind.ITEM:
            return found
        if own.withdrawn:
            found.append(
                "withdrawn: stock DSpace takes it only in place of the item itself"
                if self.options.withdrawn
                else "withdrawn: stock DSpace puts it back into the archive"
            )
        elif not own.in_archive:
            found.append("not in the archive (an old version, or unfinished): stock DSpace puts it into the archive")
        return found
