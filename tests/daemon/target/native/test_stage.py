"""What COPY brings into the staged tables is what was put in."""

from __future__ import annotations

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.scratch import Cluster
from daemon.target.native.stage import Stage, prepare
from tests.hunting import examples

MARKS = ["\\N", "\\.", "\\", "\t\n\r"]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
CELLS = st.one_of(st.none(), TEXTS, st.sampled_from(MARKS))


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> psycopg2.extensions.connection:
    opened = psycopg2.connect(cluster.dsn("postgres"))
    yield opened
    opened.close()


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=8))
def test_every_text_survives_the_way_into_a_staged_table(
    connection: psycopg2.extensions.connection, rows: list[tuple[str | None, str | None]]
) -> None:
    """Backslashes, line ends, tabs, COPY's own marks and any other text read back as they were."""
    with connection.cursor() as cursor:
        prepare(cursor)
        stage = Stage()
        for row in rows:
            stage.add("put_schema", *row)
        stage.load(cursor)
        cursor.execute("SELECT short_id, namespace FROM put_schema ORDER BY ctid")
        assert cursor.fetchall() == rows
        stage.clear(cursor)
    connection.rollback()


def test_a_text_that_postgresql_cannot_hold_is_refused(connection: psycopg2.extensions.connection) -> None:
    """A NUL is refused by the server, a lone surrogate before it; neither is dropped or replaced in silence."""
    for text, error in (("a\0b", psycopg2.DataError), ("a\ud800", UnicodeEncodeError)):
        with connection.cursor() as cursor:
            prepare(cursor)
            stage = Stage()
            stage.add("put_schema", text, None)
            with pytest.raises(error):
                stage.load(cursor)
        connection.rollback()
