"""Objects that change on the target because others are written, and how the ledger keeps up with them.

Relationships, version histories, handles and DOIs belong to several objects at once: writing one of them changes the
digest of the others, whose own events come later in the log, or came before. And who refers to an object that is
deleted loses the reference (`daemon.target.cut`).

Invariant: the ledger's digest of an object that was as the ledger says before a batch is what it is after the batch.
One that was edited behind our back keeps the old digest, and is noticed at its next event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
from daemon.target.cut import Cut, cut
from daemon.target.drift import digests
from events.aip.model import Aip, Kind, Uuid

SHARED: Final = ("relationship", "versionitem", "handle", "doi")
"""The tables whose rows belong to several objects."""

_NEIGHBOURS: Final = """
WITH mine(uuid) AS MATERIALIZED (SELECT unnest(%(uuids)s::uuid[])),
near(uuid) AS (
  SELECT r.right_id FROM relationship r WHERE r.left_id = ANY (%(uuids)s::uuid[])
  UNION SELECT r.left_id FROM relationship r WHERE r.right_id = ANY (%(uuids)s::uuid[])
  UNION SELECT o.item_id FROM versionitem v JOIN versionitem o USING (versionhistory_id)
    WHERE v.item_id = ANY (%(far)s::uuid[])
  UNION SELECT h.resource_id FROM handle h WHERE h.handle = ANY (%(handles)s::text[])
  UNION SELECT d.dspace_object FROM doi d WHERE d.doi = ANY (%(dois)s::text[])
  UNION SELECT unnest(%(far)s::uuid[]))
SELECT l.uuid::text, l.kind, l.digest FROM near JOIN aipstream.ledger l USING (uuid)
WHERE NOT l.deleted AND l.uuid NOT IN (SELECT uuid FROM mine)
UNION SELECT l.uuid::text, l.kind, l.digest FROM aipstream.ledger l WHERE l.uuid = ANY (%(cut)s::uuid[])"""
"""Reads relationship, versionitem, handle, doi, aipstream.ledger. None of the objects that are `near` has another UUID
here; those of `cut` are called as on the source."""

_KEEP_UP: Final = """
UPDATE aipstream.ledger l SET digest = w.digest FROM unnest(%(uuids)s::uuid[], %(digests)s::text[]) w(uuid, digest)
WHERE l.uuid = w.uuid AND l.digest IS DISTINCT FROM w.digest"""


class Neighbour(NamedTuple):
    """An object beside the batch that stood as its last event left it."""

    kind: Kind
    digest: str


class Near(NamedTuple):
    """What stands beside a batch, by the source's UUIDs, and which of it refers to what the batch deletes."""

    objects: dict[Uuid, Neighbour]
    cut: list[Cut]

    def changed_by(self, touched: Mapping[str, int]) -> bool:
        """Whether any of it may have changed, after a batch that wrote so many rows of each table."""
        return bool(self.objects) and (bool(self.cut) or any(touched.get(table) for table in SHARED))


def untouched(
    connection: Connection, puts: Sequence[Aip], deletes: Sequence[tuple[Kind, Uuid]], options: Options
) -> Near:
    """The objects that writing this batch may change though they are not in it, as far as nobody has edited them.

    To be asked before the batch is written.
    """
    items = [aip for aip in puts if aip.kind is Kind.ITEM]
    own = [aip.uuid for aip in puts] + [uuid for _, uuid in deletes]
    losing = cut(connection, own, deletes)
    far = {row.left for aip in items for row in aip.relations} | {row.right for aip in items for row in aip.relations}
    far |= {row.item for aip in items for row in aip.versions if row.item is not None}
    with connection.cursor() as cursor:
        cursor.execute(
            _NEIGHBOURS,
            {
                "uuids": own,
                "far": list(far.union(own)),
                "cut": [each.uuid for each in losing],
                "handles": [row.handle for aip in puts for row in aip.handles],
                "dois": [row.doi for aip in puts for row in aip.dois],
            },
        )
        near = {uuid: Neighbour(Kind(kind), digest) for uuid, kind, digest in cursor.fetchall()}
    now = _digests(connection, near, options)
    as_left = {uuid: each for uuid, each in near.items() if now.get(uuid, "") == each.digest}
    return Near(as_left, [each for each in losing if each.uuid in as_left])


def keep_up(connection: Connection, near: Near, options: Options) -> None:
    """Note in the ledger what those objects are after the batch was written."""
    now = _digests(connection, near.objects, options)
    uuids = list(near.objects)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_UP, {"uuids": uuids, "digests": [now.get(uuid, "") for uuid in uuids]})


def _digests(connection: Connection, objects: Mapping[Uuid, Neighbour], options: Options) -> dict[Uuid, str]:
    return digests(connection, ((each.kind, uuid) for uuid, each in objects.items()), options)
