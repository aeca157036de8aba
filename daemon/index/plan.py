"""Which runs of `index-discovery` bring the index up to date for what is due. Pure.

What its options do (DSpace 7.6 to 10, `org.dspace.discovery.IndexClient`), on which every choice here rests:

    -i UUID    indexes that object whatever the index says of it, and, if it is a container, everything below it
               that is archived. One object a run
    -r UUID    takes one document away; only of an object that is still in the database
    -c         takes every document away whose object is not in the database: the only way for deletions
    -f         indexes everything again; `-t TYPE` restricts it to one type of document (from 8 on)
    -b         the same, but empties the index first, so that searches find nothing meanwhile: never used here
    (none)     indexes what is missing, and items whose `last_modified` is after their last indexing. A replica keeps
               the source's `last_modified`, which is nearly always before it, and rights and embargoes do not move
               it: such changes would be missed. Containers and metadata fields have no such date and are always
               indexed, which is what it is used for where `-t` is not there

Invariant: every row that is given is covered by exactly one call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from daemon.index.port import Call, Pending, Row
from events.aip.model import Kind, Uuid

ONE_SECONDS: Final = 900.0
"""A run for one object that takes longer hangs."""
MANY_SECONDS: Final = 86_400.0

TYPES: Final[Mapping[Kind, str]] = {
    Kind.COMMUNITY: "Community",
    Kind.COLLECTION: "Collection",
    Kind.REGISTRY: "MetadataField",
}
"""DSpace's names for what `-t` takes."""

FORCE: Final = "-f"
CLEAN: Final = "-c"


def everything() -> list[Call]:
    """The whole index, whatever is due: every document anew, then those without an object away."""
    return [Call((FORCE,), (), MANY_SECONDS), Call((CLEAN,), (), MANY_SECONDS)]


def plan(pending: Pending, *, batch: int, start: int) -> list[Call]:
    """The calls, the most useful first: what cannot be found yet before what should not be found any more.

    One call an object, or one for the items of a collection where that is less work. Where more than `batch` calls
    would be needed, the whole index is told if that is less work, or if nobody knows how much work it is.
    """
    by_act: dict[str, list[Row]] = defaultdict(list)
    for row in pending.rows:
        by_act[row.act].append(row)
    calls, work = _of_containers(by_act["index"], types=pending.types, start=start)
    some, more = _of_items(by_act["index"], calls, pending.held, start)
    calls, work = calls + some, work + more
    if calls and (pending.more or len(calls) > batch):
        whole = None if pending.total is None or pending.more else start + pending.total
        if whole is None or whole < work:
            calls = [Call((FORCE,), tuple(by_act["index"]), MANY_SECONDS)]
    calls += [Call(("-r", row.uuid), (row,), ONE_SECONDS) for row in by_act["remove"]]
    if by_act["gone"]:
        calls.append(Call((CLEAN,), tuple(by_act["gone"]), MANY_SECONDS))
    return calls


def _of_containers(rows: list[Row], *, types: bool, start: int) -> tuple[list[Call], int]:
    """The calls for containers and metadata fields, and what they cost."""
    alone: dict[Kind, list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind in TYPES and not row.below:
            alone[row.kind].append(row)
    calls = [Call(("-i", row.uuid), (row,), MANY_SECONDS) for row in rows if row.kind is not Kind.ITEM and row.below]
    if types:
        calls += [Call((FORCE, "-t", TYPES[kind]), tuple(some), MANY_SECONDS) for kind, some in alone.items()]
    elif alone[Kind.REGISTRY]:
        calls.append(Call((), tuple(row for some in alone.values() for row in some), MANY_SECONDS))
    else:
        calls += [Call(("-i", row.uuid), (row,), MANY_SECONDS) for some in alone.values() for row in some]
    return calls, len(calls) * start


def _of_items(rows: list[Row], containers: list[Call], held: Mapping[Uuid, int], start: int) -> tuple[list[Call], int]:
    """The calls for items, and what they cost. A collection that is indexed with all below it covers its own."""
    covering = {call.arguments[1]: number for number, call in enumerate(containers) if call.arguments[:1] == ("-i",)}
    inside: dict[Uuid, list[Row]] = defaultdict(list)
    calls: list[Call] = []
    work = 0
    for row in rows:
        if row.kind is not Kind.ITEM:
            continue
        if row.collection is None:
            calls.append(Call(("-i", row.uuid), (row,), ONE_SECONDS))
            work += start + 1
        else:
            inside[row.collection].append(row)
    for collection, some in inside.items():
        size = held.get(collection)
        if collection in covering:
            number = covering[collection]
            containers[number] = containers[number]._replace(covers=(*containers[number].covers, *some))
        elif len(some) > 1 and size is not None and start + size < len(some) * (start + 1):
            calls.append(Call(("-i", collection), tuple(some), MANY_SECONDS))
            work += start + size
        else:
            calls += [Call(("-i", row.uuid), (row,), ONE_SECONDS) for row in some]
            work += len(some) * (start + 1)
    return calls, work
