"""Edits of the target behind our back: overwritten, left, or parked, as was asked for, and always told."""

from __future__ import annotations

import pytest

from tests.chaos.wreck import Wreck

TITLE = """
    UPDATE metadatavalue SET text_value = %s WHERE metadata_value_id = (
      SELECT min(v.metadata_value_id) FROM metadatavalue v JOIN metadatafieldregistry f USING (metadata_field_id)
      WHERE v.dspace_object_id = %s AND f.element = 'title')"""

HERE = """
    SELECT min(v.text_value) FROM metadatavalue v JOIN metadatafieldregistry f USING (metadata_field_id)
    WHERE v.dspace_object_id = %s AND f.element = 'title' AND v.text_value IN ('Ours', 'Theirs', 'Later')"""


def items(wreck: Wreck) -> list[str]:
    return [
        uuid
        for (uuid,) in wreck.sql(
            wreck.source,
            """
        SELECT uuid::text FROM item WHERE in_archive AND uuid NOT IN (
          SELECT item_id FROM versionitem WHERE item_id IS NOT NULL UNION SELECT left_id FROM relationship
          UNION SELECT right_id FROM relationship) ORDER BY uuid LIMIT 3""",
        )
    ]


def both_edited(wreck: Wreck) -> str:
    """An item that has another title on each end; a second item was only edited at the source."""
    one, other, _ = items(wreck)
    wreck.sql(wreck.target, TITLE, "Theirs", one)
    wreck.sql(wreck.source, TITLE, "Ours", one)
    wreck.sql(wreck.source, TITLE, "Ours", other)
    return one


def title(wreck: Wreck, item: str) -> str | None:
    found: str | None = wreck.sql(wreck.target, HERE, item)[0][0]
    return found


def test_overwrite_writes_the_source_and_says_so(replicated: Wreck) -> None:
    """The default: the target is what the source is; the overwritten edit is told."""
    item = both_edited(replicated)
    told = replicated.good("run", "--until-current", "--json").json["applied"]
    assert (told["written"], told["drifted"]) == (2, 1)
    replicated.assert_equal()
    assert title(replicated, item) == "Ours"


def test_skip_leaves_the_edit_and_says_so(replicated: Wreck) -> None:
    """The edited object stays as it is, at later events too; the others go on, and `verify` tells the difference."""
    replicated.configure(more='on_drift = "skip"')
    item = both_edited(replicated)
    told = replicated.good("run", "--until-current", "--json").json["applied"]
    assert (told["written"], told["drifted"]) == (1, 1)
    assert title(replicated, item) == "Theirs"
    replicated.sql(replicated.source, TITLE, "Later", item)
    assert replicated.good("run", "--until-current", "--json").json["applied"]["drifted"] == 1
    assert title(replicated, item) == "Theirs"
    differing = replicated("verify", "--json")
    assert differing.code == 4
    assert [one["uuid"] for one in differing.json["differences"]] == [item]
    replicated.good("replay", "--again", item, "--on-drift", "overwrite")
    replicated.assert_equal()


def test_park_puts_the_event_aside_until_somebody_decides(replicated: Wreck) -> None:
    """Parked with its reason; a retry alone changes nothing; undoing the edit, or asking to overwrite, settles it."""
    replicated.configure(more='on_drift = "park"')
    item = both_edited(replicated)
    assert replicated("run", "--until-current").code == 3
    (parked,) = replicated.parked()
    assert (parked["uuid"], parked["error"]) == (item, "EditedOnTarget")
    assert "edited on the target" in parked["reason"]
    assert title(replicated, item) == "Theirs"
    assert replicated("park", "retry", "--all").code == 3
    assert title(replicated, item) == "Theirs"
    replicated.good("replay", "--on-drift", "overwrite", "--again", item)
    replicated.assert_equal()


@pytest.mark.parametrize(("on_drift", "stays"), [("overwrite", False), ("skip", True), ("park", True)])
def test_deleting_what_was_edited_on_the_target_is_told_as_well(replicated: Wreck, on_drift: str, stays: bool) -> None:
    """A deletion would undo the edit for good: it is held up, or told, as any other event."""
    replicated.configure(more=f'on_drift = "{on_drift}"')
    item = items(replicated)[0]
    replicated.sql(replicated.target, TITLE, "Theirs", item)
    replicated.sql(replicated.source, "UPDATE item SET in_archive = false WHERE uuid = %s", item)
    done = replicated("run", "--until-current", "--json")
    assert done.code == (3 if on_drift == "park" else 0)
    assert done.json["applied"]["drifted"] == 1
    assert bool(replicated.sql(replicated.target, "SELECT 1 FROM item WHERE uuid = %s", item)) is stays


def test_what_was_deleted_on_the_target_comes_back(replicated: Wreck) -> None:
    """An item that somebody removed from the target is made again at its next event, and told as an edit."""
    item = items(replicated)[0]
    replicated.sql(replicated.target, "UPDATE item SET in_archive = false WHERE uuid = %s", item)
    replicated.sql(replicated.source, TITLE, "Ours", item)
    assert replicated.good("run", "--until-current", "--json").json["applied"]["drifted"] == 1
    replicated.assert_equal()


@pytest.mark.parametrize("wreck", ["poll", "wal"], indirect=True)
def test_our_own_writes_are_nobodys_edits(replicated: Wreck) -> None:
    """Relationships, versions and handles change objects that are not in the batch: in batches of one event each,
    fifty edits are told as no drift, and nothing is held up.
    """
    replicated.configure(more='on_drift = "park"\nbatch = 1')
    for seed in range(2):
        replicated.edit(25, seed)
        assert "drifted" not in replicated.good("run", "--until-current", "--json").json["applied"]
    replicated.assert_equal()
