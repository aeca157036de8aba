"""Every table and column of DSpace 7.6 to 10: content of which objects, derived, or operational and why.

Invariant: no column is forgotten. The tests hold this list against the schemas of all four versions in both
directions, so that a new version of DSpace which brings a column makes a test fail instead of losing data; and
`unmapped` tells the same of a live database. Rows of content tables that are not content are in `LEFT_OUT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.dspace.coverage.content import CONTENT
from daemon.dspace.coverage.entry import Entry, Place
from daemon.dspace.coverage.operational import OPERATIONAL
from daemon.dspace.cursors import AnyConnection, cursor_of

__all__ = ["ENTRIES", "LEFT_OUT", "Entry", "LeftOut", "Place", "describe", "unlisted", "unmapped"]

ENTRIES: Final[tuple[Entry, ...]] = (*CONTENT, *OPERATIONAL)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of content tables that are not content. `tables` are the ones that hold them."""

    rows: str
    tables: tuple[str, ...]
    reason: str


LEFT_OUT: Final = (
    LeftOut("deleted bitstreams", ("bitstream",), "they only wait for `dspace cleanup` to remove their files"),
    LeftOut("output files of jobs", ("bitstream",), "they are in no bundle and belong to a row of process"),
    LeftOut("bundles and bitstreams that nothing holds", ("bundle", "bitstream"), "debris: no object leads to them"),
    LeftOut("items that are neither archived nor withdrawn, a version, a draft, in review, or a template", ("item",),
            "debris: no part of DSpace reaches them"),
    LeftOut("drafts and items in review, unless source.drafts is on", ("item",), "they are not yet in the repository"),
    LeftOut("version histories without a version", ("versionhistory",), "left behind when a last version is deleted"),
    LeftOut("the handles of the site", ("handle",), "they name the installation; the target has its own"),
    LeftOut("policies without an object or without a grantee", ("resourcepolicy",), "they permit nothing"),
    LeftOut("metadata values, subscriptions without an object", ("metadatavalue", "subscription"), "nothing owns them"),
    LeftOut("gaps in the order of a bundle's files", ("bundle2bitstream",),
            "the order is kept, the numbers are closed up: a gap is a null entry in Hibernate's list"),
    LeftOut("metadata of deleted bitstreams", ("metadatavalue",), "DSpace keeps it until `dspace cleanup`"),
)

COLUMNS: Final = """
    SELECT pg_class.relname, pg_attribute.attname
      FROM pg_class JOIN pg_attribute ON pg_attribute.attrelid = pg_class.oid
     WHERE pg_class.relnamespace = current_schema()::regnamespace AND pg_class.relkind IN ('r', 'p')
       AND pg_attribute.attnum > 0 AND NOT pg_attribute.attisdropped
     ORDER BY pg_class.relname, pg_attribute.attnum
"""


def unlisted(present: set[tuple[str, str]]) -> list[str]:
    """One message for each (table, column) that is in neither list; sorted."""
    listed = {(entry.table, entry.column) for entry in ENTRIES}
    tables = {entry.table for entry in ENTRIES}
    return [
        f"{table}.{column}: this column is listed neither as content nor as operational"
        if table in tables
        else f"{table}.{column}: its table is listed neither as content nor as operational"
        for table, column in sorted(present - listed)
    ]


def unmapped(connection: AnyConnection) -> list[str]:
    """One message for each column of the database's own schema that is in neither list.

    A DSpace newer than the four versions may bring such columns, and so may tables of extensions: what is in them is
    not replicated.
    """
    with cursor_of(connection) as cursor:
        cursor.execute(COLUMNS)
        return unlisted({(table, column) for table, column in cursor.fetchall()})


def describe() -> list[tuple[str, str, str, str, str]]:
    """The list for people: table, column, place, the kinds of object it belongs to, and what is to be said of it."""
    return [
        (
            entry.table,
            entry.column,
            str(entry.place),
            ", ".join(entry.kinds),
            entry.meaning + (f" (if {entry.option} is on)" if entry.option else ""),
        )
        for entry in ENTRIES
    ]
