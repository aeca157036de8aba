"""One digest per object, computed where the rows are: the sum of the hashes of its rows.

Invariants:

* Two databases that hold the same object by natural keys give the same digest, whatever their ids, their row order
  and their DSpace version; a value that an older version has no column for counts only when it is set.
* The sum is over a multiset, so no sort is needed, and a row that stands twice counts twice. Two seeds make 128 bits.
* The same expression serves `poll`, `wal`, `verify`, drift detection and the check after each replayed batch.

A digest is `<rows>-<sum>-<sum>` in decimal. `hashtextextended` is PostgreSQL's own and has been the same since 11 on
machines of one byte order; it is no cryptographic hash, it finds differences that nobody forged.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from daemon.dspace.connect import Connection
from daemon.dspace.facets import FACETS, Facet, Options, columns, query
from events.aip.model import KIND_ORDER, Kind, Uuid

_ROW = "SELECT _{n}.owner, ROW('{name}', {columns})::text AS t FROM ({sql}) AS _{n}(owner, {columns})"

_SUM = """SELECT owner, concat_ws('-', count(*), sum(hashtextextended(t, 11)), sum(hashtextextended(t, 37)))
FROM ({rows} OFFSET 0) r GROUP BY owner{order}"""
# OFFSET 0 keeps the planner from computing the text of a row once for each seed.


def _rows(facets: Iterable[Facet]) -> str:
    parts = []
    for number, facet in enumerate(facets):
        names = ", ".join(f'"{name}"' for name in columns(facet))
        parts.append(_ROW.format(n=number, name=facet.name, columns=names, sql=facet.sql))
    return "\nUNION ALL\n".join(parts)


def statement(
    kind: Kind, options: Options, *, some: bool, ordered: bool = False, facets: Sequence[Facet] | None = None
) -> str:
    """The SELECT of (owner, digest) for all objects of a kind, or for `%(uuids)s` if `some`."""
    chosen = [facet for facet in (facets or FACETS[kind]) if facet.digest]
    return query(
        kind,
        _SUM.format(rows=_rows(chosen), order=' ORDER BY owner COLLATE "C"' if ordered else ""),
        options,
        some=some,
    )


def digests(connection: Connection, kind: Kind, uuids: Sequence[Uuid], options: Options) -> dict[Uuid, str]:
    """The digest of each of those objects that is there and in scope, in the connection's transaction."""
    if not uuids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(statement(kind, options, some=True), {"uuids": list(uuids)})
        return dict(cursor.fetchall())


def sweep(
    connection: Connection, kind: Kind, options: Options, *, page: int = 5000
) -> Generator[tuple[Uuid, str], None, None]:
    """(uuid, digest) of every object of the kind, sorted by uuid, streamed: memory does not grow with the site.

    Who leaves before its end closes it, while its transaction lasts.
    """
    with connection.cursor(name=f"aipstream_{kind.value}") as cursor:
        cursor.itersize = page
        cursor.execute(statement(kind, options, some=False, ordered=True))
        yield from cursor


def by_facet(connection: Connection, kind: Kind, uuid: Uuid, options: Options) -> dict[str, str]:
    """The digest of one object facet by facet: which part of it differs."""
    found = {}
    for facet in FACETS[kind]:
        if facet.digest:
            with connection.cursor() as cursor:
                cursor.execute(statement(kind, options, some=True, facets=[facet]), {"uuids": [uuid]})
                row = cursor.fetchone()
                found[facet.name] = row[1] if row else ""
    return found


KINDS = tuple(sorted(KIND_ORDER, key=KIND_ORDER.__getitem__))
"""All kinds, parents before children."""
