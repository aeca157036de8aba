"""The log, listed and read."""

from __future__ import annotations

from tests.daemon.cli.place import Place


def test_events_are_listed_newest_last(replicated: Place) -> None:
    """The latest ones by default, or those after a position."""
    told = replicated.good("log", "--limit", "3", "--json").json
    assert [each["position"] for each in told["events"]] == [told["end"] - 2, told["end"] - 1, told["end"]]
    first = replicated.good("log", "--after", "0", "--limit", "2", "--json").json["events"]
    assert [each["position"] for each in first] == [1, 2]
    assert replicated.good("log").out.startswith("position ")


def test_the_history_of_an_object_is_found_by_handle_and_by_uuid(replicated: Place) -> None:
    """Both lead to the same events."""
    handle, uuid = replicated.sql(
        replicated.source,
        "select handle, resource_id::text from handle h where resource_id in (select uuid from item where in_archive) "
        "and not exists (select from handle o where o.resource_id = h.resource_id and o.handle_id < h.handle_id) "
        "order by 1 limit 1",
    )[0]
    replicated.sql(replicated.source, "update item set discoverable = not discoverable where uuid = %s", uuid)
    replicated.good("run", "--until-current")
    by_handle = replicated.good("log", handle, "--json").json["events"]
    assert by_handle == replicated.good("log", uuid, "--json").json["events"]
    assert [each["uuid"] for each in by_handle] == [uuid, uuid]
    assert replicated("log", "123456789/none").code == 2


def test_a_document_is_printed_as_it_is(replicated: Place) -> None:
    """A METS manifest of an item; a position that is not there is told."""
    events = replicated.good("log", "--after", "0", "--limit", "1000", "--json").json["events"]
    item = next(each for each in events if each["kind"] == "item")
    document = replicated.good("log", "--payload", str(item["position"])).out
    assert document.startswith("<?xml")
    assert item["uuid"] in document
    assert replicated("log", "--payload", "100000").code == 2
