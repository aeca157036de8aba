"""A target that is not empty: people and groups who are there already, under UUIDs of their own.

They are the same by e-mail address and by name. What the source says of them counts afterwards, in DSpace's own login
and in its groups; what only the target has stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.real.replication import Replication
from tests.real.rig import VERSIONS, Repositories, both, editors
from tests.real.verbs import edits_of

VERSION = VERSIONS[-1]

THERE = """
newperson admin@example.org Own Admin
newperson ada@example.org Somebody Else
password ada@example.org own
newperson here@example.org Only Here
password here@example.org own
newgroup Staff
newgroup Here
group add Staff here@example.org
group add Here ada@example.org
group add Here here@example.org
subgroup add Here Staff
"""

HERE = ("person:here@example.org", "group:Here")

MET = {"person:admin@example.org person", "person:ada@example.org person", "group:Staff group"}
"""Whose UUIDs stay different."""


@dataclass(frozen=True)
class Facts:
    """What DSpace reads on both sides, without the UUIDs of people and groups; and those, by who it is."""

    source: set[str]
    target: set[str]
    source_uuids: dict[str, str]
    target_uuids: dict[str, str]


def without_uuids(facts: list[str]) -> tuple[set[str], dict[str, str]]:
    """Take the UUIDs out of the facts that introduce a person or a group."""
    kept, uuids = set(), {}
    for fact in facts:
        who, what, *words = fact.split(" ")
        if what in ("person", "group") and who.startswith(what):
            uuids[f"{who} {what}"] = words.pop(0)
        kept.add(" ".join((who, what, *words)))
    return kept, uuids


@pytest.fixture(scope="module", params=[VERSION])
def facts(
    request: pytest.FixtureRequest, repositories: Repositories, tmp_path_factory: pytest.TempPathFactory
) -> Facts:
    """After a first snapshot and then every edit, with a DSpace running on both sides."""
    source, target = repositories.seeded(request.param), repositories.fresh(request.param, "b")
    pair = Replication(source, target, "wal", tmp_path_factory.mktemp("aipstream"))
    try:
        with editors(source, target) as (edit, edit_target):
            list(edits_of(edit_target, THERE))
            pair("init")
            pair.catch_up()
            list(edits_of(edit))
            pair.catch_up()
            pair("verify")
            found = both(lambda: source.read("passwords"), lambda: target.read("passwords"))
    finally:
        pair.close()
    assert source.errors() == target.errors() == []
    (one, one_uuids), (other, other_uuids) = map(without_uuids, found)
    return Facts(one, other, one_uuids, other_uuids)


def test_everybody_logs_in_and_belongs_as_on_the_source(facts: Facts) -> None:
    """Every fact of the source holds: values, rights, groups, and which password lets in."""
    assert facts.source <= facts.target
    assert "person:ada@example.org login rig true" in facts.target
    assert "person:ada@example.org login own false" in facts.target


def test_what_only_the_target_has_stays(facts: Facts) -> None:
    """Nothing else is there but its own people and groups, and who belongs to them."""
    own = facts.target - facts.source
    assert {fact for fact in own if not any(name in fact for name in HERE)} == set()
    assert {
        "person:here@example.org login own true",
        "group:Here member person:here@example.org",
        "group:Here member person:ada@example.org",
        "group:Here child group:Staff",
    } <= own
    assert "group:Staff member person:here@example.org" not in own  # a group of both has the members of the source


def test_who_was_there_keeps_the_uuid(facts: Facts) -> None:
    """Whoever else the source has comes with the UUID of the source."""
    differing = {who for who, uuid in facts.source_uuids.items() if facts.target_uuids[who] != uuid}
    assert differing == MET
