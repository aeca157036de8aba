"""`aipstream log repair`: real damage of every sort is put right, or what is lost is named and the log read again."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.cli.place import Place
from tests.events.log import damage


def log_of(place: Place) -> Path:
    return place.folder / "log.sqlite"


def rows(place: Place, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(log_of(place))) as log:
        return log.execute(query, values).fetchall()


def items(place: Place) -> list[tuple[int, str]]:
    """Newest events of items that have a handle and contents: position and UUID."""
    return rows(place, "SELECT max(position), uuid FROM event WHERE kind = 'item' AND blobs <> '[]' AND type = 'put' "
                       "AND handle IS NOT NULL GROUP BY uuid ORDER BY 1")  # fmt: skip


def contents_of(place: Place, position: int) -> list[Path]:
    (found,) = rows(place, "SELECT blobs FROM event WHERE position = ?", position)
    return [place.folder / "blobs" / name[:2] / name[2:4] / name for name in json.loads(found[0])]


def retitle(place: Place, uuid: str, title: str) -> None:
    place.sql(place.source, "UPDATE metadatavalue SET text_value = %s WHERE dspace_object_id = %s AND place = 0 "
                            "AND text_lang IS NULL", title, uuid)  # fmt: skip
    place.good("snapshot")


def became(place: Place, *arguments: str, code: int = 0) -> dict[tuple[int, str], str]:
    """What became of each damage."""
    done = place("log", "repair", *arguments, "--json")
    assert done.code == code, done
    return {(step["position"], step["fault"]): step["became"] for step in done.json["steps"]}


def test_nothing_damaged_nothing_done(replicated: Place) -> None:
    """It checks first, and touches no row."""
    whole = damage.rows_of(log_of(replicated))
    assert replicated.good("log", "repair").out == "nothing is damaged\n"
    assert damage.rows_of(log_of(replicated)) == whole


def test_a_payload_whose_state_still_stands_is_read_from_the_source_again(replicated: Place) -> None:
    """Byte for byte: afterwards every row is what it was. A dry run says so and changes nothing."""
    whole = damage.rows_of(log_of(replicated))
    some = [position for position, _ in items(replicated)[:3]]
    some += [row[0] for row in rows(replicated, "SELECT max(position) FROM event GROUP BY kind")]
    for position in set(some):
        damage.flip_payload(log_of(replicated), position) if position % 2 else damage.sql(
            log_of(replicated), f"DELETE FROM payload WHERE position = {position}"
        )
    broken = damage.rows_of(log_of(replicated))
    assert set(became(replicated, "--dry-run").values()) == {"mended"}
    assert damage.rows_of(log_of(replicated)) == broken
    done = became(replicated)
    assert {position for position, _ in done} == set(some)
    assert set(done.values()) == {"mended"}
    assert damage.rows_of(log_of(replicated)) == whole
    replicated.good("verify", "--log", "--parse")


def test_a_state_that_is_gone_is_lost_and_the_object_captured_anew(replicated: Place) -> None:
    """The newest event of an object that has changed since, of one that is deleted since, and an older event: the log
    is readable again, the target is brought to the same, and the lost states are named.
    """
    (old, one), (gone_at, gone), (whole_at, _) = items(replicated)[:3]
    retitle(replicated, one, "the first change")
    ((newer,),) = rows(replicated, "SELECT max(position) FROM event WHERE uuid = ?", one)
    untouched = damage.rows_of(log_of(replicated))
    damage.flip_payload(log_of(replicated), old)
    damage.flip_payload(log_of(replicated), newer)
    damage.sql(log_of(replicated), f"DELETE FROM payload WHERE position = {gone_at}")
    replicated.sql(replicated.source, "UPDATE metadatavalue SET text_value = 'the second change' WHERE "
                   "dspace_object_id = %s AND place = 0 AND text_lang IS NULL", one)  # fmt: skip
    for statement in ("UPDATE handle SET resource_id = NULL WHERE resource_id = %s",
                      "DELETE FROM item2bundle WHERE item_id = %s", "DELETE FROM collection2item WHERE item_id = %s",
                      "DELETE FROM relationship WHERE left_id = %s OR right_id = %s",
                      "DELETE FROM versionitem WHERE item_id = %s", "DELETE FROM item WHERE uuid = %s"):  # fmt: skip
        replicated.sql(replicated.source, statement, *[gone] * statement.count("%s"))
    assert replicated("verify", "--log").code == 5
    planned = became(replicated, "--dry-run")
    assert planned == {(old, "payload"): "lost", (newer, "payload"): "captured", (gone_at, "payload-gone"): "captured"}
    assert became(replicated) == planned
    checked = replicated.good("verify", "--log", "--parse", "--json").json
    assert sorted(lost["position"] for lost in checked["lost"]) == sorted([old, newer, gone_at])
    assert f"lost to damage that was repaired: item {one}" in replicated.good("verify", "--log").out
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
    after = damage.rows_of(log_of(replicated))
    known = {row[0]: row for row in after["event"]}
    assert all(known[row[0]] == row for row in untouched["event"]), "no header was touched"
    bad = {old, newer, gone_at}
    assert {row for row in untouched["payload"] if row[0] not in bad} <= set(after["payload"])
    assert whole_at in {row[0] for row in after["payload"]}
    assert replicated.good("log", "repair", "--restart").out == "nothing is damaged\n"


def test_payloads_that_changed_places_are_put_back_without_any_source(replicated: Place) -> None:
    """Each lies where the other should."""
    whole = damage.rows_of(log_of(replicated))
    (one, _), (other, _) = items(replicated)[:2]
    damage.sql(
        log_of(replicated),
        f"UPDATE payload SET position = -1 WHERE position = {one}",
        f"UPDATE payload SET position = {one} WHERE position = {other}",
        f"UPDATE payload SET position = {other} WHERE position = -1",
    )
    shutil.rmtree(replicated.source_store)
    replicated.configure(source="postgresql://nobody@localhost:1/none")
    assert set(became(replicated).values()) == {"mended"}
    assert damage.rows_of(log_of(replicated)) == whole


def test_single_bits_are_flipped_back_without_any_source(replicated: Place) -> None:
    """Of a payload, and of a header: their checksums prove what was there."""
    whole = damage.rows_of(log_of(replicated))
    (one, uuid), (other, _) = items(replicated)[:2]
    ((payload,),) = rows(replicated, "SELECT payload FROM payload WHERE position = ?", other)
    flipped = bytearray(payload)
    flipped[70] ^= 4
    with closing(sqlite3.connect(log_of(replicated))) as log:
        log.execute("UPDATE payload SET payload = ? WHERE position = ?", (bytes(flipped), other))
        log.execute("UPDATE event SET uuid = ? WHERE position = ?", (chr(ord(uuid[0]) ^ 1) + uuid[1:], one))
        log.commit()
    replicated.configure(source="postgresql://nobody@localhost:1/none")
    assert became(replicated) == {(one, "header"): "mended", (other, "payload"): "mended"}
    assert damage.rows_of(log_of(replicated)) == whole


def test_without_a_source_what_is_superseded_is_lost_and_what_is_newest_is_left(replicated: Place) -> None:
    """A log that is only replayed: nothing can be captured into it."""
    (old, one), (newest, _) = items(replicated)[:2]
    retitle(replicated, one, "a change")
    damage.flip_payload(log_of(replicated), old)
    damage.flip_payload(log_of(replicated), newest)
    text = replicated.path.read_text()
    replicated.path.write_text(text[text.index("[log]"):])
    assert became(replicated, code=5) == {(old, "payload"): "lost", (newest, "payload"): "left"}
    assert "no [source]" in replicated("log", "repair").out


def test_a_record_that_is_gone_is_named_by_what_is_left_of_it(replicated: Place) -> None:
    """Its payload is still there, and says whose it was; the moments are those between its neighbours."""
    position, uuid = items(replicated)[0]
    damage.sql(log_of(replicated), f"DELETE FROM event WHERE position = {position}")
    (found,) = replicated("verify", "--log", "--json").json["findings"]
    assert (found["fault"], found["effects"][0]["uuid"]) == ("gap", uuid)
    assert "only from a copy" in found["mend"]


def test_a_torn_file_is_left_alone_and_named(replicated: Place) -> None:
    """Its contents are mended all the same."""
    path = log_of(replicated)
    position, _ = items(replicated)[0]
    ((payload,),) = rows(replicated, "SELECT payload FROM payload WHERE position = ?", position)
    content = bytearray(path.read_bytes())
    page = content.find(payload[:40]) // 8192
    content[page * 8192 : page * 8192 + 8192] = bytes(8192)
    path.write_bytes(content)
    lost = contents_of(replicated, position)[0]
    lost.unlink()
    checked = replicated("verify", "--log", "--json")
    assert (checked.code, checked.json["complete"]) == (5, True)
    assert position in {one["position"] for one in checked.json["findings"]}
    before = path.read_bytes()
    done = replicated("log", "repair", "--json")
    assert done.code == 5
    assert {step["became"] for step in done.json["steps"] if step["content"]} == {"mended"}
    assert {step["became"] for step in done.json["steps"] if not step["content"]} == {"left"}
    assert lost.exists()
    assert path.read_bytes()[100:] == before[100:], "opening it counts up in SQLite's own header"


@pytest.mark.parametrize("whence", ["source", "target", "copy", "source of the past"])
def test_contents_are_fetched_again(replicated: Place, tmp_path: Path, whence: str) -> None:
    """Those that are gone, cut off, and flipped; from wherever they still are. The damaged ones are kept aside."""
    shutil.copytree(replicated.folder / "blobs", tmp_path / "copy")
    paths = sorted({path for position, _ in items(replicated)[:6] for path in contents_of(replicated, position)})[:3]
    before = {path: path.read_bytes() for path in paths}
    paths[0].unlink()
    paths[1].write_bytes(before[paths[1]][:-1])
    damage.flip(paths[2], 0)
    if whence != "source":
        shutil.rmtree(replicated.source_store)
    if whence in {"copy", "source of the past"}:
        shutil.rmtree(replicated.target_store)
    if whence == "source of the past":
        assert set(became(replicated, "--read-blobs", "100%", code=5).values()) == {"left"}
        assert not paths[0].exists()
        assert len(paths[1].read_bytes()) == len(before[paths[1]]) - 1, "what is damaged stays until it can be replaced"
        return
    more = ("--from-blobs", f"file://{tmp_path}/copy") if whence == "copy" else ()
    done = replicated.good("log", "repair", "--read-blobs", "100%", *more, "--json").json
    assert (done["mended"], done["left"]) == (3, 0)
    assert {step["how"] for step in done["steps"]} == {f"fetched from the {whence}"}
    assert {path: path.read_bytes() for path in paths} == before
    aside = {path.name for path in (replicated.folder / "log.sqlite.state.mending").iterdir()}
    assert aside == {f"{path.name}.damaged" for path in paths[1:]}
    replicated.good("verify", "--log", "--read-blobs", "100%")


def test_records_come_back_from_a_copy_of_the_log_alone(replicated: Place) -> None:
    """Without one they are left, with what would help; no chain is made up. One of another log is refused."""
    replicated.good("copy", "--log", f"sqlite:///{replicated.folder}/copy.sqlite")
    whole = damage.rows_of(log_of(replicated))
    end = max(row[0] for row in whole["event"])
    damage.sql(
        log_of(replicated),
        "DELETE FROM event WHERE position IN (5, 6, 7)",
        "DELETE FROM payload WHERE position IN (6, 7)",
        "UPDATE event SET handle = 'x' WHERE position = 12",
        "UPDATE event SET chain = zeroblob(16) WHERE position = 20",
        "DELETE FROM event WHERE position = 24",
        "UPDATE event SET chain = zeroblob(16) WHERE position = 25",  # behind a hole: not seen to be damaged
        "UPDATE event SET position = 0 WHERE position = 40",
        "UPDATE event SET position = 40 WHERE position = 50",
        "UPDATE event SET position = 50 WHERE position = 0",
        f"DELETE FROM event WHERE position > {end - 3}",
        f"DELETE FROM payload WHERE position > {end - 3}",
        "UPDATE payload SET payload = zeroblob(5) WHERE position = 30",
    )
    broken = damage.rows_of(log_of(replicated))
    replicated.good("config", "check")
    with closing(sqlite3.connect(replicated.folder / "other.sqlite")) as other:
        with closing(sqlite3.connect(replicated.folder / "copy.sqlite")) as copy:
            copy.backup(other)
        other.execute("UPDATE meta SET value = 'another' WHERE key = 'identity'")
        other.commit()
    refused = replicated("log", "repair", "--from", f"sqlite:///{replicated.folder}/other.sqlite")
    assert (refused.code, "no copy of" in refused.err) == (2, True)
    assert damage.rows_of(log_of(replicated)) == broken
    alone = became(replicated, code=5)
    assert {key for key, value in alone.items() if value == "mended"} == {(20, "chain")}
    assert (12, "header") in alone
    planned = became(replicated, "--from", f"sqlite:///{replicated.folder}/copy.sqlite", "--dry-run")
    assert set(planned.values()) == {"mended"}
    copied = became(replicated, "--from", f"sqlite:///{replicated.folder}/copy.sqlite")
    assert copied.items() <= planned.items()
    assert set(copied.values()) == {"mended"}
    assert damage.rows_of(log_of(replicated)) == whole
    damage.sql(
        log_of(replicated),
        f"UPDATE event SET position = {end + 5} WHERE position = 60",  # a stray behind the end
        f"DELETE FROM event WHERE position = {end}",
        f"DELETE FROM payload WHERE position = {end}",
    )
    copied = became(replicated, "--restart", "--from", f"sqlite:///{replicated.folder}/copy.sqlite")
    assert set(copied.values()) == {"mended"}
    assert damage.rows_of(log_of(replicated)) == whole
    replicated.good("verify", "--log", "--parse")
    replicated.good("run", "--until-current")


def test_a_log_that_was_cut_off_grows_again_out_of_a_copy(replicated: Place) -> None:
    """Nothing in it says that it ever went further, but what the capture remembers does."""
    replicated.good("copy", "--log", f"sqlite:///{replicated.folder}/copy.sqlite")
    whole = damage.rows_of(log_of(replicated))
    end = max(row[0] for row in whole["event"])
    damage.sql(
        log_of(replicated),
        f"DELETE FROM event WHERE position > {end - 7}",
        f"DELETE FROM payload WHERE position > {end - 7}",
        f"UPDATE meta SET value = '{end - 7}' WHERE key = 'end'",
    )
    assert replicated("verify", "--log").code == 5
    assert became(replicated, code=5) == {(0, "end"): "left"}
    for dry_run in (("--dry-run",), ()):
        copied = became(replicated, "--from", f"sqlite:///{replicated.folder}/copy.sqlite", *dry_run)
        assert copied == {(0, "end"): "mended"}
    assert damage.rows_of(log_of(replicated)) == whole
    replicated.good("verify", "--log")
    replicated.good("run", "--until-current")


def test_marks_ends_and_links_are_put_right(replicated: Place) -> None:
    """From what stands around them."""
    whole = damage.rows_of(log_of(replicated))
    position, _ = items(replicated)[0]
    damage.sql(
        log_of(replicated),
        f"INSERT INTO thinned VALUES ({position})",
        "UPDATE event SET chain = zeroblob(16) WHERE position = 9",
        "UPDATE meta SET value = '25' WHERE key = 'end'",
    )
    assert set(became(replicated).values()) == {"mended"}
    assert damage.rows_of(log_of(replicated)) == whole


def test_a_kept_moment_that_is_damaged_stops_retention_until_it_is_put_right(replicated: Place) -> None:
    """By its one bit, then out of a copy of which it is a mark too; one that nothing knows any more is forgotten, and
    said to be.
    """
    copy = f"sqlite:///{replicated.folder}/copy.sqlite"
    replicated.good("keep", "before the upgrade", "--at", "20")
    replicated.good("copy", "--log", copy)
    whole = replicated.good("keep", "--json").json["marks"]
    for changed, arguments in (
        ("UPDATE mark SET position = position | 64", ()),
        ("UPDATE mark SET position = 7, name = 'x'", ("--from", copy)),
        ("DELETE FROM mark", ("--from", copy)),
    ):
        damage.sql(log_of(replicated), changed)
        for verb in (("prune",), ("keep",), ("verify", "--log")):
            assert replicated(*verb).code == 5, (changed, verb)
        assert became(replicated, *arguments) == {(0, "mark"): "mended"}
        assert replicated.good("keep", "--json").json["marks"] == whole
    damage.sql(log_of(replicated), "DELETE FROM mark")
    assert became(replicated, "--restart", "--dry-run") == {(0, "mark"): "lost"}
    assert replicated("keep").code == 5
    assert became(replicated) == {(0, "mark"): "lost"}
    assert replicated.good("keep", "--json").json["marks"] == []
    replicated.good("prune")


@pytest.mark.parametrize("place_", ["repair.found", "repair.aside", "repair.put", "repair.put:2", "repair.captured"])
def test_a_repair_that_is_killed_goes_on(replicated: Place, place_: str) -> None:
    """By SIGKILL, wherever it is; the same command then ends it, and all is whole."""
    (old, one), (other, _) = items(replicated)[:2]
    path = contents_of(replicated, other)[0]
    content = path.read_bytes()
    damage.flip_payload(log_of(replicated), old)
    damage.flip_payload(log_of(replicated), other)
    replicated.sql(replicated.source, "UPDATE metadatavalue SET text_value = 'changed' WHERE "
                   "dspace_object_id = %s AND place = 0 AND text_lang IS NULL", one)  # fmt: skip
    damage.flip(path, 1)
    killed = replicated.process("log", "repair", "--read-blobs", "100", AIPSTREAM_FAILPOINT=place_)
    assert killed.wait(120) == -signal.SIGKILL
    done = replicated.good("log", "repair", "--json").json
    assert done["left"] == 0
    assert path.read_bytes() == content
    checked = replicated.good("verify", "--log", "--parse", "--read-blobs", "100%", "--json").json
    assert [lost["position"] for lost in checked["lost"]] == [old]
    replicated.good("run", "--until-current")
    assert replicated.differences() == []


def test_while_the_daemon_captures_nothing_is_captured_twice(replicated: Place) -> None:
    """Exit code 8, and the damage stays as it is; a check may run beside it."""
    position, _ = items(replicated)[0]
    damage.flip_payload(log_of(replicated), position)
    replicated("verify", "--log")
    daemon = replicated.process("run")
    replicated.says("capture.polling", daemon)
    assert replicated("log", "repair").code == 8
    assert replicated("verify", "--log").code == 5
    replicated.stop(daemon)
    assert set(became(replicated).values()) == {"mended"}


def test_a_state_that_is_behind_is_brought_to_the_log_past_the_damage(replicated: Place) -> None:
    """As after a crash: it is brought there by headers, so a payload that cannot be read holds no capture up."""
    state = replicated.folder / "log.sqlite.state"
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = state.read_bytes()
    _, one = items(replicated)[0]
    retitle(replicated, one, "the last that was captured")
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    state.write_bytes(before)
    ((newest,),) = rows(replicated, "SELECT max(position) FROM event WHERE uuid = ?", one)
    damage.flip_payload(log_of(replicated), newest)
    replicated.sql(replicated.source, "UPDATE metadatavalue SET text_value = 'never captured' WHERE "
                   "dspace_object_id = %s AND place = 0 AND text_lang IS NULL", one)  # fmt: skip
    replicated.good("snapshot")
    assert became(replicated) == {(newest, "payload"): "lost"}  # a later state of the object is whole
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
