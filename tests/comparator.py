"""Says how two DSpace databases, and their files, differ: the judge of every test that replays.

Invariant: it reads the tables of both ends itself and shares no code with capture, replay or the sample, so that a
mistake there cannot excuse itself here. Rows are compared as multisets by natural keys: integer ids never count.

What differs between installations stands by name: the site, the groups Anonymous and Administrator, and a person of
the target whose UUID the source does not know but whose e-mail address it does. Left out on both ends is what is no
content: drafts and workflow items (unless `drafts`), debris, deleted bitstreams, job output, orphan policies, histories
without a live item, the site's handle, and the momentary state of logins and harvests.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from tests.compared import DRAFT_TABLES, DRAFTS, ITEMS, PERMANENT, REGISTRIES, SCOPE, TABLES, Table

SHOWN = 8
"""Differences told per table and direction; the others are counted."""

Rows = Counter[tuple[Hashable, ...]]


class End:
    """One of the two repositories, read in one snapshot."""

    def __init__(self, dsn: str, drafts: bool) -> None:
        self._connection = psycopg2.connect(dsn)
        self._connection.set_session("repeatable read", readonly=True)
        items = f"{ITEMS} union select item_id from ({DRAFTS}) d where item_id is not null" if drafts else ITEMS
        self.kinds: dict[str, str] = dict(self.read(SCOPE.format(items=items)))
        self.names: dict[str, str] = {uuid: "the site" for uuid, kind in self.kinds.items() if kind == "site"}
        self.names |= dict(self.read("select uuid, name from epersongroup where name in %s", PERMANENT))
        self.people: dict[str, str] = dict(self.read("select uuid, coalesce(lower(email), uuid::text) from eperson"))
        self.has_security = bool(
            self.read(
                "select from pg_attribute where attrelid = 'metadatavalue'::regclass "
                "and attname = 'security_level' and not attisdropped"
            )
        )
        self.local: frozenset[str] = frozenset()

    def close(self) -> None:
        self._connection.close()

    def read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall()

    def name(self, uuid: str | None) -> str | None:
        """What the object is called on both ends; None for nothing and for what is no content."""
        return self.names.get(uuid, uuid) if uuid in self.kinds else None

    def rows(self, table: Table, **parts: str) -> Rows:
        """The rows of a table that are content, by natural keys."""
        found: Rows = Counter()
        columns = table.columns.split()
        scope = [columns.index(column) for column in table.scope.split()]
        named = scope + [columns.index(column) for column in table.refs.split()]
        for row in self.read(table.sql.format(**parts) if parts else table.sql):
            subjects = [row[index] for index in scope]
            if any(uuid not in self.kinds and not (table.nullable and uuid is None) for uuid in subjects):
                continue
            cells = list(row)
            for index in named:
                cells[index] = self.name(row[index])
            found[tuple(cells)] += 1
        return found

    def histories(self) -> Rows:
        """Every version history that a live item is in, as one row: its versions without drafts, in order."""
        found: dict[int, list[tuple[Hashable, ...]]] = defaultdict(list)
        live = set()
        for history, item, *version, person in self.read(
            "select versionhistory_id, item_id, version_number, version_date, version_summary, eperson_id "
            "from versionitem"
        ):
            if item is not None and item not in self.kinds:
                continue
            found[history].append((*version, self.name(item), self.name(person)))
            if item is not None:
                live.add(history)
        return Counter((tuple(sorted(found[history], key=repr)),) for history in live)

    def stored(self) -> dict[str, tuple[str, str | None, int]]:
        """Where each bitstream that is content lies: its internal id, MD5 and size."""
        return {
            row[0]: row[1:]
            for row in self.read("select uuid, internal_id, checksum, size_bytes from bitstream")
            if row[0] in self.kinds
        }


def _told(title: str, columns: str, source: Rows, target: Rows, one_way: bool = False) -> Iterator[str]:
    """The lines about one table."""
    for where, rows in (("source", source - target), ("target", target - source)):
        if one_way and where == "target":
            continue
        for row in sorted(rows.elements(), key=repr)[:SHOWN]:
            shown = ", ".join(f"{name}: {repr(cell)[:160]}" for name, cell in zip(columns.split(), row, strict=False))
            yield f"{title}: only in {where}: {{{shown}}}"
        if rows.total() > SHOWN:
            yield f"{title}: only in {where}: {rows.total() - SHOWN} more"


def marry(source: End, target: End) -> None:
    """Find the people of the target who are someone of the source, and those people and groups who are only there."""
    by_email = {email: uuid for uuid, email in source.people.items() if uuid not in target.people}
    for uuid, email in target.people.items():
        if uuid not in source.people and email in by_email:
            target.names[uuid] = by_email[email]
    known = {source.name(uuid) for uuid in source.kinds}
    target.local = frozenset(
        name
        for uuid, kind in target.kinds.items()
        if kind in ("person", "group") and (name := target.name(uuid)) is not None and name not in known
    )


def without_local(title: str, rows: Rows, local: frozenset[str]) -> Rows:
    """The target's rows without its own people and groups, and what may be theirs without being a difference."""
    if not local:
        return rows
    if title == "epersongroup2eperson":
        return Counter(
            {
                row: count
                for row, count in rows.items()
                if row[0] not in local and not (row[0] == "Administrator" and row[1] in local)
            }
        )
    if title in ("eperson", "epersongroup", "group2group", "metadatavalue", "resourcepolicy"):
        return Counter({row: count for row, count in rows.items() if row[0] not in local})
    return rows


def differences(
    source_dsn: str,
    target_dsn: str,
    *,
    source_assetstore: Path,
    target_assetstore: Path,
    passwords: bool = False,
    drafts: bool = False,
) -> list[str]:
    """How the target differs from the source, one line each; an empty list when it is the same repository."""
    source, target = End(source_dsn, drafts), End(target_dsn, drafts)
    try:
        return compared(source, target, source_assetstore, target_assetstore, passwords=passwords, drafts=drafts)
    finally:
        source.close()
        target.close()


def compared(
    source: End,
    target: End,
    source_assetstore: Path,
    target_assetstore: Path,
    *,
    passwords: bool = False,
    drafts: bool = False,
) -> list[str]:
    """The same of two ends that are open. The first may have been opened long ago: it is what it was then."""
    marry(source, target)
    parts = parts_of(source, target, passwords)
    lines: list[str] = []
    for title, table in {**TABLES, **(DRAFT_TABLES if drafts else {})}.items():
        theirs = without_local(title, target.rows(table, **parts), target.local)
        lines += _told(title, table.columns, source.rows(table, **parts), theirs)
    for title, table in REGISTRIES.items():
        lines += _told(title, table.columns, source.rows(table), target.rows(table), one_way=True)
    lines += _told("versionhistory", "versions", source.histories(), target.histories())
    lines += _group_cache(target)
    lines += _files(source, target, source_assetstore, target_assetstore)
    return lines


def parts_of(source: End, target: End, passwords: bool = False) -> dict[str, str]:
    """What of the comparisons' SQL depends on the two ends."""
    return {
        "passwords": ", password, salt, digest_algorithm" if passwords else "",
        "security": ", v.security_level" if source.has_security and target.has_security else "",
    }


def _group_cache(end: End) -> Iterator[str]:
    """`group2groupcache` must be the transitive closure of `group2group` of the same database."""
    children = defaultdict(set)
    for parent, child in end.read("select parent_id, child_id from group2group"):
        children[parent].add(child)
    closure: Rows = Counter()
    for parent in list(children):
        reached: set[str] = set()
        waiting = list(children[parent])
        while waiting:
            child = waiting.pop()
            if child not in reached:
                reached.add(child)
                waiting += children.get(child, ())
        closure.update((parent, child) for child in reached)
    cache: Rows = Counter(end.read("select parent_id, child_id from group2groupcache"))
    for parent, child in sorted((closure - cache).elements()):
        yield f"group2groupcache: lacks on the target: {{parent: {parent}, child: {child}}}"
    for parent, child in sorted((cache - closure).elements()):
        yield f"group2groupcache: too much on the target: {{parent: {parent}, child: {child}}}"


def _path(assetstore: Path, internal_id: str) -> Path:
    if internal_id.startswith("-R"):
        return assetstore / internal_id[2:]
    return assetstore / internal_id[:2] / internal_id[2:4] / internal_id[4:6] / internal_id


def _shared(stored: dict[str, tuple[str, str | None, int]]) -> set[frozenset[str]]:
    """The groups of bitstreams that have one file between them."""
    groups = defaultdict(set)
    for uuid, (internal_id, *_) in stored.items():
        groups[internal_id].add(uuid)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


def _digest(path: Path) -> tuple[str, int] | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest(), path.stat().st_size


def _files(source: End, target: End, source_store: Path, target_store: Path) -> Iterator[str]:
    """Which bitstreams share a file, and whether every file is there with the bytes that its row promises."""
    ours, theirs = source.stored(), target.stored()
    for group in sorted(map(sorted, _shared(ours) - _shared(theirs))):
        yield f"internal_id: shared only in source: {{bitstreams: {group}}}"
    for group in sorted(map(sorted, _shared(theirs) - _shared(ours))):
        yield f"internal_id: shared only in target: {{bitstreams: {group}}}"
    wrong: list[str] = []
    seen: dict[str, tuple[str, int] | None] = {}
    for uuid in sorted(ours.keys() & theirs.keys()):
        original = _path(source_store, ours[uuid][0])
        if not original.is_file():
            continue
        internal_id, md5, size = theirs[uuid]
        if internal_id not in seen:
            seen[internal_id] = _digest(_path(target_store, internal_id))
        expected = (md5, size) if md5 and len(md5) == 32 else _digest(original)
        if seen[internal_id] != expected:
            wrong.append(f"file: of bitstream {uuid} at {internal_id}: {seen[internal_id]} is not {expected}")
    yield from wrong[:SHOWN]
    if len(wrong) > SHOWN:
        yield f"file: {len(wrong) - SHOWN} more"


CONTENT_TABLES = (
    *TABLES,
    *DRAFT_TABLES,
    *REGISTRIES,
    "site",
    "dspaceobject",
    "group2groupcache",
    "versionhistory",
    "versionitem",
    "subscription_parameter",
)


def row_versions(dsn: str, tables: Iterable[str] = CONTENT_TABLES) -> dict[str, str]:
    """Per content table a hash of where every row lies and which transaction wrote it: equal if no row was touched."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            found = {}
            for table in tables:
                cursor.execute(
                    "select count(*) || ' rows, ' || coalesce(sum(hashtextextended(ctid || ' ' || xmin, 0)"
                    f"::numeric), 0) from {table}"
                )
                found[table] = cursor.fetchall()[0][0]
            return found
    finally:
        connection.close()
