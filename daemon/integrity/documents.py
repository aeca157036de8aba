"""What a payload says of itself: whether it is the AIP of its event, and whose it is where no header tells.

Invariant: whatever the bytes are, nothing but a flaw comes of it.
"""

from __future__ import annotations

from events.aip import read
from events.errors import InvalidAip
from events.event import Event, Type, decompress
from events.log.inspecting import Claimed, Fault, Flaw


def looked_into(event: Event) -> tuple[list[Flaw], dict[str, int]]:
    """What is wrong with the document of an event, and the bytes that each of its contents should have."""
    if event.type is Type.DELETE:
        return ([Flaw(Fault.DOCUMENT, "it is a deletion with a document")] if event.payload else []), {}
    try:
        aip = read(decompress(event.payload))
    except (ValueError, InvalidAip) as error:
        return [Flaw(Fault.DOCUMENT, f"its document cannot be read: {error}")], {}
    if (aip.kind, aip.uuid) != (event.kind, event.uuid):
        return [Flaw(Fault.DOCUMENT, f"its document is that of {aip.kind.value} {aip.uuid}")], {}
    needed = {row.uuid: row.sha256 for row in aip.stored if row.sha256}
    unnamed = set(needed.values()) - set(event.blobs)
    if unnamed:
        return [Flaw(Fault.DOCUMENT, f"its document needs {len(unnamed)} contents that the event does not name")], {}
    return [], {needed[row.uuid]: row.size for row in aip.bitstreams if row.uuid in needed}


def named(payload: bytes) -> Claimed | None:
    """Whose document that is; None if it is none. No document tells its time."""
    try:
        aip = read(decompress(payload))
    except (ValueError, InvalidAip):
        return None
    return Claimed(aip.uuid, aip.kind.value, aip.handle, "")
