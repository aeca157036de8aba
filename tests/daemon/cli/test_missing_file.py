"""Files of the source's assetstore that are missing or damaged."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place, eventually

repaired = pytest.mark.parametrize("damage", ["missing", "changed", "longer"])


@repaired
def test_an_object_with_a_bad_file_is_parked_and_all_others_go_on(place: Place, damage: str) -> None:
    """Exit code 3; the reason names item, file and error; after the repair `park retry` and a replay make it whole."""
    item, path = place.item_with_file()
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content + b"x" if damage == "longer" else bytes([content[0] ^ 1]) + content[1:])
    done = place("run", "--until-current", "--json")
    assert done.code == 3
    assert done.json["parked"] == {"capture": 1, "replay": 0}
    (parked,) = place.good("park", "--json").json["parked"]
    assert (parked["side"], parked["uuid"]) == ("capture", item)
    assert parked["error"] == ("BlobMissing" if damage == "missing" else "ChecksumMismatch")
    assert item in parked["reason"]
    verified = place("verify", "--json")
    assert verified.code == 4
    assert item in {each["uuid"] for each in verified.json["differences"]}
    assert item in place.good("park", "show", item).out
    assert place("park", "retry", item).code == 3
    path.write_bytes(content)
    assert place.good("park", "retry", item, "--json").json["released"] == 1
    place.good("run", "--until-current")
    assert place.good("park").out == "nothing is parked\n"
    assert place.differences() == []


def test_a_parked_object_can_be_discarded(place: Place) -> None:
    """It is forgotten until it changes again; a dry run forgets nothing."""
    item, path = place.item_with_file()
    path.unlink()
    assert place("snapshot").code == 3
    assert place.good("park", "discard", "--dry-run", item, "--json").json == {"dry_run": True, "discarded": 1}
    assert place.good("park", "discard", item, "--json").json["discarded"] == 1
    assert place.good("park", "--json").json["parked"] == []


def test_park_retry_must_be_told_which(place: Place) -> None:
    """Neither nothing nor both."""
    assert place("park", "retry").code == 2
    assert place("park", "retry", "--all", "x").code == 2


def test_a_running_daemon_is_asked_to_retry(place: Place) -> None:
    """The daemon owns the state; it does what was asked within seconds."""
    _, path = place.item_with_file()
    content = path.read_bytes()
    path.unlink()
    daemon = place.process("run")
    eventually(lambda: place("park", "--json").json["parked"])
    path.write_bytes(content)
    assert place.good("park", "retry", "--all", "--json").json["asked"] == ["capture"]
    eventually(lambda: not place("park", "--json").json["parked"])
    assert place.stop(daemon) == 0
    place.good("run", "--until-current")
    assert place.differences() == []


def test_an_assetstore_that_is_not_mounted_parks_nothing(place: Place) -> None:
    """It is the whole source that cannot be read: exit code 6, and all is captured when the folder is back."""
    aside = place.source_store.with_name("unmounted")
    place.source_store.rename(aside)
    done = place("run", "--until-current")
    assert (done.code, "is no folder" in done.err) == (6, True), done
    assert place.good("status", "--json").json["capture"]["parked"] == 0
    aside.rename(place.source_store)
    place.good("run", "--until-current")
    assert place.differences() == []
