"""The format of an encrypted blob: what was written is read, and nothing that was changed is."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.blobs.content import chunks
from events.blobs.sealed.format import FRAME, LONGEST, TAG, Damaged, NotSealed, Opening, Sealing, parse
from events.blobs.sealed.library import public_of
from tests.events.blobs.contract import digests_of
from tests.hunting import examples

PRIVATE = bytes(range(32))
PUBLIC = public_of(PRIVATE)
OTHER = bytes(range(1, 33))
VECTORS = Path(__file__).with_name("vectors.json")

BORDERS = [size for at in (0, FRAME, 2 * FRAME, 16 * FRAME) for size in (at - 1, at, at + 1) if size >= 0]


def sealed(content: bytes, recipients: tuple[bytes, ...] = (PUBLIC,), seed: int | None = None) -> bytes:
    """The blob of a content; with a seed always the same."""
    chance = random.Random(seed)
    sealing = Sealing(recipients, chance.randbytes) if seed is not None else Sealing(recipients)
    body = b"".join(sealing.update(chunk) for chunk in chunks(io.BytesIO(content))) + sealing.last()
    return sealing.header(digests_of(content)) + body


def opened(blob: bytes, private: bytes = PRIVATE) -> bytes:
    """The content of a blob. Raises NotSealed, Damaged."""
    header = parse(blob[:LONGEST])
    key = header.data_key(private)
    if key is None:
        raise Damaged("it is for nobody that we are")
    if header.stored != len(blob):
        raise Damaged("length")
    opening = Opening(header, key)
    parts = []
    for number in range(header.frames):
        begin, length = opening.place(number)
        parts.append(opening.frame(number, blob[begin : begin + length]))
    content = b"".join(parts)
    assert len(content) == header.size
    return content


@settings(max_examples=examples(60), deadline=None)
@given(st.one_of(st.integers(0, 3 * FRAME), st.sampled_from(BORDERS)), st.integers(0, 255))
def test_what_was_sealed_is_opened(size: int, seed: int) -> None:
    """Of any size, around the borders of frames too; each frame costs 16 bytes."""
    content = random.Random(seed).randbytes(size)
    blob = sealed(content)
    assert opened(blob) == content
    assert len(blob) == 90 + 80 + 32 + size + TAG * max(1, -(-size // FRAME))


@pytest.mark.parametrize("size", BORDERS)
def test_sizes_around_the_borders_of_frames(size: int) -> None:
    """As above, each of them for certain."""
    content = random.Random(size).randbytes(size)
    assert opened(sealed(content)) == content


def test_every_recipient_opens_it_and_nobody_else() -> None:
    """Each with its own key."""
    blob = sealed(b"content", (PUBLIC, public_of(OTHER)))
    assert opened(blob, PRIVATE) == opened(blob, OTHER) == b"content"
    assert parse(blob).data_key(bytes(32)) is None


def test_two_blobs_of_one_content_have_nothing_in_common() -> None:
    """But name, size and whom they are for."""
    one, other = sealed(b"content" * 100), sealed(b"content" * 100)
    assert one[56:88] != other[56:88]
    assert one[98:] != other[98:]


def test_every_flipped_bit_is_found() -> None:
    """In each byte of the header, of each frame's beginning and end, and of a short content all of them."""
    small = sealed(b"a short content", (PUBLIC, public_of(OTHER)))
    for at in range(len(small)):
        assert_refused(small[:at] + bytes([small[at] ^ 1 << at % 8]) + small[at + 1 :], at)
    large = sealed(bytes(3 * FRAME + 5))
    length = len(parse(large[:LONGEST]).raw)
    for at in {length + number * (FRAME + TAG) + by for number in range(4) for by in (0, 1, 20)} | {len(large) - 1}:
        assert_refused(large[:at] + bytes([large[at] ^ 0x80]) + large[at + 1 :], at)


def assert_refused(blob: bytes, at: int) -> None:
    """It does not open, whichever byte it was: what is for another recipient is under the header's HMAC too."""
    try:
        opened(blob, PRIVATE)
    except (Damaged, NotSealed):
        return
    pytest.fail(f"the change of byte {at} was not found")


def test_every_cut_is_found() -> None:
    """At any place of a short one, and at the borders of frames of a longer one."""
    small = sealed(b"a short content")
    for length in range(len(small)):
        with pytest.raises((Damaged, NotSealed)):
            opened(small[:length])
    large = sealed(bytes(3 * FRAME))
    head = len(parse(large[:LONGEST]).raw)
    for frames in range(3):
        with pytest.raises(Damaged):
            opened(large[: head + frames * (FRAME + TAG)])
    with pytest.raises(Damaged):
        opened(large + b"\0")


CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "swapped": lambda frames: [frames[1], frames[0], *frames[2:]],
    "doubled": lambda frames: [frames[0], frames[0], *frames[2:]],
    "the last one first": lambda frames: [frames[-1], *frames[1:-1], frames[0]],
    "the last one in the middle": lambda frames: [frames[0], frames[-1], frames[1], frames[-1]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_frames_that_were_moved_do_not_open(change: str) -> None:
    """Even if the length is right: a frame opens in its own place alone."""
    blob = sealed(random.Random(1).randbytes(4 * FRAME))
    head = len(parse(blob[:LONGEST]).raw)
    frames = [blob[head + at * (FRAME + TAG) : head + (at + 1) * (FRAME + TAG)] for at in range(4)]
    changed = blob[:head] + b"".join(CHANGES[change](frames))
    assert len(changed) == len(blob)
    with pytest.raises(Damaged, match="frame"):
        opened(changed)


def test_a_frame_or_body_of_another_blob_does_not_open() -> None:
    """Nor does the header of one fit the body of another of the same content."""
    content = random.Random(1).randbytes(2 * FRAME)
    one, other = sealed(content), sealed(content)
    head = len(parse(one[:LONGEST]).raw)
    with pytest.raises(Damaged):
        opened(one[:head] + other[head:])
    with pytest.raises(Damaged):
        opened(one[: head + FRAME + TAG] + other[head + FRAME + TAG :])


def test_a_cut_with_a_header_to_match_does_not_open() -> None:
    """Whoever shortens the size in the header changes what its HMAC is of; and no frame but the last is a last one."""
    blob = sealed(bytes(2 * FRAME))
    header = parse(blob[:LONGEST])
    shorter = blob[:44] + FRAME.to_bytes(8, "big") + blob[52 : len(header.raw) + FRAME + TAG]
    with pytest.raises(Damaged, match="header"):
        opened(shorter)
    key = header.data_key(PRIVATE)
    assert key is not None
    opening = Opening(header._replace(size=FRAME), key)
    with pytest.raises(Damaged, match="frame 0"):
        opening.frame(0, blob[len(header.raw) : len(header.raw) + FRAME + TAG])


def test_what_is_no_blob_is_told_from_what_is_damaged() -> None:
    """A plain content is none; even an empty one."""
    for content in (b"", b"%PDF-1.7", b"aipblob2" + bytes(300)):
        with pytest.raises(NotSealed):
            parse(content)


def test_the_vectors_are_read() -> None:
    """Blobs that version 1 wrote, with a key that anybody may know: every later version must read them, and this one
    writes them byte for byte if its randomness is theirs.
    """
    vectors = json.loads(VECTORS.read_text())
    assert {vector["size"] for vector in vectors["blobs"]} == {0, 7, FRAME, FRAME + 1}
    private = bytes.fromhex(vectors["private"])
    for vector in vectors["blobs"]:
        content = (b"0123456789abcdef" * (FRAME // 16 + 1))[: vector["size"]]
        blob = sealed(content, tuple(bytes.fromhex(each) for each in vectors["public"]), vector["seed"])
        assert blob[: len(vector["begins"]) // 2].hex() == vector["begins"]
        assert hashlib.sha256(blob).hexdigest() == vector["sha256"]
        assert opened(blob, private) == content
        if "whole" in vector:
            assert opened(bytes.fromhex(vector["whole"]), private) == content
