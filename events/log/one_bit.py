"""One bit that has flipped, found by the checksum: disks rot bit by bit, and a checksum knows what was there.

Every bit is flipped back in turn until the checksum fits. That two different contents fit the same 16 bytes of BLAKE2b
does not happen, so what is found is what was written. What takes too long to try is not tried.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from events.errors import GapInLog
from events.event import Event
from events.log.chain import COVERED, Record, digest, link, proved

MOST_BYTES: Final = 32 * 1024
"""Payloads above that are not tried: the work grows with the square."""

_BLOCK: Final = 128
_BITS: Final = tuple(1 << bit for bit in range(8))
_TEXTS: Final = (2, 4, 5, 6, 7, 9, 10, 11, 12)
"""Places of the texts in a header; of the others 1 and 14 are bytes, 3, 8 and 13 numbers."""


def payload_before(found: bytes, checksum: bytes) -> bytes | None:
    """The payload of that checksum, if it differs from what was found in one bit; None if not, or if it is too long."""
    if len(found) > MOST_BYTES:
        return None
    tried = bytearray(found)
    for start in range(0, len(found), _BLOCK):
        before = hashlib.blake2b(found[:start], digest_size=16)  # hashed once for all bits of the block
        for place in range(start, min(start + _BLOCK, len(found))):
            for bit in _BITS:
                tried[place] ^= bit
                whole = before.copy()
                whole.update(memoryview(tried)[start:])
                if whole.digest() == checksum:
                    return bytes(tried)
                tried[place] ^= bit
    return None


def record_before(fields: Sequence[Any], found: bytes | None, before: bytes) -> Record | None:
    """The record of a damaged header, if one bit of a value of it was flipped, or its checksum is what is damaged.

    `fields` are its values, texts that are none as bytes; `found` its payload, which has to be whole; `before` the
    chain of the record before it.
    """
    for candidate in _candidates(list(fields), before):
        try:
            event: Event = proved(candidate)
        except GapInLog:
            continue
        size, payload_checksum, checksum, _ = candidate[COVERED - 2 :]
        if found is None or len(found) != size or digest(found) != payload_checksum:
            return None
        whole = msgspec.structs.replace(event, payload=found)
        return Record(candidate[0], whole, size, payload_checksum, checksum, link(before, checksum))
    return None


def _candidates(fields: list[Any], before: bytes) -> Iterator[list[Any]]:
    for place in range(1, COVERED):
        for value in flipped(fields[place], text=place in _TEXTS):
            yield [*fields[:place], value, *fields[place + 1 :]]
    try:
        computed = digest(msgspec.json.encode(fields[:COVERED]))
    except (TypeError, msgspec.MsgspecError):
        return
    if link(before, computed) == fields[COVERED + 1]:
        yield [*fields[:COVERED], computed, fields[COVERED + 1]]


def flipped(value: object, *, text: bool) -> Iterator[object]:
    """Every value that differs from that one in a single bit; of texts those that are texts."""
    if isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in range(63))
        yield from (value ^ (-1 << (bits - 1)) for bits in (8, 16, 24, 32, 48, 64))  # the sign, of each size on disk
        return
    if not isinstance(value, str | bytes):
        return
    content = bytearray(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)
    for place in range(len(content)):
        for bit in _BITS:
            content[place] ^= bit
            if text:
                with suppress(UnicodeDecodeError):
                    yield content.decode()
            else:
                yield bytes(content)
            content[place] ^= bit
