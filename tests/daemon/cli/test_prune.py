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


def test_a_moment_that_is_no_longer_exact_is_said_to_be_so(replicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By every verb that shows it or brings it back, with how many objects; and a moment that is kept is exact."""
    for key in ("ALL", "HOURLY", "DAILY", "MONTHLY"):
        monkeypatch.setenv(f"AIPSTREAM_RETENTION_{key}", "0h")
    (item, handle) = replicated.sql(
        replicated.source,
        """
        SELECT i.uuid::text, min(h.handle) FROM item i JOIN handle h ON h.resource_id = i.uuid
        JOIN metadatavalue v ON v.dspace_object_id = i.uuid
        WHERE in_archive AND place = 0 AND text_lang IS NULL GROUP BY 1 ORDER BY 1""",
    )[0]
    replicated.good("keep", "before")
    kept = str(replicated.good("status", "--json").json["log"]["end"])
    edit(replicated, 1)
    lost = str(replicated.good("status", "--json").json["log"]["end"])
    edit(replicated, 2)
    replicated.good("prune")
    replicated.good("replay")
    for verb in (("restore", "--at"), ("restore", "--object", handle, "--at"), ("export", "site", "--at"),
                 ("export", item, "--at"), ("keep", "mark", "--at"), ("diff", "1")):  # fmt: skip
        more = () if verb[0] == "diff" else ("--dry-run",)
        assert replicated.good(*verb, lost, *more, "--json").json["inexact"] > 0, verb
        assert "not exact: " in replicated.good(*verb, lost, *more).out
        if verb[0] != "diff":
            assert replicated.good(*verb, kept, *more, "--json").json["inexact"] == 0, verb
    assert replicated.good("restore", "--object", handle, "--at", lost, "--dry-run", "--json").json["inexact"] == 1
    assert [each["thinned"] for each in replicated.good("why", item, "--json").json["events"]] == [False, True]
    assert "has taken the event before" in replicated.good("why", item).out


def test_a_replay_up_to_a_thinned_moment_says_so(replicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stop where the source never stood; before, after and in a dry run. Up to the end all is exact."""
    for key in ("ALL", "HOURLY", "DAILY", "MONTHLY"):
        monkeypatch.setenv(f"AIPSTREAM_RETENTION_{key}", "0h")
    edit(replicated, 1)
    lost = str(replicated.good("status", "--json").json["log"]["end"])
    edit(replicated, 2)
    replicated.good("prune")
    planned = replicated.good("replay", "--until", lost, "--dry-run", "--json").json
    assert planned["inexact"] > 0
    assert "not exact: " in replicated.good("replay", "--until", lost, "--dry-run").out
    assert replicated.good("replay", "--until", lost, "--json").json["inexact"] == planned["inexact"]
    assert replicated.good("replay", "--json").json["inexact"] == 0
    assert replicated.differences() == []


def test_what_retention_took_is_not_deleted_by_a_restore(replicated: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there at that moment, though the log knows no more in which state: the target keeps what it has of it."""
    for key in ("ALL", "HOURLY", "DAILY", "MONTHLY"):
        monkeypatch.setenv(f"AIPSTREAM_RETENTION_{key}", "0h")
    end = str(replicated.good("status", "--json").json["log"]["end"])
    edit(replicated, 2)
    replicated.good("prune")
    replicated.good("replay")
    planned = replicated.good("restore", "--at", end, "--dry-run", "--json").json
    assert planned["counts"] == {}
    assert planned["inexact"] == planned["own"] > 0
    assert "site" not in replicated.good("undo", "--between", "0", end, "--dry-run", "--json").json["counts"]


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


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "a\x1b[31mred", "x" * 201, "2026-01-31"])
def test_a_name_that_a_list_cannot_show_or_that_is_a_time_is_refused(place: Place, name: str) -> None:
    """One line of at most 200 characters that can be seen. Others are taken as they are, and given up by that name."""
    refused = place("keep", name)
    assert refused.code == 2, refused
    assert "no name for a moment" in refused.err
    place.good("keep", "vor dem Umzug · 移行前 🎉" + "x" * 170)
    assert len(place.good("keep", "--json").json["marks"]) == 1


@pytest.mark.parametrize("moment", ["99999999999h ago", "0001-01-01T00:00+10:00", "9999-12-31T23:59-10:00", "\u0663h"])
def test_a_moment_outside_all_calendars_is_refused(place: Place, moment: str) -> None:
    """As any other text that is no moment."""
    refused = place("keep", "then", "--at", moment)
    assert refused.code == 2, refused
    assert "is no position" in refused.err
