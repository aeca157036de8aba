"""Events that come in another order than they should: what they need is waited for, and nothing else is."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest

from daemon.target.batch import decode
from events.aip.model import Kind
from events.event import Event
from events.log.opening import open_log
from tests.chaos.wreck import Wreck


def write(wreck: Wreck, events: Sequence[Event]) -> None:
    """Append to the log that the target reads."""
    with closing(open_log(f"sqlite:///{wreck.folder}/other.sqlite", create=True)) as log:
        log.append(events)
    wreck.path.write_text(wreck.path.read_text().replace("/log.sqlite", "/other.sqlite"))


def without(wreck: Wreck, withheld: Callable[[Event], bool]) -> list[Event]:
    """Write all events but some; return those."""
    events = [entry.event for entry in wreck.entries()]
    kept = [event for event in events if not withheld(event)]
    write(wreck, kept)
    return [event for event in events if event not in kept]


def there(wreck: Wreck, table: str) -> set[str]:
    return {uuid for (uuid,) in wreck.sql(wreck.target, f"SELECT uuid::text FROM {table}")}


def below(events: Sequence[Event], top: str) -> set[str]:
    """Every object that cannot be there without that container."""
    found = {top}
    while more := {event.uuid for event in events if event.parents[:1] and event.parents[0] in found} - found:
        found |= more
    return found - {top}


@pytest.mark.parametrize("kind", [Kind.COMMUNITY, Kind.COLLECTION])
def test_what_lacks_its_container_waits_for_it_and_for_nothing_else(captured: Wreck, kind: Kind) -> None:
    """The container with most below it is withheld: that is parked with the reason, all the rest is there; then it
    comes, and everything is released by itself.
    """
    events = [entry.event for entry in captured.entries()]
    top = max((event.uuid for event in events if event.kind is kind), key=lambda uuid: len(below(events, uuid)))
    waiting = below(events, top)
    assert len(waiting) > 2
    withheld = without(captured, lambda event: event.uuid == top)
    assert captured("replay").code == 3
    parked = captured.parked()
    assert {one["uuid"] for one in parked} == waiting
    assert {one["error"] for one in parked} == {"ParentMissing"}
    assert all("not on the target" in one["reason"] for one in parked)
    items = {event.uuid for event in events if event.kind is Kind.ITEM}
    assert there(captured, "item") >= items - waiting
    assert not there(captured, "item") & waiting
    write(captured, withheld)
    released = captured.good("replay", "--json").json["applied"]
    assert released["released"] >= len(waiting)
    captured.assert_equal()


@pytest.mark.parametrize("place", ["replay.committed", "replay.committed:2"])
def test_a_release_that_is_killed_is_made_up_for(captured: Wreck, place: str) -> None:
    """The container is committed, and the process is killed before what waited for it is: the next one sees to that,
    though no further event comes.
    """
    captured.configure(more="batch = 3")
    events = [entry.event for entry in captured.entries()]
    top = max(
        (event.uuid for event in events if event.kind is Kind.COMMUNITY), key=lambda uuid: len(below(events, uuid))
    )
    withheld = without(captured, lambda event: event.uuid == top)
    assert captured("replay").code == 3
    write(captured, withheld)
    assert captured.command("replay", AIPSTREAM_FAILPOINT=place).code == -signal.SIGKILL
    captured.fine("replay")
    captured.assert_equal()


@pytest.mark.parametrize(
    ("kind", "killed"),
    [(kind, False) for kind in (Kind.GROUP, Kind.PERSON, Kind.ITEM, Kind.COLLECTION, Kind.REGISTRY)]
    + [(Kind.GROUP, True), (Kind.ITEM, True)],
)
def test_references_stand_when_their_far_end_has_come(captured: Wreck, kind: Kind, killed: bool) -> None:
    """Every second object of a kind is withheld: members, submitters, policies, relationships, mappings and versions
    that speak of them are left out, and stand when they have come.
    """
    counter = iter(range(1_000_000))
    withheld = without(captured, lambda event: event.kind is kind and next(counter) % 2 == 0)
    assert len(withheld) > 1
    assert captured("replay").code in {0, 3}
    assert captured.differences() != []
    write(captured, withheld)
    if killed:
        assert captured.command("replay", AIPSTREAM_FAILPOINT="replay.committed").code == -signal.SIGKILL
    captured.fine("replay")
    captured.assert_equal()


@pytest.mark.parametrize("order", ["backwards", 1, 2])
def test_any_order_of_the_log_comes_to_the_same(captured: Wreck, order: int | str) -> None:
    """The whole log backwards or at random, in small batches: children before parents, members before groups, items
    before the registries of their fields. It ends equal, with nothing parked.
    """
    events = [entry.event for entry in captured.entries()]
    if order == "backwards":
        events.reverse()
    else:
        random.Random(order).shuffle(events)
    captured.configure(more="batch = 7")
    write(captured, events)
    captured.good("replay")
    captured.assert_equal()


def test_a_person_that_is_gone_before_the_items_come_is_not_waited_for(captured: Wreck) -> None:
    """Waiting references of an object that is deleted are forgotten with it."""
    events = [entry.event for entry in captured.entries()]
    item = next(event for event in events if event.kind is Kind.ITEM and decode(event).items[0].submitter)
    submitter = decode(item).items[0].submitter
    without(captured, lambda event: event.uuid == submitter)
    captured("replay")
    waiting = captured.sql(captured.target, "SELECT uuid::text FROM aipstream.waiting WHERE needs = %s", submitter)
    assert (item.uuid,) in waiting
