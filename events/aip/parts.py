"""The parts of an object, which have UUIDs of their own: its template item, bundles and files, a logo among them.

Invariant of an object that can stand in a repository: a UUID is of one thing, the object itself included. A codec
carries documents in which that is not so (`events.aip` reads what is written); whoever makes rows of one asks first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from events.aip.files import file_name
from events.aip.model import Aip, Kind, Uuid
from events.errors import InvalidAip

_HINT: Final = (
    "No repository can hold that, so the document was not made by one. Give each part a UUID of its own in it, or have "
    "the object exported, or captured by `aipstream snapshot`, anew."
)


def parts(aip: Aip) -> list[Uuid]:
    """The object's own parts: template item, bundles, bitstreams and logos."""
    found = [row.uuid for row in aip.items if row.uuid != aip.uuid]
    return found + [row.uuid for row in aip.bundles] + [row.uuid for row in aip.bitstreams]


def need_distinct(aip: Aip) -> None:
    """Raise InvalidAip if two of the object and its parts share a UUID, or a part has two contents."""
    every = [aip.uuid, *(uuid for uuid, _ in _things(aip))]
    places = [row.uuid for row in aip.stored]
    if len(set(every)) == len(every) and len(set(places)) == len(places):
        return
    what = f"{aip.kind} {aip.handle or aip.uuid}"
    seen = {aip.uuid: f"the {aip.kind} itself"}
    for uuid, thing in _things(aip):
        called = _called(aip, uuid, thing)
        if uuid in seen:
            raise InvalidAip(f"{what}: {seen[uuid]} and {called} share the UUID {uuid}", _HINT)
        seen[uuid] = called
    twice = next(uuid for uuid in places if places.count(uuid) > 1)
    raise InvalidAip(f"{what}: two contents are named for the file {twice}", _HINT)


def _things(aip: Aip) -> Iterator[tuple[Uuid, str]]:
    """The UUIDs of all parts, and what each of them is."""
    itself = aip.kind is Kind.ITEM
    for item in aip.items:
        if itself and item.uuid == aip.uuid:
            itself = False
        else:
            yield item.uuid, "an item"
    for bundle in aip.bundles:
        yield bundle.uuid, "a bundle"
    for bitstream in aip.bitstreams:
        yield bitstream.uuid, "a file"


def _called(aip: Aip, uuid: Uuid, thing: str) -> str:
    name = file_name([row for row in aip.values if row.subject == uuid])
    return f"{thing} {name[:80]!r}" if name and uuid != aip.uuid else thing
