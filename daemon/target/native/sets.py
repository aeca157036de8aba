"""Builders of set-based statements: each writes one table so that it holds, for the owners in scope, what is staged.

Invariant: a statement of this module touches only rows that differ. An equal batch inserts, updates and deletes
nothing, and takes no row lock. Each ends in one row (inserted, updated, deleted).

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


def _list(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)


def _distinct(left: str, right: str, columns: Sequence[str]) -> str:
    if not columns:
        return "false"
    return f"({_list(columns, left)}) IS DISTINCT FROM ({_list(columns, right)})"


def rows_by_uuid(table: str, stage: str, columns: Sequence[str]) -> str:
    """A table whose key is `uuid`: insert what is missing, update what differs, delete nothing."""
    return f"""
WITH changed AS (
  UPDATE {table} t SET {", ".join(f"{column} = w.{column}" for column in columns)}
  FROM {stage} w WHERE t.uuid = w.uuid AND {_distinct("t.", "w.", columns)} RETURNING 1),
made AS (
  INSERT INTO {table} (uuid, {_list(columns)}) SELECT w.uuid, {_list(columns, "w.")}
  FROM {stage} w WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.uuid = w.uuid) RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), 0"""


def pairs(table: str, subject: str, other: str, stage: str, scope: str) -> str:
    """An association table: `stage` has (subject, other) as they shall be for every uuid in `scope`."""
    return f"""
WITH gone AS (
  DELETE FROM {table} t USING {scope} s WHERE t.{subject} = s.uuid
    AND NOT EXISTS (SELECT FROM {stage} w WHERE w.subject = t.{subject} AND w.other = t.{other}) RETURNING 1),
made AS (
  INSERT INTO {table} ({subject}, {other}) SELECT DISTINCT w.subject, w.other FROM {stage} w
  WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{subject} = w.subject AND t.{other} = w.other) RETURNING 1)
SELECT (SELECT count(*) FROM made), 0, (SELECT count(*) FROM gone)"""


def multiset(  # noqa: PLR0913 -- a statement has that many parts
    table: str, *, key: str, sequence: str, stage: str, scope: str, scope_column: str = "uuid", owner: str,
    same: Mapping[str, str], rest: Sequence[str] = (), given: Mapping[str, str] | None = None, where: str = "true",
) -> str:
    """A table of rows with an integer key of their own and no natural one.

    `same` are the columns (with the expression by which they are compared) that make a held and a wanted row the same
    one; duplicates are told apart by their number in the order of all other columns. `rest` are the columns that then
    may differ and are updated. `given` are columns that only a new row gets. `where` says which held rows (`t`) count.
    """
    columns = [*same, *rest]
    held_keys = ", ".join(f"{compare.format(x='t.' + column)} AS k{n}" for n, (column, compare) in enumerate(same.items()))
    wanted_keys = ", ".join(f"{compare.format(x='w.' + column)} AS k{n}" for n, (column, compare) in enumerate(same.items()))
    numbers = [f"k{n}" for n in range(len(same))]
    order = f"ORDER BY {_list(rest)}" if rest else "ORDER BY NULL::int"
    held_order = f"ORDER BY {_list([*rest, key])}"
    update = f"""UPDATE {table} t SET {", ".join(f"{column} = d.{column}" for column in rest)}
  FROM differs d WHERE t.{key} = d.{key} AND d._n IS NOT NULL RETURNING 1""" if rest else "SELECT 1 WHERE false"
    extra = given or {}
    return f"""
WITH held AS (
  SELECT *, row_number() OVER (PARTITION BY {_list(numbers)} {held_order}) AS _n FROM (
    SELECT t.{key}, {_list(columns, "t.")}, {held_keys}
    FROM (SELECT DISTINCT {scope_column} AS uuid FROM {scope} _s) s JOIN {table} t ON t.{owner} = s.uuid
    WHERE {where}) t),
wanted AS (
  SELECT *, row_number() OVER (PARTITION BY {_list(numbers)} {order}) AS _n FROM (
    SELECT {_list(columns, "w.")}, {wanted_keys} FROM {stage} w) w),
differs AS MATERIALIZED (
  SELECT h.{key}, w._n, {_list(columns, "w.")}
  FROM held h FULL JOIN wanted w ON h._n = w._n AND {" AND ".join(f"h.{k} = w.{k}" for k in numbers)}
  WHERE h.{key} IS NULL OR w._n IS NULL OR {_distinct("h.", "w.", rest)}),
gone AS (
  DELETE FROM {table} t USING differs d WHERE t.{key} = d.{key} AND d._n IS NULL RETURNING 1),
changed AS (
  {update}),
made AS (
  INSERT INTO {table} ({_list([key, *columns, *extra])})
  SELECT nextval('{sequence}'), {_list([*(f"d.{column}" for column in columns), *extra.values()])}
  FROM differs d WHERE d.{key} IS NULL RETURNING 1)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM changed), (SELECT count(*) FROM gone)"""
