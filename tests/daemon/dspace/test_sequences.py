"""After rows came from elsewhere the sequences are moved forward, each to its own column, and never back."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class

from daemon.dspace.fresh import install
from daemon.dspace.sequences import SEQUENCES, SequenceChange, advance
from daemon.dspace.tables import VERSIONS
from daemon.scratch import Cluster
from tests.daemon.dspace.schemas import ours

PREFIX = "20.500.1"


@pytest.fixture(scope="module", params=["7.6", "10"])
def template(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """The name of a freshly installed repository to copy."""
    name = f"sequences_template_{request.param}"
    connection = psycopg2.connect(ours(cluster, name, request.param))
    install(connection, request.param, prefix=PREFIX)
    connection.commit()
    connection.close()
    yield name
    cluster.drop(name)


@pytest.fixture
def fresh(template: str, cluster: Cluster) -> Iterator[Connection]:
    """A connection to a fresh repository of its own, in autocommit."""
    connection = psycopg2.connect(cluster.create("sequences_fresh", template))
    connection.autocommit = True
    yield connection
    connection.close()
    cluster.drop("sequences_fresh")


def _rows(connection: Connection, statement: str, *values: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def _handles(connection: Connection, *handles: str) -> None:
    """Tombstones with those handles, numbered by their own sequence."""
    for handle in handles:
        _rows(connection, "INSERT INTO handle (handle_id, handle, resource_type_id) "
                          "VALUES (nextval('handle_id_seq'), %s, 2)", handle)


def _state(connection: Connection) -> dict[str, tuple[object, ...]]:
    names = [row[0] for row in _rows(connection, "SELECT relname FROM pg_class WHERE relkind = 'S'")]
    return {str(name): _rows(connection, f"SELECT last_value, is_called FROM {name}")[0] for name in names}


def _next(connection: Connection, sequence: str) -> object:
    return _rows(connection, "SELECT nextval(%s)", sequence)[0][0]


def test_a_fresh_site_needs_nothing(fresh: Connection) -> None:
    """The only handle is the site's <prefix>/0, at which the stock script fails; here the first suffix stays 1."""
    before = _state(fresh)
    assert advance(fresh) == []
    assert _state(fresh) == before
    assert before["handle_seq"] == (1, False)
    assert _next(fresh, "handle_seq") == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_without_any_row_needs_nothing(cluster: Cluster, version: str) -> None:
    """Every table is empty, not even a site: every sequence stays unused."""
    connection = psycopg2.connect(ours(cluster, "sequences_empty", version))
    connection.autocommit = True
    assert advance(connection) == []
    assert set(_state(connection).values()) == {(1, False)}
    connection.close()
    cluster.drop("sequences_empty")


def test_a_database_that_is_no_dspace_is_left_alone(cluster: Cluster) -> None:
    """Sequences and tables that are not there are passed over."""
    connection = psycopg2.connect(cluster.create("sequences_none"))
    assert advance(connection) == []
    connection.close()
    cluster.drop("sequences_none")


def test_every_sequence_follows_its_own_column(fresh: Connection) -> None:
    """With a row numbered 777 in each table, every sequence of this version gives 778 next, in one call."""
    present = _state(fresh)
    _rows(fresh, "SET session_replication_role = replica")  # the rows need no parents for this
    moved = [one for one in SEQUENCES if one.sequence in present and one.column]
    for one in moved:
        required = _rows(fresh, "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = "
                                "%s::regclass AND attnum > 0 AND attnotnull AND attname <> %s", one.table, one.column)
        fill = {"integer": 0, "uuid": str(uuids.uuid4()), "boolean": False, "character varying": "x",
                "timestamp without time zone": "2020-01-01"}
        columns = [one.column, *(name for name, _ in required)]
        if one.table == "resourcepolicy":
            columns.append("eperson_id")
            required.append(("eperson_id", "uuid"))
        with fresh.cursor() as cursor:
            cursor.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES %s").format(
                    sql.Identifier(one.table), sql.SQL(", ").join(sql.Identifier(str(name)) for name in columns)),
                ((777, *(fill[str(kind)] for _, kind in required)),))
    changes = advance(fresh)
    assert {change.sequence for change in changes} == {one.sequence for one in moved}
    assert {change.next_after for change in changes} == {778}
    for one in moved:
        assert _next(fresh, one.sequence) == 778, one


def test_subscription_parameters_do_not_follow_subscriptions(fresh: Connection) -> None:
    """The stock script takes the wrong column; here the parameter's own number counts."""
    _rows(fresh, "INSERT INTO subscription (subscription_id) VALUES (900)")
    _rows(fresh, "INSERT INTO subscription_parameter (subscription_parameter_id, subscription_id) VALUES (5, 900)")
    assert advance(fresh) == [SequenceChange("subscription_parameter_seq", 1, 6),
                              SequenceChange("subscription_seq", 1, 901)]


def test_a_sequence_that_is_ahead_stays_ahead(fresh: Connection) -> None:
    """Numbers that were given and whose rows are gone are not given again."""
    _rows(fresh, "SELECT setval('handle_seq', 5000), setval('metadatavalue_seq', 9000), setval('doi_seq', 40, false)")
    _handles(fresh, f"{PREFIX}/12")
    before = _state(fresh)
    assert advance(fresh) == []
    assert _state(fresh) == before
    assert [_next(fresh, name) for name in ("handle_seq", "metadatavalue_seq", "doi_seq")] == [5001, 9001, 40]


@pytest.mark.parametrize(
    ("last", "called", "largest", "next_after"),
    [(1, False, 1, 2), (1, True, 1, 2), (7, False, 7, 8), (7, False, 6, 7), (7, True, 8, 9), (1, False, 0, 1)],
)
def test_a_value_that_was_not_yet_given_is_told_from_one_that_was(
    fresh: Connection, last: int, called: bool, largest: int, next_after: int
) -> None:
    """`is_called` decides whether `last_value` itself comes next; what comes next is in no row."""
    _rows(fresh, "SELECT setval('doi_seq', %s, %s)", last, called)
    _rows(fresh, "INSERT INTO doi (doi_id) VALUES (%s)", largest)
    advance(fresh)
    assert _next(fresh, "doi_seq") == next_after


def test_new_handles_follow_the_sites_own_prefix(fresh: Connection) -> None:
    """Handles of other prefixes do not count, not even of one that begins alike or has a wildcard's place."""
    _handles(fresh, f"{PREFIX}/41", "123456789/900", f"{PREFIX}7/800", "20x500.1/700", f"{PREFIX}/sub/600")
    assert advance(fresh) == [SequenceChange("handle_seq", 1, 42)]
    assert _next(fresh, "handle_seq") == 42


def test_odd_handles_do_no_harm(fresh: Connection) -> None:
    """A handle without a suffix, one of letters, and one with more digits than any number are passed over."""
    _handles(fresh, f"{PREFIX}/", f"{PREFIX}/7", f"{PREFIX}/thesis-99", f"{PREFIX}/99x", f"{PREFIX}/{'9' * 19}",
             f"{PREFIX}/{'1' * 60}", f"{PREFIX}/8.", f"{PREFIX}/-70", f"{PREFIX}/55.2.1", "no-slash")
    _rows(fresh, "INSERT INTO handle (handle_id, handle) VALUES (nextval('handle_id_seq'), NULL)")
    assert advance(fresh) == [SequenceChange("handle_seq", 1, 8)]


def test_eighteen_digits_still_count(fresh: Connection) -> None:
    """The longest suffix that is a number is taken as one, without being cut short."""
    _handles(fresh, f"{PREFIX}/{'1' * 18}")
    assert advance(fresh) == [SequenceChange("handle_seq", 1, int("1" * 18) + 1)]


def test_a_versioned_handle_counts_without_its_version(fresh: Connection) -> None:
    """`<prefix>/70.2` is version 2 of 70, so 70 is taken."""
    _handles(fresh, f"{PREFIX}/12", f"{PREFIX}/70.2")
    assert advance(fresh) == [SequenceChange("handle_seq", 1, 71)]


def test_without_a_site_handle_no_suffix_is_guessed(fresh: Connection) -> None:
    """Which prefix new handles will have is then not known, and the sequence stays."""
    _handles(fresh, f"{PREFIX}/12")
    _rows(fresh, "UPDATE handle SET resource_id = NULL")
    assert advance(fresh) == []


def test_a_dry_run_tells_and_changes_nothing(fresh: Connection) -> None:
    """It names the same changes as the real run after it."""
    _handles(fresh, f"{PREFIX}/12")
    _rows(fresh, "INSERT INTO versionhistory (versionhistory_id) VALUES (30)")
    before = _state(fresh)
    told = advance(fresh, dry_run=True)
    assert _state(fresh) == before
    assert told == [SequenceChange("handle_seq", 1, 13), SequenceChange("versionhistory_seq", 1, 31)]
    assert advance(fresh) == told
    assert advance(fresh) == []


def test_a_missing_sequence_is_passed_over(fresh: Connection) -> None:
    """What a version has not, or a site has dropped, does not stop the others."""
    _rows(fresh, "DROP SEQUENCE webapp_seq")
    _rows(fresh, "DROP TABLE openurltracker")
    _handles(fresh, f"{PREFIX}/3")
    assert advance(fresh) == [SequenceChange("handle_seq", 1, 4)]


def test_the_handles_of_a_batch_are_enough(fresh: Connection) -> None:
    """Given the handles that came, the table is not read; own prefix and versions are told as ever."""
    _handles(fresh, f"{PREFIX}/500")
    assert advance(fresh, handles=[]) == []
    assert advance(fresh, handles=["1/900", f"{PREFIX}/20.3", f"{PREFIX}/x"]) == [SequenceChange("handle_seq", 1, 21)]
    assert advance(fresh) == [SequenceChange("handle_seq", 21, 501)]
