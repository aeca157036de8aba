"""What changed between two states of one object, in words for people.

Invariant: two AIPs that differ in any row (but `names`, which only translate) give at least one sentence: what has no
words of its own is told by the name of its row and field. So nobody is told "no change" where there was one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from events.aip.extension import ELEMENTS, SINGLE
from events.aip.model import Aip, BitstreamRow, ItemRow, Kind, Policy, Uuid, Value
from events.aip.row import Row

NAME: Final = "dc.title"
"""The field that holds the name of a bundle or a bitstream."""

LONGEST: Final = 60
"""Characters of a value that are shown."""

ACTIONS: Final = (
    "READ", "WRITE", "DELETE", "ADD", "REMOVE", "WORKFLOW_STEP_1", "WORKFLOW_STEP_2", "WORKFLOW_STEP_3",
    "WORKFLOW_ABORT", "DEFAULT_BITSTREAM_READ", "DEFAULT_ITEM_READ", "ADMIN", "WITHDRAWN_READ",
)  # fmt: skip
"""DSpace's constants of actions, by their numbers (class `Constants`)."""

_TOLD: Final = {"names", "values", "policies", "items", "bundles", "placed", "bitstreams", "stored", "parents"}
"""Fields of `Aip` with words of their own, or none (`names`); the others are told row by row."""

_CALLED: Final = {
    "persons_in": "member",
    "groups_in": "member group",
    "handles": "handle",
    "dois": "DOI",
    "subscriptions": "subscription",
    "roles": "workflow role",
    "harvest_source": "harvest settings",
    "harvested": "harvested record",
    "relations": "relationship",
    "versions": "version",
    "drafts": "submission",
    "workflow": "workflow",
    "tasks": "task",
    "schemas": "schema",
    "fields": "field",
    "formats": "format",
    "entity_types": "entity type",
    "relationship_types": "relationship type",
}


def changes(before: Aip | None, after: Aip | None) -> list[str]:
    """One sentence for each change from `before` to `after`; None is an object that is not there.

    >>> changes(None, None)
    []
    """
    if before is None and after is None:
        return []
    if after is None:
        return ["deleted"]
    if before is None:
        return [_made(after)]
    return _Comparison(before, after).told()


def _made(aip: Aip) -> str:
    parts = [
        f"{len(rows):,} {word}" for word, rows in (("metadata values", aip.values), ("files", aip.bitstreams)) if rows
    ]
    return "made" + (f", with {' and '.join(parts)}" if parts else "")


def short(text: str | None) -> str:
    """A value as it is shown: quoted, on one line, cut where it is long."""
    if text is None:
        return "nothing"
    line = " ".join(text.split())
    return f"'{line[:LONGEST]}…'" if len(line) > LONGEST else f"'{line}'"


class _Comparison:
    """Two states of one object, and how the things in them are called."""

    def __init__(self, before: Aip, after: Aip) -> None:
        self.before, self.after = before, after
        self.names: dict[Uuid, str] = {}
        for aip in (before, after):
            self.names |= {row.uuid: row.name for row in aip.names if row.name}
            self.names |= {row.subject: row.text for row in aip.values if row.field == NAME and row.text}
        self.names.pop(after.uuid, None)
        self.out: list[str] = []

    def told(self) -> list[str]:
        """All sentences, the weightiest first."""
        self._states()
        self._owners()
        self._files()
        self._metadata()
        self._policies()
        self._rest()
        return self.out

    def _name(self, uuid: Uuid | None) -> str:
        return "nobody" if uuid is None else self.names.get(uuid, uuid)

    def _of(self, subject: Uuid) -> str:
        """Which part of the object it is, to be put behind what is said of it; nothing for the object itself."""
        return "" if subject == self.after.uuid else f" of {self._name(subject)}"

    # --- states and owners --------------------------------------------------------------------------------------------

    def _states(self) -> None:
        old = {row.uuid: row for row in self.before.items}
        new = {row.uuid: row for row in self.after.items}
        for uuid in sorted(old.keys() - new.keys()):
            self.out.append(f"template item {uuid} removed")
        for uuid, row in new.items():
            if uuid not in old:
                self.out.append(f"template item {uuid} added")
                continue
            self._item(old[uuid], row)

    def _item(self, old: ItemRow, new: ItemRow) -> None:
        if new.withdrawn != old.withdrawn:
            self.out.append("withdrawn" if new.withdrawn else "reinstated")
        elif new.in_archive != old.in_archive:
            self.out.append("archived" if new.in_archive else "no longer in the archive")
        if new.discoverable != old.discoverable:
            self.out.append("made discoverable" if new.discoverable else "made private (not discoverable)")
        if new.owning_collection != old.owning_collection:
            self.out.append(f"moved from {self._name(old.owning_collection)} to {self._name(new.owning_collection)}")
        if new.submitter != old.submitter:
            self.out.append(f"submitter: {self._name(old.submitter)} -> {self._name(new.submitter)}")
        if new.last_modified != old.last_modified:
            self.out.append(f"last modified: {old.last_modified} -> {new.last_modified}")
        if new.legacy_id != old.legacy_id:
            self.out.append(f"legacy id: {old.legacy_id} -> {new.legacy_id}")

    def _owners(self) -> None:
        gone, come = _differing(self.before.parents, self.after.parents)
        item = self.after.kind is Kind.ITEM
        owner = {row.owning_collection for row in self.after.items} if item else set()
        for row in come:
            if row.other not in owner:
                self.out.append(f"{'mapped into' if item else 'put into'} {self._name(row.other)}")
        was = {row.owning_collection for row in self.before.items} if item else set()
        for row in gone:
            if row.other not in was:
                self.out.append(f"{'no longer mapped into' if item else 'taken out of'} {self._name(row.other)}")
        moved = {row.other for row in come} & owner or {row.other for row in gone} & was
        if moved and was == owner:
            self.out.append(f"its place in {self._name(next(iter(moved)))} was mended")

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self) -> None:
        old = {row.uuid: row for row in self.before.bitstreams}
        new = {row.uuid: row for row in self.after.bitstreams}
        home = {row.bitstream: row.bundle for aip in (self.before, self.after) for row in aip.placed}
        for uuid, row in new.items():
            if uuid not in old:
                where = f" to {self._name(home[uuid])}" if uuid in home else ""
                self.out.append(f"file {self._name(uuid)} ({row.size:,} bytes) added{where}")
            elif old[uuid] != row:
                self._file(old[uuid], row)
        self.out += [f"file {self._name(uuid)} removed" for uuid in old if uuid not in new]
        bundles = {row.uuid: row for row in self.before.bundles}, {row.uuid: row for row in self.after.bundles}
        for uuid, bundle in bundles[1].items():
            before = bundles[0].get(uuid)
            if before is None:
                self.out.append(f"bundle {self._name(uuid)} added")
            elif before.primary != bundle.primary:
                self.out.append(f"primary file of bundle {self._name(uuid)}: {self._name(bundle.primary)}")
            elif before != bundle:
                self.out.append(f"bundle {self._name(uuid)}: {_fields(before, bundle)}")
        self.out += [f"bundle {self._name(uuid)} removed" for uuid in bundles[0] if uuid not in bundles[1]]
        self._places(old.keys() & new.keys())
        gone, come = _differing(self.before.stored, self.after.stored)
        if (gone or come) and {row.uuid for row in (*gone, *come)} <= old.keys() & new.keys():
            self.out.append("files lie elsewhere in the assetstore")

    def _file(self, old: BitstreamRow, new: BitstreamRow) -> None:
        name = self._name(new.uuid)
        if (old.checksum, old.size) != (new.checksum, new.size):
            self.out.append(f"content of file {name}: {old.size:,} -> {new.size:,} bytes")
        if old.format != new.format:
            self.out.append(f"format of file {name}: {short(old.format)} -> {short(new.format)}")
        rest = ("legacy_id", "checksum_algorithm", "sequence_id")
        told = [
            f"{each}: {getattr(old, each)} -> {getattr(new, each)}"
            for each in rest
            if getattr(old, each) != getattr(new, each)
        ]
        if told:
            self.out.append(f"file {name}: {', '.join(told)}")

    def _places(self, both: Iterable[Uuid]) -> None:
        kept = set(both)
        old = {row.bitstream: row for row in self.before.placed}
        new = {row.bitstream: row for row in self.after.placed}
        shuffled: set[Uuid] = set()
        for uuid in sorted(kept & old.keys() & new.keys()):
            if old[uuid].bundle != new[uuid].bundle:
                self.out.append(f"file {self._name(uuid)} moved to {self._name(new[uuid].bundle)}")
            elif old[uuid] != new[uuid]:
                shuffled.add(new[uuid].bundle)
        self.out += [f"files of bundle {self._name(uuid)} in another order" for uuid in sorted(shuffled)]
        for uuid in sorted(kept & (old.keys() ^ new.keys())):
            self.out.append(f"file {self._name(uuid)} {'put into' if uuid in new else 'taken out of'} a bundle")

    # --- metadata and policies ----------------------------------------------------------------------------------------

    def _metadata(self) -> None:
        old, new = _by_field(self.before.values), _by_field(self.after.values)
        for key in sorted(old.keys() | new.keys()):
            subject, field = key
            gone, come = _differing(old.get(key, ()), new.get(key, ()))
            if not gone and not come:
                continue
            of = self._of(subject)
            if len(gone) == len(come) == 1 and gone[0].text != come[0].text:
                self.out.append(f"{field}{of}: {short(gone[0].text)} -> {short(come[0].text)}")
            elif sorted(value.text or "" for value in gone) == sorted(value.text or "" for value in come):
                what = (
                    "order"
                    if Counter(map(_unplaced, gone)) == Counter(map(_unplaced, come))
                    else "language or authority"
                )
                self.out.append(f"{field}{of}: {what} of {', '.join(short(value.text) for value in come[:3])} changed")
            else:
                self.out += [f"{field}{of}: {short(value.text)} removed" for value in gone]
                self.out += [f"{field}{of}: {short(value.text)} added" for value in come]

    def _policies(self) -> None:
        gone, come = _differing(self.before.policies, self.after.policies)
        self.out += [f"no longer {self._policy(row)}" for row in gone]
        self.out += [self._policy(row) for row in come]

    def _policy(self, row: Policy) -> str:
        action = ACTIONS[row.action] if 0 <= row.action < len(ACTIONS) else f"action {row.action}"
        said = f"{action}{self._of(row.subject)} for {self._name(row.group or row.person)}"
        said += f" from {row.start}" if row.start else ""
        said += f" until {row.end}" if row.end else ""
        told = [str(each) for each in (row.name, row.type, row.description) if each]
        return said + (f" ({', '.join(told)})" if told else "")

    # --- everything else ----------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        for field in ELEMENTS:
            if field in _TOLD:
                continue
            old, new = getattr(self.before, field), getattr(self.after, field)
            if field in SINGLE:
                if old != new:
                    self.out.append(_fields(old, new, self._shown) if old and new else f"{field} changed")
                continue
            gone, come = _differing(old, new)
            called = _CALLED.get(field, field)
            self.out += [f"{called} {self._row(row)} removed" for row in gone]
            self.out += [f"{called} {self._row(row)} added" for row in come]

    def _row(self, row: Row) -> str:
        own = self.after.uuid
        shown = [self._shown(value) for value in msgspec.structs.astuple(row) if value not in (None, own, "", ())]
        return " ".join(shown)

    def _shown(self, value: object) -> str:
        return self.names.get(value, value) if isinstance(value, str) else str(value)


def _fields(old: Row, new: Row, shown: Callable[[object], str] = str) -> str:
    """The fields that differ between two rows of one class; a password is never shown."""
    told = []
    for name in new.__struct_fields__:
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            secret = name in ("password", "salt", "digest_algorithm")
            told.append(f"{name} changed" if secret else f"{name}: {shown(one)} -> {shown(other)}")
    return ", ".join(told)


def _differing(old: Iterable[Any], new: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """What is only in the one and only in the other, as multisets, each in its order."""
    one, other = Counter(old), Counter(new)
    return list((one - other).elements()), list((other - one).elements())


def _by_field(values: Iterable[Value]) -> dict[tuple[Uuid, str], list[Value]]:
    found: dict[tuple[Uuid, str], list[Value]] = {}
    for value in values:
        found.setdefault((value.subject, value.field), []).append(value)
    return found


def _unplaced(value: Value) -> tuple[object, ...]:
    return (value.text, value.lang, value.authority, value.confidence, value.security)
