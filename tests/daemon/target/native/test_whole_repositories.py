"""Everything that a repository can hold comes to stand on the target as it stands on the source."""

from __future__ import annotations

from random import Random

import pytest

from daemon.target.native import missing_parents
from events.aip.model import Aip, Kind, Uuid
from tests.daemon.target.native.conftest import MakePair
from tests.daemon.target.native.pair import Pair


@pytest.mark.parametrize(
    ("source", "target", "drafts"), [("9", "9", False), ("7.6", "10", True), ("10", "10", True), ("8", "7.6", False)]
)
def test_a_repository_written_into_a_fresh_installation_is_the_same_one(
    make_pair: MakePair, source: str, target: str, drafts: bool
) -> None:
    """Digests and the independent judge agree, on every version, though all registry ids and standing UUIDs differ."""
    pair = make_pair(source, target, drafts=drafts, passwords=drafts)
    state = pair.state()
    written = pair.write(pair.read(state, state))
    assert written.missing == {}
    assert written.losses == []
    assert written.groups_changed
    assert pair.unequal(state) == {}
    assert pair.differences(drafts=drafts, passwords=drafts) == []


def test_writing_equal_objects_touches_no_row(pair: Pair) -> None:
    """A second write of everything inserts, updates and deletes nothing, and no row has another transaction's mark."""
    state = pair.state()
    before = pair.touched()
    written = pair.write(pair.read(state, state))
    assert written.touched == {}
    assert not written.groups_changed
    assert pair.touched() == before


def test_staged_tables_are_empty_after_a_write(pair: Pair) -> None:
    """What one batch brought is not there when the next begins."""
    with pair.target.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM pg_temp."{table}"')
            assert cursor.fetchone() == (0,), table
    pair.target.rollback()


def apply_in_pieces(pair: Pair, puts: list[Aip], random: Random) -> None:
    """Write in batches of random sizes, as a replay does: park orphans, come back to what lacked a reference."""
    parked: list[Aip] = []
    waiting: dict[Uuid, Aip] = {}

    def batch(objects: list[Aip]) -> None:
        orphans = missing_parents(pair.target, objects)
        parked.extend(aip for aip in objects if aip.uuid in orphans)
        written = pair.write(fit := [aip for aip in objects if aip.uuid not in orphans])
        for aip in fit:
            waiting.pop(aip.uuid, None)
            if aip.uuid in written.missing:
                waiting[aip.uuid] = aip

    while puts:
        size = random.randint(1, 15)
        batch(puts[:size])
        puts = puts[size:]
    for _ in range(10):
        if parked:
            again = parked[:]
            parked.clear()
            batch(again)
    if waiting:
        batch(list(waiting.values()))
    assert parked == []
    assert waiting == {}


@pytest.mark.parametrize("seed", range(2))
def test_any_order_and_any_batches_end_the_same(make_pair: MakePair, seed: int) -> None:
    """Objects in a random order, parked and completed when what they refer to has come, make the same repository."""
    pair = make_pair()
    random = Random(seed)
    state = pair.state()
    registries = [uuid for uuid, (kind, _) in state.items() if kind is Kind.REGISTRY]
    pair.write(pair.read(registries, state))
    puts = pair.read([uuid for uuid in state if uuid not in registries], state)
    random.shuffle(puts)
    apply_in_pieces(pair, puts, random)
    assert pair.unequal(state) == {}
    assert pair.differences() == []


@pytest.mark.parametrize(("version", "seed"), [("9", 1), ("10", 2)])
def test_random_edits_are_followed(make_pair: MakePair, version: str, seed: int) -> None:
    """After each dozen of edits of every kind, deletions among them, the changed objects alone make the ends equal."""
    pair = make_pair(version, version)
    before = pair.state()
    pair.write(pair.read(before, before))
    editor = pair.editor(seed)
    for _ in range(4):
        told = "\n".join(editor.step() for _ in range(12))
        after = pair.state()
        puts, deletes = pair.changes(before, after)
        written = pair.write(puts, deletes)
        assert written.missing == {}, told
        assert pair.unequal(after) == {}, told
        assert pair.differences() == [], told
        rows = pair.touched()
        pair.write(puts, deletes)
        assert pair.touched() == rows, told
        before = after
