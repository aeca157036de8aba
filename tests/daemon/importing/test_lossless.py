"""What `aipstream export` wrote, an import brings back whole."""

from __future__ import annotations

from pathlib import Path

import psycopg2

from tests.daemon.importing.bench import Bench, Origin


def not_of_objects(origin: Origin) -> tuple[str, ...]:
    """What lines about people, groups, registries and tombstones have in them: of the first only the roles travel."""
    connection = psycopg2.connect(origin.pair.source_dsn)
    with connection.cursor() as cursor:
        cursor.execute("select uuid::text from eperson union all select uuid::text from epersongroup")
        people = tuple(f"{{subject: '{uuid}'" for (uuid,) in cursor)
    connection.close()
    return (*people, "eperson: ", "epersongroup: ", "subject: None", "metadataschemaregistry: ",
            "metadatafieldregistry: ", "relationship_type: ")  # fmt: skip


def of_objects(origin: Origin, bench: Bench) -> list[str]:
    """The differences in communities, collections, items and their contents."""
    others = not_of_objects(origin)
    return [line for line in origin.differences(bench) if not any(other in line for other in others)]


def test_packages_go_through_an_empty_log_into_a_target(origin: Origin, packages: Path, bench: Bench) -> None:
    """Every row of communities, collections, items and files is there after the replay, and every membership."""
    report = bench.into_log(packages, mode="replace", create_metadata_fields=True)
    assert not report.refused
    assert not report.missing
    assert not report.losses
    bench.replay()
    assert not of_objects(origin, bench)


def test_packages_go_straight_into_a_target(origin: Origin, packages: Path, bench: Bench) -> None:
    """The same without a log; and a second run finds everything there, and writes nothing."""
    report = bench.into_target(packages, mode="replace", create_metadata_fields=True)
    assert not report.refused
    assert not report.losses
    assert not of_objects(origin, bench)
    before = bench.versions()
    again = bench.into_target(packages, mode="replace", create_metadata_fields=True)
    assert not again.counts["created"] + again.counts["replaced"], again.told
    assert bench.versions() == before


def test_a_second_import_into_the_log_appends_nothing(packages: Path, bench: Bench) -> None:
    """Neither in mode replace nor in mode restore, in which what is there as the package says is no error."""
    bench.into_log(packages, mode="restore", create_metadata_fields=True)
    end = bench.log.end()
    for mode in ("replace", "restore", "keep"):
        report = bench.into_log(packages, mode=mode, create_metadata_fields=True)
        assert not report.refused, report.refused
        assert bench.log.end() == end


def test_stock_packages_over_what_they_are_of_change_nothing(
    origin: Origin, packages: Path, bench: Bench, tmp_path: Path
) -> None:
    """What a stock package does not say stays: relationships, versions, UUIDs of files and bundles, types of policies,
    metadata of files, second handles, places. Nothing is written at all.
    """
    bench.into_target(packages, mode="replace", create_metadata_fields=True)
    before = bench.versions()
    stock = origin.packages(tmp_path / "stock", extension=False)
    report = bench.into_target(stock, mode="replace", create_metadata_fields=True)
    assert not report.refused
    assert report.counts == {"unchanged": report.counts["unchanged"], "kept": 1}
    assert bench.versions() == before
    assert not of_objects(origin, bench)
