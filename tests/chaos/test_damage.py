"""Damage, done for real: bytes flipped and files removed, in the log, the blob store and the source's assetstore."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from events.aip.model import Kind
from events.event import Event, compress, decompress
from tests.chaos.test_orphans import write
from tests.chaos.wreck import Wreck


def flip(path: Path, place: int = 0) -> None:
    """Another byte at that place."""
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.unlink()  # a blob may be linked from elsewhere
    path.write_bytes(content)


def blob_of(wreck: Wreck, event: Event) -> Path:
    """The file of a blob that only that event needs."""
    counts = [sha256 for entry in wreck.entries() for sha256 in entry.event.blobs]
    sha256 = next(each for each in event.blobs if counts.count(each) == 1)
    return wreck.folder / "blobs" / sha256[:2] / sha256[2:4] / sha256


@pytest.fixture
def item(captured: Wreck) -> Event:
    """The event of an item with a file of its own."""
    uuid, _ = captured.item_with_file()
    return next(entry.event for entry in captured.entries() if entry.event.uuid == uuid)


def sql(wreck: Wreck, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(wreck.folder / "log.sqlite")) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_a_flipped_byte_in_the_log_stops_the_replay_there(captured: Wreck, item: Event) -> None:
    """Nothing behind the damage is applied, nothing before it is lost: GapInLog, exit 5. A restored log goes on."""
    position = next(entry.position for entry in captured.entries() if entry.event == item)
    damaged = item.payload[:20] + bytes([item.payload[20] ^ 1]) + item.payload[21:]
    sql(captured, "UPDATE payload SET payload = ? WHERE position = ?", damaged, position)
    for _ in range(2):
        done = captured("replay", "--json")
        assert (done.code, done.json["error"]) == (5, "GapInLog"), done
        assert str(position) in done.json["message"]
        at = captured.sql(captured.target, "SELECT position FROM aipstream.cursor")
        assert not at or at[0][0] < position
    sql(captured, "UPDATE payload SET payload = ? WHERE position = ?", item.payload, position)
    captured.good("replay")
    captured.assert_equal()


def test_a_row_that_is_gone_from_the_log_is_a_gap(captured: Wreck) -> None:
    """So is a log that was cut off behind the target's position."""
    sql(captured, "DELETE FROM event WHERE position = 20")
    assert captured("replay").code == 5
    assert captured("run", "--until-current").code == 5


MANIFESTS = {
    "cut off": lambda document: document[: len(document) // 2],
    "no document": lambda _: b"\x00\xff\x00",
    "of another object": None,
    "empty": lambda _: b"",
    "a DTD": lambda document: b'<!DOCTYPE mets [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n' + document,
}


@pytest.mark.parametrize("how", [*MANIFESTS, "a damaged frame"])
def test_a_document_that_cannot_be_read_is_parked_alone(captured: Wreck, item: Event, how: str) -> None:
    """The log is whole, but one manifest in it is broken: that object is parked with the reason, the rest goes on; its
    next event replaces it.
    """
    events = [entry.event for entry in captured.entries()]
    other = next(event for event in events if event.kind is Kind.ITEM and event.uuid != item.uuid)
    if how == "a damaged frame":
        payload = item.payload[:-7]
    elif how == "of another object":
        payload = other.payload
    else:
        payload = compress(MANIFESTS[how](decompress(item.payload)))
    broken = msgspec.structs.replace(item, payload=payload)
    write(captured, [broken if event == item else event for event in events])
    done = captured("replay", "--json")
    assert done.code == 3, done
    parked = captured.parked()
    assert [one["uuid"] for one in parked] == [item.uuid]
    assert parked[0]["error"] in {"InvalidAip", "ValueError"}
    assert parked[0]["reason"]
    assert captured.sql(captured.target, "SELECT count(*) FROM item WHERE in_archive")[0][0] > 10
    write(captured, [msgspec.structs.replace(item, lsn=item.lsn + 1)])
    captured.good("replay")
    captured.assert_equal()


@pytest.mark.parametrize(
    ("how", "error", "checksum"),
    [
        ("missing", "BlobMissing", "MD5"),
        ("cut off", "ChecksumMismatch", "MD5"),
        ("flipped", "ChecksumMismatch", "MD5"),
        ("flipped", "ChecksumMismatch", None),
        ("flipped", "ChecksumMismatch", "SHA-256"),
    ],
)
def test_a_damaged_blob_parks_the_object_that_needs_it(
    wreck: Wreck, how: str, error: str, checksum: str | None
) -> None:
    """Whatever checksum the row has or lacks, wrong bytes never become a file; a repaired blob is taken at the next
    try.
    """
    uuid, path = wreck.item_with_file()
    if checksum is None:
        wreck.sql(wreck.source, "UPDATE bitstream SET checksum = NULL WHERE internal_id = %s", path.name)
    elif checksum == "SHA-256":
        wreck.sql(
            wreck.source,
            "UPDATE bitstream SET checksum = encode(sha256(%s), 'hex'), checksum_algorithm = "
            "'SHA-256' WHERE internal_id = %s",
            path.read_bytes(),
            path.name,
        )
    wreck.good("snapshot")
    event = next(entry.event for entry in wreck.entries() if entry.event.uuid == uuid)
    blob = next(
        each
        for sha256 in event.blobs
        if (each := wreck.folder / "blobs" / sha256[:2] / sha256[2:4] / sha256).read_bytes() == path.read_bytes()
    )
    whole = blob.read_bytes()
    if how == "missing":
        blob.unlink()
    elif how == "flipped":
        flip(blob, 5)
    else:
        blob.unlink()
        blob.write_bytes(whole[:-1])
    assert wreck("replay").code == 3
    (parked,) = wreck.parked()
    assert (parked["uuid"], parked["error"]) == (uuid, error)
    assert wreck.half_written() == []
    assert wreck("park", "retry", "--all").code == 3
    blob.write_bytes(whole)
    wreck.good("park", "retry", "--all")
    wreck.assert_equal()


def test_a_lost_blob_is_taken_from_the_source_again(captured: Wreck, item: Event) -> None:
    """What the hint of BlobMissing says: `snapshot` fills the blob store again without an event, and the object goes
    through.
    """
    blob, end = blob_of(captured, item), len(captured.entries())
    blob.unlink()
    assert captured("replay").code == 3
    assert captured.good("snapshot", "--json").json["captured"]["blobs"] == 1
    assert blob.is_file()
    assert len(captured.entries()) == end
    captured.good("park", "retry", "--all")
    captured.assert_equal()


@pytest.mark.parametrize(
    ("wreck", "how", "error", "when"),
    [
        ("poll", "missing", "BlobMissing", "at first"),
        ("wal", "flipped", "ChecksumMismatch", "at first"),
        ("poll", "flipped", "ChecksumMismatch", "later"),
        ("wal", "missing", "BlobMissing", "later"),
    ],
    indirect=["wreck"],
)
def test_a_damaged_file_of_the_source_parks_its_item_at_capture(wreck: Wreck, how: str, error: str, when: str) -> None:
    """The rest is captured and replayed, exit code 3 tells of the one; the repaired file brings it over."""
    uuid, path = wreck.item_with_file()
    if when == "later":
        wreck.good("run", "--until-current")
        new = path.read_bytes()[::-1] + b"!"
        row = "SELECT uuid FROM bitstream WHERE internal_id = %s"
        wreck.sql(
            wreck.source,
            f"UPDATE bitstream SET checksum = md5(%s), size_bytes = %s WHERE uuid = ({row})",
            new,
            len(new),
            path.name,
        )
        path.write_bytes(new)
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        flip(path)
    wreck.edit(5)
    done = wreck("run", "--until-current", "--json")
    assert done.code == 3, done
    assert done.json["parked"] == {"capture": 1, "replay": 0}
    (parked,) = wreck.parked()
    assert (parked["side"], parked["uuid"], parked["error"]) == ("capture", uuid, error)
    different = wreck("verify", "--json").json["differences"]
    assert {one["uuid"] for one in different} <= {uuid, *touching(wreck, uuid)}
    path.write_bytes(whole)
    wreck.good("park", "retry", "--all")
    wreck.good("run", "--until-current")
    wreck.assert_equal()


def touching(wreck: Wreck, item: str) -> set[str]:
    """What cannot be equal as long as that item is not there: the far ends of its relationships."""
    return {
        uuid
        for (uuid,) in wreck.sql(
            wreck.source,
            "SELECT left_id::text FROM relationship WHERE right_id = %s "
            "UNION SELECT right_id::text FROM relationship WHERE left_id = %s",
            item,
            item,
        )
    }


def test_a_state_that_is_damaged_or_gone_is_made_again_from_the_log(replicated: Wreck) -> None:
    """Damage is told with what to do, exit code 10; without the file the next round begins from the log."""
    replicated.edit(5)
    state = replicated.folder / "log.sqlite.state"
    for path in replicated.folder.glob("log.sqlite.state-*"):
        path.unlink()
    flip(state, 3)
    done = replicated("run", "--until-current", "--json")
    assert (done.code, done.json["error"]) == (10, "StateDamaged"), done
    state.unlink()
    replicated.good("run", "--until-current")
    replicated.assert_converged()
