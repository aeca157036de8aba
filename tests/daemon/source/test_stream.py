"""The replication stream survives what happens to servers, sockets and consumers, or says what ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from daemon.scratch import Cluster
from daemon.source import slot
from events.errors import SlotLost, SourceUnreachable
from tests.daemon.source.followed import ADD_VALUES, Followed, make_metadata_site, touched

ROOT = Path(__file__).resolve().parents[3]
TITLE = ("INSERT INTO metadatavalue (metadata_field_id, text_value, place, confidence, dspace_object_id) VALUES "
         "(1, 'x', 0, -1, md5('item' || %s)::uuid) RETURNING dspace_object_id::text")  # fmt: skip


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A server that only this test uses, and may stop."""
    settings = {"max_slot_wal_keep_size": "32MB", "max_wal_size": "32MB", "synchronous_commit": "on"}
    with Cluster(settings) as running:
        yield running


def made_in(cluster: Cluster, items: int = 300) -> Followed:
    made = Followed(cluster)
    make_metadata_site(made, items)
    made.prepare()
    return made


@pytest.fixture
def followed(cluster: Cluster) -> Iterator[Followed]:
    """Thirty thousand items, followed."""
    made = made_in(cluster, 30_000)
    yield made
    made.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_restart_loses_and_doubles_nothing_that_was_confirmed(own: Cluster, mode: str) -> None:
    """The stream goes on behind the last transaction that it received whole.

    The server stops though a transaction is not confirmed: a reader that answered its questions for ever would keep it
    from that.
    """
    followed = made_in(own)
    with followed.source() as source:
        first = [followed.sql(TITLE, number)[0][0] for number in range(1, 6)]
        (batch,) = source.until_current()
        assert {one.uuid for one in batch.touched} == set(first)
        source.confirm(batch.lsn)
        time.sleep(0.5)  # until it is reported, so that nothing has to come again
        followed.sql(TITLE, 6)
        followed.writer.close()
        own.stop(mode)
        time.sleep(0.5)
        own.start()
        followed.writer = psycopg2.connect(followed.dsn)
        later = [followed.sql(TITLE, number)[0][0] for number in range(7, 10)]
        found = [one.uuid for one in touched(list(source.until_current()))]
        assert set(later) <= set(found)
        assert not set(first) & set(found)
        assert len(found) == len(set(found)) == 4


def test_a_connection_cut_in_a_large_transaction_is_taken_up_again(followed: Followed) -> None:
    """What came of the transaction is dropped, and it comes once more, whole."""
    with followed.source() as source:
        followed.sql(ADD_VALUES, 30_000, 200_000)
        deadline = time.monotonic() + 240
        while not source._stream._assembly.open and time.monotonic() < deadline:
            time.sleep(0.001)
        followed.sql(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", followed.slot
        )
        batches = list(source.until_current())
        assert len({one.uuid for one in touched(batches)}) == 30_000
        source.confirm(batches[-1].lsn)
    with followed.source() as source:
        assert list(source.until_current()) == []


def test_a_server_that_stays_away_is_told(own: Cluster) -> None:
    """When patience ends, the consumer gets the error, after everything that was received."""
    followed = made_in(own)
    with followed.source(patience=0.5) as source:
        followed.sql(TITLE, 1)
        assert touched(list(source.until_current()))
        followed.writer.close()
        own.stop()
        with pytest.raises(SourceUnreachable):
            list(source.batches(60.0))
    with pytest.raises(SourceUnreachable):
        followed.source().start()


def fill(cluster: Cluster, database: str, segments: int) -> None:
    """Write so many WAL segments and let a checkpoint throw away what no slot may keep."""
    connection = psycopg2.connect(cluster.dsn(database))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for _ in range(segments):
            cursor.execute("CREATE TABLE IF NOT EXISTS filler (n int); INSERT INTO filler VALUES (1)")
            cursor.execute("SELECT pg_switch_wal()")
        cursor.execute("CHECKPOINT")
    connection.close()


def test_a_slot_whose_wal_is_gone_is_lost(own: Cluster) -> None:
    """Whether the daemon was down, or up and did not confirm; the hint says what to do."""
    followed = made_in(own)
    source = followed.source(patience=5.0)
    source.start()
    followed.sql(TITLE, 1)
    (batch,) = source.until_current()
    assert batch.touched
    fill(own, followed.database, 8)  # never confirmed: the server ends the stream
    with pytest.raises(SlotLost) as caught:
        list(source.batches(60.0))
    assert "snapshot" in caught.value.hint
    source.close()
    with pytest.raises(SlotLost):
        followed.source().start()
    found = slot.inspect(followed.dsn, followed.slot)
    assert found is not None
    assert found.lost
    assert slot.drop(followed.dsn, followed.slot)


CONSUMER = """
import structlog, sys
from daemon.source.wal import WalSource
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
with WalSource(sys.argv[1], sys.argv[2]) as source:
    for batch in source.batches(60.0):
        print(len(batch.touched), batch.lsn, flush=True)
        if sys.argv[3] == 'confirm':
            source.confirm(batch.lsn)
"""


@pytest.mark.parametrize("confirm", ["confirm", "hold"])
def test_a_killed_consumer_gets_again_what_it_had_not_confirmed(followed: Followed, confirm: str) -> None:
    """SIGKILL at any moment: what was held comes again; what was confirmed may, but what follows always comes."""
    process = subprocess.Popen([sys.executable, "-c", CONSUMER, followed.dsn, followed.slot, confirm], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        followed.sql(TITLE, 1)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("1 ")
        if confirm == "confirm":
            time.sleep(1.0)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    second = followed.sql(TITLE, 2)[0][0]
    with followed.source() as source:
        found = {one.uuid for one in touched(list(source.until_current()))}
    assert second in found
    assert len(found) == (1 if confirm == "confirm" else 2)


def test_a_consumer_that_stalls_does_not_hold_up_the_server(followed: Followed) -> None:
    """The socket is drained into the spool, on disk at last; checkpoints go through; nothing is lost."""
    with followed.source(memory=100_000) as source:
        for _ in range(5):
            followed.sql(ADD_VALUES, 30_000, 20_000)
        ((written,),) = followed.sql("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
        checker = psycopg2.connect(followed.dsn)
        checker.autocommit = True
        with checker.cursor() as cursor:
            cursor.execute("SET statement_timeout = '60s'; CHECKPOINT")
        checker.close()
        deadline = time.monotonic() + 240
        while source.received < written and time.monotonic() < deadline:
            source.heartbeat()
            time.sleep(0.1)
        assert source.received >= written
        assert source.spilled > 1_000_000
        batches = list(source.until_current())
        assert len({one.uuid for one in touched(batches)}) == 20_000
        assert sum(batch.transactions for batch in batches) == 5
        assert source.spilled == 0


MEASURE = """
import resource, structlog, sys, time
from daemon.source.wal import WalSource
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with WalSource(sys.argv[1], sys.argv[2], memory=1_000_000) as source:
    list(source.batches(0.5))
    before, stalled = megabytes(), time.monotonic()
    print('ready', flush=True)
    while source.spilled < 2_000_000:
        time.sleep(0.05)
    number = 0
    for batch in source.until_current():
        number += len(batch.touched)
        source.confirm(batch.lsn)
    print(number, round(megabytes() - before), flush=True)
"""


def test_memory_does_not_grow_with_the_transaction(cluster: Cluster) -> None:
    """200,000 rows of 200,000 items in one transaction, and a consumer that begins when all is received."""
    followed = made_in(cluster, 200_000)
    process = subprocess.Popen([sys.executable, "-c", MEASURE, followed.dsn, followed.slot], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        followed.sql(ADD_VALUES, 200_000, 200_000)
        touches, grown = map(int, process.stdout.readline().split())
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        followed.close()
    assert touches >= 200_000
    assert grown < 64, f"{grown} MB"
