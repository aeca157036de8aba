"""The main job: a repository, edited in every way, appears on the target exactly.

The judge is `tests.comparator`, which reads the tables of both ends itself and shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.sample.edits.core import EDITS, NothingToEdit
from daemon.scratch import Cluster
from daemon.target import ledger
from events.errors import GapInLog
from events.log.opening import open_log
from tests.comparator import row_versions
from tests.daemon.pair import Pair

VERSIONS = ("7.6", "8", "9", "10")
MODES = ("wal", "poll")

MakePair = Callable[..., Pair]


@pytest.fixture
def make(cluster: Cluster, tmp_path: Path) -> Iterator[MakePair]:
    """Makes pairs of repositories, and closes them at the end."""
    made: list[Pair] = []

    def pair(version: str, **options: Any) -> Pair:
        made.append(Pair(cluster, tmp_path / str(len(made)), version, **options))
        return made[-1]

    yield pair
    for each in made:
        each.close()


def assert_equal(pair: Pair) -> None:
    """Every content table row for row by the comparator, and `verify` says the same."""
    assert pair.differences() == []
    report = pair.verify()
    assert report.equal, report.differences
    assert report.compared["item"] > 0
    assert report.local == {"person": 1}, "only the target's own administrator may be there besides"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", MODES)
def test_a_thousand_edits_of_every_kind_arrive_exactly(make: MakePair, version: str, mode: str) -> None:
    """Bootstrap, then every kind of edit once and a thousand random ones, replayed in between: equal row by row."""
    pair = make(version, mode=mode, seed=VERSIONS.index(version) + 10)
    emitted = pair.bootstrap()
    assert emitted.parked == 0
    applied = pair.replay()
    assert applied.parked == 0
    assert applied.differing == []
    assert_equal(pair)

    done = set()
    for name in EDITS:
        try:
            pair.editor.do(name)
            done.add(name)
        except NothingToEdit:
            continue
    assert len(done) > len(EDITS) * 0.8, sorted(set(EDITS) - done)
    for number in range(1000):
        pair.editor.step()
        if number % 50 == 49:
            pair.capture()
            applied = pair.replay()
            assert applied.parked == 0, ledger.parked(pair.target.connection)
            assert applied.differing == []
    pair.capture()
    pair.replay()
    assert_equal(pair)


@pytest.mark.parametrize("mode", MODES)
def test_replaying_again_from_any_position_changes_no_row(make: MakePair, mode: str) -> None:
    """The whole log a second time, or from any earlier position: not one row gets a new xmin."""
    pair = make("8", mode=mode, seed=3)
    pair.bootstrap()
    pair.replay()
    for _ in range(60):
        pair.editor.step()
        pair.capture()
    pair.replay()
    before = row_versions(pair.target_dsn)
    end = pair.log.end()
    for position in (0, 1, end // 3, end // 2, end - 1):
        applied = pair.replay(after=position)
        assert applied.events == end - position
        assert applied.written == applied.deleted == applied.files == 0
        assert row_versions(pair.target_dsn) == before


def test_a_target_without_a_ledger_that_is_equal_is_left_as_it_is(make: MakePair) -> None:
    """A target that holds everything already (a copy of the first, say) is recognised: no row is touched."""
    pair = make("9", seed=4)
    pair.bootstrap()
    pair.replay()
    connection = pair.target.connection
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE aipstream.ledger, aipstream.cursor")
    connection.commit()
    before = row_versions(pair.target_dsn)
    applied = pair.replay()
    assert applied.unchanged + applied.written == applied.events > 100
    assert row_versions(pair.target_dsn) == before


@pytest.mark.parametrize("mode", MODES)
def test_a_metadata_edit_costs_one_event_and_one_row(make: MakePair, mode: str) -> None:
    """One event, no blob, no file, and on the target no row but the item's own and the one value."""
    pair = make("7.6", mode=mode, seed=5, rich=False)
    pair.bootstrap()
    pair.replay()
    end, blobs = pair.log.end(), set(pair.blobs.list())
    files = {path: path.stat().st_mtime_ns for path in pair.target_store.rglob("*") if path.is_file()}
    before = rows(pair.target.connection)
    with pair.editor_connection as connection, connection.cursor() as cursor:
        cursor.execute("""UPDATE metadatavalue SET text_value = 'Another' WHERE metadata_value_id =
                          (SELECT metadata_value_id FROM metadatavalue JOIN item ON uuid = dspace_object_id
                           ORDER BY 1 LIMIT 1) RETURNING dspace_object_id""")
        cursor.execute("UPDATE item SET last_modified = now() WHERE uuid = %s", cursor.fetchone())
    emitted = pair.capture()
    assert (emitted.put, emitted.deleted, emitted.blobs) == (1, 0, 0)
    assert pair.log.end() == end + 1
    assert set(pair.blobs.list()) == blobs
    applied = pair.replay()
    assert (applied.written, applied.files) == (1, 0)
    assert {path: path.stat().st_mtime_ns for path in pair.target_store.rglob("*") if path.is_file()} == files
    after = rows(pair.target.connection)
    changed = {table for table in after if after[table] != before[table]}
    assert changed == {"item", "metadatavalue"}
    assert len(after["item"] ^ before["item"]) == 2  # one row, before and after
    assert len(after["metadatavalue"] ^ before["metadatavalue"]) == 2
    assert_equal(pair)


def rows(connection: Any) -> dict[str, set[tuple[str, str]]]:
    """(ctid, xmin) of every row of the tables that an item's replay may touch."""
    tables = ("item", "metadatavalue", "resourcepolicy", "bundle", "bitstream", "handle", "collection2item",
              "item2bundle", "bundle2bitstream", "dspaceobject", "collection", "community", "eperson", "epersongroup")
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT ctid::text, xmin::text FROM {table}")
            found[table] = set(cursor.fetchall())
    connection.rollback()
    return found


@pytest.mark.parametrize(("source", "target"), [("7.6", "10"), ("7.6", "8"), ("8", "9"), ("9", "10")])
def test_a_repository_moves_to_a_newer_version(make: MakePair, source: str, target: str) -> None:
    """Live migration between versions: nothing is lost on the way up."""
    pair = make(source, target_version=target, mode="wal", seed=6)
    pair.bootstrap()
    for _ in range(100):
        pair.editor.step()
    pair.capture()
    applied = pair.replay()
    assert (applied.parked, applied.differing, len(applied.losses)) == (0, [], 0)
    assert_equal(pair)


def test_security_levels_do_not_become_public_on_an_older_version(make: MakePair) -> None:
    """DSpace 9 has no place for the restricted values of 10: they are left out and told, never made public."""
    pair = make("10", target_version="9", seed=7)
    pair.bootstrap()
    applied = pair.replay()
    with pair.editor_connection as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT dspace_object_id) FROM metadatavalue WHERE security_level > 0")
        restricted, _ = cursor.fetchone() or (0, 0)
        cursor.execute("SELECT text_value FROM metadatavalue WHERE security_level > 0")
        secrets = {text for (text,) in cursor}
    assert restricted > 0
    assert applied.losses
    with pair.target.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metadatavalue WHERE text_value = ANY (%s)", [list(secrets)])
        assert cursor.fetchone() == (0,)


def test_both_ways_of_watching_tell_the_same(make: MakePair) -> None:
    """After every edit the objects that `wal` emits are those that a sweep finds changed: none more, none less."""
    pair = make("9", mode="wal", seed=8)
    pair.bootstrap()
    for _ in range(150):
        edit = pair.editor.step()
        pair.capture()
        emitted = pair.poll.sweep()
        assert (emitted.put, emitted.deleted) == (0, 0), f"wal missed what {edit!r} changed"


RENAMES = {
    "field": "UPDATE metadatafieldregistry SET qualifier = 'renamed' WHERE metadata_field_id = "
             "(SELECT metadata_field_id FROM metadatavalue JOIN item ON uuid = dspace_object_id GROUP BY 1 "
             "ORDER BY count(*) DESC LIMIT 1)",
    "schema": "UPDATE metadataschemaregistry SET short_id = 'renamed' WHERE short_id = 'dc'",
    "format": "UPDATE bitstreamformatregistry SET short_description = 'Renamed' WHERE bitstream_format_id = "
              "(SELECT bitstream_format_id FROM bitstream WHERE bitstream_format_id > 3 GROUP BY 1 "
              "ORDER BY count(*) DESC LIMIT 1)",
    "entity type": "UPDATE entity_type SET label = 'Renamed' WHERE label = 'Person'",
    "relationship type": "UPDATE relationship_type SET leftward_type = 'isRenamed' WHERE id = "
                         "(SELECT type_id FROM relationship LIMIT 1)",
}


@pytest.mark.parametrize("mode", MODES)
def test_renamed_registry_entries_reach_all_that_use_them(make: MakePair, mode: str) -> None:
    """A renamed field, schema, format or type reads otherwise in every object that uses it."""
    pair = make("9", mode=mode, seed=9)
    pair.bootstrap()
    pair.replay()
    for what, sql in RENAMES.items():
        with pair.editor_connection as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            assert cursor.rowcount == 1, what
        assert pair.capture().put > 1, what
        applied = pair.replay()
        assert (applied.parked, applied.differing) == (0, []), what
        assert_equal(pair)


def test_a_log_that_went_another_way_is_not_taken_for_the_same(make: MakePair, tmp_path: Path) -> None:
    """A log restored from an older copy, that then went on otherwise, is a gap, however dense its positions are."""
    pair = make("8", seed=11, rich=False, items=5)
    pair.bootstrap()
    pair.log.close()
    copy = {path: path.read_bytes() for path in pair.folder.glob("log.sqlite*")}
    pair.log = pair.emitter.log = pair.target.log = open_log(f"sqlite:///{pair.folder}/log.sqlite")
    pair.editor.do("change_value")
    pair.capture()
    pair.replay()
    pair.log.close()
    for path in pair.folder.glob("log.sqlite*"):
        path.unlink()
    for path, content in copy.items():
        path.write_bytes(content)
    other = pair.log = pair.target.log = open_log(f"sqlite:///{pair.folder}/log.sqlite")
    event = next(other.read(other.end() - 1)).event
    other.append([msgspec.structs.replace(event, lsn=event.lsn + 1)])
    with pytest.raises(GapInLog, match="another event"):
        pair.replay()
