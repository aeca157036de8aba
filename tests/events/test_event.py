"""The envelope: ids, LSNs, and the compression of payloads."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from events.event import MAX_DOCUMENT, compress, decompress, event_id, lsn_number, lsn_text
from tests.events.samples import any_event, event, uuid_of


def test_the_id_is_of_source_lsn_and_uuid_alone() -> None:
    """Emitting the same state twice gives the same id, whatever else was noted about it."""
    one = event(5, 1)
    assert one.id == event(5, 1, payload=b"other", digest="other", xid=9, commit_time="other").id
    others = [event(6, 1), event(5, 2), event(5, 1, source="other")]
    assert len({one.id, *(other.id for other in others)}) == 4


def test_the_id_never_changes() -> None:
    """It is in logs and ledgers: a version that made it otherwise would take all events for new ones."""
    assert event_id("repository", 0x16B374D848, "8f2c9f0e-3a50-4b8e-9f53-0d4ac35c1c61").hex() == (
        "c5b224e7de1fdc685e45a984045f16bf"
    )
    assert len(event_id("", 0, uuid_of(1))) == 16


@given(any_event, any_event)
def test_different_events_have_different_ids(one: object, other: object) -> None:
    """As long as they differ in what the id is of."""
    key = lambda it: (it.source, it.lsn, it.uuid)  # noqa: E731
    assert (one.id == other.id) == (key(one) == key(other))  # type: ignore[attr-defined]


@given(st.integers(0, 2**64 - 1))
def test_an_lsn_is_read_as_it_is_written(lsn: int) -> None:
    """For all 64 bits."""
    assert lsn_number(lsn_text(lsn)) == lsn


def test_an_lsn_is_written_as_by_postgresql() -> None:
    """Two hexadecimal halves, without leading zeros."""
    assert lsn_text(0x16B374D848) == "16/B374D848"
    assert lsn_text(0) == "0/0"
    assert lsn_number("16/b374d848") == 0x16B374D848


@pytest.mark.parametrize(
    "text", ["", "16", "16/", "/16", "-1/0", "0x1/2", "1_0/2", " 1/2", "1/2\n", "1/123456789", "g/1"]
)
def test_what_is_no_lsn_is_refused(text: str) -> None:
    """Nothing that Python would take for a number in passing."""
    with pytest.raises(ValueError, match="not an LSN"):
        lsn_number(text)


@given(st.binary(max_size=20_000))
def test_a_document_comes_back_as_it_was(document: bytes) -> None:
    """Also one that was compressed elsewhere, in a frame that does not tell its size."""
    assert decompress(compress(document)) == document
    assert decompress(zstandard.ZstdCompressor(write_content_size=False).compress(document)) == document


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_a_payload_that_was_cut_off_is_refused(document: bytes, data: st.DataObject) -> None:
    """Wherever it was cut, sized or not."""
    for payload in (compress(document), zstandard.ZstdCompressor(write_content_size=False).compress(document)):
        length = data.draw(st.integers(0, len(payload) - 1))
        with pytest.raises(ValueError, match="damaged"):
            decompress(payload[:length])


def test_what_is_no_payload_is_refused() -> None:
    """A document that was never compressed."""
    with pytest.raises(ValueError, match="damaged"):
        decompress(b"<mets/>")


@pytest.mark.parametrize("sized", [True, False])
def test_a_bomb_is_refused(sized: bool) -> None:
    """A few kilobytes that would become a gigabyte: refused by its size, or where it passes the limit."""
    size = 2 * MAX_DOCUMENT
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=size if sized else -1)
    megabyte = bytes(2**20)
    bomb = b"".join(compressor.compress(megabyte) for _ in range(size // 2**20)) + compressor.flush()
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="refused"):
            decompress(bomb)
        if sized:
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
