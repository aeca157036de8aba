"""Committed transactions come as batches: visible, in order, and again until they are confirmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.scratch import Cluster, free_port
from daemon.source import checks, slot, stream
from daemon.source.spool import Chunk
from daemon.source.wal import WalSource, visible
from events.aip.model import Kind
from events.errors import Interrupted, Locked, PreconditionError, SourceUnreachable
from tests.daemon.source.followed import ADD_VALUES, Followed, make_metadata_site, touched

ITEMS = 300


@pytest.fixture
def followed(cluster: Cluster) -> Iterator[Followed]:
    """Three hundred items without a value, followed from now on."""
    made = Followed(cluster)
    make_metadata_site(made, ITEMS)
    made.prepare()
    yield made
    made.close()


def configure(cluster: Cluster, statement: str) -> None:
    """Change a setting of a running server of one's own."""
    admin = psycopg2.connect(cluster.dsn("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SELECT pg_reload_conf()")
    admin.close()
    time.sleep(0.5)


def title(followed: Followed, number: int) -> str:
    """Give an item a value, in a transaction of its own; its UUID."""
    ((uuid,),) = followed.sql(
        "INSERT INTO metadatavalue (metadata_field_id, text_value, place, confidence, dspace_object_id) VALUES "
        "(1, 'x', 0, -1, md5('item' || %s)::uuid) RETURNING dspace_object_id::text", number)  # fmt: skip
    return str(uuid)


def test_a_batch_tells_object_commit_and_time(followed: Followed) -> None:
    """Each object once, with the position and time of the commit that touched it last."""
    with followed.source(window=0.5) as source:
        first, second = title(followed, 1), title(followed, 2)
        title(followed, 1)
        batches = list(source.until_current())
        found = {one.uuid: one for one in touched(batches)}
        assert found.keys() == {first, second}
        assert all(one.kind is Kind.ITEM for one in found.values())
        assert found[first].lsn > found[second].lsn
        assert found[first].xid > found[second].xid > 0
        assert batches[-1].lsn == found[first].lsn
        assert batches[-1].commit_time == found[first].commit_time
        ((now,),) = followed.sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')")
        assert batches[-1].commit_time[:11] == now[:11]
        assert sum(batch.transactions for batch in batches) == 3


def test_what_was_rolled_back_never_comes(followed: Followed) -> None:
    """Neither whole transactions nor what a savepoint took back."""
    with followed.source() as source, followed.writer.cursor() as cursor:
        cursor.execute("UPDATE item SET discoverable = false WHERE uuid = md5('item1')::uuid")
        followed.writer.rollback()
        cursor.execute("UPDATE item SET discoverable = false WHERE uuid = md5('item2')::uuid; SAVEPOINT here; "
                       "UPDATE item SET discoverable = false WHERE uuid = md5('item3')::uuid; "
                       "ROLLBACK TO here")  # fmt: skip
        followed.writer.commit()
        ((uuid,),) = followed.sql("SELECT md5('item2')::uuid::text")
        assert [one.uuid for one in touched(list(source.until_current()))] == [uuid]


def test_an_unchanged_long_value_still_names_its_object(followed: Followed) -> None:
    """A TOASTed text is not sent when only the language changes."""
    followed.sql("ALTER TABLE metadatavalue ALTER text_value SET STORAGE EXTERNAL")
    uuid = title(followed, 5)
    followed.sql(
        "UPDATE metadatavalue SET text_value = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 999) n)"
    )
    with followed.source() as source:
        assert {one.uuid for one in touched(list(source.until_current()))} == {uuid}
        followed.sql("UPDATE metadatavalue SET text_lang = 'en'")
        assert [one.uuid for one in touched(list(source.until_current()))] == [uuid]


def test_what_was_not_confirmed_comes_again(followed: Followed) -> None:
    """After any end of the process: everything since the last confirmation, and nothing before it."""
    first = title(followed, 1)
    with followed.source() as source:
        (batch,) = source.until_current()
        assert [one.uuid for one in batch.touched] == [first]
    with followed.source() as source:
        (batch,) = source.until_current()
        assert [one.uuid for one in batch.touched] == [first]
        source.confirm(batch.lsn)
        second = title(followed, 2)
        assert [one.uuid for one in touched(list(source.until_current()))] == [second]
    with followed.source() as source:
        assert [one.uuid for one in touched(list(source.until_current()))] == [second]


def test_a_large_transaction_comes_in_slices_and_is_confirmed_at_its_end(followed: Followed) -> None:
    """To confirm a slice confirms nothing: cut off in the middle, the whole transaction comes again."""
    followed.sql("INSERT INTO dspaceobject SELECT md5('item' || n)::uuid FROM generate_series(301, 30000) n")
    followed.sql("INSERT INTO item (uuid, in_archive, withdrawn, discoverable) SELECT md5('item' || n)::uuid, true, "
                 "false, true FROM generate_series(301, 30000) n")  # fmt: skip
    before = slot.inspect(followed.dsn, followed.slot)
    with followed.source() as source:
        batches = source.until_current()
        one = next(batches)
        assert before is not None
        assert one.lsn == before.confirmed_lsn
        assert one.transactions == 0
        assert len(one.touched) < 12_000
        source.confirm(one.lsn)
    with followed.source() as source:
        batches_again = []
        for batch in source.until_current():
            batches_again.append(batch)
            source.confirm(batch.lsn)
        assert len({one.uuid for one in touched(batches_again)}) == 29_700
        assert [batch.transactions for batch in batches_again][:-1] == [0] * (len(batches_again) - 1)
    with followed.source() as source:
        assert list(source.until_current()) == []


def test_everything_given_out_is_visible_to_a_new_snapshot(followed: Followed) -> None:
    """However close behind the commits the batches come."""
    done = threading.Event()

    def write() -> None:
        for number in range(1, ITEMS + 1):
            title(followed, number)
        done.set()

    reader = psycopg2.connect(followed.dsn)
    reader.autocommit = True
    with followed.source(window=0.0) as source, reader.cursor() as cursor:
        writer = threading.Thread(target=write)
        writer.start()
        seen = 0
        while not done.is_set() or seen < ITEMS:
            for batch in source.batches(0.3):
                uuids = [one.uuid for one in batch.touched]
                cursor.execute("SELECT count(*) FROM metadatavalue WHERE dspace_object_id = ANY (%s::uuid[])", (uuids,))
                assert cursor.fetchone() == (len(uuids),)
                seen += len(uuids)
        writer.join()
    reader.close()
    assert seen == ITEMS


def test_a_commit_that_waits_for_a_standby_is_waited_for() -> None:
    """It is in the WAL, and nobody can see it yet."""
    with Cluster({"synchronous_commit": "on"}) as own:
        followed = Followed(own)
        make_metadata_site(followed, 3)
        followed.prepare()
        with followed.source() as source:
            configure(own, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            waiting = threading.Thread(target=title, args=(followed, 1))
            waiting.start()
            handed: list[object] = []
            consumer = threading.Thread(target=lambda: handed.extend(next(source.batches(30.0)).touched))
            consumer.start()
            time.sleep(1.0)
            assert waiting.is_alive()
            assert handed == []
            configure(own, "ALTER SYSTEM RESET synchronous_standby_names")
            waiting.join()
            consumer.join()
            assert len(handed) == 1


def test_a_server_that_would_wait_for_us_is_refused() -> None:
    """With `synchronous_standby_names = '*'` each commit would wait for our confirmation, and we for its visibility."""
    with Cluster({"synchronous_standby_names": "*", "synchronous_commit": "local"}) as own:
        followed = Followed(own)
        make_metadata_site(followed, 1)
        followed.prepare()
        with pytest.raises(PreconditionError, match="synchronous_standby_names"):
            followed.source().start()
        assert ["synchronous" in one.what for one in checks.check(followed.dsn, followed.slot) if not one.ok] == [True]


@settings(deadline=None)
@given(st.integers(3, 2**40), st.integers(0, 50), st.sets(st.integers(0, 49)), st.integers(-200, 20))
def test_low_halves_of_transaction_ids_are_judged_as_the_whole_ids(
    xmax: int, span: int, running: set[int], off: int
) -> None:
    """Across every wrap of the 32-bit counter; `pg_visible_in_snapshot` has the same rule."""
    xmin = max(3, xmax - span)
    in_progress = {xid for xid in (xmin + one for one in running) if xid < xmax}
    xid = max(3, xmax + off)
    snapshot = f"{xmin}:{xmax}:{','.join(map(str, sorted(in_progress)))}"
    assert visible({xid & 0xFFFFFFFF}, snapshot) == (xid < xmax and xid not in in_progress)


def test_until_current_ends_on_an_idle_server_even_without_a_heartbeat(followed: Followed) -> None:
    """The server says how far it is when it is asked."""
    role = f"quiet_{followed.slot}"
    followed.sql(f"CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; "
                 "REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC")  # fmt: skip
    with WalSource(followed.dsn.replace("postgres@", f"{role}@"), followed.slot) as source:
        assert source.heartbeat() is False
        uuid = title(followed, 1)
        assert [one.uuid for one in touched(list(source.until_current()))] == [uuid]
        assert list(source.until_current()) == []
    followed.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_what_touches_nothing_moves_the_confirmed_position(followed: Followed) -> None:
    """A busy table beside the content, another database, or heartbeats alone must not keep the WAL."""
    with followed.source() as source:
        followed.sql("CREATE TABLE beside AS SELECT repeat('x', 100) FROM generate_series(1, 20000)")
        assert source.heartbeat() is True
        assert list(source.until_current()) == []
        deadline = time.monotonic() + 240
        while (found := slot.inspect(followed.dsn, followed.slot)) and found.lag > 100_000:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)


def test_what_was_given_out_holds_the_confirmed_position(followed: Followed) -> None:
    """Heartbeats after it do not carry it along."""
    with followed.source() as source:
        title(followed, 1)
        (batch,) = source.until_current()
        source.heartbeat()
        assert list(source.until_current()) == []
        assert source.confirmed < batch.lsn < source.received
        source.confirm(batch.lsn)
        assert source.confirmed >= source.received


def test_an_emptied_table_asks_to_compare_its_kinds(followed: Followed) -> None:
    """TRUNCATE names no rows."""
    with followed.source() as source:
        followed.sql("TRUNCATE community2community; TRUNCATE metadatavalue")
        batches = list(source.until_current())
    assert frozenset().union(*(batch.sweep for batch in batches)) >= {Kind.ITEM, Kind.COMMUNITY, Kind.PERSON}
    assert touched(batches) == []


def test_a_second_reader_is_turned_away(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slot, one daemon."""
    monkeypatch.setattr(stream, "LINGER", 0.3)
    with followed.source(), pytest.raises(Locked, match="in use"):
        followed.source().start()


def test_values_of_many_items_in_many_transactions_all_come(followed: Followed) -> None:
    """Twenty rows a transaction, written while they are read: each item is touched, and none twice in a batch."""
    with followed.source() as source:
        for _ in range(20):
            followed.sql(ADD_VALUES, ITEMS, 21)
        batches = list(source.until_current())
    for batch in batches:
        assert len({one.uuid for one in batch.touched}) == len(batch.touched)
    assert len({one.uuid for one in touched(batches)}) == 21
    assert sum(batch.transactions for batch in batches) == 20


def test_a_delete_that_tells_no_owner_asks_to_compare(followed: Followed) -> None:
    """Somebody set the replica identity back: what was deleted cannot be known, and is not passed over."""
    title(followed, 1)
    followed.sql("ALTER TABLE metadatavalue REPLICA IDENTITY DEFAULT")
    with followed.source() as source:
        list(source.until_current())
        followed.sql("DELETE FROM metadatavalue")
        batches = list(source.until_current())
    assert Kind.ITEM in frozenset().union(*(batch.sweep for batch in batches))


def test_a_server_that_is_away_is_not_waited_for_by_who_is_to_stop() -> None:
    """The patience is for who goes on."""
    looks = iter([False, False, True])
    source = WalSource(
        f"postgresql://127.0.0.1:{free_port()}/away", "slot", patience=240.0, stopped=lambda: next(looks)
    )
    with pytest.raises(SourceUnreachable):
        source.written()
    assert list(looks) == [], "it ended by its patience"
    source.close()


def test_the_end_of_a_large_transaction_is_not_waited_for_by_who_is_to_stop() -> None:
    """Its first part may be here minutes before its last."""
    looks = iter([False, True])
    unread = stream.Stream("", "slot", "slot", stopped=lambda: next(looks))
    unread._spool.put(Chunk(1, 7, 0, 0, {}, False))
    with pytest.raises(Interrupted):
        unread.take(240.0)
    unread.stop()
