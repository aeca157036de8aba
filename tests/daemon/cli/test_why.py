"""`aipstream why` and `aipstream diff`: the past in words."""

from __future__ import annotations

import psycopg2

from tests.daemon.cli.place import Place


def retitle(place: Place) -> tuple[str, str]:
    """Give an item another title; its UUID and handle."""
    with psycopg2.connect(place.source) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.uuid::text, h.handle FROM item i JOIN handle h ON h.resource_id = i.uuid "
            "WHERE in_archive ORDER BY 1 LIMIT 1"
        )
        uuid, handle = cursor.fetchone() or ("", "")
        cursor.execute(
            "UPDATE metadatavalue SET text_value = 'Quite another' WHERE dspace_object_id = %s AND metadata_field_id = "
            "(SELECT metadata_field_id FROM metadatafieldregistry f "
            "JOIN metadataschemaregistry s USING (metadata_schema_id) "
            "WHERE s.short_id = 'dc' AND f.element = 'title' AND f.qualifier IS NULL)",
            [uuid],
        )
    connection.close()
    return uuid, handle


def test_why_tells_each_event_and_what_became_of_it(replicated: Place) -> None:
    """First it was made, then its title changed; the target has both after a run, before it only the first."""
    uuid, handle = retitle(replicated)
    replicated.good("snapshot")
    found = replicated.good("why", handle, "--json").json
    assert found["uuid"] == uuid
    assert [step["target"] for step in found["events"]] == ["applied", "not yet applied"]
    replicated.good("replay")
    said = replicated.good("why", uuid).out
    assert "made, with" in said
    assert "-> 'Quite another'" in said
    assert "on the target: up to date" in said


def test_diff_names_what_differs_between_two_moments(replicated: Place) -> None:
    """Only the item that was edited in between."""
    before = replicated.good("status", "--json").json["log"]["end"]
    uuid, handle = retitle(replicated)
    replicated.good("snapshot")
    found = replicated.good("diff", str(before), "--details", "--json").json
    assert [(each["uuid"], each["what"]) for each in found["objects"]] == [(uuid, "changed")]
    assert any("Quite another" in line for line in found["objects"][0]["words"])
    assert handle in replicated.good("diff", str(before)).out
    assert replicated.good("diff", "1 second ago", "--json").code == 0


def test_an_object_that_the_log_does_not_know_is_exit_code_2(replicated: Place) -> None:
    """With the way to find the right one."""
    done = replicated("why", "99999999-9999-9999-9999-999999999999")
    assert done.code == 2
    assert "no event of" in done.err
