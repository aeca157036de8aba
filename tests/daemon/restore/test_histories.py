"""Whatever is edited in whatever order: every moment of it can be had again, row by row."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from daemon.retention.policy import Policy
from daemon.retention.prune import prune
from daemon.sample.edits import EDITS
from daemon.scratch import Cluster
from events.blobs.local import LocalBlobs
from events.log.opening import open_log
from tests.chaos.wreck import Begun
from tests.comparator import End
from tests.daemon.cli.place import Templates
from tests.daemon.restore.chronicle import Chronicle, Moment
from tests.daemon.restore.owned import disturbed, strays

BY_HAND = os.environ.get("HISTORIES")
"""So many examples instead of a few that are always the same, and a failure is made small:
`HISTORIES=300 pytest tests/daemon/restore/test_histories.py`.
"""

EDIT = st.sampled_from(sorted(EDITS))
CHAPTER = st.lists(st.lists(EDIT, min_size=3, max_size=10), min_size=1, max_size=2)
"""Edits between two moments; what each inner list has is captured at once."""
HISTORY = st.lists(CHAPTER, min_size=2, max_size=5)
SEED = st.integers(0, 10_000)
PICKS = st.lists(st.integers(0, 100), min_size=2, max_size=4)

histories = settings(
    max_examples=int(BY_HAND or 3),
    deadline=None,
    derandomize=BY_HAND is None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if BY_HAND else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
numbers = count()
pytestmark = pytest.mark.timeout(0 if BY_HAND else 300)

Chapter = list[list[str]]
Begin = Callable[[int], Chronicle]


@pytest.fixture
def told(
    cluster: Cluster, begun: Begun, small: Templates, tmp_path: Path, request: pytest.FixtureRequest
) -> Begin:
    """Begins a history: `with told(seed) as story`."""

    def begin(seed: int) -> Chronicle:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return Chronicle(cluster, begun, small, folder, request.param, seed)

    return begin


def live(story: Chronicle, history: list[Chapter]) -> list[Moment]:
    """Every chapter, with the moment before it and those after each."""
    moments = [story.note()]
    for chapter in history:
        for edits in chapter:
            for line in story.edit_by(edits):
                note(line)
            story.capture()
        moments.append(story.note())
    return moments


@pytest.mark.parametrize("told", ["poll", "wal"], indirect=True)
@histories
@given(seed=SEED, history=HISTORY, picks=PICKS, empty=st.integers(0, 100))
def test_any_moment_comes_back_in_any_order(
    told: Begin, seed: int, history: list[Chapter], picks: list[int], empty: int
) -> None:
    """Back and forth, of a target in use and of an empty one; and a replay brings both to the present again."""
    with told(seed) as story:
        moments = live(story, history)
        story.good("replay")
        for pick in picks:
            back(story, moments[pick % len(moments)])
        story.good("replay")
        assert story.unlike(moments[-1]) == []
        story.another_target()
        back(story, moments[empty % len(moments)])
        story.good("replay")
        assert story.unlike(moments[-1]) == []
        story.assert_equal()


def back(story: Chronicle, moment: Moment) -> None:
    note(f"restore --at {moment.position}")
    done = story.good("restore", "--at", str(moment.position), "--yes", "--json").json
    assert done["inexact"] == 0
    assert story.unlike(moment) == []
    again = story.good("restore", "--at", str(moment.position), "--dry-run", "--json").json
    assert again["steps"] == []


@pytest.mark.parametrize("told", ["poll", "wal"], indirect=True)
@histories
@given(seed=SEED, history=HISTORY, edits=st.lists(EDIT, min_size=1, max_size=3), chapter=st.integers(0, 100))
def test_a_change_is_undone_whatever_came_later(
    told: Begin, seed: int, history: list[Chapter], edits: list[str], chapter: int
) -> None:
    """The objects that it touched are as they were just before, those that have nothing to do with them as they are;
    what cannot be, because somebody else has that name or address now, is parked and said."""
    with told(seed) as story:
        before = chapter % len(history)
        live(story, history[:before])
        then = story.note()
        for line in story.edit_by(edits[:1] if story.mode == "wal" else edits):
            note(f"to be undone: {line}")
        until = story.capture()
        live(story, history[before:])
        story.good("replay")
        xids = {event.xid for event in story.events(then.position, until)}
        for xid in xids:
            touched = {event.uuid for event in story.events(then.position, until) if event.xid == xid}
            how = ("--transaction", str(xid)) if xid else ("--between", str(then.position), str(until))
            now = End(story.target, drafts=False)
            planned = story.good("undo", *how, "--dry-run", "--json").json
            note(f"undo {how}: {planned['counts']}")
            done = story("undo", *how, "--yes", "--json")
            parked = {row["uuid"] for row in story.parked()}
            assert done.code == (3 if parked else 0), done
            undone = End(story.target, drafts=False)
            if not parked:
                assert disturbed(now, undone, touched | {step["uuid"] for step in planned["steps"]}) == []
                assert strays(then.end, undone, touched) == []
            undone.close()
            now.close()
        back(story, story.note())
        story.assert_equal()


@pytest.mark.parametrize("told", ["poll", "wal"], indirect=True)
@histories
@given(seed=SEED, history=HISTORY, kept=st.sets(st.integers(0, 5)), whole=st.integers(0, 5), picks=PICKS)
def test_kept_moments_come_back_after_retention(
    told: Begin, seed: int, history: list[Chapter], kept: set[int], whole: int, picks: list[int]
) -> None:
    """What is marked, and what is not older than the age up to which everything stays, is exact: files too, of which
    nothing waits in quarantine. Of any other moment it is said that it is not, if it is not."""
    with told(seed) as story:
        moments = live(story, history)
        story.good("replay")
        exact = {len(moments) - 1}
        for number in kept:
            if number < len(moments):
                exact.add(number)
                story.good("keep", f"moment {number}", "--at", str(moments[number].position))
        cut = whole % len(moments)
        exact |= set(range(cut, len(moments)))
        thin(story, moments[cut].position)
        for pick in [*picks, len(moments) - 1]:
            moment = moments[pick % len(moments)]
            if pick % len(moments) in exact:
                back(story, moment)
            else:
                # What needs something of which nothing is left is parked.
                ended = story("restore", "--at", str(moment.position), "--yes", "--json")
                done = ended.json
                assert ended.code == (3 if done["parked"] else 0), ended
                assert bool(done["inexact"]) >= bool(done["parked"])
                unlike = story.unlike(moment)
                assert bool(done["inexact"]) >= bool(unlike), unlike
                note(f"{done['inexact']} inexact, {len(unlike)} differences")
        story.good("replay")
        story.assert_equal()
        story.another_target()
        for pick in sorted(exact):
            back(story, moments[pick])


def thin(story: Chronicle, whole: int) -> None:
    """A run of retention that keeps every event from that position on, and of older ones what marked moments need."""
    with closing(open_log(story.log_url)) as log:
        last = next(log.read(whole - 1, limit=1)).event.commit_time
        age = timedelta(days=50)
        policy = Policy(age, age, age, age)
        blobs = LocalBlobs.from_url(f"file://{story.folder}/blobs")
        done = prune(log, blobs, policy, timedelta(0), now=datetime.fromisoformat(last) + age)
        note(f"{done.thinned} events thinned")
        for uuid, *_ in log.heads():
            assert log.latest(uuid) is not None
