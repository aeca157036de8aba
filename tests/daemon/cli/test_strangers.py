"""`check` tells of a target that is another repository, and of two ends that were exchanged."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from daemon.sample.generator import generate
from tests.daemon.cli.place import Place


def found(place: Place, words: str) -> list[bool]:
    """Whether the preconditions with those words are needed."""
    told = place("check", "--json").json["preconditions"]
    return [one["needed"] for one in told if words in one["what"] and not one["ok"]]


def test_a_target_with_handles_of_its_own_is_told_before_they_are_lost(place: Place) -> None:
    """Another repository with the same prefix: its objects would be there without their handles."""
    assert found(place, "of the target are not on the source") == []
    with closing(psycopg2.connect(place.target)) as connection:
        generate(connection, place.target_store, items=5, seed=99)
    assert found(place, "would lose their handles") == [True]
    assert place("check").code == 2


def test_a_replica_has_nothing_of_its_own(replicated: Place) -> None:
    """What was deleted on the source after it was replayed is no stranger."""
    replicated.edit(20)
    replicated.good("snapshot")
    assert found(replicated, "of the target are not on the source") == []
    replicated.good("check")


def test_ends_that_were_exchanged_are_told(replicated: Place) -> None:
    """The source has what only a target has. It may be meant, so nothing is refused."""
    replicated.configure(source=replicated.target, target=replicated.source)
    assert found(replicated, "it was a target itself") == [False]
