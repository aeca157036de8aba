"""Which moments are kept, and what that leaves of a log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.retention.policy import FOREVER, Policy, age, moments
from daemon.retention.prune import kept_positions, prune
from events.blobs import open_blobs
from events.errors import ConfigError
from events.event import Event
from events.instants import text_of
from events.log import Log
from events.log.opening import open_log, retention_of
from tests.events.samples import deletion, event
from tests.hunting import examples

NOW = datetime(2026, 3, 15, 10, 30, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def test_grandfather_father_and_son_are_kept() -> None:
    """Each full hour of a day, each midnight of a week, each month since the log began."""
    policy = Policy(timedelta(hours=2), timedelta(days=1), timedelta(days=7), FOREVER)
    kept = moments(policy, NOW, ago(days=100))
    assert kept[-1] == ago(hours=2)
    assert datetime(2026, 3, 15, 8, tzinfo=UTC) in kept
    assert datetime(2026, 3, 15, 9, tzinfo=UTC) not in kept, "there every event is kept"
    assert datetime(2026, 3, 14, 9, tzinfo=UTC) not in kept
    assert datetime(2026, 3, 9, tzinfo=UTC) in kept
    assert datetime(2026, 3, 8, tzinfo=UTC) not in kept
    assert [moment for moment in kept if moment < ago(days=8)] == [
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "span"),
    [("12h", timedelta(hours=12)), ("30d", timedelta(days=30)), ("8w", timedelta(weeks=8)), ("forever", FOREVER)],
)
def test_ages_are_read(text: str, span: timedelta) -> None:
    assert age(text, "[retention] all") == span


@pytest.mark.parametrize("text", ["", "soon", "-1d", "3", "99999999999999y"])
def test_what_is_no_age_is_named(text: str) -> None:
    """With the key it stands under."""
    with pytest.raises(ConfigError, match=r"\[retention\] all"):
        age(text, "[retention] all")


def state(log: Log, at: int) -> dict[str, object]:
    """Everything that the log has at a position."""
    return {uuid: log.latest(uuid, at) for uuid, *_ in log.heads(at)}


events_of_a_year = st.lists(
    st.tuples(st.floats(0, 200), st.integers(1, 5), st.booleans()), min_size=1, max_size=60
).map(lambda rows: sorted(rows, reverse=True))
policies = st.builds(
    Policy, *[st.sampled_from([timedelta(0), timedelta(hours=7), timedelta(days=9), timedelta(days=50), FOREVER])] * 4
)


@settings(max_examples=examples(20), deadline=None)
@given(rows=events_of_a_year, policy=policies, marks=st.lists(st.integers(0, 60), max_size=3), twice=policies)
def test_every_kept_moment_stays_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[float, int, bool]],
    policy: Policy,
    marks: list[int],
    twice: Policy,
) -> None:
    """Whatever the history, the policy and the marks: heads and documents at each kept position are the same after the
    run; a second run of the same policy finds nothing more; and the newest events stay, whatever policy follows."""
    folder = tmp_path_factory.mktemp("retention")
    log = open_log(f"sqlite:///{folder}/log.sqlite", create=True)
    blobs = open_blobs(f"file://{folder}/blobs", create=True)
    try:
        log.append([row_event(lsn, *row) for lsn, row in enumerate(rows, 1)])
        for number, mark in enumerate(marks):
            retention_of(log).mark(str(number), min(mark, log.end()))
        kept = kept_positions(log, policy, NOW)
        whole = kept[-1]
        before = {at: state(log, at) for at in [*kept, *range(whole, log.end() + 1)]}
        planned = prune(log, blobs, policy, timedelta(days=1), now=NOW, dry_run=True)
        assert retention_of(log).thinned() == 0
        done = prune(log, blobs, policy, timedelta(days=1), now=NOW)
        assert (done.thinned, done.thinned_bytes) == (planned.thinned, planned.thinned_bytes)
        assert done.thinned == retention_of(log).thinned()
        assert {at: state(log, at) for at in before} == before
        assert prune(log, blobs, policy, timedelta(days=1), now=NOW).thinned == 0
        now = state(log, log.end())
        prune(log, blobs, twice, timedelta(days=1), now=NOW)
        assert state(log, log.end()) == now
        assert len(list(log.read(0))) == log.end() - retention_of(log).thinned()
    finally:
        log.close()


def row_event(lsn: int, days: float, number: int, gone: bool) -> Event:
    made = deletion(lsn, number) if gone else event(lsn, number, blobs=())
    return Event(
        **{name: getattr(made, name) for name in made.__struct_fields__} | {"commit_time": text_of(ago(days=days))}
    )


def test_what_is_not_needed_is_thinned(tmp_path: Path) -> None:
    """Ten edits within one hour of last month leave the last one."""
    log = open_log(f"sqlite:///{tmp_path}/log.sqlite", create=True)
    blobs = open_blobs(f"file://{tmp_path}/blobs", create=True)
    log.append([row_event(lsn, 40 - lsn / 1000, 1, False) for lsn in range(1, 11)])
    policy = Policy(timedelta(days=7), timedelta(days=14), timedelta(days=90), FOREVER)
    assert prune(log, blobs, policy, timedelta(days=1), now=NOW).thinned == 9
    assert [entry.position for entry in log.read(0)] == [10]
    log.close()
