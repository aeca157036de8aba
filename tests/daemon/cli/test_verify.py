"""The proof, and what it says of what differs."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place


def rename(place: Place, dsn: str, text: str) -> str:
    """Give an item another title; its UUID."""
    item = place.sql(place.source, "select uuid::text from item where in_archive order by uuid limit 1")[0][0]
    place.sql(
        dsn,
        "update metadatavalue set text_value = %s where dspace_object_id = %s and place = 0 and "
        "metadata_field_id in (select metadata_field_id from metadatafieldregistry where element = 'title' "
        "and qualifier is null)",
        text,
        item,
    )
    return str(item)


def test_a_difference_is_exit_code_4_with_its_name(replicated: Place) -> None:
    """Kind, handle, UUID, how, and with `--details` which part."""
    item = rename(replicated, replicated.target, "Edited behind our back")
    done = replicated("verify", "--details", "--json")
    assert done.code == 4
    (difference,) = done.json["differences"]
    assert (difference["kind"], difference["uuid"], difference["how"]) == ("item", item, "differs")
    assert difference["handle"]
    assert difference["parts"]
    assert item in replicated("verify").out
    status = replicated.good("status", "--json").json
    assert status["verified"]["differing"] == 1


@pytest.mark.parametrize("limit", ["1", "1000"])
def test_waiting_gives_a_replica_time_to_catch_up(replicated: Place, limit: str) -> None:
    """What settles meanwhile is no difference, whether all of it could be listed or not."""
    replicated.sql(replicated.source, "update item set discoverable = not discoverable where in_archive")
    assert replicated("verify").code == 4
    process = replicated.process("run", "--until-current")
    assert replicated("verify", "--limit", limit, "--wait", "300").code == 0
    assert process.wait(300) == 0


def test_a_list_that_is_too_long_is_counted(replicated: Place) -> None:
    """The limit bounds what is listed, not what is found; what nobody mends differs still after the wait."""
    replicated.sql(replicated.target, "update item set discoverable = not discoverable where in_archive")
    before = replicated("verify", "--limit", "2", "--json").json
    assert len(before["differences"]) == 2
    assert before["more"] > 10
    done = replicated("verify", "--limit", "2", "--wait", "0.1", "--json")
    assert done.code == 4
    assert (done.json["differences"], done.json["more"]) == (before["differences"], before["more"])


def test_nothing_replayed_yet_is_told(place: Place) -> None:
    """A target that was never prepared is no difference but a missing precondition."""
    place.sql(place.target, "drop schema aipstream cascade")
    assert place("verify").code == 2


def test_waiting_looks_again_at_a_registry_too(replicated: Place) -> None:
    """A field that comes to the target meanwhile is no difference either."""
    replicated.sql(
        replicated.source,
        "insert into metadatafieldregistry (metadata_schema_id, element) select metadata_schema_id, 'late' "
        "from metadataschemaregistry where short_id = 'dc'",
    )
    found = replicated("verify", "--json")
    assert found.code == 4
    assert [each["kind"] for each in found.json["differences"]] == ["registry"]
    process = replicated.process("run", "--until-current")
    assert replicated("verify", "--wait", "300").code == 0
    assert process.wait(300) == 0
