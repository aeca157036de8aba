"""Whatever the log: the archive is valid, each version is the log's event, and one run or many make the same of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon import failpoint as failpoints
from tests.daemon.export.composed import uuid_of
from tests.daemon.export.ocfl.living import Living, object_files, says_the_log, valid
from tests.hunting import examples

NAMES = st.sampled_from(["a.txt", "../../x", "b.tar.gz", "x" * 300, "ü\n.pdf", "..", ""])
CONTENTS = st.binary(max_size=3)
BUNDLES = st.sampled_from(["ORIGINAL", "TEXT", "../LICENSE"])
FILES = st.dictionaries(BUNDLES, st.dictionaries(NAMES, CONTENTS, max_size=3), max_size=2)
ITEMS = st.integers(10, 12)
STEP = st.one_of(
    st.tuples(st.just("item"), ITEMS, FILES, st.booleans()),
    st.tuples(st.just("delete"), ITEMS),
    st.tuples(st.just("collection"), st.sampled_from([3, 4])),
    st.tuples(st.just("group"), st.sampled_from(["Staff", "Böard", None])),
    st.tuples(st.just("person"), st.sampled_from(["jo@example.org", None])),
    st.tuples(st.just("title"), st.text(st.characters(codec="utf-8"), max_size=20)),
    st.tuples(st.just("archive")),
)


def take(living: Living, step: tuple[Any, ...]) -> None:
    """One step in the life of the repository."""
    what, *more = step
    if what == "item":
        living.item(more[0], 3, files=more[1], withdrawn=more[2])
    elif what == "delete":
        if living.log.latest(uuid_of(more[0])) is not None:
            living.delete(uuid_of(more[0]))
    elif what == "collection":
        living.collection(more[0], 2)
    elif what == "group":
        living.group(5, more[0])
    elif what == "person":
        living.person(6, more[0])
    elif what == "title":
        living.retitled(uuid_of(2), more[0])
    else:
        living.archive()


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=12))
def test_any_log_is_archived_as_it_is_in_one_run_or_in_many(steps: list[tuple[Any, ...]]) -> None:
    """Edits, deletions and returns, hostile names, equal contents; with runs in between at any place."""
    with tempfile.TemporaryDirectory() as folder:
        living = Living(Path(folder))
        try:
            living.community(2)
            for step in steps:
                take(living, step)
            assert living.archive().refused == []
            assert valid(living.root) == len({each.event.uuid for each in living.log.read(0)})
            assert says_the_log(living) == living.log.end()
            living.archive(root=Path(folder) / "at once")
            assert object_files(living.root) == object_files(Path(folder) / "at once")
        finally:
            living.close()


class Cut(Exception):
    """The process ends here."""


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=10), st.integers(1, 12))
def test_a_run_that_ends_anywhere_is_made_up_for_by_the_next(steps: list[tuple[Any, ...]], where: int) -> None:
    """At any fail point of the last of the runs."""
    left = where

    def hit(name: str) -> None:
        nonlocal left
        left -= name.startswith("ocfl.")
        if left == 0:
            raise Cut

    with tempfile.TemporaryDirectory() as folder:
        living = Living(Path(folder))
        try:
            living.community(2)
            living.collection(3, 2)
            for step in steps:
                take(living, step)
            failpoints.hit = hit
            try:
                living.archive()
            except Cut:
                valid(living.root, leftovers=True)
            finally:
                failpoints.hit = None
            assert living.archive().refused == []
            assert valid(living.root) == len({each.event.uuid for each in living.log.read(0)})
            assert says_the_log(living) == living.log.end()
        finally:
            failpoints.hit = None
            living.close()
