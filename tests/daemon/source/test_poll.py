"""Sweeps find every change, also those that leave `item.last_modified` as it was, and nothing else."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator

import psycopg2
import pytest

from daemon.dspace import connect
from daemon.source import Emitted
from daemon.source.emitter import Emitter
from daemon.source.poll import FINISHED, PollSource
from daemon.source.state import State
from events.aip.model import Kind
from events.errors import Interrupted
from events.event import Type
from tests.daemon.source.site import OPTIONS, Site, retitle


@pytest.fixture
def swept(site: Site) -> Site:
    """A source that has been swept once."""
    PollSource(site.emitter).sweep()
    return site


def changes(site: Site) -> list[tuple[str, Type]]:
    """Sweep; what that appended to the log."""
    end = site.log.end()
    PollSource(site.emitter).sweep()
    assert site.heads() == site.digests()
    return [(event.uuid, event.type) for event in site.events(end)]


def test_the_first_sweep_captures_everything_and_the_next_nothing(site: Site) -> None:
    """The first sweep is the bootstrap; one over the same site emits nothing and writes nothing to the log."""
    poll = PollSource(site.emitter)
    first = poll.sweep()
    assert (first.put, first.parked, first.deleted) == (len(site.digests()), 0, 0)
    assert site.heads() == site.digests()
    assert poll.sweep() == Emitted(unchanged=first.put)


EDITS = {
    "an embargo": "update resourcepolicy set start_date = '2031-01-01' where policy_id = (select min(policy_id) from "
    "resourcepolicy r join bundle2bitstream bb on bb.bitstream_id = r.dspace_object join item2bundle ib on "
    "ib.bundle_id = bb.bundle_id where ib.item_id = %(item)s)",
    "a deleted file": "update bitstream set deleted = true where uuid = %(file)s",
    "a mapping": "insert into collection2item (collection_id, item_id) select uuid, %(item)s from collection c where "
    "not exists (select from collection2item m where m.item_id = %(item)s and m.collection_id = c.uuid) "
    "order by uuid limit 1",
    "a title": "update metadatavalue set text_value = text_value || '!' where metadata_value_id = (select "
    "min(metadata_value_id) from metadatavalue where dspace_object_id = %(item)s)",
    "a description of a file": "update metadatavalue set text_value = text_value || '!' where metadata_value_id = "
    "(select min(metadata_value_id) from metadatavalue where dspace_object_id = %(file)s)",
    "a second handle": "insert into handle (handle_id, handle, resource_type_id, resource_id) values "
    "(nextval('handle_id_seq'), '123456789/extra', 2, %(item)s)",
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_that_last_modified_misses_is_found(swept: Site, edit: str) -> None:
    """Each edit gives one event of its item, though the item's own row stays as it is."""
    item = swept.item()
    file, _ = swept.file_of(item)
    with swept.writer.cursor() as cursor:
        cursor.execute(EDITS[edit], {"item": item, "file": file})
        assert cursor.rowcount == 1
    swept.writer.commit()
    assert changes(swept) == [(item, Type.PUT)]


def test_what_is_gone_is_deleted_and_what_comes_back_is_put(swept: Site) -> None:
    """Deletions are found by comparing, and the same UUID can come back."""
    item = swept.item()
    swept.sql("update item set in_archive = false where uuid = %s", item)
    assert changes(swept) == [(item, Type.DELETE)]
    swept.sql("update item set in_archive = true where uuid = %s", item)
    assert changes(swept) == [(item, Type.PUT)]


def test_a_handle_without_object_is_a_tombstone_until_it_is_gone(swept: Site) -> None:
    """A tombstone is an object of its own."""
    swept.sql(
        "insert into handle (handle_id, handle, resource_type_id) values (nextval('handle_id_seq'), "
        "'123456789/gone', 2)"
    )
    ((uuid, kind),) = changes(swept)
    assert kind is Type.PUT
    swept.sql("delete from handle where handle = '123456789/gone'")
    assert changes(swept) == [(uuid, Type.DELETE)]


def test_every_sweep_has_an_lsn_of_its_own(swept: Site) -> None:
    """Two states of an object never share an event id, even if nothing else moves the server's WAL."""
    item, end = swept.item(), swept.log.end()
    for title in ("one", "two", "three"):
        retitle(swept, item, title)
        changes(swept)
    lsns = [event.lsn for event in swept.events(end)]
    assert len(lsns) == 3
    assert lsns == sorted(set(lsns))
    swept.state.remember(meta={"sweep_lsn": str(1 << 60)})
    retitle(swept, item, "after the server's WAL went back")
    assert changes(swept) == [(item, Type.PUT)]
    assert swept.events()[-1].lsn == (1 << 60) + 1


def test_a_parked_object_waits_for_its_turn_or_its_change(swept: Site) -> None:
    """A sweep does not read a bad file again and again, but looks at once at an object that has changed since."""
    item = swept.item()
    _, path = swept.file_of(item)
    content = path.read_bytes()
    swept.sql("update bitstream set internal_id = '9' || internal_id where uuid = %s", swept.file_of(item)[0])
    retitle(swept, item, "With a missing file")
    swept.state.remember(known=[])
    poll = PollSource(swept.emitter)
    assert poll.sweep().parked == 1
    assert poll.sweep().parked == 0
    (parked,) = swept.state.parked()
    assert (parked.uuid, parked.attempts) == (item, 1)
    _, new = swept.file_of(item)
    new.parent.mkdir(parents=True)
    new.write_bytes(content)
    retitle(swept, item, "With its file")
    assert poll.sweep().put == 1
    assert list(swept.state.parked()) == []
    assert swept.heads() == swept.digests()


@pytest.fixture
def reader(site: Site) -> Iterator[str]:
    """The DSN of an account that may do nothing but SELECT."""
    role = f"reader_{uuids.uuid4().hex[:8]}"
    site.sql(f"create role {role} login; grant select on all tables in schema public to {role}")
    yield site.dsn.replace("postgres@", f"{role}@")
    site.sql(f"drop owned by {role}; drop role {role}")


def test_an_account_that_may_only_read_is_enough(site: Site, reader: str) -> None:
    """Sweeps need no right but SELECT."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), psycopg2.connect(reader) as connection:
        connection.cursor().execute("update item set in_archive = in_archive")
    connection.close()
    emitter = Emitter(
        lambda: connect.connect(reader, "source"), site.log, site.blobs, site.state, site.files, OPTIONS, "test-source"
    )
    assert PollSource(emitter).sweep().parked == 0
    retitle(site, site.item(), "Read by a guest")
    assert PollSource(emitter).sweep().put == 1
    emitter.close()
    assert site.heads() == site.digests()


def test_a_sweep_of_one_kind_leaves_the_others(swept: Site) -> None:
    """`wal` asks for kinds of which it cannot tell which objects a commit changed, at the LSN of that commit."""
    retitle(swept, swept.item(), "Not asked for")
    end = swept.log.end()
    field = swept.sql(
        "update metadatafieldregistry set scope_note = 'changed' where metadata_field_id = (select "
        "min(metadata_field_id) from metadatafieldregistry) returning 1"
    )
    assert field
    done = PollSource(swept.emitter).sweep([Kind.REGISTRY], at=(4711, "2026-05-06T07:08:09.000000Z"))
    assert (done.put, done.deleted) == (1, 0)
    (event,) = swept.events(end)
    assert (event.kind, event.lsn, event.commit_time) == (Kind.REGISTRY, 4711, "2026-05-06T07:08:09.000000Z")


def test_a_lost_state_is_made_again_from_the_log(swept: Site) -> None:
    """Without the state file nothing is emitted twice."""
    swept.state.close()
    for path in swept.folder.glob("state.sqlite*"):
        path.unlink()
    swept.state = State(f"sqlite:///{swept.folder}/state.sqlite")
    swept.emitter.close()
    swept.emitter = swept.new_emitter()
    assert changes(swept) == []


class Asks:
    """A `stopped` that says no so many times, then yes."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_sweep_that_is_stopped_goes_on_where_it_stopped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that is: what is in the log is not in it again, and only a sweep at its end is noted."""
    monkeypatch.setattr("daemon.source.capture.MOST_OBJECTS", 3)
    monkeypatch.setattr("daemon.source.emitter.MOST_OBJECTS", 3)
    there, ends = site.digests(), []
    for asks in (0, 10, 40, 70, 100):
        site.emitter.stopped = Asks(asks)
        with pytest.raises(Interrupted):
            PollSource(site.emitter).sweep()
        assert site.state.meta(FINISHED) is None
        assert site.heads().items() <= there.items()
        ends.append(site.log.end())
    assert ends[0] == 0 < ends[-1] < len(there)
    site.emitter.stopped = Asks(1 << 30)
    done = PollSource(site.emitter).sweep()
    assert (done.put, done.unchanged) == (len(there) - ends[-1], ends[-1])
    assert site.state.meta(FINISHED)
    assert site.heads() == there
    assert site.log.end() == len(there)


def test_a_sweep_that_is_stopped_takes_nothing_for_gone(swept: Site) -> None:
    """What is pending is appended whole or not at all, and what the walk had not come to is not deleted."""
    gone, edited, end = swept.item(0), swept.item(1), swept.log.end()
    finished = swept.state.meta(FINISHED)
    swept.sql("update item set in_archive = false where uuid = %s", gone)
    retitle(swept, edited, "Edited before the end")
    stops, asks = 0, 0
    while swept.log.end() == end:
        swept.emitter.stopped = Asks(asks)
        try:
            PollSource(swept.emitter).sweep()
        except Interrupted:
            assert (swept.log.end(), swept.state.meta(FINISHED)) == (end, finished)
            stops += 1
        asks += 25
    assert stops > 2
    assert [(event.uuid, event.type) for event in swept.events(end)] == [(edited, Type.PUT), (gone, Type.DELETE)]
    assert swept.heads() == swept.digests()
