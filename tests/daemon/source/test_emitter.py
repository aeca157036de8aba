"""What is touched becomes events: each change exactly once, nothing for what is as it was."""

from __future__ import annotations

import hashlib

import pytest

from daemon.source import Emitted, Touched
from daemon.source.state import Parked
from events.aip.model import KIND_ORDER, Kind
from events.errors import Interrupted, SourceUnreachable
from events.event import Type
from tests.daemon.source.site import Site, retitle, uuids_of


@pytest.fixture
def captured(site: Site) -> Site:
    """A source all of which has been captured once."""
    site.emitter.emit(site.everything())
    return site


def test_everything_touched_once_is_captured_whole(site: Site) -> None:
    """After a first capture the log says of every object what the source says, and holds every content."""
    touched = site.everything()
    emitted = site.emitter.emit(touched)
    assert emitted.parked == 0, list(site.state.parked())
    assert emitted.put == len(uuids_of(touched)) > 60
    assert site.heads() == site.digests()
    for event in site.events():
        assert all(site.blobs.has(sha256) for sha256 in event.blobs)
    contents = site.sql("select count(distinct internal_id) from bitstream where not deleted")[0][0]
    assert 0 < emitted.blobs <= contents


def test_parents_come_before_children(captured: Site) -> None:
    """Kinds come in their order, and every container before what lies in it."""
    events = captured.events()
    ranks = [KIND_ORDER[event.kind] for event in events]
    assert ranks == sorted(ranks)
    seen: set[str] = set()
    for event in events:
        if event.kind in {Kind.COMMUNITY, Kind.COLLECTION}:
            assert set(event.parents) <= seen
        seen.add(event.uuid)


def test_touching_without_change_emits_nothing(captured: Site) -> None:
    """A touch says that an object may have changed; the digest says that it has not."""
    end = captured.log.end()
    touched = captured.everything()
    assert captured.emitter.emit(touched) == Emitted(unchanged=len(uuids_of(touched)))
    assert captured.log.end() == end


class NoFiles:
    """An assetstore that must not be asked."""

    def open(self, internal_id: str, store_number: int) -> object:
        raise AssertionError(f"{internal_id} was read")


def test_a_metadata_edit_is_one_event_and_reads_no_file(captured: Site) -> None:
    """An edit of metadata moves no content, neither into the blob store nor out of the assetstore."""
    item, end = captured.item(), captured.log.end()
    before = sorted(captured.blobs.list())
    retitle(captured, item, "Another title")
    emitted = captured.new_emitter(NoFiles()).emit(captured.touch(item))
    assert emitted == Emitted(put=1)
    (event,) = captured.events(end)
    assert (event.uuid, event.type, event.kind) == (item, Type.PUT, Kind.ITEM)
    assert event.digest == captured.digests()[item]
    assert event.blobs
    assert sorted(captured.blobs.list()) == before


def test_the_largest_lsn_of_several_touches_counts(captured: Site) -> None:
    """Touches of one object in a batch give one event, at the last of its commits."""
    item, end = captured.item(), captured.log.end()
    retitle(captured, item, "Touched thrice")
    touched = [
        Touched(None, item, 5000, "2026-01-01T00:00:01.000000Z", 1),
        Touched(Kind.ITEM, item, 7000, "2026-01-01T00:00:03.000000Z", 3),
        Touched(None, item, 6000, "2026-01-01T00:00:02.000000Z", 2),
    ]
    assert captured.emitter.emit(touched).put == 1
    (event,) = captured.events(end)
    assert (event.lsn, event.commit_time, event.xid) == (7000, "2026-01-01T00:00:03.000000Z", 3)


def test_a_kind_that_is_not_known_is_looked_up(captured: Site) -> None:
    """A bare UUID is an item, a person, or, if it is gone, what it was; one that nobody knows is nothing."""
    item, end = captured.item(), captured.log.end()
    person = captured.sql("select uuid::text from eperson order by 1 limit 1")[0][0]
    retitle(captured, item, "Known by its UUID alone")
    captured.sql("update eperson set can_log_in = not coalesce(can_log_in, false) where uuid = %s", person)
    nobody = "00000000-0000-4000-8000-000000000000"
    assert captured.emitter.emit(captured.touch(item, person, nobody, kind=None)) == Emitted(put=2)
    assert [(event.kind, event.uuid) for event in captured.events(end)] == [(Kind.PERSON, person), (Kind.ITEM, item)]


def test_an_item_that_leaves_the_archive_is_deleted_and_comes_back(captured: Site) -> None:
    """Out of scope is gone; back in scope is a put again, with the same content and without reading it again."""
    item, end = captured.item(), captured.log.end()
    handle = captured.sql("select handle from handle where resource_id = %s order by handle_id", item)[0][0]
    captured.sql("update item set in_archive = false where uuid = %s", item)
    assert captured.emitter.emit(captured.touch(item, kind=None)) == Emitted(deleted=1)
    captured.sql("update item set in_archive = true where uuid = %s", item)
    assert captured.emitter.emit(captured.touch(item)) == Emitted(put=1)
    gone, back = captured.events(end)
    assert (gone.type, gone.payload, gone.digest, gone.handle, gone.blobs) == (Type.DELETE, b"", "", handle, ())
    assert (back.type, back.digest) == (Type.PUT, captured.digests()[item])


def test_deletes_come_after_puts_children_first(captured: Site) -> None:
    """Items go before collections, communities from below, and all of them after what was put."""
    site, end = captured, captured.log.end()
    touched = site.everything()
    changed = site.sql("select uuid::text from eperson order by 1 limit 1")[0][0]
    site.sql("update eperson set can_log_in = not coalesce(can_log_in, false) where uuid = %s", changed)
    site.sql(
        "alter table community disable trigger all; alter table collection disable trigger all; "
        "alter table item disable trigger all; delete from community; delete from collection; delete from item"
    )
    site.emitter.emit(touched)
    events = site.events(end)
    last_put = max(i for i, event in enumerate(events) if event.type is Type.PUT and event.kind is not Kind.TOMBSTONE)
    deletes = [event for event in events if event.type is Type.DELETE]
    assert events.index(deletes[0]) > last_put
    ranks = [KIND_ORDER[event.kind] for event in deletes]
    assert ranks == sorted(ranks, reverse=True)
    places = {event.uuid: place for place, event in enumerate(deletes)}
    for event in site.events()[:end]:
        if event.kind is Kind.COMMUNITY and event.parents:
            assert places[event.uuid] < places[event.parents[0]]


def test_a_missing_file_parks_its_item_and_nothing_else(site: Site) -> None:
    """The message names bitstream, item and path; when the file is back, a retry captures the item."""
    item = site.item()
    bitstream, path = site.file_of(item)
    path.rename(path.with_suffix(".away"))
    touched = site.everything()
    emitted = site.emitter.emit(touched)
    assert emitted.parked >= 1
    assert emitted.put == len(uuids_of(touched)) - emitted.parked
    (parked,) = [one for one in site.state.parked() if one.uuid == item]
    assert parked.error == "BlobMissing"
    assert bitstream in parked.reason
    assert item in parked.reason
    assert str(path) in parked.reason
    assert item not in site.heads()
    assert site.emitter.retry_parked(force=True).parked == emitted.parked
    assert [one.attempts for one in site.state.parked() if one.uuid == item] == [2]
    path.with_suffix(".away").rename(path)
    assert site.emitter.retry_parked() == Emitted(), "its turn has not come yet"
    assert site.emitter.retry_parked(force=True).put == emitted.parked
    assert list(site.state.parked()) == []
    assert site.heads() == site.digests()


@pytest.mark.parametrize("damage", [b"longer than it was", None], ids=["of another length", "with a flipped byte"])
def test_a_file_that_is_not_what_its_row_says_is_parked(captured: Site, damage: bytes | None) -> None:
    """Neither a wrong length nor a wrong checksum gets into an event. Touched again after the repair, it does."""
    item, end = captured.item(), captured.log.end()
    bitstream, path = captured.file_of(item)
    content = path.read_bytes()
    captured.sql("update bitstream set internal_id = internal_id || '0' where uuid = %s", bitstream)
    new = captured.files.path(captured.sql("select internal_id from bitstream where uuid = %s", bitstream)[0][0], 0)
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_bytes(content + damage if damage else bytes([content[0] ^ 1]) + content[1:])
    retitle(captured, item, "With a bad file")
    assert captured.emitter.emit(captured.touch(item)) == Emitted(parked=1)
    (parked,) = captured.state.parked()
    assert parked.error == "ChecksumMismatch"
    assert captured.log.end() == end
    new.write_bytes(content)
    assert captured.emitter.emit(captured.touch(item)).put == 1
    assert list(captured.state.parked()) == []
    (event,) = captured.events(end)
    assert hashlib.sha256(content).hexdigest() in event.blobs


def test_one_state_per_event_id(captured: Site) -> None:
    """What the log holds of (source, LSN, object) stays; a later state under that id waits for its own LSN."""
    site, item = captured, captured.item()
    retitle(site, item, "First state")
    first = site.touch(item)
    site.emitter.emit(first)
    end, digest = site.log.end(), site.digests()[item]
    retitle(site, item, "Second state")
    assert site.emitter.emit(first) == Emitted(unchanged=1)
    assert site.log.end() == end
    assert site.state.known(Kind.ITEM, [item]) == {item: digest}
    assert site.emitter.emit(site.touch(item)) == Emitted(put=1)
    assert site.heads() == site.digests()


def test_a_batch_larger_than_a_slice_takes_several_appends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices bound what is held in memory; the order over all of them is that of one batch."""
    monkeypatch.setattr("daemon.source.capture.MOST_OBJECTS", 3)
    monkeypatch.setattr("daemon.source.emitter.MOST_OBJECTS", 3)
    site.emitter.emit(site.everything())
    assert site.heads() == site.digests()
    ranks = [KIND_ORDER[event.kind] for event in site.events()]
    assert ranks == sorted(ranks)


def test_a_content_that_left_the_blob_store_is_taken_again(captured: Site) -> None:
    """That a file was read once is not enough: an event only names contents that are there."""
    item, end = captured.item(), captured.log.end()
    (before,) = [event for event in captured.events() if event.uuid == item]
    captured.blobs.delete(before.blobs)
    retitle(captured, item, "Without its contents")
    emitted = captured.emitter.emit(captured.touch(item))
    assert (emitted.put, emitted.blobs) == (1, len(before.blobs))
    (event,) = captured.events(end)
    assert event.blobs == before.blobs
    assert all(captured.blobs.has(sha256) for sha256 in event.blobs)


def test_a_lost_connection_is_named_and_made_again(captured: Site) -> None:
    """The server may end it at any time; the next call opens another one."""
    item = captured.item()
    retitle(captured, item, "After the connection was lost")
    pid = captured.emitter.connection().info.backend_pid
    captured.sql("select pg_terminate_backend(%s, 5000)", pid)
    touched = captured.touch(item)
    with pytest.raises(SourceUnreachable):
        captured.emitter.emit(touched)
    assert captured.emitter.emit(touched).put == 1


def test_a_batch_that_is_stopped_is_emitted_again_but_for_what_the_log_has(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two slices; the touches are not confirmed then, so they come again."""
    monkeypatch.setattr("daemon.source.capture.MOST_OBJECTS", 3)
    monkeypatch.setattr("daemon.source.emitter.MOST_OBJECTS", 3)
    touched = site.everything()
    site.emitter.stopped = lambda: site.log.end() > 10
    with pytest.raises(Interrupted):
        site.emitter.emit(touched)
    end = site.log.end()
    assert 10 < end < len(touched)
    site.emitter.stopped = lambda: False
    assert site.emitter.emit(touched).put == len(touched) - end
    assert site.log.end() == len(touched)
    assert site.heads() == site.digests()


def test_many_parked_objects_are_tried_until_it_is_to_stop(captured: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were not tried yet have their turn the next time."""
    monkeypatch.setattr("daemon.source.emitter.MOST_OBJECTS", 1)
    items = [captured.item(which) for which in range(3)]
    captured.state.remember(parked=[Parked(Kind.ITEM, item, "", "BlobMissing", "away") for item in items])
    captured.emitter.stopped = lambda: sum(1 for _ in captured.state.parked()) < 3
    with pytest.raises(Interrupted):
        captured.emitter.retry_parked(force=True)
    assert [one.uuid for one in captured.state.parked()] == sorted(items)[1:]
    captured.emitter.stopped = lambda: False
    captured.emitter.retry_parked(force=True)
    assert list(captured.state.parked()) == []
