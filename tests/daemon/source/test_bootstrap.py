"""Everything once, at one snapshot, by several processes."""

from __future__ import annotations

import psycopg2
import pytest

from daemon.source.bootstrap import DONE, Bootstrap, Plan
from daemon.source.poll import PollSource
from events.aip.model import KIND_ORDER, Kind
from events.event import Type
from tests.daemon.source.site import OPTIONS, Site, retitle


def bootstrap(site: Site, workers: int = 2) -> Bootstrap:
    plan = Plan(
        site.dsn, f"file://{site.folder}/blobs", site.state.url, {0: site.assetstore}, (), OPTIONS, "test-source"
    )
    return Bootstrap(site.emitter, plan, workers=workers)


def test_everything_is_captured_in_order_and_nothing_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parents come before children although several processes read; a second run finds all of it known."""
    monkeypatch.setattr("daemon.source.bootstrap.SLICE", 5)
    told: list[tuple[int, int, Kind]] = []
    done = bootstrap(site).run(progress=lambda *now: told.append(now))
    assert (done.parked, done.deleted, done.unchanged) == (0, 0, 0)
    assert site.heads() == site.digests()
    events = site.events()
    ranks = [KIND_ORDER[event.kind] for event in events]
    assert ranks == sorted(ranks)
    seen: set[str] = set()
    for event in events:
        if event.kind is Kind.COMMUNITY:
            assert set(event.parents) <= seen
        seen.add(event.uuid)
    assert [now[0] for now in told] == sorted(now[0] for now in told)
    assert told[-1][:2] == (done.put, done.put)
    assert site.state.meta(DONE)
    assert all(site.blobs.has(sha256) for event in events for sha256 in event.blobs)
    again = bootstrap(site).run()
    assert (again.put, again.unchanged) == (0, done.put)
    assert PollSource(site.emitter).sweep().unchanged == done.put


def test_it_reads_at_the_snapshot_that_it_is_given(site: Site) -> None:
    """What is committed after the export is not in it: that is the stream's. Its events carry the slot's LSN."""
    item = site.item()
    before = site.digests()
    exporter = psycopg2.connect(site.dsn)
    exporter.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with exporter.cursor() as cursor:
        cursor.execute("select pg_export_snapshot()")
        name = cursor.fetchone()[0]
    retitle(site, item, "Later than the snapshot")
    bootstrap(site).run(snapshot=name, lsn=4711)
    exporter.close()
    assert site.heads() == before != site.digests()
    assert {event.lsn for event in site.events()} == {4711}
    assert site.emitter.emit(site.touch(item)).put == 1
    assert site.heads() == site.digests()


def test_a_snapshot_that_is_gone_is_replaced_by_a_new_one(site: Site) -> None:
    """A bootstrap that is resumed has lost the slot's snapshot. A later one is as good: the stream tells the rest."""
    bootstrap(site, workers=1).run(snapshot="00000003-0000001B-1", lsn=4711)
    assert site.heads() == site.digests()
    assert 4711 not in {event.lsn for event in site.events()}


def test_what_went_away_while_nobody_looked_is_deleted(site: Site) -> None:
    """After a lost slot the bootstrap finds changes and deletions by comparing."""
    bootstrap(site, workers=1).run()
    end, gone, changed = site.log.end(), site.item(0), site.item(1)
    site.sql("update item set in_archive = false where uuid = %s", gone)
    retitle(site, changed, "Changed meanwhile")
    bootstrap(site, workers=1).run()
    assert [(event.uuid, event.type) for event in site.events(end)] == [(changed, Type.PUT), (gone, Type.DELETE)]
    assert site.heads() == site.digests()


def test_a_missing_file_parks_its_item_in_the_bootstrap_too(site: Site) -> None:
    """The rest is captured; the reason is the same as by any other way."""
    item = site.item()
    bitstream, path = site.file_of(item)
    path.unlink()
    done = bootstrap(site, workers=1).run()
    assert done.parked >= 1
    (parked,) = [one for one in site.state.parked() if one.uuid == item]
    assert bitstream in parked.reason
    assert str(path) in parked.reason
    assert len(site.heads()) == len(site.digests()) - done.parked
