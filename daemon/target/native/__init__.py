"""Objects written into a target DSpace as sets: a batch costs some dozens of statements, never some per object.

Invariants:

* Everything happens in the caller's transaction, in an order that DSpace's foreign keys accept (dspace-database §6.1);
  an error leaves it to be rolled back, at least to a savepoint from before `write`.
* Only rows that differ are touched: writing an object that the target holds already touches none, and no row lock is
  taken. So `write` may be repeated, and an object's unchanged rows keep their ids.
* After it the digest of an object here is the source's, unless it is named in `Written.missing` or `Written.losses`.

Deletes come first, then registries, then everything else from people down to tombstones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

from daemon.dspace.connect import Connection
from daemon.dspace.facets import Options
from daemon.losses import Loss
from daemon.target.native.between import write_relations, write_versions
from daemon.target.native.common import write_common
from daemon.target.native.containers import write_containers
from daemon.target.native.deletes import write_deletes
from daemon.target.native.dropped import NO_LONGER_LISTED, PARTS_OF_DROPPED_ITEMS, Dropper
from daemon.target.native.gather import Gatherer
from daemon.target.native.items import OBJECTS, rare_rows, write_bitstreams, write_items
from daemon.target.native.matching import match, missing_parents
from daemon.target.native.people import write_people
from daemon.target.native.registries import write_registries, write_tombstones
from daemon.target.native.resolve import Resolver
from daemon.target.native.sets import Writer
from daemon.target.native.stage import Stage, prepare
from daemon.target.native.submissions import write_submissions
from events.aip.model import Aip, Kind, Uuid

__all__ = ["Written", "match", "missing_parents", "write"]


@dataclass(frozen=True)
class Written:
    """What came of a batch, by the source's UUIDs.

    `missing`: object to referenced objects that are not on the target, so that the reference was left out. `losses`:
    what this target has no place for. `touched`: rows inserted, updated or deleted, by table.
    `groups_changed`: a group or a membership did, which a running DSpace caches for an hour.
    """

    missing: dict[Uuid, set[Uuid]] = field(default_factory=dict)
    groups_changed: bool = False
    losses: list[Loss] = field(default_factory=list)
    touched: dict[str, int] = field(default_factory=dict)


def write(
    connection: Connection,
    puts: Sequence[Aip],
    deletes: Sequence[tuple[Kind, Uuid]],
    options: Options,
    internal_ids: Mapping[Uuid, str],
) -> Written:
    """Delete and write those objects in the open transaction; of each at most one in `puts`, in the order of the log.

    `internal_ids` names the placed file of every bitstream that is new or has a new content; other rows keep theirs.
    Raises UnknownField, InvalidAip, BlobMissing, UnicodeEncodeError, and psycopg2.Error for what a column cannot hold.
    """
    with connection.cursor() as cursor:
        prepare(cursor)
        stage, writer = Stage(), Writer(cursor)
        changed = write_deletes(writer, stage, deletes) if deletes else False
        written = Written()
        if puts:
            match(connection, puts)
            written = _write_puts(cursor, writer, stage, puts, options, internal_ids)
        stage.clear(cursor)
        return Written(written.missing, written.groups_changed or changed, written.losses, dict(writer.touched))


def _write_puts(
    cursor: Cursor,
    writer: Writer,
    stage: Stage,
    puts: Sequence[Aip],
    options: Options,
    internal_ids: Mapping[Uuid, str],
) -> Written:
    registries = [aip for aip in puts if aip.kind is Kind.REGISTRY]
    if registries:
        write_registries(writer, stage, registries)
    objects = [aip for aip in puts if aip.kind is not Kind.REGISTRY]
    if not objects:
        return Written()
    names = Resolver(cursor, objects)
    gatherer = Gatherer(stage, names, options, internal_ids)
    gatherer.gather(objects)
    stage.load(cursor)
    changed, losses = False, gatherer.losses
    if stage.has("put_subject"):
        dropper = _note_what_goes(cursor, stage, writer)
        writer.run("dspaceobject", OBJECTS)
        changed = write_people(writer, stage, options)
        write_bitstreams(writer, stage)
        write_containers(writer, stage)
        rare = rare_rows(writer)
        write_items(writer, stage, rare)
        if dropper:
            dropper.items()
            dropper.parts()
        losses = losses + _own_handles(write_common(writer, stage, options, rare), objects)
        if stage.has("put_item"):
            write_submissions(writer, stage, rare)
            if any(aip.versions for aip in objects) or "versionitem" in rare:
                write_versions(writer, stage, options)
            if stage.has("put_relation") or "relationship" in rare:
                write_relations(writer, options)
    write_tombstones(writer, stage)
    return Written(names.missing, changed, losses)


def _own_handles(refused: Sequence[tuple[Uuid, str]], objects: Sequence[Aip]) -> list[Loss]:
    """The losses of handles that are this site's own, by the object (or part of one) that wanted them."""
    owners = {row.subject: aip for aip in objects for row in aip.handles}
    found = []
    for subject, handle in refused:
        aip = owners.get(subject)
        if aip is not None:
            lost = f"handle {handle} is the target site's own"
            found.append(Loss(aip.uuid, aip.kind, aip.handle, "site-handle", 1, lost))
    return found


def _note_what_goes(cursor: Cursor, stage: Stage, writer: Writer) -> Dropper | None:
    """Fill the `drop_*` tables; None if nothing goes."""
    if not stage.has("put_item", "put_community", "put_collection"):
        return None
    stage.fills("drop_item", "drop_bundle", "drop_bitstream")
    cursor.execute(NO_LONGER_LISTED)
    cursor.execute(PARTS_OF_DROPPED_ITEMS)
    cursor.execute(
        "SELECT EXISTS (SELECT FROM drop_item) OR EXISTS (SELECT FROM drop_bundle) "
        "OR EXISTS (SELECT FROM drop_bitstream)"
    )
    row = cursor.fetchone()
    return Dropper(writer) if row and row[0] else None
