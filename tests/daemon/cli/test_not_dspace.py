"""Databases that are reachable and no DSpace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.scratch import Cluster
from tests.daemon.cli.place import Place


@pytest.fixture(params=["empty", "foreign"])
def other(request: pytest.FixtureRequest, cluster: Cluster, place: Place) -> Iterator[str]:
    """A database with no table, or with tables of something else."""
    name = f"{request.param}_{place.name}"
    dsn = cluster.create(name)
    if request.param == "foreign":
        place.sql(dsn, "create table customer (id int primary key, name text)")
    yield dsn
    cluster.drop(name)


@pytest.mark.parametrize("end", ["source", "target"])
def test_a_database_that_is_no_dspace_is_refused(place: Place, other: str, end: str) -> None:
    """It is named, nothing is written into it, and `check` says the same."""
    place.configure(**{end: other})
    done = place("run", "--until-current")
    assert done.code == 2
    assert "is not one of a supported DSpace" in done.err
    assert other.rsplit("/", 1)[1] in done.err
    assert place.sql(other, "select count(*) from pg_namespace where nspname = 'aipstream'") == [(0,)]
    checked = place("check", "--json")
    assert checked.code == 2
    assert any(not one["ok"] and one["where"] == end and one["needed"] for one in checked.json["preconditions"])
