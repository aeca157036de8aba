"""Objects that change on the target because others are written, and how the ledger keeps up with them.

Relationships, version histories, handles and DOIs belong to several objects at once: writing one of them changes the
digest of the others, whose own events come later in the log, or came before.

Invariant: the ledger's digest of an object that was as the ledger says before a batch is what it is after the batch.
One that was edited behind our back keeps the old digest, and is noticed at its next event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
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
WHERE NOT l.deleted AND l.uuid NOT IN (SELECT uuid FROM mine)"""
"""Reads relationship, versionitem, handle, doi, aipstream.ledger. None of these objects has another UUID here."""

_KEEP_UP: Final = """
UPDATE aipstream.ledger l SET digest = w.digest FROM unnest(%(uuids)s::uuid[], %(digests)s::text[]) w(uuid, digest)
WHERE l.uuid = w.uuid AND l.digest IS DISTINCT FROM w.digest"""


class Neighbour(NamedTuple):
    """An object beside the batch that stood as its last event left it."""

    kind: Kind
    digest: str


def untouched(
    connection: Connection, puts: Sequence[Aip], deletes: Sequence[Uuid], options: Options
) -> dict[Uuid, Neighbour]:
    """The objects that writing this batch may change though they are not in it, as far as nobody has edited them.

    To be asked before the batch is written.
    """
    items = [aip for aip in puts if aip.kind is Kind.ITEM]
    own = [aip.uuid for aip in puts] + list(deletes)
    far = {row.left for aip in items for row in aip.relations} | {row.right for aip in items for row in aip.relations}
    far |= {row.item for aip in items for row in aip.versions if row.item is not None}
    with connection.cursor() as cursor:
        cursor.execute(
            _NEIGHBOURS,
            {
                "uuids": own,
                "far": list(far.union(own)),
                "handles": [row.handle for aip in puts for row in aip.handles],
                "dois": [row.doi for aip in puts for row in aip.dois],
            },
        )
        near = {uuid: Neighbour(Kind(kind), digest) for uuid, kind, digest in cursor.fetchall()}
    now = _digests(connection, near, options)
    return {uuid: each for uuid, each in near.items() if now.get(uuid, "") == each.digest}


def keep_up(connection: Connection, near: dict[Uuid, Neighbour], options: Options) -> None:
    """Note in the ledger what those objects are after the batch was written."""
    now = _digests(connection, near, options)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_UP, {"uuids": list(near), "digests": [now.get(uuid, "") for uuid in near]})


def _digests(connection: Connection, near: dict[Uuid, Neighbour], options: Options) -> dict[Uuid, str]:
    by_kind: dict[Kind, list[Uuid]] = {}
    for uuid, each in near.items():
        by_kind.setdefault(each.kind, []).append(uuid)
    found: dict[Uuid, str] = {}
    for kind, uuids in by_kind.items():
        found |= fingerprint.digests(connection, kind, uuids, options)
    return found
