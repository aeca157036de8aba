"""What an import has to know of a target's database: the questions of `daemon.importing.destination.Known`.

Invariant: what was put into it and is not written yet counts as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg2

from daemon.dspace import snapshot
from daemon.dspace.connect import Connection, unreachable
from daemon.dspace.facets import Options
from daemon.importing.destination import Registry
from daemon.importing.overlay import Overlay
from events.aip.model import Aip, Kind, Uuid
from events.aip.registry_rows import Format

_TYPES: Final = {2: Kind.ITEM, 3: Kind.COLLECTION, 4: Kind.COMMUNITY, 5: Kind.SITE, 6: Kind.GROUP, 7: Kind.PERSON}

_KIND: Final = """
    SELECT 'item' FROM item WHERE uuid = %(uuid)s UNION ALL SELECT 'collection' FROM collection WHERE uuid = %(uuid)s
    UNION ALL SELECT 'community' FROM community WHERE uuid = %(uuid)s
    UNION ALL SELECT 'site' FROM site WHERE uuid = %(uuid)s
    UNION ALL SELECT 'group' FROM epersongroup WHERE uuid = %(uuid)s
    UNION ALL SELECT 'person' FROM eperson WHERE uuid = %(uuid)s"""

_TAKEN: Final = """
    WITH own(uuid) AS (
      SELECT i.uuid FROM collection c JOIN item i ON i.uuid = c.template_item_id WHERE c.uuid = %(owner)s
      UNION ALL SELECT %(owner)s),
    bundles(uuid) AS (SELECT ib.bundle_id FROM item2bundle ib JOIN own ON own.uuid = ib.item_id),
    mine(uuid) AS (
      TABLE own UNION ALL TABLE bundles
      UNION ALL SELECT bb.bitstream_id FROM bundle2bitstream bb JOIN bundles b ON b.uuid = bb.bundle_id
      UNION ALL SELECT logo_bitstream_id FROM collection WHERE uuid = %(owner)s
      UNION ALL SELECT logo_bitstream_id FROM community WHERE uuid = %(owner)s)
    SELECT d.uuid::text FROM dspaceobject d WHERE d.uuid = ANY (%(parts)s::uuid[])
      AND NOT EXISTS (SELECT FROM mine WHERE mine.uuid = d.uuid)"""

_BELOW: Final = """
    SELECT child_comm_id::text FROM community2community WHERE parent_comm_id = %(uuid)s
    UNION SELECT collection_id::text FROM community2collection WHERE community_id = %(uuid)s
    UNION SELECT uuid::text FROM item WHERE owning_collection = %(uuid)s"""

_FIELDS: Final = """
    SELECT concat(s.short_id, '.', f.element, '.' || nullif(f.qualifier, ''))
    FROM metadatafieldregistry f JOIN metadataschemaregistry s USING (metadata_schema_id)"""

_FORMATS: Final = """
    SELECT b.short_description, b.mimetype, b.description, b.support_level, b.internal,
           array_remove(array_agg(e.extension ORDER BY e.extension), NULL)
    FROM bitstreamformatregistry b LEFT JOIN fileextension e USING (bitstream_format_id)
    WHERE b.short_description IS NOT NULL GROUP BY b.bitstream_format_id"""

_TYPES_OF_RELATIONS: Final = """
    SELECT l.label, t.leftward_type, t.rightward_type, r.label FROM relationship_type t
    JOIN entity_type l ON l.id = t.left_type JOIN entity_type r ON r.id = t.right_type"""


class TargetKnown:
    """A target's database, asked over that connection. Raises TargetUnreachable. `reading` is how objects are read."""

    def __init__(self, dsn: str, connection: Connection, reading: Options) -> None:
        self.dsn = dsn
        self.connection = connection
        self._reading = reading
        self._overlay = Overlay()
        self._found: dict[tuple[str, str], Uuid] = {}
        self._kinds: dict[Uuid, Kind] = {}
        self._registry_read: Registry | None = None

    def _rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall()
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise unreachable("target", self.dsn, error) from error

    def kind_of(self, uuid: Uuid) -> Kind | None:
        """By the tables of objects."""
        if uuid in self._overlay.aips:
            return self._overlay.aips[uuid].kind
        if uuid not in self._kinds:
            rows = self._rows(_KIND, {"uuid": uuid})
            if not rows:
                return None
            kind = Kind(rows[0][0])
            if kind is Kind.ITEM:
                return kind
            self._kinds[uuid] = kind
        return self._kinds[uuid]

    def holder(self, handle: str) -> tuple[Kind, Uuid] | None:
        """By table `handle`."""
        if handle in self._overlay.handles:
            return self._overlay.handles[handle]
        rows = self._rows(
            "SELECT resource_type_id, resource_id::text FROM handle WHERE handle = %s AND resource_id IS NOT NULL",
            [handle],
        )
        return (_TYPES[rows[0][0]], rows[0][1]) if rows else None

    def site(self) -> Uuid | None:
        """The one there is."""
        rows = self._rows("SELECT uuid::text FROM site")
        return rows[0][0] if rows else None

    def person(self, name: str) -> Uuid | None:
        """By e-mail address or netid."""
        mine = self._overlay.people
        return (
            mine.get(name.lower())
            or mine.get(name)
            or self._one(
                "SELECT uuid::text FROM eperson WHERE lower(email) = lower(%s) OR netid = %s "
                "ORDER BY lower(email) IS NOT DISTINCT FROM lower(%s) DESC LIMIT 1",
                "person",
                name,
                3,
            )
        )

    def group(self, name: str) -> Uuid | None:
        """By name."""
        return self._overlay.groups.get(name) or self._one(
            "SELECT uuid::text FROM epersongroup WHERE name = %s", "group", name
        )

    def _one(self, sql: str, kind: str, name: str, times: int = 1) -> Uuid | None:
        if (kind, name) not in self._found:
            rows = self._rows(sql, [name] * times)
            if not rows:
                return None
            self._found[kind, name] = rows[0][0]
        return self._found[kind, name]

    def aip(self, uuid: Uuid) -> Aip | None:
        """As its rows are."""
        if uuid in self._overlay.aips:
            return self._overlay.aips[uuid]
        kind = self.kind_of(uuid)
        for each in (Kind.REGISTRY, Kind.TOMBSTONE) if kind is None else (kind,):
            aip = snapshot.read(self.connection, each, [uuid], self._reading).get(uuid)
            if aip is not None:
                aip.names = []
                return aip
        return None

    def registry(self) -> Registry:
        """The tables of the registries, with what is about to be added."""
        if self._registry_read is None:
            fields = frozenset(str(name) for (name,) in self._rows(_FIELDS))
            schemas = self._rows("SELECT short_id, namespace FROM metadataschemaregistry WHERE short_id IS NOT NULL")
            formats = {
                str(name): Format(str(name), mimetype, description, support or 0, bool(internal), tuple(extensions))
                for name, mimetype, description, support, internal, extensions in self._rows(_FORMATS)
            }
            types = frozenset(
                (left, leftward, rightward, right)
                for left, leftward, rightward, right in self._rows(_TYPES_OF_RELATIONS)
            )
            self._registry_read = Registry(fields, {str(name): str(uri) for name, uri in schemas}, formats, types)
        return self._registry_read

    def taken(self, parts: Sequence[Uuid], owner: Uuid) -> set[Uuid]:
        """By `dspaceobject` and what hangs on the owner."""
        if not parts:
            return set()
        mine = {part for part in parts if self._overlay.parts.get(part, owner) != owner}
        rows = self._rows(_TAKEN, {"owner": owner, "parts": list(parts)})
        own = {part for part in parts if self._overlay.parts.get(part) == owner}
        return mine | {str(uuid) for (uuid,) in rows} - own

    def held_below(self, uuid: Uuid) -> set[Uuid]:
        """By the tables of structure."""
        return {str(child) for (child,) in self._rows(_BELOW, {"uuid": uuid})}
