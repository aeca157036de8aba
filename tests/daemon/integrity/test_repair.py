"""Whatever is damaged, a repair out of a copy makes the archive what it was; and without one nothing gets worse."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.config import Config
from daemon.config_sections import BlobsSection, LogSection
from daemon.integrity.configured import repair_configured
from daemon.integrity.copies import Named
from daemon.integrity.repair import LEFT, LOST, MENDED
from tests.daemon.integrity.archive import Archive, content, make
from tests.events.log import damage


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make(tmp_path / "archive")


def configured(archive: Archive) -> Config:
    return Config(log=LogSection(url=archive.url), blobs=BlobsSection(url=archive.blobs))


def harm(archive: Archive, chance: random.Random) -> None:
    """Three to eight damages of any sort, anywhere."""
    for _ in range(chance.randint(3, 8)):
        position = chance.randint(1, archive.events)
        match chance.randrange(9):
            case 0:
                damage.sql(archive.log, f"DELETE FROM event WHERE position = {position}")
            case 1:
                damage.sql(archive.log, f"DELETE FROM payload WHERE position = {position}")
            case 2:
                column = chance.choice(["source", "uuid", "digest", "handle", "blobs", "commit_time", "id"])
                damage.sql(archive.log, f"UPDATE event SET {column} = 'x{position}' WHERE position = {position}")
            case 3:
                column = chance.choice(["chain", "checksum", "payload_checksum"])
                damage.sql(archive.log, f"UPDATE event SET {column} = randomblob(16) WHERE position = {position}")
            case 4:
                damage.sql(archive.log, f"UPDATE payload SET payload = randomblob(700) WHERE position = {position}")
            case 5:
                first = max(1, position - 3)
                for table in ("event", "payload"):
                    damage.sql(archive.log, f"DELETE FROM {table} WHERE position BETWEEN {first} AND {position}")
            case 6:
                archive.path_of(position).unlink(missing_ok=True)
            case 7:
                archive.path_of(position).write_bytes(chance.randbytes(50))
            case _:
                damage.sql(archive.log, f"INSERT OR IGNORE INTO thinned VALUES ({position})")


def every(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    return damage.rows_of(folder / "log.sqlite")


@pytest.mark.parametrize("seed", range(12))
def test_out_of_a_copy_everything_comes_back(archive: Archive, tmp_path: Path, seed: int) -> None:
    """Row for row, and content for content; what was marked as thinned without reason is whole again too."""
    copy = Path(shutil.copytree(archive.folder, tmp_path / "copy"))
    whole = every(archive.folder)
    harm(archive, random.Random(seed))
    named = Named(f"sqlite:///{copy}/log.sqlite", f"file://{copy}/blobs")
    done = repair_configured(configured(archive), named=named, share=1.0)
    assert done.count(LEFT) == 0, done.steps
    assert done.count(MENDED) == len(done.steps) > 0
    assert every(archive.folder) == whole
    assert archive.check(share=1.0, restart=True)
    assert archive.report().damaged == 0
    for number in range(1, archive.events + 1):
        if archive.path_of(number).exists():
            assert number == 39 or archive.path_of(number).read_bytes() == content(number)


@pytest.mark.parametrize("seed", range(12))
def test_without_a_copy_nothing_that_is_whole_is_touched(archive: Archive, tmp_path: Path, seed: int) -> None:
    """Rows that no damage reached are the same afterwards, also where much is left or lost; and a second repair finds
    nothing more to do."""
    whole = every(archive.folder)
    harm(archive, random.Random(seed))
    harmed = every(archive.folder)
    with closing(sqlite3.connect(tmp_path / "before.sqlite")) as before, closing(sqlite3.connect(archive.log)) as log:
        log.backup(before)
    done = repair_configured(configured(archive), share=1.0)
    after = every(archive.folder)
    lost = {step.damage.position for step in done.steps if step.became == LOST}
    for table in ("event", "payload"):
        kept = set(whole[table]) & set(harmed[table])
        assert {row for row in kept if row[0] not in lost} <= set(after[table])
        assert set(after[table]) <= set(whole[table]) | set(harmed[table]), "nothing was made up"
    again = repair_configured(configured(archive), restart=True, share=1.0)
    assert {step.became for step in again.steps} <= {LEFT}
    assert len(again.steps) <= done.count(LEFT)
    assert every(archive.folder) == after
