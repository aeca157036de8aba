"""What one event is in the archive: its files, and what is said of it.

| kind                              | document        | files                                        |
|-----------------------------------|-----------------|----------------------------------------------|
| site, community, collection, item | `mets.xml`      | `bitstream_UUID.pdf`, as the manifest says   |
| person, group                     | `roles.xml`     |                                              |
| registry                          | `registry.xml`  |                                              |
| tombstone                         | `tombstone.xml` |                                              |
| anything that was deleted         |                 |                                              |

and `event.json`, the envelope, beside each of them.

Invariants:

* Pure, and of the event alone: what another object is called or contains at some other moment changes nothing in it.
* No name that somebody has given to a file is a name here: names are made of UUIDs, with a harmless suffix.
* `events.aip.read` of the document gives the object as the event has it (without password hashes, unless asked for).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from msgspec.structs import replace

import events.aip
from daemon.history.changes import changes
from events.aip import stock_out
from events.aip.files import NAME_FIELD, entry_name
from events.aip.mets import TYPES
from events.aip.model import Aip, Uuid
from events.aip.surroundings import Surroundings
from events.event import Event, Position, Type, decompress, lsn_text
from events.package.ocfl import DOCUMENTS

SENTENCES: Final = 25
"""Of a message, at most; the documents themselves have every row."""
LONGEST: Final = 300
"""Characters of a sentence."""


class Bitstream(NamedTuple):
    """A content of a state. `called` is its real name, for people; `md5` what DSpace says, None if it says nothing."""

    name: str
    called: str
    sha256: str | None
    size: int
    md5: str | None


class State(NamedTuple):
    """One event as files. `aip` is None, and there is no document, for a delete."""

    event: Event
    position: Position
    aip: Aip | None
    name: str
    document: bytes
    bitstreams: tuple[Bitstream, ...]


def state(event: Event, position: Position, *, passwords: bool) -> State:
    """The files of an event. Raises InvalidAip, ValueError for a damaged payload."""
    name = DOCUMENTS[event.kind]
    if event.type is Type.DELETE:
        return State(event, position, None, name, b"", ())
    document = decompress(event.payload)
    aip = events.aip.read(document)
    person = aip.person
    if person is not None and person.password is not None and not passwords:
        aip = replace(aip, person=replace(person, password=None, salt=None, digest_algorithm=None))
        document = events.aip.write(aip)
    if event.kind in TYPES:
        document = stock_out.write(aip, Surroundings(withdrawn=True))
    return State(event, position, aip, name, document, tuple(_bitstreams(aip)))


def _bitstreams(aip: Aip) -> list[Bitstream]:
    if aip.kind not in TYPES:
        return []
    names = {row.subject: row.text for row in reversed(aip.values) if row.field == NAME_FIELD}
    sha256: dict[Uuid, str | None] = {row.uuid: row.sha256 for row in aip.stored}
    found: dict[Uuid, Bitstream] = {}
    for row in aip.bitstreams:
        md5 = row.checksum.lower() if row.checksum and (row.checksum_algorithm or "").upper() == "MD5" else None
        called = names.get(row.uuid)
        found[row.uuid] = Bitstream(
            entry_name(row.uuid, called), called or row.uuid, sha256.get(row.uuid), row.size, md5
        )
    return list(found.values())


def envelope(state: State, log: str, left_out: list[str], *, thinned: bool = False) -> dict[str, Any]:
    """`event.json`: which event of which log it is. `left_out` names the files whose contents could not be had;
    `thinned`: the log no longer had the event before it.
    """
    event = state.event
    said = {
        "type": event.type.value,
        "kind": event.kind.value,
        "uuid": event.uuid,
        "handle": event.handle,
        "parents": list(event.parents),
        "commit_time": event.commit_time,
        "source": event.source,
        "lsn": lsn_text(event.lsn),
        "transaction": event.xid or None,
        "fingerprint": event.digest or None,
        "log": log,
        "position": state.position,
        "left_out": left_out,
        "thinned": thinned or None,
    }
    return {name: value for name, value in said.items() if value not in (None, [])}


def message(before: Aip | None, state: State, *, first: bool, thinned: str | None) -> str:
    """What changed by the event, in words; `before` is the version before, None if the object was not there.

    `thinned` says that events between were taken away, so that these are the changes of several.
    """
    told = changes(before, state.aip)
    if before is None and state.aip is not None and not first:
        told = ["there again: " + sentence for sentence in told]
    if not told:
        told = ["nothing changed" if state.aip is not None else "deleted"]
    more = len(told) - SENTENCES
    told = [sentence if len(sentence) <= LONGEST else f"{sentence[:LONGEST]}…" for sentence in told[:SENTENCES]]
    if more > 0:
        told.append(f"and {more:,} more changes")
    if thinned:
        told.append(thinned)
    return "; ".join(told)
