"""Whatever is done in whatever order, and wherever it is interrupted: in the end both repositories are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from daemon import failpoint
from daemon.capture_loop import capture_current
from daemon.catch_up import replay_current
from daemon.config import load
from daemon.positions import own_position
from daemon.scratch import Cluster
from events.log.opening import open_log
from tests.chaos.wreck import Wreck
from tests.daemon.cli.place import Templates


class Crash(BaseException):
    """What no handler of an error may hold up."""


class Trap:
    """Raises Crash when a place is passed for the n-th time."""

    def __init__(self, name: str, times: int) -> None:
        self.name, self.left = name, times

    def __call__(self, name: str) -> None:
        if name == self.name:
            self.left -= 1
            if self.left == 0:
                raise Crash(name)


Step = tuple[str, float, float]

STEPS = st.one_of(
    st.tuples(st.just("edit"), st.integers(1, 12), st.just(0)),
    st.tuples(st.just("capture"), st.just(0), st.just(0)),
    st.tuples(st.just("replay"), st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.just("replay again"), st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.just("crash"), st.sampled_from(failpoint.NAMES), st.integers(1, 4)),
)
"""A crash is that of the capture or replay that comes next."""


SEEDS = count()
"""Two editors of one seed could draw the same UUIDs."""


@pytest.fixture(scope="module")
def long_lived(
    cluster: Cluster, small: Templates, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Wreck]:
    """A place that all examples use one after another: each begins where the one before has ended, both ends equal."""
    wreck = Wreck(cluster, small, tmp_path_factory.mktemp("long_lived"), request.param)
    wreck.good("init")
    wreck.good("run", "--until-current")
    yield wreck
    wreck.close()


@pytest.mark.parametrize("long_lived", ["poll", "wal"], indirect=True)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # the place has gone on meanwhile: a smaller example would be another one
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=3, max_size=8), batch=st.sampled_from([1, 3, 20]))
def test_any_interrupted_sequence_ends_equal(
    long_lived: Wreck, steps: list[tuple[str, float, float]], batch: int
) -> None:
    """Edits, captures, replays up to anywhere or from anywhere, crashes at every place. Nobody edits the target, so
    no edit of it is told either, which would hold an object up.
    """
    wreck = long_lived
    wreck.configure(more=f'batch = {batch}\non_drift = "park"')
    try:
        for what, one, other in steps:
            note(f"{what} {one} {other}")
            do(wreck, what, one, other)
    finally:
        failpoint.hit = None
    wreck.good("run", "--until-current")
    assert wreck.parked() == []
    wreck.assert_equal()
    wreck.assert_nothing_doubled()


def do(wreck: Wreck, what: str, one: float, other: float) -> None:
    """One step. A crash ends it and is forgotten, as a process is that was killed."""
    config = load(Path(wreck.path))
    try:
        if what == "edit":
            wreck.edit(int(one), next(SEEDS))
        elif what == "crash":
            failpoint.hit = Trap(str(one), int(other))
        elif what == "capture":
            capture_current(config)
        else:
            with closing(open_log(wreck.log_url)) as log:
                end, own = log.end(), own_position(config, log)
            begin, until = None, max(own, int(max(one, other) * end))
            if what == "replay again":  # from before the target's position
                begin = int(min(one, other) * own)
                until = max(begin, int(max(one, other) * end))
            drifted = replay_current(config, after=begin, until=until)[0].drifted
            assert drifted == []
    except Crash:
        failpoint.hit = None
