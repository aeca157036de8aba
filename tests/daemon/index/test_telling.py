"""What is due is struck off when the index was told of that very state, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest

from daemon.index import telling
from daemon.index.due import NativeDue
from daemon.index.port import Call, Row, Stopped
from daemon.index.telling import Told, tell, tell_everything
from daemon.target import ledger
from events.aip.model import Kind
from events.errors import IndexFailed, Interrupted, Locked, PreconditionError
from tests.daemon.index.site import Site
from tests.daemon.index.test_due import ARCHIVED, TITLE


class Asked:
    """An indexer that notes what it was asked; `fails` says of which calls it cannot, `during` is run in each."""

    start = 0
    """So that each item is a call of its own."""

    def __init__(
        self, fails: Callable[[Call], bool] = lambda _: False, during: Callable[[Call], object] = lambda _: None
    ) -> None:
        self.fails, self.during = fails, during
        self.calls: list[Call] = []

    def tell(self, call: Call, stopped: Stopped) -> None:
        self.calls.append(call)
        self.during(call)
        if self.fails(call):
            raise IndexFailed(f"cannot {call.text}", "mend it")

    def look(self) -> str:
        return "here"

    def close(self) -> None: ...


@pytest.fixture
def items(site: Site) -> Iterator[list[str]]:
    """Five items whose titles changed, so that they are due."""
    uuids = [uuid for (uuid,) in site.sql(ARCHIVED)][:5]
    for uuid in uuids:
        site.sql(TITLE, uuid)
    site.capture()
    site.replay()
    assert {row.uuid for row in site.pending().rows} == set(uuids)
    yield uuids
    site.told()


def left(site: Site) -> set[str]:
    return {row.uuid for row in site.pending().rows}


def test_what_was_told_is_no_longer_due(site: Site, items: list[str]) -> None:
    """And is not told again."""
    indexer = Asked()
    assert tell(site.due, indexer, batch=50) == Told(5, 5)
    assert sorted(call.arguments for call in indexer.calls) == sorted(("-i", uuid) for uuid in items)
    assert left(site) == set()
    assert tell(site.due, indexer, batch=50) == Told()


def test_an_object_that_changes_while_it_is_told_stays_due(site: Site, items: list[str]) -> None:
    """Its index document may be the one before the change."""

    def replicate(call: Call) -> None:
        if call.covers[0].uuid == items[1]:
            site.sql(TITLE, items[1])
            site.capture()
            site.replay()

    indexer = Asked(during=replicate)
    assert tell(site.due, indexer, batch=50).objects == 4
    assert left(site) == {items[1]}
    assert site.due.standing().waiting_seconds < 60


def test_what_the_replay_holds_is_not_waited_for(site: Site, items: list[str]) -> None:
    """Its transaction is open and has touched the row: telling goes on, the row stays."""
    with psycopg2.connect(site.target_dsn) as replay, replay.cursor() as cursor:
        cursor.execute("update aipstream.reindex set touched = clock_timestamp() where uuid = %s", [items[2]])
        assert tell(site.due, Asked(), batch=50).objects == 4
        replay.commit()
    replay.close()
    assert left(site) == {items[2]}


def test_a_call_that_fails_keeps_only_its_own_rows(site: Site, items: list[str]) -> None:
    """The others are told, and the failure is told at the end."""
    indexer = Asked(fails=lambda call: call.covers[0].uuid == items[1])
    with pytest.raises(IndexFailed, match=f"cannot index-discovery -i {items[1]}") as raised:
        tell(site.due, indexer, batch=50)
    assert raised.value.hint == "mend it"
    assert left(site) == {items[1]}


def test_not_every_call_is_tried_where_all_fail(site: Site, items: list[str]) -> None:
    """Each would cost the start of a JVM."""
    indexer = Asked(fails=lambda _: True)
    with pytest.raises(IndexFailed, match="4 further calls"):
        tell(site.due, indexer, batch=50)
    assert len(indexer.calls) == telling.IN_A_ROW
    assert left(site) == set(items)


def test_stopping_keeps_what_was_told(site: Site, items: list[str]) -> None:
    """And leaves the rest due."""
    indexer = Asked()
    with pytest.raises(Interrupted):
        tell(site.due, indexer, batch=50, stopped=lambda: len(indexer.calls) == 2)
    assert left(site) == set(items) - {call.covers[0].uuid for call in indexer.calls}
    assert len(left(site)) == 3


def test_the_whole_index_takes_everything_off(site: Site, items: list[str]) -> None:
    """But for what changed meanwhile."""

    def replicate(call: Call) -> None:
        if call.arguments == ("-c",):
            site.sql(TITLE, items[0])
            site.capture()
            site.replay()

    indexer = Asked(during=replicate)
    assert tell_everything(site.due, indexer) == Told(2, 4)
    assert [call.arguments for call in indexer.calls] == [("-f",), ("-c",)]
    assert left(site) == {items[0]}


def test_a_whole_index_that_fails_takes_nothing_off(site: Site, items: list[str]) -> None:
    """Not even if it failed at its end."""
    with pytest.raises(IndexFailed):
        tell_everything(site.due, Asked(fails=lambda call: call.arguments == ("-c",)))
    assert left(site) == set(items)


def test_more_than_can_be_read_is_told_as_a_whole(
    site: Site, items: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with what is due."""
    monkeypatch.setattr(telling, "MOST", 3)
    indexer = Asked()
    assert tell(site.due, indexer, batch=50) == Told(2, 5)
    assert left(site) == set()


def test_one_at_a_time_tells(site: Site) -> None:
    """Another one is refused; whoever only looks is not."""
    with pytest.raises(Locked, match="another aipstream is telling"):
        NativeDue(site.target_dsn)
    looking = NativeDue(site.target_dsn, alone=False)
    assert looking.standing().due == 0
    looking.close()


def test_rows_can_be_added_by_whoever_has_no_batch(site: Site) -> None:
    """The port's own way; what is not in the repository is to be cleaned away, whatever was said of it."""
    item = site.one(ARCHIVED)
    gone = "00000000-0000-4000-8000-00000000abcd"
    site.due.add([Row(item, Kind.ITEM, "1/2", None), Row(gone, Kind.ITEM, "1/3", None, "gone")])
    assert {row.uuid: (row.act, row.handle) for row in site.pending().rows} == {
        item: ("index", "1/2"),
        gone: ("gone", "1/3"),
    }
    site.due.add([Row(item, Kind.ITEM, None, None)])
    assert {row.handle for row in site.pending().rows} == {"1/2", "1/3"}
    site.told()


def test_a_target_that_was_never_prepared_has_nothing_due(site: Site) -> None:
    """Nor is anything made there."""
    dsn = site.cluster.create("never_prepared")
    due = NativeDue(dsn)
    assert (due.standing().due, due.pending(10).rows, due.mark(), due.strike_marked()) == (0, [], 0, 0)
    due.close()
    site.cluster.drop("never_prepared")


def test_a_list_that_somebody_drops_is_an_error_that_is_expected(site: Site) -> None:
    """No bare one of the database: whoever tells the index at the end of a replay must not fail by it."""
    due = NativeDue(site.cluster.create("dropped_list"))
    with psycopg2.connect(site.target_dsn.rsplit("/", 1)[0] + "/dropped_list") as connection:
        ledger.create(connection)
        connection.commit()
        assert due.standing().due == 0
        connection.cursor().execute("drop schema aipstream cascade")
        connection.commit()
        with pytest.raises(PreconditionError, match=r"aipstream\.reindex"):
            due.pending(10)
    connection.close()
    due.close()
    site.cluster.drop("dropped_list")
