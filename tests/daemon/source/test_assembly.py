"""Transactions are put together from rows: each touch once, in parts of bounded size."""

from __future__ import annotations

from daemon.source import assembly
from daemon.source.assembly import Assembly, Done
from daemon.source.pgoutput import Begin, Change, Commit, Relation, Truncate
from daemon.source.spool import Chunk

VALUES = Relation(1, "public", "metadatavalue", "f", ("dspace_object_id",), (), (0,), 1, 0)
ITEMS = Relation(2, "public", "item", "d", ("uuid", "in_archive", "withdrawn"), ("uuid",), (0, 1, 2), 3, 2)
HANDLES = Relation(3, "public", "handle", "d", ("handle", "resource_id"), (), (0, 1), 2, 1)


def insert(number: int) -> Change:
    return Change("insert", VALUES, None, [b"%036d" % number], whole=False)


def run(changes: list[Change | Truncate], most: int = 4000, xid: int = 7) -> list[Chunk]:
    made, found = Assembly(most), []
    for message in [Begin(100, 5, xid), *changes, Commit(100, 110, 5)]:
        result = made.feed(message)
        if isinstance(result, Done):
            assert result.lsn == 110
            assert result.parts == bool(found)
            found += [result.chunk] if result.chunk else []
        elif result is not None:
            found.append(result)
    assert not made.open
    return found


def test_a_transaction_is_one_chunk_with_each_touch_once() -> None:
    """A thousand values of three objects are three touches."""
    (chunk,) = run([insert(number % 3) for number in range(1000)])
    assert sorted(chunk.touches["object"]) == [b"%036d" % number for number in range(3)]
    assert (chunk.lsn, chunk.xid, chunk.commit_time, chunk.last) == (110, 7, 5, True)


def test_a_large_transaction_comes_in_parts_without_repeats() -> None:
    """However often it comes back to an object; only the last part knows where the transaction ends."""
    chunks = run([insert(number % 10_000) for number in range(50_000)])
    touches = [value for chunk in chunks for value in chunk.touches.get("object", [])]
    assert len(touches) == len(set(touches)) == 10_000
    assert all(chunk.size <= 4000 + 1000 for chunk in chunks)
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert {chunk.lsn for chunk in chunks[:-1]} == {0}
    assert chunks[-1].lsn == 110


def test_memory_of_what_was_given_is_bounded_too() -> None:
    """Beyond the bound an object may come twice, which is harmless."""
    assert assembly.REMEMBERED == 100_000
    chunks = run([insert(number) for number in range(150_000)])
    assert len({value for chunk in chunks for value in chunk.touches.get("object", [])}) == 150_000


def test_a_transaction_that_touches_nothing_only_moves_the_position() -> None:
    """A heartbeat, say, or one whose tables are not published."""
    assert run([]) == []


def test_a_truncated_table_and_a_delete_without_its_row_ask_for_a_sweep() -> None:
    """Nobody can tell which objects changed: the table is named instead."""
    (chunk,) = run([Truncate((VALUES,), cascade=False, restart_identity=False)])
    assert chunk.touches == {"table": [b"metadatavalue"]}
    (chunk,) = run([Change("delete", VALUES, [None], None, whole=False)])
    assert chunk.touches == {"table": [b"metadatavalue"]}


def test_a_handle_that_lost_an_owner_nobody_names_asks_for_a_sweep() -> None:
    """Only without FULL identity; with it the old row names the owner."""
    (chunk,) = run([Change("update", HANDLES, None, [b"1/2", None], whole=False)])
    assert chunk.touches == {"table": [b"handle"]}
    (chunk,) = run([Change("update", HANDLES, [b"1/2", b"owner"], [b"1/2", None], whole=True)])
    assert chunk.touches == {"object": [b"owner"], "tombstone": [b"handle/1/2"]}


def test_an_item_whose_flags_stay_has_no_neighbours_touched() -> None:
    """Its neighbours read otherwise only when it enters or leaves; without its old row nobody can tell."""
    same = Change("update", ITEMS, [b"u", b"t", b"f"], [b"u", b"t", b"f"], whole=True)
    other = Change("update", ITEMS, [b"u", b"t", b"f"], [b"u", b"f", b"t"], whole=True)
    unknown = Change("update", ITEMS, None, [b"u", b"t", b"f"], whole=False)
    assert [sorted(run([change])[0].touches) for change in (same, other, unknown)] == [
        ["item"], ["item", "neighbours"], ["table"]]  # fmt: skip


def test_an_open_transaction_is_forgotten_when_the_connection_is_lost() -> None:
    """It comes again as a whole; its number is told if a part of it was given out."""
    made = Assembly(10)
    made.feed(Begin(1, 1, 1))
    assert made.open
    assert made.abandon() == 0
    assert not made.open
    made.feed(Begin(1, 1, 1))
    parts = [made.feed(insert(number)) for number in range(1000)]
    assert isinstance(parts[-1], Chunk)
    assert made.abandon() == parts[-1].number
