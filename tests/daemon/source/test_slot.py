"""The source is made ready, looked at and given back; what is missing is named, with the way to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from daemon.dspace import connect
from daemon.dspace.tables import create_schema
from daemon.scratch import Cluster
from daemon.source import checks, publication, slot
from daemon.source.touches import FULL, RULES
from daemon.source.wal import WalSource
from events.errors import ConfigError, Locked, PreconditionError, SlotLost, SourceUnreachable
from tests.daemon.source.followed import Followed


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Followed]:
    """The tables of DSpace 9 without a row."""
    made = Followed(cluster)
    create_schema(made.writer, "9")
    made.writer.commit()
    yield made
    made.close()


@pytest.fixture
def plain(empty: Followed) -> Iterator[str]:
    """The DSN of an account that may only log in."""
    role = f"plain_{empty.slot}"
    empty.sql(f"CREATE ROLE {role} LOGIN")
    yield empty.dsn.replace("postgres@", f"{role}@")
    empty.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_exactly_the_content_tables_are_published(empty: Followed) -> None:
    """Never all tables, and only those whose key tells no owner get the whole old row."""
    statements = publication.prepare(empty.dsn)
    assert sum("REPLICA IDENTITY FULL" in one for one in statements) == len(FULL)
    tables = {
        name for (name,) in empty.sql("SELECT tablename::text FROM pg_publication_tables WHERE pubname = 'aipstream'")
    }
    assert tables == set(RULES)
    full = {name for (name,) in empty.sql("SELECT relname::text FROM pg_class WHERE relreplident = 'f'")}
    assert full == FULL


def test_preparing_twice_does_nothing_and_a_dry_run_only_tells(empty: Followed) -> None:
    """What the dry run prints is what another account can run instead."""
    told = publication.prepare(empty.dsn, dry_run=True)
    assert told == publication.prepare(empty.dsn, dry_run=True)
    for statement in told:
        empty.sql(statement)
    assert publication.prepare(empty.dsn) == []
    empty.sql("ALTER PUBLICATION aipstream DROP TABLE handle; ALTER TABLE doi REPLICA IDENTITY DEFAULT")
    assert len(publication.prepare(empty.dsn)) == 2
    assert publication.unprepare(empty.dsn)
    assert publication.prepare(empty.dsn, dry_run=True) == told


def test_a_publication_for_all_tables_is_refused(empty: Followed) -> None:
    """It would make updates of tables without a key fail in the source."""
    empty.sql("CREATE PUBLICATION aipstream FOR ALL TABLES")
    with pytest.raises(PreconditionError, match="FOR ALL TABLES"):
        publication.prepare(empty.dsn)
    assert not all(finding.ok for finding in checks.check(empty.dsn))


def test_a_table_that_is_in_use_is_not_waited_for_long(empty: Followed) -> None:
    """A lock that waits would make all of DSpace wait behind it."""
    with empty.writer.cursor() as cursor:
        cursor.execute("SELECT FROM handle")
        with pytest.raises(PreconditionError, match="handle") as caught:
            publication.prepare(empty.dsn)
    empty.writer.rollback()
    assert "repeat" in caught.value.hint
    publication.prepare(empty.dsn)


def test_the_snapshot_of_a_new_slot_is_what_was_before_its_stream(empty: Followed) -> None:
    """What is committed before is in it, what is committed after is not, and it ends when it is closed."""
    publication.prepare(empty.dsn)
    empty.sql("INSERT INTO entity_type VALUES (1, 'before')")
    with slot.create(empty.dsn, empty.slot) as snapshot:
        empty.sql("INSERT INTO entity_type VALUES (2, 'after')")
        reader = connect.connect(empty.dsn, "source")
        with reader.cursor() as cursor:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot.snapshot,))
            cursor.execute("SELECT label FROM entity_type")
            assert cursor.fetchall() == [("before",)]
        reader.rollback()
    with reader.cursor() as cursor, pytest.raises(psycopg2.Error):
        cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot.snapshot,))
    reader.close()
    found = slot.inspect(empty.dsn, empty.slot)
    assert found is not None
    assert not found.active
    assert not found.lost
    assert found.confirmed_lsn == snapshot.consistent_point
    assert found.wal_status == "reserved"


def test_a_slot_is_made_once_and_dropped_once(empty: Followed) -> None:
    """A second one of that name belongs to somebody; one that is streamed from is not dropped."""
    slot.create(empty.dsn, empty.slot).close()
    with pytest.raises(Locked, match="is there already"):
        slot.create(empty.dsn, empty.slot)
    with pytest.raises(ConfigError):
        slot.create(empty.dsn, "Not A Name")
    publication.prepare(empty.dsn)
    with empty.source(), pytest.raises(Locked, match="in use"):
        slot.drop(empty.dsn, empty.slot, patience=0.1)
    assert slot.drop(empty.dsn, empty.slot) is True
    assert slot.drop(empty.dsn, empty.slot) is False
    assert slot.inspect(empty.dsn, empty.slot) is None


def test_a_slot_of_another_plugin_or_database_is_refused(empty: Followed, cluster: Cluster) -> None:
    """The server has one list of slots for all databases."""
    empty.sql("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", empty.slot)
    with pytest.raises(PreconditionError, match="test_decoding"):
        slot.inspect(empty.dsn, empty.slot)
    assert [finding.what for finding in checks.check(empty.dsn, empty.slot) if "test_decoding" in finding.what]
    empty.sql("SELECT pg_drop_replication_slot(%s)", empty.slot)
    slot.create(cluster.dsn("postgres"), empty.slot).close()
    with pytest.raises(PreconditionError, match="database postgres"):
        slot.inspect(empty.dsn, empty.slot)
    slot.drop(cluster.dsn("postgres"), empty.slot)


def test_an_account_without_rights_is_told_which(empty: Followed, plain: str) -> None:
    """REPLICATION, ownership of the tables and SELECT, each with its statement."""
    with pytest.raises(PreconditionError, match="may not replicate") as caught:
        slot.create(plain, empty.slot)
    assert "REPLICATION" in caught.value.hint
    with pytest.raises(PreconditionError) as refused:
        publication.prepare(plain)
    assert "CREATE PUBLICATION" in refused.value.hint
    assert "ALTER TABLE" in refused.value.hint
    bad = {finding.what: finding.mend for finding in checks.check(plain) if not finding.ok}
    assert any("may not replicate" in what and "REPLICATION" in mend for what, mend in bad.items())
    assert any("cannot read" in what and "GRANT SELECT" in mend for what, mend in bad.items())
    assert any("CREATE PUBLICATION" in mend and "postgres" in mend for mend in bad.values())
    with pytest.raises(PreconditionError, match="cannot be followed"):
        checks.require(plain)


def test_an_account_with_replication_and_select_can_follow(empty: Followed, plain: str) -> None:
    """Once the owner has run the statements, no more is needed."""
    publication.prepare(empty.dsn)
    role = plain.split("//")[1].split("@")[0]
    empty.sql(f"ALTER ROLE {role} REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    checks.require(plain, empty.slot)
    slot.create(plain, empty.slot).close()
    with WalSource(plain, empty.slot) as source:
        empty.sql("INSERT INTO entity_type VALUES (1, 'Thing')")
        assert [len(batch.touched) for batch in source.until_current()] == [1]


def test_a_ready_source_has_nothing_to_mend(empty: Followed) -> None:
    """Before the slot as after it."""
    assert not all(finding.ok for finding in checks.check(empty.dsn, empty.slot))
    publication.prepare(empty.dsn)
    checks.require(empty.dsn, empty.slot)
    slot.create(empty.dsn, empty.slot).close()
    checks.require(empty.dsn, empty.slot)


def test_a_server_that_is_not_set_up_is_named_setting_by_setting(tmp_path: Path) -> None:
    """wal_level, slots and WAL senders: the reason is told, not PostgreSQL's number."""
    with Cluster({"wal_level": "replica", "max_replication_slots": "1", "max_wal_senders": "1"}) as other:
        dsn = other.create("other")
        with pytest.raises(PreconditionError) as caught:
            slot.create(dsn, "one")
        assert "wal_level" in caught.value.hint
        assert [one.what for one in checks.check(dsn) if not one.ok and "wal_level" in one.what] == [
            "wal_level = replica"
        ]
        other.stop()
        other.settings = {**other.settings, "wal_level": "logical"}
        other.start()
        kept = slot.create(dsn, "one")
        with pytest.raises(PreconditionError, match="WAL senders"):
            slot.create(dsn, "two")
        kept.close()
        other.stop()
        other.settings = {**other.settings, "max_wal_senders": "4"}
        other.start()
        with pytest.raises(PreconditionError) as full:
            slot.create(dsn, "two")
        assert "max_replication_slots" in full.value.hint
        gone = other.dsn("other")
    with pytest.raises(SourceUnreachable):
        checks.check(gone)


def test_a_stream_without_its_slot_or_publication_is_lost(empty: Followed) -> None:
    """Changes since cannot be decoded: only a new snapshot closes the hole."""
    with pytest.raises(SlotLost, match="no slot"):
        empty.source().start()
    publication.prepare(empty.dsn)
    slot.create(empty.dsn, empty.slot).close()
    empty.sql("DROP PUBLICATION aipstream")
    with pytest.raises(SlotLost, match="publication"):
        empty.source().start()
