"""The proof, and what it says of what differs."""

from __future__ import annotations

import threading

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


def test_waiting_gives_a_replica_time_to_catch_up(replicated: Place) -> None:
    """What settles meanwhile is no difference."""
    rename(replicated, replicated.source, "Edited on the source")
    assert replicated("verify").code == 4
    catching_up = threading.Timer(2.0, lambda: None)
    catching_up.start()
    process = replicated.process("run", "--until-current")
    assert replicated("verify", "--wait", "60").code == 0
    assert process.wait(60) == 0
    catching_up.cancel()


def test_a_list_that_is_too_long_is_counted(replicated: Place) -> None:
    """The limit bounds what is listed, not what is found."""
    replicated.sql(replicated.target, "update item set discoverable = not discoverable where in_archive")
    done = replicated("verify", "--limit", "2", "--json")
    assert done.code == 4
    assert len(done.json["differences"]) == 2
    assert done.json["more"] > 10


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
    assert replicated("verify", "--wait", "60").code == 0
    assert process.wait(60) == 0
