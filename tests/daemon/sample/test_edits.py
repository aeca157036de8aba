"""The edits: each does what DSpace would, commits once, and leaves a sound repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from daemon.sample.edits import EDITS, Editor, NothingToEdit
from daemon.sample.invariants import check_invariants
from tests.comparator import differences, row_versions
from tests.daemon.sample.conftest import Copies

STAMPS = "select uuid, last_modified from item where uuid not in (select item_id from workspaceitem)"


@dataclass
class Edited:
    """A copy of the sample with an editor on it."""

    dsn: str
    assetstore: Path
    editor: Editor
    original: Copies

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(self.dsn)
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
        connection.close()
        return rows

    def broken(self) -> list[str]:
        connection = psycopg2.connect(self.dsn)
        found = check_invariants(connection, self.assetstore)
        connection.close()
        return found

    def changed(self) -> list[str]:
        return differences(
            self.dsn, self.original.dsn, source_assetstore=self.assetstore, target_assetstore=self.original.assetstore
        )


@pytest.fixture
def edited(sample: Copies, tmp_path: Path) -> Iterator[Edited]:
    """Both the rows and the files are copies: edits may do what they like."""
    store = tmp_path / "assetstore"
    shutil.copytree(sample.assetstore, store)
    dsn = sample.copy()
    connection = psycopg2.connect(dsn)
    yield Edited(dsn, store, Editor(connection, store, 5), sample)
    connection.close()


NO_CONTENT = {"log_in", "rolled_back", "harvest_runs", "create_draft", "edit_draft", "discard_draft", "change_password"}


@pytest.mark.parametrize("name", sorted(EDITS.keys() - NO_CONTENT - {"set_security_level"}))
def test_an_edit_of_content_is_a_difference_and_leaves_a_sound_repository(name: str, edited: Edited) -> None:
    """Every kind finds something to do in the sample, tells what it did, is seen from outside, and breaks no rule."""
    assert edited.editor.do(name).startswith(f"{name}: ")
    assert edited.broken() == []
    assert edited.changed() != []


def test_security_levels_are_of_dspace_10(edited: Edited) -> None:
    """An edit that the version has no column for says so and does nothing."""
    with pytest.raises(NothingToEdit):
        edited.editor.do("set_security_level")
    assert edited.changed() == []


@pytest.mark.parametrize("name", sorted(NO_CONTENT))
def test_what_is_no_content_is_no_difference(name: str, edited: Edited) -> None:
    """Logins, passwords, harvests that run, drafts and undone transactions change nothing that is compared."""
    edited.editor.do(name)
    assert edited.broken() == []
    assert edited.changed() == []


def test_a_rolled_back_transaction_touches_no_row(edited: Edited) -> None:
    """No row was written, not even with its old content."""
    before = row_versions(edited.dsn)
    edited.editor.do("rolled_back")
    assert row_versions(edited.dsn) == before


def test_a_login_writes_one_table(edited: Edited) -> None:
    """Only `eperson` has another row version."""
    before = row_versions(edited.dsn)
    edited.editor.do("log_in")
    after = row_versions(edited.dsn)
    assert {table for table in after if after[table] != before[table]} == {"eperson"}


UNSTAMPED = (
    "reorder_values",
    "remove_field_everywhere",
    "rename_file",
    "edit_iiif",
    "embargo_file",
    "delete_file",
    "change_primary",
    "create_bundle",
    "rename_bundle",
    "change_bundle_policies",
    "map_item",
    "unmap_item",
    "name_variant",
    "add_handle",
    "change_format",
    "edit_collection",
    "create_draft",
)


@pytest.mark.parametrize("name", UNSTAMPED)
def test_some_edits_move_no_stamp(name: str, edited: Edited) -> None:
    """`item.last_modified` stays where DSpace leaves it alone, though the item has changed."""
    before = edited.rows(STAMPS)
    edited.editor.do(name)
    assert sorted(edited.rows(STAMPS)) == sorted(before)


STAMPED = (
    "replace_title",
    "add_values",
    "add_file",
    "remove_file_from_bundle",
    "reorder_files",
    "withdraw",
    "move_item",
    "toggle_discoverable",
    "grant_on_item",
    "change_submitter",
    "relate_items",
)


@pytest.mark.parametrize("name", STAMPED)
def test_other_edits_move_a_stamp(name: str, edited: Edited) -> None:
    """`item.last_modified` of the items concerned is later than any stamp before."""
    (highest,) = edited.rows(f"select max(last_modified) from ({STAMPS}) s")[0]
    edited.editor.do(name)
    (now,) = edited.rows(f"select max(last_modified) from ({STAMPS}) s")[0]
    assert str(now) > str(highest)


def test_a_deleted_item_leaves_what_dspace_leaves(edited: Edited) -> None:
    """Tombstones of its handles, deleted bitstreams with their metadata, and nothing else."""
    before = {row[0] for row in edited.rows("select uuid from item")}
    tombstones = edited.rows("select count(*) from handle where resource_id is null")[0][0]
    deleted = edited.rows("select count(*) from bitstream where deleted")[0][0]
    total = edited.rows("select count(*) from bitstream")
    edited.editor.do("remove_item")
    (gone,) = before - {row[0] for row in edited.rows("select uuid from item")}
    assert edited.rows(f"select count(*) from dspaceobject where uuid = '{gone}'") == [(0,)]
    assert edited.rows("select count(*) from handle where resource_id is null")[0][0] > tombstones
    assert edited.rows("select count(*) from bitstream where deleted")[0][0] >= deleted
    assert edited.rows("select count(*) from bitstream") == total


def test_an_item_comes_back_with_its_uuid_and_its_handle(edited: Edited) -> None:
    """Deleted and made again: the same UUID, and the tombstone is bound to it again."""
    handles = dict(edited.rows("select handle, resource_id from handle"))
    items = {row[0] for row in edited.rows("select uuid from item")}
    edited.editor.do("recreate_item")
    assert {row[0] for row in edited.rows("select uuid from item")} == items
    assert dict(edited.rows("select handle, resource_id from handle")) == handles


def test_a_new_version_shares_its_files(edited: Edited) -> None:
    """The clones have UUIDs of their own and the `internal_id` of the originals; no file is written."""
    files = {path for path in edited.assetstore.rglob("*") if path.is_file()}
    names = {row[0] for row in edited.rows("select internal_id from bitstream")}
    edited.editor.do("new_version")
    assert {row[0] for row in edited.rows("select internal_id from bitstream")} == names
    assert {path for path in edited.assetstore.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("seed", [1, 2])
def test_hundreds_of_random_edits_leave_a_sound_repository(seed: int, sample: Copies, tmp_path: Path) -> None:
    """Whatever order they come in."""
    store = tmp_path / "assetstore"
    shutil.copytree(sample.assetstore, store)
    connection = psycopg2.connect(sample.copy())
    editor = Editor(connection, store, seed)
    for _ in range(400):
        editor.step()
    assert check_invariants(connection, store) == []
    connection.close()
