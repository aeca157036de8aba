"""Whether an object was edited on the target since the last replay.

Invariant: the ledger holds the digest that the last replay left (`neighbours` keeps it so). What reads back otherwise
was written by somebody else. Objects that the ledger does not know, and the registries, which every installation adds
to, are nobody's edits.
"""

from __future__ import annotations

from collections.abc import Iterable

from daemon.dspace import fingerprint
from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
from daemon.target import ledger
from events.aip.model import Kind, Uuid
from events.event import Event, Type


def digests(connection: Connection, objects: Iterable[tuple[Kind, Uuid]], options: Options) -> dict[Uuid, str]:
    """The digest of each of those objects on the target as it is now, by source UUID; what is not there is left out."""
    names = ledger.aliases(connection)
    back = {target: source for source, target in names.items()}
    by_kind: dict[Kind, list[Uuid]] = {}
    for kind, uuid in objects:
        by_kind.setdefault(kind, []).append(names.get(uuid, uuid))
    found: dict[Uuid, str] = {}
    for kind, uuids in by_kind.items():
        here = fingerprint.digests(connection, kind, uuids, options)
        found.update((back.get(uuid, uuid), digest) for uuid, digest in here.items())
    return found


def edited(event: Event, standing: ledger.Standing | None, now: str | None) -> bool:
    """Whether that event meets an object that somebody edited. To delete what is gone already is no conflict."""
    if standing is None or standing.deleted or event.kind is Kind.REGISTRY:
        return False
    if event.type is Type.DELETE and now is None:
        return False
    return (now or "") != standing.digest
