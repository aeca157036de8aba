"""`aipstream check --losses`, `losses` and `--strict`: what would be lost, what was, and an exit code for who minds."""

from __future__ import annotations

import json

import psycopg2
import pytest

from daemon.dspace.connect import connect
from daemon.losses import Loss
from daemon.losses.ahead import Pair, in_database
from daemon.losses.codes import CODES
from tests.daemon.cli.place import Place


def sql(dsn: str, statement: str) -> None:
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


RESTRICTED = "ALTER TABLE metadatavalue ADD COLUMN IF NOT EXISTS security_level int"
LEVEL = """UPDATE metadatavalue SET security_level = 1 WHERE metadata_value_id = (
    SELECT metadata_value_id FROM metadatavalue v JOIN item i ON i.uuid = v.dspace_object_id AND i.in_archive
    WHERE text_value <> '' ORDER BY metadata_value_id LIMIT 1)"""


def test_before_a_run_it_is_counted_what_the_pair_would_lose(place: Place) -> None:
    """By code, from the real data; --strict ends with 11 and changes nothing of what is said."""
    done = place.good("check", "--losses", "--driver", "packager", "--json")
    told = {line["code"]: line for line in done.json["losses"]}
    assert done.json["driver"] == "packager"
    assert {"relationships", "versions", "dois", "policy-type", "bitstream-uuid", "legacy-ids"} <= told.keys()
    assert told.keys() <= CODES.keys() - {"other"}
    assert all(line["objects"] > 0 and line["rows"] >= line["objects"] and line["carried"] for line in told.values())
    strict = place("check", "--losses", "--driver", "packager", "--strict", "--json")
    assert strict.code == 11
    assert json.loads(strict.out) == done.json


def test_the_counts_are_the_sum_over_the_objects(place: Place) -> None:
    """Each code as many objects and rows as the single losses together, each object once a code."""
    found: list[Loss] = []
    connection = connect(place.source, "source", readonly=True)
    try:
        expected = in_database(connection, Pair("packager", "9"), security=False, each=found.append)
    finally:
        connection.close()
    for line in expected.summary.told():
        own = [loss for loss in found if loss.code == line["code"]]
        assert (line["objects"], line["rows"]) == (len(own), sum(loss.rows for loss in own))
        assert len({loss.uuid for loss in own}) == len(own)
    assert sum(expected.objects.values()) > 100


def test_without_a_source_the_log_is_read(place: Place) -> None:
    """The same objects in the log lose the same; what was never captured cannot be counted there."""
    place.good("init")
    place.good("snapshot")
    before = place.good("check", "--losses", "--driver", "packager", "--json").json
    place.path.write_text("[log]" + place.path.read_text().partition("[log]")[2])
    after = place.good("check", "--losses", "--driver", "packager", "--json").json
    assert (before["read"], after["read"]) == ("source", "log")
    counts = [
        {line["code"]: (line["objects"], line["rows"]) for line in each["losses"] if line["code"] not in BESIDE}
        for each in (before, after)
    ]
    assert counts[0] == counts[1]


BESIDE = {"drafts", "passwords"}


def test_the_native_driver_loses_what_the_target_has_no_column_for(place: Place) -> None:
    """Named before the run, told after it, recorded until the value is open, and taken back then."""
    place.good("init")
    sql(place.source, RESTRICTED)
    sql(place.source, LEVEL)
    before = {line["code"]: line for line in place.good("check", "--losses", "--json").json["losses"]}
    assert before["security"]["objects"] == 1
    place.good("snapshot")
    done = place("replay", "--strict", "--json")
    assert done.code == 11
    assert [line["code"] for line in json.loads(done.out)["losses"]] == ["security"]
    recorded = place.good("losses", "--json").json
    assert [(line["code"], line["objects"]) for line in recorded["losses"]] == [("security", 1)]
    uuid = recorded["losses"][0]["example"]["uuid"]
    (one,) = place.good("losses", uuid, "--json").json["objects"]
    assert "security level 1" in one["detail"]
    assert "security levels of values" in place.good("losses", uuid).out
    sql(place.source, "UPDATE metadatavalue SET security_level = NULL")
    place.good("run", "--until-current", "--strict")
    assert place.good("losses", "--json").json["losses"] == []
    assert "nothing was lost" in place.good("losses").out


@pytest.mark.parametrize("words", [("check", "--strict"), ("check", "--driver", "native"), ("run", "--strict")])
def test_an_option_without_effect_is_refused(place: Place, words: tuple[str, ...]) -> None:
    """With the usage, before anything is done."""
    assert place(*words).code == 2


def test_an_export_tells_what_stock_dspace_loses_of_it(place: Place) -> None:
    """The same as was counted before, for the same release; items that have no package are counted too."""
    place.good("init")
    place.good("snapshot")
    folder = str(place.folder / "packages")
    done = place("export", "site", "--into", folder, "--release", "9", "--strict", "--json")
    assert done.code == 11
    told = {line["code"]: line["objects"] for line in json.loads(done.out)["losses"]}
    assert {
        "relationships",
        "versions",
        "withdrawn",
        "not-archived",
        "person-uuid",
        "passwords",
    } <= told.keys() | BESIDE
    assert told.keys() <= CODES.keys() - {"other"}
    before = place.good("check", "--losses", "--driver", "packager", "--json").json["losses"]
    for line in before:
        if line["code"] in ("relationships", "versions", "dois", "policy-description", "not-archived"):
            assert told[line["code"]] >= 1
    again = place.good("export", "site", "--into", folder, "--release", "9", "--json").json
    assert {line["code"]: line["objects"] for line in again["losses"]} == told
    assert place("export", "site", "--into", folder, "--release", "newest").code == 2
    assert place("export", "site", "--into", folder, "--release", "3").code == 2
