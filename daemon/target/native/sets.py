"""Builders of set-based statements: each writes one table so that it holds, for the owners in scope, what is staged.

Invariant: a statement of this module touches only rows that differ. An equal batch inserts, updates and deletes
nothing, and takes no row lock. Each ends in one row (inserted, updated, deleted).

The planner knows nothing of a temporary table that was just filled, and would read a table of millions from end to end
for a batch of one. So every table of the repository is entered by `among`, an array of keys: that is always an index
scan, whatever the statistics say, and spares the ANALYZE of each staged table.

A statement's parts all see the table as it was before, so a value that one row gives up cannot be taken by another in
the same statement. Tables with unique columns other than their key are written in steps elsewhere (`people`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- it is a class

NO_UUID = "coalesce({x}, '00000000-0000-0000-0000-000000000000'::uuid)"
NO_TEXT = "coalesce({x}, '')"
NO_NUMBER = "coalesce({x}, -2147483648)"
PLAIN = "{x}"
"""How a column of a key is compared: a NULL must equal a NULL, and a hash join needs `=`."""


class Writer:
    """Runs statements and counts the rows that they touched, by table."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.touched: Counter[str] = Counter()

    def run(self, table: str, sql: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Run one statement that writes `table`; the number of rows that it touched."""
        self.cursor.execute(sql, parameters)
        if self.cursor.description:
            row = self.cursor.fetchone()
            count = sum(row) if row else 0
        else:
            count = self.cursor.rowcount
        if count:
            self.touched[table] += count
        return count


def among(column: str, stage: str, key: str = "uuid") -> str:
    """The condition that `column` is a `key` of `stage`, in the form that is an index scan."""
    return f"{column} = ANY (ARRAY(SELECT {key} FROM {stage} _a))"


def _list(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)


def _distinct(left: str, right: str, columns: Sequence[str]) -> str:
    if not columns:
        return "false"
    return f"({_list(columns, left)}) IS DISTINCT FROM ({_list(columns, right)})"


def rows_by_uuid(table: str, stage: str, columns: Sequence[str]) -> str:
    """A table whose key is `uuid`: insert what is missing, update what differs, delete nothing."""
    return f"""
WITH held AS MATERIALIZED (
  SELECT t.uuid, {_list(columns, "t.")} FROM {table} t WHERE {among("t.uuid", stage)}),
differs AS MATERIALIZED (
  SELECT w.*, h.uuid AS held FROM {stage} w LEFT JOIN held h ON h.uuid = w.uuid
  WHERE h.uuid IS NULL OR {_distinct("h.", "w.", columns)}),
changed AS (
  UPDATE {table} t SET {", ".join(f"{column} = d.{column}" for column in columns)}
  FROM differs d WHERE t.uuid = d.held AND {among("t.uuid", "differs", "held")} RETURNING 1),
made AS (
  INSERT INTO {table} (uuid, {_list(columns)}) SELECT d.uuid, {_list(columns, "d.")}
  FROM differs d WHERE d.held IS NULL RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""


def pairs(table: str, subject: str, other: str, stage: str, scope: str) -> str:
    """An association table: `stage` has (subject, other) as they shall be for every uuid in `scope`."""
    return f"""
WITH held AS MATERIALIZED (
  SELECT t.{subject} AS subject, t.{other} AS other FROM {table} t WHERE {among(f"t.{subject}", scope)}),
surplus AS MATERIALIZED (SELECT subject, other FROM held EXCEPT SELECT subject, other FROM {stage}),
gone AS (
  DELETE FROM {table} t USING surplus s WHERE t.{subject} = s.subject AND t.{other} = s.other
    AND {among(f"t.{subject}", "surplus", "subject")} RETURNING 1),
made AS (
  INSERT INTO {table} ({subject}, {other}) SELECT subject, other FROM {stage} EXCEPT SELECT subject, other FROM held
  RETURNING 1)
SELECT (SELECT count(*) FROM made), 0, (SELECT count(*) FROM gone)"""


def multiset(
    table: str,
    *,
    key: str,
    sequence: str,
    stage: str,
    scope: str,
    scope_column: str = "uuid",
    owner: str,
    same: Mapping[str, str],
    rest: Sequence[str] = (),
    given: Mapping[str, str] | None = None,
    where: str = "true",
) -> str:
    """A table of rows with an integer key of their own and no natural one.

    `same` are the columns (with the expression by which they are compared) that make a held and a wanted row the same
    one; duplicates are told apart by their number in the order of all other columns. `rest` are the columns that then
    may differ and are updated. `given` are columns that only a new row gets. `where` says which held rows (`t`) count.
    """
    columns = [*same, *rest]
    numbers = [f"k{n}" for n in range(len(same))]

    def keys(alias: str) -> str:
        compared = (compare.format(x=f"{alias}.{column}") for column, compare in same.items())
        return ", ".join(f"{expression} AS {number}" for expression, number in zip(compared, numbers, strict=True))

    update = (
        f"""UPDATE {table} t SET {", ".join(f"{column} = d.{column}" for column in rest)}
  FROM differs d WHERE t.{key} = d.{key} AND t.{key} = ANY (ARRAY(SELECT {key} FROM differs WHERE _n IS NOT NULL))
  RETURNING 1"""
        if rest
        else "SELECT 1 WHERE false"
    )
    extra = given or {}
    return f"""
WITH held AS (
  SELECT *, row_number() OVER (PARTITION BY {_list(numbers)} ORDER BY {_list([*rest, key])}) AS _n FROM (
    SELECT t.{key}, {_list(columns, "t.")}, {keys("t")}
    FROM {table} t WHERE {among(f"t.{owner}", scope, scope_column)} AND ({where})) t),
wanted AS (
  SELECT *, row_number() OVER (PARTITION BY {_list(numbers)} ORDER BY {_list(rest) or "1"}) AS _n FROM (
    SELECT {_list(columns, "w.")}, {keys("w")} FROM {stage} w) w),
differs AS MATERIALIZED (
  SELECT h.{key}, w._n, {_list(columns, "w.")}
  FROM held h FULL JOIN wanted w ON h._n = w._n AND {" AND ".join(f"h.{k} = w.{k}" for k in numbers)}
  WHERE h.{key} IS NULL OR w._n IS NULL OR {_distinct("h.", "w.", rest)}),
gone AS (
  DELETE FROM {table} t WHERE t.{key} = ANY (ARRAY(SELECT {key} FROM differs WHERE _n IS NULL)) RETURNING 1),
changed AS (
  {update}),
made AS (
  INSERT INTO {table} ({_list([key, *columns, *extra])})
  SELECT nextval('{sequence}'), {_list([*(f"d.{column}" for column in columns), *extra.values()])}
  FROM differs d WHERE d.{key} IS NULL RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), (SELECT count(*) FROM gone)"""
