"""`aipstream log repair --rebuild`: a torn log file is exchanged for a new one with all that is left of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from events.event import Position
from tests.daemon.cli.place import Place
from tests.events.log import damage


def log_of(place: Place) -> Path:
    return place.folder / "log.sqlite"


def copy_of(place: Place) -> str:
    return f"sqlite:///{place.folder}/copy.sqlite"


def rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(log_of(place))) as log:
        return log.execute(query).fetchall()


def became(done: dict[str, Any]) -> dict[tuple[Position, str], str]:
    return {(step["position"], step["fault"]): step["became"] for step in done["steps"]}


def retitle(place: Place, title: str) -> None:
    place.sql(place.source, "UPDATE metadatavalue SET text_value = %s WHERE metadata_value_id IN (SELECT "
                            "metadata_value_id FROM metadatavalue WHERE place = 0 AND text_lang IS NULL AND "
                            "dspace_object_id IN (SELECT uuid FROM item) LIMIT 1)", title)  # fmt: skip


def test_what_is_lost_of_payloads_comes_from_the_source(replicated: Place) -> None:
    """Or the object is captured anew: the log is whole again without any copy, and the target is brought along."""
    gone = damage.tear(log_of(replicated), records=False)
    retitle(replicated, "changed since")
    done = replicated.good("log", "repair", "--rebuild", "--json").json
    assert {position for position, _ in became(done)} == set(gone)
    assert set(became(done).values()) <= {"mended", "captured", "lost"}
    replicated.good("verify", "--log", "--parse")
    replicated.good("run", "--until-current")
    assert replicated.differences() == []


def test_without_a_copy_a_hole_is_named_and_stays_one_until_a_copy_comes(replicated: Place) -> None:
    """By object and moment, which only the indexes of the torn file still knew. What reads comes to the hole and stops;
    what is behind it goes on.
    """
    replicated.good("copy", "--log", copy_of(replicated))
    whole = damage.rows_of(log_of(replicated))
    names = {row[0]: row[1:] for row in rows(replicated, "SELECT position, uuid, kind, handle, commit_time FROM event")}
    gone = damage.tear(log_of(replicated))
    shown = replicated("log", "repair", "--rebuild", "--dry-run")
    assert shown.code == 5
    assert names[gone[0]][0] in shown.out
    assert "only from a copy" in shown.out
    done = replicated("log", "repair", "--rebuild", "--json")
    assert done.code == 5
    assert {position for position, _ in became(done.json)} == set(gone)
    for found in (done.json["left_over"], replicated("verify", "--log", "--json").json["findings"]):
        assert {(one["fault"], one["position"]) for one in found} == {("gap", position) for position in gone}
        for one in found:
            (effect,) = one["effects"]
            assert (effect["uuid"], effect["handle"], effect["since"]) == tuple(
                names[one["position"]][place] for place in (0, 2, 3)
            )
    assert replicated("copy", "--log", f"sqlite:///{replicated.folder}/another.sqlite").code == 5
    retitle(replicated, "behind the hole")
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
    ((behind,),) = rows(replicated, "SELECT max(position) FROM event")
    assert behind > max(names)
    mended = replicated.good("log", "repair", "--from", copy_of(replicated), "--json").json
    assert set(became(mended).values()) == {"mended"}
    assert set(whole["event"]) <= set(damage.rows_of(log_of(replicated))["event"])
    replicated.good("verify", "--log", "--parse")


def test_nobody_may_capture_meanwhile(replicated: Place) -> None:
    """Exit code 8, and the torn file is as it was."""
    damage.tear(log_of(replicated), records=False)
    daemon = replicated.process("run")
    replicated.says("capture.polling", daemon)
    assert replicated("log", "repair", "--rebuild").code == 8
    replicated.stop(daemon)
    assert not list(replicated.folder.glob("*.torn-*"))
