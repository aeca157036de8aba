"""The items of a window, divided: nothing that belongs together is parted, and nothing is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.target.parallel.divide import Link, divide, parted
from events.aip.model import Kind
from events.event import Event, Type
from events.log import Entry
from tests.events.samples import uuid_of


def event(number: int, kind: Kind = Kind.ITEM, type_: Type = Type.PUT) -> Event:
    return Event(source="s", lsn=number, uuid=uuid_of(number), kind=kind, type=type_, commit_time="")


ITEMS = st.integers(0, 12)
NAMES = st.tuples(st.sampled_from("ohdf"), st.sampled_from("abcde"))


@given(
    links=st.dictionaries(ITEMS, st.frozensets(NAMES, max_size=2), max_size=12),
    edges=st.lists(st.tuples(st.one_of(NAMES, ITEMS.map(lambda n: ("o", uuid_of(n)))), NAMES), max_size=6),
    workers=st.integers(1, 5),
)
def test_what_is_joined_by_any_way_is_in_one_share(
    links: dict[int, frozenset[Link]], edges: list[tuple[Link, Link]], workers: int
) -> None:
    """By a link in common, by an edge, or by a chain of them; each item is in one share, in the order of the log."""
    entries = [Entry(number + 1, event(number)) for number in sorted(links)]
    shares = divide(entries, {entry.position: links[entry.position - 1] for entry in entries}, edges, workers)
    assert sorted(entry.position for share in shares for entry in share) == [entry.position for entry in entries]
    assert all(share == sorted(share, key=lambda entry: entry.position) for share in shares)
    where = {entry.event.uuid: number for number, share in enumerate(shares) for entry in share}
    pairs = [(("o", entry.event.uuid), link) for entry in entries for link in links[entry.position - 1]] + edges
    for begin in where:
        reached: set[Link] = {("o", begin)}
        while more := {far for one, other in pairs for far in (one, other) if reached & {one, other}} - reached:
            reached |= more
        assert {where[name] for kind, name in reached if kind == "o" and name in where} == {where[begin]}


def test_a_window_is_written_in_three_parts() -> None:
    """What everything hangs on by its kind, the items, then deletions and tombstones; a group or a person that goes
    makes it one batch.
    """
    kinds = [Kind.ITEM, Kind.COLLECTION, Kind.COMMUNITY, Kind.REGISTRY, Kind.TOMBSTONE]
    entries = [Entry(number, event(number, kind)) for number, kind in enumerate(kinds, 1)]
    entries.append(Entry(9, event(9, Kind.COLLECTION, Type.DELETE)))
    parts = parted(entries)
    assert parts is not None
    assert [[entry.position for entry in part] for part in parts] == [[4, 3, 2], [1], [5, 9]]
    for kind in (Kind.GROUP, Kind.PERSON):
        assert parted([*entries, Entry(10, event(10, kind, Type.DELETE))]) is None
