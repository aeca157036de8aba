"""People and groups with their members.

Invariants:

* E-mail addresses, netids and group names are unique at every moment, even while two rows of a batch exchange theirs:
  what another row of the batch is to get is given up first.
* `group2groupcache` is the transitive closure of `group2group`, and is touched only where it is not.
* Passwords are written only if they travel (`Options.passwords`), the three columns together; `last_active` and
  `session_salt` are the target's own.
"""

from __future__ import annotations

from typing import Final

from daemon.dspace.facets import Options
from daemon.target.native.sets import Writer, among, pairs
from daemon.target.native.stage import Stage

_GIVE_UP: Final = """
UPDATE {table} t SET {column} = NULL FROM {stage} w
WHERE t.uuid = w.uuid AND {among} AND t.{column} IS DISTINCT FROM w.{column}
  AND EXISTS (SELECT FROM {stage} o WHERE o.uuid <> t.uuid AND o.{column} = t.{column})"""

_CHANGE: Final = """
UPDATE {table} t SET {assignments} FROM {stage} w
WHERE t.uuid = w.uuid AND {among} AND ({held}) IS DISTINCT FROM ({wanted})"""

_ADD: Final = """
INSERT INTO {table} (uuid, {columns}) SELECT w.uuid, {wanted} FROM {stage} w
WHERE w.uuid NOT IN (SELECT t.uuid FROM {table} t WHERE {among})"""

_PERSON: Final = (
    "eperson_id",
    "email",
    "netid",
    "can_log_in",
    "require_certificate",
    "self_registered",
    "sub_frequency",
)
_PASSWORD: Final = ("password", "salt", "digest_algorithm")
_GROUP: Final = ("eperson_group_id", "name", "permanent")

_PERSONS_IN: Final = pairs("epersongroup2eperson", "eperson_group_id", "eperson_id", "put_person_in", "put_group")
_GROUPS_IN: Final = pairs("group2group", "parent_id", "child_id", "put_group_in", "put_group")

_CLOSURE: Final = """
WITH RECURSIVE closure(parent_id, child_id) AS (
  SELECT parent_id, child_id FROM group2group
  UNION SELECT c.parent_id, g.child_id FROM closure c JOIN group2group g ON g.parent_id = c.child_id),
gone AS (
  DELETE FROM group2groupcache k WHERE NOT EXISTS (
    SELECT FROM closure c WHERE c.parent_id = k.parent_id AND c.child_id = k.child_id) RETURNING 1),
made AS (
  INSERT INTO group2groupcache (parent_id, child_id) SELECT c.parent_id, c.child_id FROM closure c
  WHERE NOT EXISTS (SELECT FROM group2groupcache k WHERE k.parent_id = c.parent_id AND k.child_id = c.child_id)
    RETURNING 1)
SELECT (SELECT count(*) FROM made), 0, (SELECT count(*) FROM gone)"""


def _write(writer: Writer, table: str, stage: str, columns: tuple[str, ...], unique: tuple[str, ...]) -> int:
    shared = {"table": table, "stage": stage, "among": among("t.uuid", stage)}
    for column in unique:
        writer.run(table, _GIVE_UP.format(**shared, column=column))
    held, wanted = (", ".join(f"{alias}.{column}" for column in columns) for alias in "tw")
    assignments = ", ".join(f"{column} = w.{column}" for column in columns)
    touched = writer.run(table, _CHANGE.format(**shared, assignments=assignments, held=held, wanted=wanted))
    return touched + writer.run(table, _ADD.format(**shared, columns=", ".join(columns), wanted=wanted))


def rebuild_cache(writer: Writer) -> None:
    """Make group2groupcache the closure of group2group again."""
    writer.run("group2groupcache", _CLOSURE)


def write_people(writer: Writer, stage: Stage, options: Options) -> bool:
    """Write them; their `dspaceobject` rows must be there. Whether a group or a membership changed."""
    if stage.has("put_person"):
        _write(
            writer, "eperson", "put_person", _PERSON + _PASSWORD if options.passwords else _PERSON, ("email", "netid")
        )
    if not stage.has("put_group"):
        return False
    groups = _write(writer, "epersongroup", "put_group", _GROUP, ("name",))
    members = writer.run("epersongroup2eperson", _PERSONS_IN)
    nested = writer.run("group2group", _GROUPS_IN)
    if nested:
        rebuild_cache(writer)
    return bool(groups or members or nested)
