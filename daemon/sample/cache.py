"""The table `group2groupcache`: the transitive closure of `group2group`, which DSpace rebuilds whole."""

from __future__ import annotations

from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

CLOSURE: Final = """
    with recursive closure (parent_id, child_id) as (
        select parent_id, child_id from group2group
        union
        select closure.parent_id, link.child_id
        from closure join group2group link on link.parent_id = closure.child_id
    )
    select parent_id, child_id from closure
"""
"""Reads group2group. `union` without `all` ends it even on a cycle."""


def rebuild_group_cache(connection: Connection) -> None:
    """Delete every row and insert the closure, as DSpace does whenever a nesting changes. Commits nothing."""
    with connection.cursor() as cursor:
        cursor.execute("delete from group2groupcache")
        cursor.execute(f"insert into group2groupcache (parent_id, child_id) {CLOSURE}")
