"""One run: for each object that has news, its versions that are not there yet.

Invariants:

* An object that cannot be written (a content is missing or damaged, an event or what is there cannot be read) is named
  and stays as it was in the archive; all others are written.
* Objects become durable and take their places in batches, each object in one step (`events.ocfl.writing`). The index
  and then the books, which say up to where everything is there, come last. So a run that was killed is simply repeated.
* Versions are the events in their order; what is there is never written again, whatever became of the log since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

import events.aip
from daemon.export.ocfl import index
from daemon.export.ocfl.adding import Adding
from daemon.export.ocfl.index import Index, Line
from daemon.export.ocfl.known import Known, below, due, known, named, ordered
from daemon.export.ocfl.states import State, message, state
from daemon.export.run import Refused
from daemon.failpoint import failpoint
from events.aip.model import Aip, Kind, Uuid
from events.blobs import Blobs
from events.errors import AipstreamError, InvalidPackage, StorageUnusable
from events.event import BEGINNING, Position
from events.log import Log
from events.log.opening import thinned_of
from events.ocfl import inventory as inventories
from events.ocfl.layout import identifier, place
from events.ocfl.moments import ENVELOPE
from events.ocfl.reading import OcflObject
from events.ocfl.root import StorageRoot
from events.ocfl.writing import Arriving, settle, swept

BATCH_OBJECTS: Final = 500
BATCH_BYTES: Final = 128 * 1024 * 1024
"""A batch ends at the object that brings its new contents above this."""


class Choice(NamedTuple):
    """What goes into the archive: the objects named, with everything in them (`recursive`); of the whole site also
    groups, people, registries and retired handles. `updated_after` passes over items not modified since (UTC).
    """

    things: tuple[str, ...] = ()
    recursive: bool | None = None
    updated_after: str | None = None


@dataclass
class Tally:
    """What was, or would be, written of one kind. `bytes` and `contents` are those of files that are new."""

    objects: int = 0
    versions: int = 0
    contents: int = 0
    bytes: int = 0


@dataclass
class Archived:
    """What a run came to. `notes`: what versions are without; `thinned`: events that the log no longer has."""

    kinds: dict[Kind, Tally] = field(default_factory=dict)
    unchanged: int = 0
    passed_over: int = 0
    thinned: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def add(self, kind: Kind, versions: int, contents: int, size: int) -> None:
        """One more object."""
        tally = self.kinds.setdefault(kind, Tally())
        tally.objects += 1
        tally.versions += versions
        tally.contents += contents
        tally.bytes += size

    @property
    def total(self) -> Tally:
        """Of all kinds."""
        every = list(self.kinds.values())
        return Tally(*(sum(getattr(each, name) for each in every) for name in Tally.__dataclass_fields__))


class Archive:
    """Writes the log, up to one position, into a storage root. With `root` None it only finds out what it would do."""

    def __init__(
        self,
        log: Log,
        blobs: Blobs,
        root: StorageRoot,
        at: Position,
        *,
        skip: bool = False,
        dry: bool = False,
        progress: Callable[[str, int, int | None], None] = lambda _what, _done, _total: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.log, self.blobs, self.root, self.at = log, blobs, root, at
        self.skip, self.dry = skip, dry
        self.progress, self.stopped = progress, stopped
        self.done = Archived()
        self._index = Index()
        self._batch: list[tuple[Arriving, Kind, int]] = []
        self._room = BATCH_BYTES
        self._gone = thinned_of(log)

    def __call__(self, choice: Choice) -> Archived:
        """The run. Raises ConfigError, GapInLog, StorageUnusable."""
        self.done.thinned = self._gone.thinned(until=self.at)
        whole = choice.things in ((), ("site",)) and choice.recursive is not False
        objects, uuids = self._chosen(choice, whole)
        try:
            for count, uuid in enumerate(uuids, 1):
                if self.stopped():
                    break
                self._object(uuid, objects[uuid], choice)
                self.progress("archiving", count, len(uuids))
            self._settle()
        finally:
            if not self.dry:
                with suppress(StorageUnusable):  # what stays is cleared away by the next run
                    swept(self.root.folder)
        if not self.dry:
            self._conclude(whole and choice.updated_after is None and not self.stopped())
        return self.done

    def close(self) -> None:
        """Give back what the run held open."""
        self._index.close()

    # --- which --------------------------------------------------------------------------------------------------------

    def _chosen(self, choice: Choice, whole: bool) -> tuple[dict[Uuid, Known], list[Uuid]]:
        books = self.root.books
        indexed = (self.root.folder / index.NAME).exists()
        after = min(books.position, self.at) if whole and choice.updated_after is None and indexed else BEGINNING
        objects = known(
            self.log, after, self.at, progress=lambda done: self.progress("reading the log", done, self.at - after),
            stopped=self.stopped,
        )  # fmt: skip
        if self.stopped():
            return objects, []
        due(objects, self.log, books.due, self.at)
        if whole:
            return objects, ordered(objects, objects)
        roots = named(objects, choice.things or ("site",), self.at)
        recursive = objects[roots[0]].kind is Kind.SITE if choice.recursive is None else choice.recursive
        if recursive and any(objects[uuid].kind is Kind.SITE for uuid in roots):
            return objects, ordered(objects, objects)
        return objects, ordered(objects, below(objects, roots) if recursive else roots)

    def _passed_over(self, uuid: Uuid, each: Known, choice: Choice) -> bool:
        """An item that is there and was not modified since."""
        if choice.updated_after is None or each.kind is not Kind.ITEM or not each.there:
            return False
        entry = self.log.latest(uuid, self.at)
        if entry is None:
            return True
        aip = state(entry.event, entry.position, passwords=False).aip
        own = next((row for row in aip.items if row.uuid == uuid), None) if aip else None
        if own is None or own.last_modified is None:
            return False
        return _instant(own.last_modified) <= _instant(choice.updated_after)

    # --- one object ---------------------------------------------------------------------------------------------------

    def _object(self, uuid: Uuid, each: Known, choice: Choice) -> None:
        try:
            if self._passed_over(uuid, each, choice):
                self.done.passed_over += 1
                return
            self._news(uuid, each)
        except StorageUnusable:
            raise
        except (AipstreamError, ValueError, OSError) as error:
            self.done.refused.append(Refused(uuid, each.kind, each.handle, type(error).__name__, str(error)))

    def _news(self, uuid: Uuid, each: Known) -> None:
        there = self.root.object(uuid)
        last = self._last(there, uuid)
        adding: Adding | None = None
        try:
            for told in self._states(uuid, there, last):
                if adding is None:
                    adding = self._adding(uuid, there)
                adding.add(*told)
            if adding is None:
                self.done.unchanged += 1
                if there is not None:
                    self._index.add(_line(uuid, each, there.inventory))
                return
            adding.finish()
        except BaseException:
            if adding is not None:
                adding.drop()
            raise
        self.done.notes += [(each.handle or uuid, note) for note in adding.notes]
        if self.dry:
            self.done.add(each.kind, adding.versions, adding.contents, adding.bytes)
            return
        assert adding.arriving is not None  # noqa: S101 - it is no dry run
        self._index.add(_line(uuid, each, adding.arriving.inventory))
        self._batch.append((adding.arriving, each.kind, adding.versions))
        self._room -= adding.bytes
        if len(self._batch) >= BATCH_OBJECTS or self._room <= 0:
            self._settle()

    def _adding(self, uuid: Uuid, there: OcflObject | None) -> Adding:
        arriving = None if self.dry else Arriving(self.root.folder, uuid, self.root.books.digest, there)
        known_by = there.inventory.known_by("sha256") if self.dry and there else {}
        return Adding(self.blobs, self.log.identity, arriving, set(known_by), self.skip)

    def _last(self, there: OcflObject | None, uuid: Uuid) -> Position:
        """The position of the event that is the newest version; 0 if there is none. Raises InvalidPackage."""
        if there is None:
            return BEGINNING
        try:
            found = msgspec.json.decode(there.read(ENVELOPE), type=_Place)
        except (KeyError, msgspec.MsgspecError) as error:
            raise InvalidPackage(f"{there.folder}: its newest version has no {ENVELOPE} of ours: {error}") from error
        if found.log != self.log.identity or found.uuid != uuid:
            raise InvalidPackage(f"{there.folder}: its newest version is of another log or object")
        return found.position

    def _states(self, uuid: Uuid, there: OcflObject | None, last: Position) -> Iterator[tuple[State, str, bool]]:
        """The states that are not there yet, each with its message, and whether events before it were thinned."""
        passwords = self.root.books.passwords
        before: Aip | None = None
        earlier: State | None = None
        first, begun, seen = there is None, False, BEGINNING
        gone = self._gone if self.done.thinned else None
        for position, event, _ in self.log.history(uuid):
            if position > self.at:
                return
            if position <= last:
                seen = position
                continue
            if not begun and there is not None:
                before = _document(there)
            begun = True
            now = state(event, position, passwords=passwords)
            thinned = None
            if gone is not None and gone.stale(position - 1, uuid):
                # What the archive has may be the very event that was taken away from the log since.
                sure = earlier is not None or seen == last
                thinned = (
                    f"{'' if sure else 'perhaps '}these are the changes of several events, for the log was thinned"
                )
            yield now, message(before, now, first=first, thinned=thinned), thinned is not None
            before, earlier, first = now.aip, now, False

    # --- places -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        batch, self._batch, self._room = self._batch, [], BATCH_BYTES
        if not batch:
            return
        settle(self.root.folder, [each[0] for each in batch], failpoint)
        for arriving, kind, versions in batch:
            self.done.add(kind, versions, arriving.contents, arriving.bytes)

    def _conclude(self, everything: bool) -> None:
        """The index, then the books."""
        self._index.merge(self.root.folder)
        failpoint("ocfl.indexed")
        books = self.root.books
        if everything and self.at >= books.position:
            books.position = self.at
            books.due = sorted(each.uuid for each in self.done.refused)
            self.root.remember()


class _Place(msgspec.Struct):
    log: str
    uuid: str
    position: int


def _document(there: OcflObject) -> Aip | None:
    """The object as its newest version has it, None if that says that it was deleted."""
    names = [name for name in there.inventory.files() if name.endswith(".xml") and not name.startswith("bitstream_")]
    return events.aip.read(there.read(names[0])) if names else None


def _line(uuid: Uuid, each: Known, inventory: inventories.Inventory) -> Line:
    name = identifier(uuid)
    head = inventory.versions[inventory.head]
    return Line(uuid, each.kind, str(place(name)), inventory.head, head.created, each.handle, not each.there)


def _instant(text: str) -> str:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<6}"
