"""A bit that flipped is found by the checksum alone."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from events.log.chain import COVERED, digest, header, link, recorded
from events.log.one_bit import MOST_BYTES, payload_before, record_before
from events.log.opening import inspecting_of, mending_of, open_log
from tests.events.log import damage
from tests.events.samples import event

BEFORE = bytes(range(16))


@pytest.mark.parametrize("size", [1, 127, 128, 129, 3000])
def test_a_bit_of_a_payload_is_flipped_back(size: int) -> None:
    """Wherever it was."""
    chance = random.Random(size)
    payload = chance.randbytes(size)
    for _ in range(3):
        found = bytearray(payload)
        found[chance.randrange(size)] ^= 1 << chance.randrange(8)
        assert payload_before(bytes(found), digest(payload)) == payload


def test_what_is_not_one_bit_is_not_found() -> None:
    """Two bits, or so much that it would take too long."""
    payload = bytes(500)
    assert payload_before(b"\3" + payload[1:], digest(payload)) is None
    assert payload_before(b"\1" + bytes(MOST_BYTES), digest(bytes(MOST_BYTES + 1))) is None


@pytest.mark.parametrize("place", range(1, COVERED + 1))
def test_a_bit_of_any_value_of_a_header_is_flipped_back(place: int) -> None:
    """Of each column, and of the checksum itself, which the chain proves."""
    record = recorded(7, event(7, 3, handle="123/4", digest="ü"), BEFORE)
    fields = header(record)
    value = fields[place]
    if isinstance(value, int):
        fields[place] = value ^ 4
    elif isinstance(value, str):
        flipped = bytearray(value.encode())
        flipped[-1] ^= 0x80
        try:
            fields[place] = flipped.decode()
        except UnicodeDecodeError:
            fields[place] = bytes(flipped)
    else:
        fields[place] = bytes([value[0] ^ 1]) + value[1:]
    assert record_before(fields, record.event.payload, BEFORE) == record


def test_a_header_of_which_more_is_wrong_is_not_found() -> None:
    """Two columns; or the payload with it, which would have to be proved too."""
    record = recorded(7, event(7, 3), BEFORE)
    fields = header(record)
    fields[3] ^= 1
    assert record_before(fields, b"another", BEFORE) is None
    fields[8] ^= 1
    assert record_before(fields, record.event.payload, BEFORE) is None


def test_a_log_is_whole_again_after_any_such_bit(tmp_path: Path) -> None:
    """Flipped in the file where the values lie; and the chain on both sides has to agree."""
    path = damage.made(tmp_path / "log.sqlite", size=300)
    whole = damage.rows_of(path)
    with closing(open_log(f"sqlite:///{path}")) as log:
        known = next(iter(log.read(8, 1))).event
    damage.flip_in(path, known.digest.encode() + b"123456789/9", 3)
    with closing(open_log(f"sqlite:///{path}")) as log:
        before, found = inspecting_of(log).walk(7, 9)
        assert found.header is not None
        assert before.record is not None
        record = record_before(found.header, found.found, before.record.chain)
        assert record is not None
        assert link(before.record.chain, record.checksum) == record.chain
        mending_of(log).put_records(9, [record])
    assert damage.rows_of(path) == whole
