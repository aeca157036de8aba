"""A position between two events of one moment, which the source never stood at: what goes back to there and on again
is whole, and nothing that the restore did to it is taken for an edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from daemon.scratch import Cluster
from events.aip.model import Kind
from events.event import Event
from tests.chaos.wreck import Begun
from tests.daemon.cli.place import Templates
from tests.daemon.cli.test_restore import retitle, title
from tests.daemon.restore.chronicle import Chronicle
from tests.daemon.restore.test_histories import EDIT
from tests.hunting import examples

numbers = count()

NOTE_ON_SITE = """
INSERT INTO metadatavalue (metadata_value_id, metadata_field_id, dspace_object_id, text_value, place, confidence)
SELECT nextval('metadatavalue_seq'), min(metadata_field_id), (SELECT uuid FROM site), 'By hand', 77, -1
FROM metadatafieldregistry"""


class Begin:
    """`with told(seed) as story`."""

    def __init__(self, cluster: Cluster, begun: Begun, small: Templates, folder: Path) -> None:
        self.parts = cluster, begun, small
        self.folder = folder

    def __call__(self, seed: int = 1) -> Chronicle:
        folder = self.folder / str(next(numbers))
        folder.mkdir()
        return Chronicle(*self.parts, folder, "poll", seed)


@pytest.fixture
def told(cluster: Cluster, begun: Begun, small: Templates, tmp_path: Path) -> Begin:
    return Begin(cluster, begun, small, tmp_path)


@pytest.fixture
def story(told: Begin) -> Iterator[Chronicle]:
    with told() as made:
        yield made


def back(story: Chronicle, at: int) -> None:
    story.good("restore", "--at", str(at), "--yes")


def on(story: Chronicle, on_drift: str) -> list[str]:
    """Replay to the end; the kinds of the objects that are said to be edited."""
    done: Any = story("replay", "--on-drift", on_drift, "--json").json
    return sorted(each["kind"] for each in done["drifted"])


def first(events: list[Event], kind: Kind) -> int:
    """The position of the first event of a kind."""
    return next(place for place, event in enumerate(events, 1) if event.kind is kind)


def test_a_restore_to_between_the_events_of_the_first_sweep_is_no_edit(story: Chronicle) -> None:
    """Among the groups, just before the site, among containers and among items: the site loses policies and
    subscriptions, groups their members, items what they are related to and their later versions. A replay tells no
    edit and brings all of that back, whatever it does with what was edited."""
    events = story.events(0, story.end())
    site, items = first(events, Kind.SITE), first(events, Kind.ITEM)
    places = [
        (first(events, Kind.GROUP) + 3, "park"), (site - 1, "skip"), (first(events, Kind.COLLECTION) + 1, "park"),
        (items + 8, "skip"),
    ]  # fmt: skip
    for at, on_drift in places:
        back(story, at)
        assert on(story, on_drift) == [], at
        assert story.differences() == [], at
        assert story.sql(story.target, "SELECT uuid FROM aipstream.waiting") == [], at
    story.assert_equal()


@settings(
    max_examples=examples(2), deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(
    seed=st.integers(0, 10_000), edits=st.lists(EDIT, min_size=15, max_size=30),
    picks=st.lists(st.integers(0, 200), min_size=2, max_size=2), on_drift=st.sampled_from(["park", "skip"]),
)  # fmt: skip
def test_a_restore_to_any_position_of_the_log_is_no_edit(
    told: Begin, seed: int, edits: list[str], picks: list[int], on_drift: str
) -> None:
    """Whatever was edited between two sweeps, and however far the first or the second one had come."""
    with told(seed) as story:
        for line in story.edit_by(edits):
            note(line)
        end = story.capture()
        story.good("replay")
        for pick in picks:
            at = 1 + pick % (end - 1)
            note(f"restore --at {at} of {end}")
            back(story, at)
            assert on(story, on_drift) == []
            assert story.differences() == []
        story.assert_equal()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_edit_before_or_after_such_a_restore_is_told(story: Chronicle, when: str) -> None:
    """The site was edited by hand, and loses policies and subscriptions by the restore; its event comes next."""
    site = first(story.events(0, story.end()), Kind.SITE)
    if when == "before":
        story.sql(story.target, NOTE_ON_SITE)
    back(story, site - 20)
    if when == "after":
        story.sql(story.target, NOTE_ON_SITE)
    assert on(story, "park") == ["site"]
    assert [row["error"] for row in story.parked()] == ["EditedOnTarget"]
    back(story, story.end())
    story.good("replay", "--again", story.events(site - 1, site)[0].uuid)
    story.assert_equal()


def test_a_restore_that_was_killed_between_the_events_goes_on_by_a_replay(story: Chronicle) -> None:
    """All is deleted that came later, and what has lost something by it was not looked at again."""
    events = story.events(0, story.end())
    at = first(events, Kind.ITEM) + 8
    killed = story.command("restore", "--at", str(at), "--yes", AIPSTREAM_FAILPOINT="restore.applied")
    assert killed.code == -9
    assert on(story, "park") == []
    story.assert_equal()


def test_an_object_that_came_back_alone_stays_so_when_what_it_lacked_comes_too(story: Chronicle) -> None:
    """An item is brought to an older title while one that it is related to is away; then that one comes back."""
    events = story.events(0, story.end())
    places = {event.uuid: place for place, event in enumerate(events, 1)}
    related = story.sql(story.target, "SELECT left_id::text, right_id::text FROM relationship ORDER BY id")
    mine, other = next(pair for pair in related if set(pair) <= set(places) and title(story, pair[0]))
    old, then = title(story, mine), story.end()
    retitle(story, mine, "Later")
    story.good("restore", "--object", other, "--at", str(places[other] - 1), "--yes")
    story.good("restore", "--object", mine, "--at", str(then), "--yes")
    story.good("restore", "--object", other, "--at", str(then), "--yes")
    assert title(story, mine) == old
    together = "SELECT count(*) FROM relationship WHERE left_id = %s AND right_id = %s"
    assert story.sql(story.target, together, mine, other) == story.sql(story.source, together, mine, other)
    story.good("replay", "--again", mine)
    story.assert_equal()
