"""Replacing, as a function on rows."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from daemon.importing.merged import merged, same
from daemon.importing.renamed import renamed
from events.aip.model import Aip, Kind
from events.aip.order import canonical
from events.aip.parts import parts
from tests.events.aip.strategies import aips
from tests.hunting import examples

NOW = "2026-01-31T12:00:00.000000Z"
KINDS = st.sampled_from([Kind.PERSON, Kind.GROUP, Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM])
slow = settings(max_examples=examples(60), suppress_health_check=list(HealthCheck), deadline=None)


@slow
@given(KINDS.flatmap(aips), st.booleans())
def test_what_is_replaced_by_itself_stays(aip: Aip, whole: bool) -> None:
    """Whatever it is, and however much the package says."""
    there = canonical(replace(aip, names=[]))
    assert same(merged(there, there, whole=whole, now=NOW), there)


@slow
@given(KINDS.flatmap(lambda kind: st.tuples(aips(kind), aips(kind))), st.booleans())
def test_merging_twice_is_merging_once(pair: tuple[Aip, Aip], whole: bool) -> None:
    """So an import that is run again writes nothing."""
    present, other = pair
    incoming = renamed(other, {other.uuid: present.uuid})
    if {present.uuid, *parts(present)} & set(parts(incoming)):
        return
    once = merged(canonical(present), incoming, whole=whole, now=NOW)
    assert same(merged(once, incoming, whole=whole, now="2027-01-31T12:00:00.000000Z"), once)
    assert once.uuid == present.uuid


@slow
@given(KINDS.flatmap(aips))
def test_renaming_there_and_back_is_nothing(aip: Aip) -> None:
    """Only what holds UUIDs is exchanged, and all of it."""
    there = {uuid: f"{number:08x}-ffff-4fff-8fff-ffffffffffff" for number, uuid in enumerate((aip.uuid, *parts(aip)))}
    back = {new: old for old, new in there.items()}
    assert renamed(renamed(aip, there), back) == aip
