"""Which runs of index-discovery are made of what is due."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from daemon.index.plan import everything, plan
from daemon.index.port import Act, Call, Pending, Row
from events.aip.model import Kind


def row(
    name: str, kind: Kind = Kind.ITEM, act: Act = "index", *, below: bool = False, collection: str | None = None
) -> Row:
    return Row(name, kind, None, 0, act, below, collection)


def arguments(calls: list[Call]) -> list[str]:
    return [" ".join(call.arguments) for call in calls]


def test_an_object_is_one_run() -> None:
    """As few as there are are told one by one."""
    calls = plan(Pending([row("a"), row("b")], total=1000), batch=50, start=200)
    assert arguments(calls) == ["-i a", "-i b"]
    assert [call.covers for call in calls] == [(row("a"),), (row("b"),)]


def test_nothing_due_is_no_run() -> None:
    """None at all."""
    assert plan(Pending([], total=5), batch=50, start=200) == []


def test_many_items_of_one_collection_are_one_run() -> None:
    """Where starting them one by one would take longer than indexing all that it holds."""
    rows = [row(f"i{n}", collection="c") for n in range(10)]
    assert arguments(plan(Pending(rows, held={"c": 1500}, total=9000), batch=50, start=200)) == ["-i c"]
    assert len(plan(Pending(rows, held={"c": 50_000}, total=90_000), batch=50, start=200)) == 10
    assert len(plan(Pending(rows, held={"c": 1500}, total=9000), batch=50, start=10)) == 10


def test_what_a_collection_does_not_cover_is_told_by_itself() -> None:
    """Withdrawn items and older versions are not found through their collection."""
    rows = [row("w"), *(row(f"i{n}", collection="c") for n in range(5))]
    assert arguments(plan(Pending(rows, held={"c": 20}, total=90), batch=50, start=200)) == ["-i w", "-i c"]


def test_more_than_a_batch_is_the_whole_index_if_that_is_less_work() -> None:
    """By force: DSpace's own date says nothing of what was replicated. Else they are told one by one all the same."""
    rows = [row(f"i{n}") for n in range(60)]
    assert arguments(plan(Pending(rows, total=5000), batch=50, start=200)) == ["-f"]
    assert len(plan(Pending(rows, total=300_000), batch=50, start=200)) == 60
    assert len(plan(Pending(rows, total=5000), batch=100, start=200)) == 60


def test_more_than_a_batch_is_the_whole_index_where_nobody_knows_how_much_it_is() -> None:
    """A driver without a look into the repository."""
    assert arguments(plan(Pending([row(f"i{n}") for n in range(60)]), batch=50, start=200)) == ["-f"]


def test_deletions_are_one_cleaning_at_the_end() -> None:
    """However many they are: `-r` finds nothing that is not in the database any more."""
    rows = [row("x", act="gone"), row("y", act="gone"), row("a")]
    assert arguments(plan(Pending(rows, total=10), batch=1, start=200)) == ["-i a", "-c"]


def test_an_item_that_must_not_be_found_is_taken_away() -> None:
    """One that went back to its workflow is in the database, so that cleaning would leave it."""
    assert arguments(plan(Pending([row("a", act="remove")], total=10), batch=50, start=200)) == ["-r a"]


def test_containers_alone_are_told_by_their_type() -> None:
    """`-i` would index all that they hold; from 8 on there is a way without."""
    rows = [row("c", Kind.COMMUNITY), row("k", Kind.COLLECTION), row("l", Kind.COLLECTION), row("r", Kind.REGISTRY)]
    calls = plan(Pending(rows, total=10, types=True), batch=50, start=200)
    assert sorted(arguments(calls)) == ["-f -t Collection", "-f -t Community", "-f -t MetadataField"]


def test_containers_with_all_below_them_are_told_one_by_one() -> None:
    """And cover the items that they own."""
    rows = [row("k", Kind.COLLECTION, below=True), row("a", collection="k"), row("b", collection="other")]
    calls = plan(Pending(rows, total=10, types=True), batch=50, start=200)
    assert arguments(calls) == ["-i k", "-i b"]
    assert [each.uuid for each in calls[0].covers] == ["k", "a"]


def test_dspace_7_tells_containers_with_what_they_hold() -> None:
    """It has no other way for one; fields of metadata need the plain run, which takes all containers along."""
    rows = [row("c", Kind.COMMUNITY), row("k", Kind.COLLECTION)]
    assert arguments(plan(Pending(rows, total=10), batch=50, start=200)) == ["-i c", "-i k"]
    assert arguments(plan(Pending([*rows, row("r", Kind.REGISTRY)], total=10), batch=50, start=200)) == [""]


def test_everything_is_indexed_by_force_and_cleaned() -> None:
    """Never emptied: searches go on meanwhile."""
    assert arguments(everything()) == ["-f", "-c"]


ROWS = st.lists(
    st.builds(
        row,
        st.uuids().map(str),
        st.sampled_from([Kind.ITEM, Kind.COLLECTION, Kind.COMMUNITY, Kind.REGISTRY]),
        st.sampled_from(["index", "index", "remove", "gone"]),
        below=st.booleans(),
        collection=st.sampled_from([None, "c1", "c2", "c3"]),
    ),
    max_size=80,
    unique_by=lambda each: each.uuid,
)


@given(
    ROWS,
    st.dictionaries(st.sampled_from(["c1", "c2", "c3"]), st.integers(1, 5000)),
    st.none() | st.integers(0, 10_000),
    st.booleans(),
    st.integers(1, 60),
    st.integers(1, 300),
)
def test_every_row_is_covered_by_exactly_one_run(
    rows: list[Row], held: dict[str, int], total: int | None, types: bool, batch: int, start: int
) -> None:
    """Whatever is due, however much."""
    calls = plan(Pending(rows, held=held, total=total, types=types), batch=batch, start=start)
    covered = list(chain.from_iterable(call.covers for call in calls))
    assert sorted(each.uuid for each in covered) == sorted(each.uuid for each in rows)
