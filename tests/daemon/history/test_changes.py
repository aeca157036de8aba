"""What changed, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from daemon.history.between import between
from daemon.history.changes import changes
from daemon.history.why import document, steps
from daemon.sample.edits import EDITS, NothingToEdit
from daemon.scratch import Cluster
from events.aip.model import Aip, ItemRow, Kind, Member, Name, PersonRow, Policy, Value
from events.aip.order import canonical
from tests.daemon.pair import Pair
from tests.events.aip.strategies import aips

KINDS = [kind for kind in Kind if kind is not Kind.TOMBSTONE]
ITEM = "11111111-1111-1111-1111-111111111111"
OLD, NEW, READERS = (f"{digit * 8}-2222-2222-2222-222222222222" for digit in "234")


@given(st.sampled_from(KINDS).flatmap(aips))
def test_an_object_does_not_differ_from_itself(aip: Aip) -> None:
    """No sentence about nothing."""
    assert changes(canonical(aip), canonical(aip)) == []


@given(st.data(), st.sampled_from(KINDS))
def test_no_difference_goes_without_a_word(data: st.DataObject, kind: Kind) -> None:
    """Whatever row is taken away from an object, something is said of it."""
    aip = canonical(data.draw(aips(kind)))
    fields = [name for name in aip.__struct_fields__ if name != "names" and isinstance(getattr(aip, name), list)]
    filled = [name for name in fields if getattr(aip, name)]
    if not filled:
        return
    name = data.draw(st.sampled_from(filled))
    less = replace(aip, **{name: getattr(aip, name)[1:]})
    assert changes(aip, less)
    assert changes(less, aip)


def item(**more: object) -> Aip:
    """A small item in the collection `OLD`."""
    given: dict[str, object] = {
        "items": [ItemRow(ITEM, None, True, False, True, None, None, OLD)],
        "values": [Value(ITEM, "dc.title", 0, "Before")],
        "names": [
            Name(OLD, Kind.COLLECTION, "123456789/2"),
            Name(NEW, Kind.COLLECTION, "123456789/3"),
            Name(READERS, Kind.GROUP, "Readers"),
        ],
    }
    return Aip(kind=Kind.ITEM, uuid=ITEM, **(given | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (item(values=[Value(ITEM, "dc.title", 0, "After")]), "dc.title: 'Before' -> 'After'"),
        (item(items=[ItemRow(ITEM, None, False, True, True, None, None, OLD)]), "withdrawn"),
        (
            item(items=[ItemRow(ITEM, None, True, False, True, None, None, NEW)]),
            "moved from 123456789/2 to 123456789/3",
        ),
        (item(parents=[Member(ITEM, NEW)]), "mapped into 123456789/3"),
        (
            item(policies=[Policy(ITEM, 0, READERS, None, "2027-01-01", None, "embargo")]),
            "READ for Readers from 2027-01-01 (embargo)",
        ),
    ],
)
def test_things_are_called_by_their_names(after: Aip, said: str) -> None:
    """Handles and names of groups, not UUIDs."""
    assert said in changes(item(), after)


def test_a_password_is_not_told() -> None:
    """Only that it changed."""
    one = Aip(
        kind=Kind.PERSON, uuid=ITEM, person=PersonRow(ITEM, None, "a@b.org", None, True, False, False, None, "x" * 40)
    )
    other = replace(one, person=PersonRow(ITEM, None, "a@b.org", None, True, False, False, None, "y" * 40))
    assert changes(one, other) == ["password changed"]


@pytest.mark.timeout(300)
def test_every_kind_of_edit_is_told(cluster: Cluster, tmp_path: Path) -> None:
    """After each kind of edit of a repository, what the log has of the touched objects says what changed; and what
    is said to differ between two moments is what has events in between."""
    pair = Pair(cluster, tmp_path, "9", items=20)
    try:
        pair.capture()
        begin = pair.log.end()
        for edit in EDITS:
            before = pair.log.end()
            try:
                pair.editor.do(edit)
            except NothingToEdit:
                continue
            pair.capture()
            for _, event, _ in pair.log.read(before):
                told = list(steps(pair.log, event.uuid, pair.log.end()))[-1]
                assert told.changes, edit
                assert told.changes != ["nothing changed"], edit
        touched = {event.uuid for _, event, _ in pair.log.read(begin)}
        found = {each.uuid: each for each in between(pair.log, begin, pair.log.end(), words=True)}
        assert found.keys() <= touched
        for uuid in touched:
            old, new = pair.log.latest(uuid, begin), pair.log.latest(uuid)
            assert new is not None
            told_words = changes(document(old.event) if old else None, document(new.event))
            assert bool(told_words) == (uuid in found), told_words
    finally:
        pair.close()
