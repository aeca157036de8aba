"""Accounts that may not do what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemon.cli.place import Place


@pytest.fixture
def clerk(place: Place) -> Iterator[str]:
    """An account without any right but to connect."""
    name = f"clerk_{place.name}"
    place.sql(place.source, f"create role {name} login")
    yield name
    for dsn in (place.source, place.target):
        place.sql(dsn, f"drop owned by {name}")
    place.sql(place.source, f"drop role {name}")


def of(dsn: str, role: str) -> str:
    return dsn.replace("postgres@", f"{role}@")


def test_an_account_that_may_only_read_is_enough_to_poll(place: Place, clerk: str) -> None:
    """SELECT on the tables and nothing else."""
    place.configure(source=of(place.source, clerk))
    refused = place("run", "--until-current")
    assert refused.code == 2
    assert "permission denied" in refused.err
    assert "GRANT SELECT ON" in place("check").out
    place.sql(place.source, f"grant select on all tables in schema public to {clerk}")
    place.good("check")
    place.good("run", "--until-current")
    assert place.differences() == []


@pytest.mark.parametrize("place", ["wal"], indirect=True)
def test_the_stream_needs_the_right_to_replicate(place: Place, clerk: str) -> None:
    """It is named with the command that gives it."""
    place.sql(place.source, f"grant select on all tables in schema public to {clerk}")
    place.configure(source=of(place.source, clerk))
    for verb in (("check",), ("run", "--until-current")):
        done = place(*verb)
        assert done.code == 2
        assert f"ALTER ROLE {clerk} REPLICATION;" in done.out + done.err
    place.sql(place.source, f"alter role {clerk} replication")
    place.good("run", "--until-current")
    place.edit(10)
    place.good("run", "--until-current")
    assert place.differences() == []
    place.configure()


def test_a_target_that_may_not_be_written_is_told_before_anything_is_written(place: Place, clerk: str) -> None:
    """`check` lists the grants that are missing."""
    place.sql(place.target, f"grant select on all tables in schema public to {clerk}")
    place.sql(place.target, f"grant all on all tables in schema aipstream to {clerk}; grant usage on schema aipstream "
                            f"to {clerk}")
    place.configure(target=of(place.target, clerk))
    checked = place("check")
    assert checked.code == 2
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON" in checked.out
    assert "GRANT ALL ON SEQUENCE" in checked.out
    done = place("run", "--until-current")
    assert done.code == 2
    assert "permission denied" in done.err
    place.sql(place.target, f"grant all on all tables in schema public to {clerk}; "
                            f"grant all on all sequences in schema public to {clerk}")
    place.good("check")
    place.good("run", "--until-current")
    place.configure()
    assert place.differences() == []
