"""Events to put into logs."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from hypothesis import strategies as st

from events.aip.model import Kind
from events.event import Event, Type


def uuid_of(number: int) -> str:
    """A UUID for a number; the order of the UUIDs is not that of the numbers."""
    return str(uuids.uuid5(uuids.NAMESPACE_OID, str(number)))


def time_of(lsn: int) -> str:
    """One second for each LSN."""
    return f"2026-03-01T{lsn // 3600 % 24:02}:{lsn // 60 % 60:02}:{lsn % 60:02}.000000Z"


def event(lsn: int, number: int | None = None, **fields: Any) -> Event:
    """The event of object `number` (of its own, if None) at that LSN."""
    number = lsn if number is None else number
    given: dict[str, Any] = {
        "source": "repository",
        "lsn": lsn,
        "uuid": uuid_of(number),
        "kind": Kind.ITEM,
        "type": Type.PUT,
        "commit_time": time_of(lsn),
        "xid": 700 + lsn,
        "digest": f"digest {number} at {lsn}",
        "handle": f"123456789/{number}",
        "parents": (uuid_of(-1), uuid_of(-2)),
        "blobs": ("0f" * 32,),
        "payload": f"the state of {number} at {lsn}".encode(),
    }
    return Event(**(given | fields))


def deletion(lsn: int, number: int) -> Event:
    """The deletion of object `number`."""
    return event(lsn, number, type=Type.DELETE, digest="", parents=(), blobs=(), payload=b"")


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_sixty_three_bits = st.integers(0, 2**63 - 1)

any_event = st.builds(
    Event,
    source=_texts,
    lsn=_sixty_three_bits,
    uuid=st.uuids().map(str),
    kind=st.sampled_from(Kind),
    type=st.sampled_from(Type),
    commit_time=st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='microseconds')}Z"),
    xid=_sixty_three_bits,
    digest=_texts,
    handle=st.none() | _texts,
    parents=st.lists(st.uuids().map(str), max_size=4).map(tuple),
    blobs=st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=4).map(tuple),
    payload=st.binary(max_size=5000),
)
