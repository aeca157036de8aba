"""Source and target that are one and the same database are refused, by whatever names they are written."""

from __future__ import annotations

import pytest

from events.errors import PreconditionError
from tests.daemon.cli.place import Place


def forms(place: Place) -> list[str]:
    """The same database, as three people would write it."""
    server = f"host=localhost port={place.cluster.port} user=postgres"
    return [place.source, place.source.replace("127.0.0.1", "localhost"), f"{server} dbname=s_{place.name}"]


@pytest.mark.parametrize("form", range(3))
def test_one_database_on_both_ends_is_refused(place: Place, form: int) -> None:
    """`check`, `init`, `replay` and `run` end with code 2, and nothing was written into it."""
    place.configure(target=forms(place)[form])
    found = place("check", "--json")
    assert found.code == PreconditionError.exit_code
    assert [one["what"] for one in found.json["preconditions"] if not one["ok"]] == [
        "source and target are one and the same database"
    ]
    for verb in (("init",), ("init", "--dry-run"), ("replay",), ("run", "--until-current"), ("run",)):
        done = place(*verb)
        assert done.code == PreconditionError.exit_code, (verb, done)
        assert "source and target are one and the same database" in done.err
    assert place.sql(place.source, "select to_regnamespace('aipstream') is null") == [(True,)]


def test_a_copy_of_the_source_beside_it_is_another_database(place: Place) -> None:
    """A database of the same server and of the same site is a target like any other."""
    place.cluster.create(f"c_{place.name}", f"s_{place.name}")
    try:
        place.configure(target=place.cluster.dsn(f"c_{place.name}"))
        place.good("check")
        place.good("init")
        assert place.good("run", "--until-current").out
    finally:
        place.cluster.drop(f"c_{place.name}")


def test_a_source_that_does_not_answer_holds_no_replay_up(place: Place) -> None:
    """What the log has is replayed though nobody can compare the two ends."""
    place.good("run", "--until-current")
    place.edit(5)
    place.good("snapshot")
    place.configure(source="postgresql://postgres@127.0.0.1:1/gone")
    place.good("replay")
