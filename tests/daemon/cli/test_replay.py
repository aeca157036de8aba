"""Replaying parts of the log, and what a replay would do."""

from __future__ import annotations

from tests.daemon.cli.place import Place


def test_a_dry_run_counts_and_changes_nothing(place: Place) -> None:
    """Not even the schema is needed."""
    place.sql(place.target, "drop schema aipstream cascade")
    captured = place.good("snapshot", "--json").json
    would = place.good("replay", "--dry-run", "--json").json
    assert (would["from"], would["until"]) == (0, captured["position"])
    assert sum(each["events"] for each in would["events"]) == captured["position"]
    assert place.sql(place.target, "select to_regclass('aipstream.cursor') is null") == [(True,)]


def test_a_replay_can_stop_early_and_go_on(place: Place) -> None:
    """Up to a position, a time or an LSN, then to the end; and again from the beginning, which changes nothing."""
    end = place.good("snapshot", "--json").json["position"]
    assert place.good("replay", "--until", "20", "--json").json["position"] == 20
    again = place.good("replay", "--from", "0", "--json").json
    assert (again["position"], again["applied"]["already_applied"]) == (end, 20)
    assert place.differences() == []
    assert place.good("replay", "--until", "2000-01-01").code == 0
    assert place.good("replay", "--until", "0/0").code == 0


def test_events_cannot_be_left_out(place: Place) -> None:
    """A beginning after the target's position is refused, and so is what is no position."""
    place.good("snapshot")
    done = place("replay", "--from", "10")
    assert done.code == 2
    assert "10 events would be left out" in done.err
    assert place("replay", "--until", "yesterday").code == 2


def test_sequences_are_moved_and_told(replicated: Place) -> None:
    """On their own verb too; a dry run moves nothing."""
    replicated.sql(replicated.target, "alter sequence metadatavalue_seq restart with 1")
    would = replicated.good("sequences", "--dry-run", "--json").json["sequences"]
    assert [(each["sequence"], each["next_before"]) for each in would] == [("metadatavalue_seq", 1)]
    assert replicated.good("sequences", "--json").json["sequences"] == would
    assert replicated.good("sequences", "--json").json["sequences"] == []


def test_an_address_that_another_one_gave_up_arrives_in_whatever_order_the_events_come(replicated: Place) -> None:
    """Both people are captured at once and applied in transactions of their own: who got it is refused at first."""
    source = replicated.source
    people = replicated.sql(source, "select uuid::text, email from eperson where email is not null order by uuid")
    (one, old), (two, _), *_, (three, _), (four, other) = people
    for gave, address, got in ((one, old, two), (four, other, three)):
        replicated.sql(source, "update eperson set email = %s where uuid = %s", f"new.{address}", gave)
        replicated.sql(source, "update eperson set email = %s where uuid = %s", address, got)
    replicated.good("snapshot")
    replicated.configure(more="batch = 1")
    done = replicated.good("replay", "--json").json
    assert (done["applied"]["parked"], done["parked"]) == (1, 0)
    assert replicated.differences() == []
