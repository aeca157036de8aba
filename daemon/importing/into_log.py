"""Packages into a log, as events.

Invariants, in the order of `flush`:

1. contents are durable in the blob store,
2. then the events are appended. A process that is killed in between leaves contents that nobody names.

An import's events have the digest `""`, for no database was read; the source `import/<name>`; and an LSN above that of
every event before, so that the order of the log is that of its LSNs, and a later import of the same object has another
id. Registry documents hold everything that the log knows of that registry, and what is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import BinaryIO, Final

from msgspec.structs import replace

import events.aip
from daemon.dspace.registry import FIELDS, FORMATS, RELATIONSHIP_TYPES, SCHEMAS
from daemon.export.moment import Moment
from daemon.failpoint import failpoint
from daemon.importing.destination import Opener, Refused, Registry, field_name, type_key
from daemon.importing.overlay import Overlay
from daemon.losses import Loss
from daemon.target.native.resolve import references
from events.aip.model import Aip, GroupRow, Kind, Name, Uuid
from events.aip.named import reference
from events.aip.parts import parts
from events.aip.registry_rows import Field, Format, Schema
from events.aip.rights import ANONYMOUS
from events.blobs import Blobs, Digests
from events.errors import ConfigError, PreconditionError
from events.event import Event, Type, compress, decompress
from events.instants import now
from events.log import Log

SOURCE: Final = "import/"
_KEPT: Final = (Kind.GROUP, Kind.PERSON, Kind.COMMUNITY, Kind.COLLECTION, Kind.SITE)


class LogDestination:
    """A log with its blob store. `captured`: a source is captured into it as well, which alone gives handles."""

    def __init__(
        self,
        log: Log,
        blobs: Blobs,
        name: str,
        *,
        prefix: str | None = None,
        captured: bool = False,
        dry_run: bool = False,
    ) -> None:
        self.log = log
        self.blobs = blobs
        self.source = f"{SOURCE}{name}"
        self.prefix = prefix
        self.captured = captured
        self.dry_run = dry_run
        self._overlay = Overlay()
        self._kinds: dict[Uuid, Kind] = {}
        self._next = 0

    # --- what is there ----------------------------------------------------------------------------------------------

    def kind_of(self, uuid: Uuid) -> Kind | None:
        """By its latest event."""
        if uuid in self._overlay.aips:
            return self._overlay.aips[uuid].kind
        if uuid in self._kinds:
            return self._kinds[uuid]
        entry = self.log.latest(uuid, whole=False)
        if entry is None or entry.event.type is Type.DELETE:
            return None
        if entry.event.kind in _KEPT:
            self._kinds[uuid] = entry.event.kind
        return entry.event.kind

    def holder(self, handle: str) -> tuple[Kind, Uuid] | None:
        """By the newest event with that handle, if that is still its object's."""
        if handle in self._overlay.handles:
            return self._overlay.handles[handle]
        found = self.log.lookup_handle(handle)
        entry = self.log.latest(found.event.uuid, whole=False) if found else None
        if entry is None or entry.event.type is Type.DELETE or entry.event.handle != handle:
            return None
        return entry.event.kind, entry.event.uuid

    def site(self) -> Uuid | None:
        """The site whose event is in the log."""
        return next((uuid for uuid, aip in self._overlay.aips.items() if aip.kind is Kind.SITE), self._site)

    def person(self, name: str) -> Uuid | None:
        """By e-mail address or netid."""
        people = self._named[Kind.PERSON]
        mine = self._overlay.people
        return mine.get(name.lower()) or mine.get(name) or people.get(name.lower()) or people.get(name)

    def group(self, name: str) -> Uuid | None:
        """By name. `Anonymous` is in every DSpace, so it is in every log, too."""
        found = self._overlay.groups.get(name) or self._named[Kind.GROUP].get(name)
        return reference(Kind.GROUP, ANONYMOUS) if found is None and name == ANONYMOUS else found

    def aip(self, uuid: Uuid) -> Aip | None:
        """As its latest event has it."""
        if uuid in self._overlay.aips:
            return self._overlay.aips[uuid]
        entry = self.log.latest(uuid)
        if entry is None or not entry.event.payload:
            return None
        return replace(events.aip.read(decompress(entry.event.payload)), names=[])

    def registry(self) -> Registry:
        """What the documents of the log name; in a log that nothing was captured into, what a fresh DSpace has too."""
        return self._registry

    def taken(self, parts: Sequence[Uuid], owner: Uuid) -> set[Uuid]:
        """A log tells of objects, not of their parts: only what is on its way is known."""
        return {part for part in parts if self._overlay.parts.get(part, owner) != owner}

    def held_below(self, uuid: Uuid) -> set[Uuid]:
        """By the latest events."""
        return {head.uuid for head in Moment(self.log).children(uuid)}

    @cached_property
    def _site(self) -> Uuid | None:
        return next((uuid for uuid, _, _, kind in self.log.heads() if kind is Kind.SITE), None)

    @cached_property
    def _documents(self) -> dict[Uuid, Aip]:
        """The registries' documents."""
        uuids = [uuid for uuid, _, _, kind in self.log.heads() if kind is Kind.REGISTRY]
        return {uuid: aip for uuid in uuids if (aip := self.aip(uuid)) is not None}

    def _captured_registry(self) -> bool:
        """Whether the documents are a source's whole registries, not only what imports have added to them."""
        entries = (entry for uuid in self._documents for entry in self.log.history(uuid, whole=False))
        return any(not entry.event.source.startswith(SOURCE) for entry in entries)

    @cached_property
    def _registry(self) -> Registry:
        documents = list(self._documents.values())
        if not self._captured_registry():
            fields = {f"{schema}.{name}" for schema, names in FIELDS.items() for name in names.split()}
            formats = {
                fact.name: Format(fact.name, fact.mimetype, None, 1, fact.internal, tuple(fact.extensions.split()))
                for fact in FORMATS
            }
            types = ((left, leftward, rightward, right) for left, right, leftward, rightward in RELATIONSHIP_TYPES)
            found = Registry(frozenset(fields), dict(SCHEMAS), formats, frozenset(types))
            for aip in documents:
                found = found.more(aip)
            return found
        return Registry(
            frozenset(field_name(row) for aip in documents for row in aip.fields),
            {row.name: row.namespace for aip in documents for row in aip.schemas},
            {row.short_description: row for aip in documents for row in aip.formats},
            frozenset(type_key(row) for aip in documents for row in aip.relationship_types),
        )

    @cached_property
    def _named(self) -> dict[Kind, dict[str, Uuid]]:
        """Groups by name, people by e-mail address and netid. Read once: documents of both are small."""
        found: dict[Kind, dict[str, Uuid]] = {Kind.GROUP: {}, Kind.PERSON: {}}
        for uuid, _, _, kind in list(self.log.heads()):
            if kind in found and (aip := self.aip(uuid)) is not None:
                self._name(found, aip)
        return found

    def _name(self, into: dict[Kind, dict[str, Uuid]], aip: Aip) -> None:
        if aip.group and aip.group.name:
            into[Kind.GROUP][aip.group.name] = aip.uuid
        if aip.person:
            for name in (aip.person.netid, (aip.person.email or "").lower()):
                if name:
                    into[Kind.PERSON][name] = aip.uuid

    # --- what is written --------------------------------------------------------------------------------------------

    def mint(self) -> str:
        """The next number of the prefix that no event of the log has."""
        if self.captured:
            raise PreconditionError(
                "new handles cannot be given in this log: its source is captured, and gives the same ones itself",
                "Import with `--into target`, or keep the packages' handles: `-o ignoreHandle=false`.",
            )
        if not self._next:
            site = self._site and self.log.latest(self._site, whole=False)
            prefix = self.prefix or (site.event.handle or "").removesuffix("/0") if site else self.prefix
            if not prefix:
                raise ConfigError(
                    "the log has no site whose prefix new handles could have",
                    "Name the prefix: --handle-prefix 123456789.",
                )
            self.prefix = prefix
            numbers = (handle.rpartition("/")[2].partition(".")[0] for handle in self._handles(f"{prefix}/"))
            self._next = max((int(number) for number in numbers if number.isdigit()), default=0)
        self._next += 1
        return f"{self.prefix}/{self._next}"

    def _handles(self, start: str) -> Iterator[str]:
        for entry in self.log.read(0, whole=False):
            if entry.event.handle and entry.event.handle.startswith(start):
                yield entry.event.handle

    def take(self, content: BinaryIO) -> Digests:
        """Into the blob store."""
        return self.blobs.put(content)

    def has(self, sha256: str) -> int | None:
        """Whether the blob store has it."""
        return self.blobs.size(sha256) if self.blobs.has(sha256) else None

    def put(self, aips: Sequence[Aip], opener: Opener) -> None:
        """Keep them until `flush`."""
        for aip in aips:
            if aip.kind is Kind.REGISTRY:
                self._registry = self._registry.more(aip)
        self._overlay.add(aips, opener)

    def flush(self) -> list[Refused]:
        """Contents first, then events."""
        if self.dry_run:
            self._overlay.written(pretended=True)
            return []
        puts = self._overlay.puts
        if not puts:
            return []
        self.blobs.flush()
        failpoint("import.blobs")
        aips: dict[Uuid, Aip] = {}
        for aip in self._with_anonymous([aip for put in puts for aip in put.aips]):
            if aip.kind is Kind.REGISTRY:
                aip = completed(aips.get(aip.uuid) or self._documents.get(aip.uuid), aip)
                self._documents[aip.uuid] = aip
            aips.pop(aip.uuid, None)
            aips[aip.uuid] = aip
        lsn, moment = self._lsn(), now()
        ordered = sorted(aips.values(), key=lambda aip: aip.kind is not Kind.REGISTRY)
        self.log.append([self._event(aip, lsn, moment) for aip in ordered])
        failpoint("import.appended")
        for aip in aips.values():
            if aip.kind in (Kind.GROUP, Kind.PERSON):
                self._name(self._named, aip)
            elif aip.kind is Kind.SITE:
                self._site = aip.uuid
        self._overlay.written()
        return []

    def _lsn(self) -> int:
        """Above that of the last event."""
        end = self.log.end()
        last = next(iter(self.log.read(end - 1, limit=1, whole=False)), None) if end else None
        return last.event.lsn + 1 if last else 1

    def _with_anonymous(self, aips: list[Aip]) -> list[Aip]:
        """With the group Anonymous in front, if they refer to the one that no event has made yet."""
        anonymous = reference(Kind.GROUP, ANONYMOUS)
        if self.kind_of(anonymous) or not any(row.group == anonymous for aip in aips for row in aip.policies):
            return aips
        group = Aip(kind=Kind.GROUP, uuid=anonymous, group=GroupRow(anonymous, None, ANONYMOUS, True))
        return [group, *aips]

    def _event(self, aip: Aip, lsn: int, moment: str) -> Event:
        used = {row.format for row in aip.bitstreams}
        formats = [row for name, row in self._registry.formats.items() if name in used]
        aip = replace(aip, names=self._names(aip), formats=aip.formats if aip.kind is Kind.REGISTRY else formats)
        return Event(
            source=self.source,
            lsn=lsn,
            uuid=aip.uuid,
            kind=aip.kind,
            type=Type.PUT,
            commit_time=moment,
            handle=aip.handle,
            parents=_owners(aip),
            blobs=tuple(sorted({row.sha256 for row in aip.stored if row.sha256})),
            payload=compress(events.aip.write(aip)),
        )

    def _names(self, aip: Aip) -> list[Name]:
        """How what it refers to is called, for those who read its document without this log."""
        kinds = {"group": Kind.GROUP, "person": Kind.PERSON, "community": Kind.COMMUNITY, "collection": Kind.COLLECTION}
        own = {aip.uuid, *parts(aip)}
        found: dict[Uuid, Name] = {}
        for far, uuid in references(aip):
            if uuid and far in kinds and uuid not in own and uuid not in found:
                found[uuid] = Name(uuid, kinds[far], self._called(uuid))
        site = self.site()
        if aip.kind is Kind.COMMUNITY and site:
            found[site] = Name(site, Kind.SITE, self._called(site))
        return list(found.values())

    def _called(self, uuid: Uuid) -> str | None:
        aip = self._overlay.aips.get(uuid)
        entry = None if aip else self.log.latest(uuid, whole=False)
        if entry and entry.event.kind in (Kind.GROUP, Kind.PERSON):
            aip = self.aip(uuid)
        if aip and aip.group:
            return aip.group.name
        if aip and aip.person:
            return aip.person.email or aip.person.netid
        if uuid == reference(Kind.GROUP, ANONYMOUS):
            return ANONYMOUS
        return aip.handle if aip else entry.event.handle if entry else None

    def delete(self, objects: Sequence[tuple[Kind, Uuid]]) -> None:
        """Events of deletion, children first."""
        self.flush()
        if self.dry_run or not objects:
            return
        lsn, moment = self._lsn(), now()
        made = []
        for kind, uuid in objects:
            before = self.log.latest(uuid, whole=False)
            self._kinds.pop(uuid, None)
            made.append(
                Event(
                    source=self.source,
                    lsn=lsn,
                    uuid=uuid,
                    kind=kind,
                    type=Type.DELETE,
                    commit_time=moment,
                    handle=before.event.handle if before else None,
                )
            )
        self.log.append(made)

    def losses(self) -> list[Loss]:
        """None: a log keeps everything. What a target cannot hold of it, its replay tells."""
        return []

    def close(self) -> None:
        """Nothing is held."""


def _owners(aip: Aip) -> tuple[Uuid, ...]:
    """The containers, the owning one first."""
    own = [row.owning_collection for row in aip.items if row.uuid == aip.uuid and row.owning_collection]
    return tuple(dict.fromkeys(own + sorted(row.other for row in aip.parents if row.subject == aip.uuid)))


def completed(before: Aip | None, more: Aip) -> Aip:
    """A registry document with what another one says."""
    if before is None:
        return more
    schemas: dict[str, Schema] = {row.name: row for row in (*before.schemas, *more.schemas)}
    fields: dict[str, Field] = {field_name(row): row for row in (*before.fields, *more.fields)}
    formats: dict[str, Format] = {row.short_description: row for row in (*before.formats, *more.formats)}
    labels = {row.label: row for row in (*before.entity_types, *more.entity_types)}
    types = {type_key(row): row for row in (*before.relationship_types, *more.relationship_types)}
    return replace(
        before,
        schemas=list(schemas.values()),
        fields=list(fields.values()),
        formats=list(formats.values()),
        entity_types=list(labels.values()),
        relationship_types=list(types.values()),
    )
