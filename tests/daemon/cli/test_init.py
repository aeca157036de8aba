"""What has to be there before the first event."""

from __future__ import annotations

import shutil

import pytest

from tests.daemon.cli.place import Place


@pytest.mark.parametrize("place", ["wal"], indirect=True)
def test_a_dry_run_prints_the_sql_and_makes_nothing(place: Place) -> None:
    """Those statements, run by whoever owns the database, are all that `init` would do there."""
    place.good("slot", "drop", "--publication")
    place.sql(place.target, "drop schema aipstream cascade")
    for name in ("log.sqlite", "log.sqlite.state"):
        (place.folder / name).unlink()
    shutil.rmtree(place.folder / "blobs")
    done = place.good("init", "--dry-run", "--json")
    assert {step["outcome"] for step in done.json["steps"]} == {"would be made"}
    assert not (place.folder / "log.sqlite").exists()
    assert place.sql(place.source, "select count(*) from pg_publication") == [(0,)]
    for statement in [sql for step in done.json["steps"] for sql in step["statements"]]:
        place.sql(place.source, statement)
    made = place.good("init", "--json").json["steps"]
    assert {step["what"].split()[0]: step["outcome"] for step in made} == {
        "log": "made", "blob": "made", "state": "made", "source:": "was there", "target:": "made",
    }
    assert {step["outcome"] for step in place.good("init", "--json").json["steps"]} == {"was there"}
