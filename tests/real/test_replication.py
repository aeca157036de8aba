"""aipstream between real DSpaces: what DSpace wrote on one side, DSpace reads on the other.

The source is a 7.6.6; the targets are another installation of 7.6.6 (by WAL) and an 8.2 (by polling). Both live through
every edit of `verbs.EDITS`, made by DSpace's own services, while a DSpace runs on the target, and then DSpace itself is
asked on both sides. The last tests go on from the target, so they stand last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.packages import statements
from tests.real.replication import Replication
from tests.real.rig import SITE, Repositories, both, editors
from tests.real.verbs import EDITS, edits_of

PAIRS = [("wal", "7.6.6"), ("poll", "8.2")]

PARTS = re.split(r"^# (.*)\n", EDITS, flags=re.MULTILINE)[1:]
"""The edits, in parts: name and lines by turns."""

REGISTRIES = ("schema ", "field ", "format ", "entity-type ")
"""What a newer DSpace brings more of by itself."""


@pytest.fixture(scope="module", params=PAIRS, ids=["to 7.6.6 by wal", "to 8.2 by poll"])
def replica(
    request: pytest.FixtureRequest, repositories: Repositories, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replication]:
    """A target that has followed its source through every edit; compared after each part of them."""
    mode, version = request.param
    pair = Replication(
        repositories.seeded("7.6.6"), repositories.fresh(version, "b"), mode, tmp_path_factory.mktemp("aipstream")
    )
    try:
        pair("init")
        pair.catch_up()
        assert pair.differences() == [], "after the first snapshot"
        with editors(pair.source, pair.target) as (edit, _):
            for name, lines in zip(PARTS[::2], PARTS[1::2], strict=True):
                list(edits_of(edit, lines))
                pair.catch_up()
                assert pair.differences() == [], f"after the edits of {name}"
            assert pair.source.errors() == []
            yield pair
    finally:
        pair.close()


def test_dspace_reads_on_the_target_what_it_reads_on_the_source(replica: Replication) -> None:
    """Hibernate loads every row, every file has its checksum, and every fact is the same; only registries may have
    more on a newer DSpace."""
    source, target = both(lambda: replica.source.read("passwords"), lambda: replica.target.read("passwords"))
    own = [fact for fact in target if not fact.startswith(REGISTRIES)]
    assert own == [fact for fact in source if not fact.startswith(REGISTRIES)]
    assert set(source) <= set(target)
    assert replica.target.errors() == []


def test_dspace_packages_the_target_as_it_packages_the_source(replica: Replication, tmp_path: Path) -> None:
    """The same packages for the same handles, and in each the same METS but for what an installation numbers."""
    both(
        lambda: replica.source.export_aips(SITE, tmp_path / "source"),
        lambda: replica.target.export_aips(SITE, tmp_path / "target"),
    )
    source, target = statements(tmp_path / "source"), statements(tmp_path / "target")
    assert sorted(target) == sorted(source)
    for package in source:
        assert target[package] == source[package], package


def test_dspace_exports_the_same_table_of_metadata(replica: Replication, tmp_path: Path) -> None:
    """metadata-export of a community, row by row."""
    top = replica.source.handles["top"]
    source, target = both(
        lambda: replica.source.export_metadata(top, tmp_path / "source.csv"),
        lambda: replica.target.export_metadata(top, tmp_path / "target.csv"),
    )
    assert sorted(source.splitlines()) == sorted(target.splitlines())


def test_aipstream_says_that_both_are_equal(replica: Replication) -> None:
    """`verify` ends with 0."""
    replica("verify")


AFTER = """
newcommunity - {name}
newcollection {{newcommunity}} {name}
newitem {{newcollection}} 3
addbitstream {{newitem}} ORIGINAL after.bin 77
newversion {{next}}
newperson {name}@example.org A B
newgroup {name}
subscribe {name}@example.org {{newcollection}} W
field rig http://example.org/rig shelf {name}
newformat {name} application/x-{name} 1 {name}
entitytype {name}
newrole {{newcollection}} reviewer
metadata {{rich}} dc.title "After all"
policy {{hidden}} more.bin 2097-01-01
draft {{articles}} {name}
"""


def go_on(replica: Replication, name: str) -> None:
    """New objects of every kind on the target, which get handles that nothing had."""
    target = replica.target
    target.handles = dict(replica.source.handles)
    taken = {fact.split()[-2] for fact in target.read() if " handle " in fact or fact.startswith("tombstone ")}
    edit = target.running
    said = [word for line in AFTER.format(name=name).splitlines() if line for word in edit(line)]
    made = [word.split()[1] for word in said if word.startswith(("newcommunity ", "newcollection ", "newitem "))]
    assert len(set(made)) == len(made) == 5
    assert not taken & set(made)
    assert target.read("drafts")
    assert target.errors() == []


def test_dspace_goes_on_from_the_target(replica: Replication) -> None:
    """aipstream moves the sequences itself: nothing clashes although nobody ran DSpace's script."""
    go_on(replica, "after")


def test_dspace_goes_on_after_update_sequences(replica: Replication) -> None:
    """DSpace's own script finds nothing on the target that makes it give a handle twice."""
    replica.target.update_sequences()
    go_on(replica, "later")
