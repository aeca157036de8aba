"""What the search index has still to be told of, out of the books of this driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon import replayer
from daemon.index.port import Row
from daemon.target.packager.due import PackagerDue
from events.aip.model import Kind
from events.errors import Locked
from tests.daemon.target.packager.stage import Stage, collection, community, handle, item, person
from tests.events.samples import uuid_of


@pytest.fixture
def due(stage: Stage) -> Iterator[PackagerDue]:
    """A target that keeps what is due, with two items loaded and one of them gone."""
    stage.target.indexed = True
    stage.put(community(), collection(), person(50, "ada@example.org"), item(10), item(11))
    replayer.replay(stage.target, stage.log)
    stage.delete(item(11))
    replayer.replay(stage.target, stage.log)
    opened = PackagerDue(stage.work)
    yield opened
    opened.close()


def test_what_was_loaded_or_deleted_is_due(due: PackagerDue) -> None:
    """Containers and items with their handles; people have no document."""
    rows = {row.handle: row for row in due.pending(100).rows}
    assert set(rows) == {handle(1), handle(2), handle(10), handle(11)}
    assert rows[handle(11)].act == "gone"
    assert {rows[handle(number)].act for number in (1, 2, 10)} == {"index"}
    assert due.standing().due == 4
    assert due.pending(2).more


def test_what_was_touched_again_stays_due(stage: Stage, due: PackagerDue) -> None:
    """Only the state that the index was told of is struck off."""
    told = due.pending(100).rows
    due.mark()
    stage.put(item(10, "edited"))
    replayer.replay(stage.target, stage.log)
    assert due.strike(told) == 3
    assert [row.uuid for row in due.pending(100).rows] == [uuid_of(10)]
    assert due.strike_marked() == 0
    due.mark()
    assert due.strike_marked() == 1
    assert due.standing().due == 0


def test_rows_can_be_added_by_hand(due: PackagerDue) -> None:
    """As `aipstream index` does for an object that somebody names."""
    due.strike(due.pending(100).rows)
    due.add([Row(uuid_of(2), Kind.COLLECTION, handle(2), None, below=True)])
    (row,) = due.pending(10).rows
    assert (row.uuid, row.below) == (uuid_of(2), True)


def test_one_at_a_time_tells_and_anybody_looks(stage: Stage, due: PackagerDue) -> None:
    """A second one who tells is refused; one who only looks is not. Nothing is due where nothing was applied."""
    with pytest.raises(Locked, match="telling this target's index"):
        PackagerDue(stage.work)
    look = PackagerDue(stage.work, alone=False)
    assert look.standing().due == due.standing().due
    look.close()
    nowhere = PackagerDue(stage.folder / "nowhere", alone=False)
    assert nowhere.standing().due == 0
    assert not nowhere.pending(5).rows


def test_nothing_is_kept_where_no_index_is_told(stage: Stage) -> None:
    """Without [index] the books do not grow."""
    stage.put(community())
    replayer.replay(stage.target, stage.log)
    look = PackagerDue(stage.work, alone=False)
    assert look.standing().due == 0
    look.close()
