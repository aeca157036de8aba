"""Fills a freshly installed DSpace database and its assetstore with a living repository.

Invariant: rows are as DSpace's API leaves them (`daemon.sample.invariants` holds after it), a seed gives the same
repository again but for the numbers that the database gives, and memory does not grow with the number of items.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from psycopg2.extensions import connection as Connection  # noqa: N812 - the class has a lower-case name there

from daemon.sample import oddities, structure
from daemon.sample.cache import rebuild_group_cache
from daemon.sample.records import record, small_files
from daemon.sample.repository import Repository

SLICE = 1000
"""Items per `COPY` and per transaction."""


@dataclass(frozen=True)
class Summary:
    """What was made. `items` counts archived ones that are plain; the odd ones come on top, in `rows`."""

    items: int
    communities: int
    collections: int
    people: int
    files: int
    rows: dict[str, int]


COUNTED = ("item", "bitstream", "metadatavalue", "resourcepolicy", "handle", "relationship", "versionitem")


def generate(
    connection: Connection,
    assetstore: Path,
    *,
    items: int,
    seed: int,
    files_per_item: int = 2,
    values_per_item: int = 20,
    rich: bool = True,
) -> Summary:
    """Make a repository with `items` plain items, and with `rich` one or more of every kind of content besides.

    The database must be freshly installed (registries, site, both permanent groups): UUIDs follow from the seed.
    `values_per_item` (nine at least) counts the item's own metadata, `files_per_item` its files, of 1 to 4 KiB.
    Works on DSpace 7.6 to 10. Commits as it goes.
    """
    random = Random(f"sample {seed}")  # noqa: S311 - a repeatable sample, no secret
    repository = Repository(connection, assetstore, random)
    world = structure.build(repository, items, rich=rich)
    repository.flush()
    rebuild_group_cache(connection)
    connection.commit()
    for number in range(items):
        collection = world.collections[number % len(world.collections)]
        moment = repository.moment()
        repository.item(
            collection.uuid,
            record(random, moment, values_per_item),
            small_files(random, repository.files, files_per_item),
            submitter=random.choice(world.people),
            modified=moment,
        )
        if number % SLICE == SLICE - 1:
            repository.flush()
            connection.commit()
    if rich:
        oddities.add(repository, world)
    repository.flush()
    connection.commit()
    with connection.cursor() as cursor:
        cursor.execute("analyze")
        rows = {}
        for table in COUNTED:
            cursor.execute(f"select count(*) from {table}")
            rows[table] = (cursor.fetchone() or (0,))[0]
    connection.commit()
    return Summary(
        items, len(world.communities), len(world.collections), len(world.people), items * files_per_item, rows
    )
