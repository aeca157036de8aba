"""`aipstream verify --log`: the archive itself is checked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon.cli.place import Place, eventually
from tests.events.log import damage


def newest_item(place: Place) -> tuple[int, str, str]:
    """Position, UUID and handle of the newest event of an item that has one, with a content."""
    with closing(sqlite3.connect(place.folder / "log.sqlite")) as log:
        row: tuple[int, str, str] = log.execute(
            "SELECT max(position), uuid, handle FROM event WHERE kind = 'item' AND type = 'put' AND blobs <> '[]' "
            "AND handle IS NOT NULL GROUP BY uuid ORDER BY 1 LIMIT 1"
        ).fetchone()
        return row


def content_of(place: Place, position: int) -> Path:
    """The file of a content that an event needs."""
    with closing(sqlite3.connect(place.folder / "log.sqlite")) as log:
        (blobs,) = log.execute("SELECT blobs FROM event WHERE position = ?", (position,)).fetchone()
    name = json.loads(blobs)[0]
    return place.folder / "blobs" / name[:2] / name[2:4] / name


def test_a_whole_archive_is_exit_code_0(replicated: Place) -> None:
    """Every document read, every content read back, while the daemon might go on; `status` tells of it."""
    replicated.edit(20)
    replicated.good("run", "--until-current")
    assert replicated.good("status", "--json").json["checked"]["last"] is None
    done = replicated.good("verify", "--log", "--parse", "--read-blobs", "100%", "--json").json
    end = replicated.good("status", "--json").json["log"]["end"]
    assert (done["complete"], done["findings"], done["damaged"], done["covered"]) == (True, [], 0, 1.0)
    assert (done["last"]["events"], done["last"]["parsed"]) == (end, True)
    checked = replicated.good("status", "--json").json["checked"]
    assert (checked["last"], checked["damaged"], checked["read"]) == (done["last"], 0, done["contents"])
    assert "100 % of the contents read" in replicated.good("status").out
    assert "the log is whole" in replicated.good("verify", "--log").out


def test_damage_is_exit_code_5_with_what_it_means(replicated: Place) -> None:
    """Object, moments, and how it can be mended; in words and as JSON; and `status` tells of it."""
    position, uuid, handle = newest_item(replicated)
    damage.flip_payload(replicated.folder / "log.sqlite", position)
    path = content_of(replicated, position)
    damage.flip(path, 3)
    done = replicated("verify", "--log", "--read-blobs", "100", "--json")
    assert done.code == 5
    payload, *contents = sorted(done.json["findings"], key=lambda one: one["fault"] != "payload")
    assert (payload["fault"], payload["position"]) == ("payload", position)
    (effect,) = payload["effects"]
    assert (effect["uuid"], effect["handle"], effect["kind"]) == (uuid, handle, "item")
    assert (effect["until"], effect["newer"]) == (None, False)
    assert [one["content"] for one in contents] == [path.name]
    said = replicated("verify", "--log")
    assert said.code == 5
    assert f"item {uuid} ({handle}) cannot be restored" in said.out
    assert "NO later whole event" in said.out
    assert replicated.good("status", "--json").json["checked"]["damaged"] == 2
    assert "DAMAGES" in replicated.good("status").out


def test_a_budget_is_kept_and_the_next_run_goes_on(replicated: Place) -> None:
    """It says where it stopped; --restart begins anew; nothing of it is an error."""
    done = replicated.good("verify", "--log", "--bytes", "1k", "--json").json
    assert (done["complete"], done["open"]["phase"]) == (False, "log")
    assert "a pass under way" in replicated.good("status").out
    assert "the next run goes on" in replicated.good("verify", "--log", "--read-blobs", "1%", "--bytes", "1").out
    assert replicated.good("verify", "--log", "--seconds", "600", "--json").json["complete"] is True
    assert replicated.good("verify", "--log", "--restart", "--json").json["complete"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log", "--details"),
        ("--log", "--wait", "3"),
        ("--seconds", "3"),
        ("--read-blobs", "5%"),
        ("--parse",),
        ("--log", "--read-blobs", "101%"),
        ("--log", "--read-blobs", "many"),
        ("--log", "--bytes", "0"),
        ("--log", "--bytes", "1 stone"),
    ],
)
def test_options_that_do_not_go_together_are_refused(place: Place, arguments: tuple[str, ...]) -> None:
    """Before anything is looked at."""
    assert place("verify", *arguments).code == 2


def test_the_daemon_checks_by_the_clock(place: Place) -> None:
    """With a budget; damage is told in its messages and it goes on."""
    place.configure(more="[run]\nverify_log_hours = 0.0003\nverify_log_seconds = 5\nverify_log_blobs = 50")
    daemon = place.process("run")
    place.says("captured.everything", daemon)
    eventually(lambda: (place.good("status", "--json").json["checked"]["last"] or {}).get("contents"))
    place.says("log.checked", daemon)
    position, uuid, _ = newest_item(place)
    content_of(place, position).unlink()
    place.says("log.damaged", daemon)
    assert uuid in place.messages()
    assert place.stop(daemon) == 0
