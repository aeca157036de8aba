"""What the items of a window have in common with others on the target, though their events do not say so.

Invariant: whatever writing an item may touch besides its own rows is joined to it: the far ends of relationships that
go, the members of version histories, whoever holds a handle or DOI that it takes, what it gives up of its parts. Reads
relationship, versionitem, handle, doi, item2bundle, bundle2bitstream. Items have their own UUIDs here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from daemon.dspace.connect import Connection
from daemon.target.parallel.divide import Link
from events.aip.model import Uuid

_EDGES: Final = """
WITH parts AS MATERIALIZED (
  SELECT i.item_id, i.bundle_id FROM item2bundle i WHERE i.item_id = ANY (%(own)s::uuid[]))
SELECT 'o', r.left_id::text, 'o', r.right_id::text FROM relationship r WHERE r.left_id = ANY (%(own)s::uuid[])
UNION ALL SELECT 'o', r.left_id::text, 'o', r.right_id::text FROM relationship r
  WHERE r.right_id = ANY (%(own)s::uuid[])
UNION ALL SELECT 'o', v.item_id::text, 'v', v.versionhistory_id::text FROM versionitem v
  WHERE v.item_id = ANY (%(objects)s::uuid[]) AND v.versionhistory_id IS NOT NULL
UNION ALL SELECT 'o', h.resource_id::text, 'h', h.handle FROM handle h WHERE h.resource_id = ANY (%(own)s::uuid[])
UNION ALL SELECT 'o', h.resource_id::text, 'h', h.handle FROM handle h
  WHERE h.handle = ANY (%(handles)s::text[]) AND h.resource_id IS NOT NULL
UNION ALL SELECT 'o', d.dspace_object::text, 'd', d.doi FROM doi d WHERE d.dspace_object = ANY (%(own)s::uuid[])
UNION ALL SELECT 'o', d.dspace_object::text, 'd', d.doi FROM doi d
  WHERE d.doi = ANY (%(dois)s::text[]) AND d.dspace_object IS NOT NULL
UNION ALL SELECT 'o', p.item_id::text, 'o', p.bundle_id::text FROM parts p
UNION ALL SELECT 'o', b.bundle_id::text, 'o', b.bitstream_id::text FROM bundle2bitstream b
  WHERE b.bundle_id = ANY (ARRAY(SELECT bundle_id FROM parts))"""


def edges(connection: Connection, own: Iterable[Uuid], links: Iterable[Link]) -> list[tuple[Link, Link]]:
    """The pairs of links that are joined on the target, of those items and of what they link to."""
    named: dict[str, set[str]] = {"o": set(), "h": set(), "d": set(), "f": set()}
    for kind, name in links:
        named[kind].add(name)
    with connection.cursor() as cursor:
        cursor.execute(
            _EDGES,
            {
                "own": list(own),
                "objects": list(named["o"]),
                "handles": list(named["h"]),
                "dois": list(named["d"]),
            },
        )
        return [((kind, name), (other, far)) for kind, name, other, far in cursor.fetchall()]
