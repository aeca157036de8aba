"""The decoder of `pgoutput` reads what a real server sends, and refuses what it would not send."""

from __future__ import annotations

import contextlib
import struct
import time
import uuid as uuids
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.scratch import Cluster
from daemon.source import slot
from daemon.source.pgoutput import (
    UNCHANGED,
    Begin,
    Change,
    Commit,
    DataType,
    Decoder,
    LogicalMessage,
    MalformedMessage,
    Origin,
    Relation,
    Truncate,
    instant,
)

EDITS = """
    INSERT INTO plain VALUES (1, 'ä' || repeat('x', 10), NULL);
    UPDATE plain SET name = 'b' WHERE id = 1;
    UPDATE plain SET id = 2 WHERE id = 1;
    DELETE FROM plain WHERE id = 2;
    INSERT INTO whole VALUES (1, 'a', 'c');
    UPDATE whole SET name = NULL;
    DELETE FROM whole;
    INSERT INTO long VALUES (1, (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 2000) n), 'a');
    UPDATE long SET name = 'b';
    SELECT pg_logical_emit_message(true, 'aipstream', 'hello');
    INSERT INTO typed VALUES ('sad');
    TRUNCATE plain, whole RESTART IDENTITY"""


@pytest.fixture(scope="module")
def payloads(cluster: Cluster) -> Iterator[list[bytes]]:
    """One real stream: inserts, updates and deletes under both identities, a TOASTed value, a message, a truncate."""
    name = f"stream_{uuids.uuid4().hex[:8]}"
    dsn = cluster.create(name)
    writer = psycopg2.connect(dsn)
    writer.autocommit = True
    with writer.cursor() as cursor:
        cursor.execute("""CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE typed (mood mood);
            CREATE TABLE plain (id int PRIMARY KEY, name text, more text);
            CREATE TABLE whole (id int PRIMARY KEY, name text, more text); ALTER TABLE whole REPLICA IDENTITY FULL;
            CREATE TABLE long (id int PRIMARY KEY, text_value text, name text);
            ALTER TABLE long ALTER text_value SET STORAGE EXTERNAL;
            CREATE PUBLICATION all_four FOR TABLE plain, whole, long, typed""")
        slot.create(dsn, name).close()
        for edit in EDITS.split(";"):
            cursor.execute(edit)
    connection = slot.replication(dsn)
    received: list[bytes] = []
    with connection.cursor() as cursor:
        cursor.start_replication(
            slot_name=name, options={"proto_version": "1", "publication_names": "all_four", "messages": "true"}
        )
        deadline = time.monotonic() + 240
        while sum(payload[:1] == b"C" for payload in received) < 12 and time.monotonic() < deadline:
            message = cursor.read_message()
            if message is None:
                time.sleep(0.01)
            else:
                received.append(message.payload)
    connection.close()
    writer.close()
    slot.drop(dsn, name)
    yield received
    cluster.drop(name)


def decoded(payloads: list[bytes], wanted: dict[str, tuple[str, ...]] | None = None) -> list[Any]:
    decoder = Decoder(wanted)
    return [decoder.decode(payload) for payload in payloads]


def changes(payloads: list[bytes], table: str, wanted: dict[str, tuple[str, ...]] | None = None) -> list[Change]:
    return [one for one in decoded(payloads, wanted) if isinstance(one, Change) and one.relation.name == table]


def test_a_row_is_told_as_its_replica_identity_allows(payloads: list[bytes]) -> None:
    """By default the key of a deleted row, and of an updated one if it changed; with FULL the whole old row."""
    name = "ä".encode() + b"x" * 10
    assert [(one.op, one.old, one.new, one.whole) for one in changes(payloads, "plain")] == [
        ("insert", None, [b"1", name, None], False),
        ("update", None, [b"1", b"b", None], False),
        ("update", [b"1", None, None], [b"2", b"b", None], False),
        ("delete", [b"2", None, None], None, False),
    ]
    assert [(one.op, one.old, one.new, one.whole) for one in changes(payloads, "whole")] == [
        ("insert", None, [b"1", b"a", b"c"], False),
        ("update", [b"1", b"a", b"c"], [b"1", None, b"c"], True),
        ("delete", [b"1", None, b"c"], None, True),
    ]


def test_a_toasted_value_that_did_not_change_is_no_null(payloads: list[bytes]) -> None:
    """The server leaves it out; the decoder says so."""
    insert, update = changes(payloads, "long")
    assert insert.new is not None
    assert len(insert.new[1]) == 64_000
    assert update.new == [b"1", UNCHANGED, b"b"]


def test_only_wanted_columns_are_cut_out_in_the_order_asked_for(payloads: list[bytes]) -> None:
    """A column that the table lacks stays None, a table that was not named keeps nothing."""
    wanted = {"whole": ("more", "missing", "id")}
    assert [(one.old, one.new) for one in changes(payloads, "whole", wanted)] == [
        (None, [b"c", None, b"1"]), ([b"c", None, b"1"], [b"c", None, b"1"]), ([b"c", None, b"1"], None)]  # fmt: skip
    assert [one.new for one in changes(payloads, "plain", wanted) if one.op == "insert"] == [[]]


def test_transactions_messages_types_and_truncates_are_read(payloads: list[bytes]) -> None:
    """Each transaction begins and commits at the same place; the rest is what was written."""
    messages = decoded(payloads)
    begins = [one for one in messages if isinstance(one, Begin)]
    commits = [one for one in messages if isinstance(one, Commit)]
    assert [one.lsn for one in begins] == [one.lsn for one in commits]
    assert all(one.end > one.lsn for one in commits)
    assert len({one.xid for one in begins}) == len(begins)
    assert abs(begins[0].commit_time / 1e6 + 946_684_800 - time.time()) < 600
    assert [one[2:] for one in messages if isinstance(one, LogicalMessage)] == [("aipstream", b"hello")]
    assert [one.name for one in messages if isinstance(one, DataType)] == ["mood"]
    (truncate,) = [one for one in messages if isinstance(one, Truncate)]
    assert {one.name for one in truncate.relations} == {"plain", "whole"}
    assert truncate.restart_identity
    (whole,) = {one for one in messages if isinstance(one, Relation) and one.name == "whole"}
    assert (whole.identity, whole.columns, whole.schema) == ("f", ("id", "name", "more"), "public")
    (plain,) = {one for one in messages if isinstance(one, Relation) and one.name == "plain"}
    assert (plain.identity, plain.key) == ("d", ("id",))


def test_every_message_that_is_cut_off_is_refused(payloads: list[bytes]) -> None:
    """No prefix of a message passes for a message, except where what is missing was not wanted."""
    decoder = Decoder()
    for payload in payloads:
        decoder.decode(payload)
        for end in range(min(len(payload), 200)):
            with pytest.raises(MalformedMessage):
                decoder.decode(payload[:end])


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_refused(noise: bytes) -> None:
    """Nothing else escapes."""
    decoder = Decoder()
    decoder.decode(relation_payload(7, "t", ["id", "name"]))
    with contextlib.suppress(MalformedMessage):
        decoder.decode(noise)


CELLS = st.one_of(st.none(), st.just(UNCHANGED), st.binary(max_size=30))


def relation_payload(number: int, name: str, columns: list[str]) -> bytes:
    described = b"".join(b"\x01" + column.encode() + b"\0" + struct.pack("!ii", 25, -1) for column in columns)
    return (b"R" + struct.pack("!I", number) + b"public\0" + name.encode() + b"\0f" + struct.pack("!h", len(columns))
            + described)  # fmt: skip


def row_payload(cells: list[Any]) -> bytes:
    parts = [b"n" if cell is None else b"u" if cell is UNCHANGED else b"t" + struct.pack("!I", len(cell)) + cell
             for cell in cells]  # fmt: skip
    return struct.pack("!h", len(cells)) + b"".join(parts)


@settings(deadline=None)
@given(st.integers(1, 8).flatmap(lambda n: st.tuples(
    st.lists(CELLS, min_size=n, max_size=n), st.lists(CELLS, min_size=n, max_size=n), st.permutations(range(n)))),
    st.data())  # fmt: skip
def test_any_row_is_read_as_it_was_written(rows: tuple[list[Any], list[Any], list[int]], data: st.DataObject) -> None:
    """For every choice and order of wanted columns, in the old row as in the new one."""
    old, new, order = rows
    wanted = [f"c{index}" for index in order[: data.draw(st.integers(0, len(order)))]]
    decoder = Decoder({"t": wanted})
    decoder.decode(relation_payload(7, "t", [f"c{index}" for index in range(len(old))]))
    update = decoder.decode(b"U" + struct.pack("!I", 7) + b"O" + row_payload(old) + b"N" + row_payload(new))
    assert isinstance(update, Change)
    assert update.whole
    assert update.old == [old[int(name[1:])] for name in wanted]
    assert update.new == [new[int(name[1:])] for name in wanted]


def test_an_origin_is_read_and_a_commit_time_is_an_instant() -> None:
    """Transactions that came by replication from elsewhere carry an origin."""
    assert Decoder().decode(b"O" + struct.pack("!q", 9) + b"other\0") == Origin(9, "other")
    assert instant(0) == "2000-01-01T00:00:00.000000Z"
    assert instant(86_400_000_001) == "2000-01-02T00:00:00.000001Z"
