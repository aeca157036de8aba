"""`aipstream prune` and `aipstream keep`."""

from __future__ import annotations

import psycopg2
import pytest

from tests.daemon.cli.place import Place


def edit(place: Place, times: int) -> None:
    """Change every item that often, with a snapshot each time."""
    for number in range(times):
        with psycopg2.connect(place.source) as connection, connection.cursor() as cursor:
            cursor.execute(
                "UPDATE metadatavalue SET text_value = 'edit %s' WHERE place = 0 AND text_lang IS NULL", [number]
            )
        connection.close()
        place.good("snapshot")


def test_old_events_go_and_marked_moments_stay(replicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing kept for long, only the newest event of each object and what the marked moment needs are left; the
    target is brought to the end all the same, and a fresh replay from the beginning too."""
    for key in ("ALL", "HOURLY", "DAILY", "MONTHLY"):
        monkeypatch.setenv(f"AIPSTREAM_RETENTION_{key}", "0h")
    edit(replicated, 1)
    replicated.good("keep", "before")
    edit(replicated, 3)
    assert [mark["name"] for mark in replicated.good("keep", "--json").json["marks"]] == ["before"]
    end = replicated.good("status", "--json").json["log"]["end"]
    planned = replicated.good("prune", "--dry-run", "--json").json
    done = replicated.good("prune", "--json").json
    assert planned["dry_run"] is True
    assert done["thinned"] == planned["thinned"] > 0
    assert replicated.good("prune", "--json").json["thinned"] == 0
    assert replicated.good("status", "--json").json["log"]["end"] == end
    replicated.good("replay")
    replicated.good("verify")
    assert replicated.differences() == []
    replicated.good("keep", "before", "--remove")
    assert replicated.good("prune", "--json").json["thinned"] > 0
    replicated.good("replay", "--from", "0")
    assert replicated.differences() == []


def test_an_age_that_is_none_is_exit_code_2(replicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key that is wrong."""
    monkeypatch.setenv("AIPSTREAM_RETENTION_DAILY", "soon")
    done = replicated("prune")
    assert done.code == 2
    assert "[retention] daily" in done.err


def test_a_mark_needs_a_name(replicated: Place) -> None:
    """And one of its own."""
    assert replicated("keep", "--at", "1").code == 2
    replicated.good("keep", "one", "--at", "1")
    assert replicated("keep", "one").code == 2
    assert replicated("keep", "two", "--remove").code == 2
