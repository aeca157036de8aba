"""What a store in a bucket must do beyond every blob store's contract. A lane subclasses it and gives the fixtures
`empty` and `blobs`.
"""

from __future__ import annotations

import io
import random

import pytest

from events.blobs import Blobs, Distant, Probing, Sweeping, open_blobs
from events.blobs.bucket import Bucket
from events.blobs.objectstore import ObjectBlobs
from events.errors import BlobMissing, ConfigError, StorageUnusable


def kept(blobs: Blobs, content: bytes) -> str:
    """Put and flush: the name."""
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    return name


def comes_back(blobs: ObjectBlobs, content: bytes, ask: str) -> None:
    """What is aside is not listed, and told as put aside a short while ago; whoever asks for it by that method brings
    it back, and it is not told as aside afterwards.
    """
    name, other = kept(blobs, content), kept(blobs, b"other")
    assert blobs.quarantine([name, name, "0" * 64]) == len(content)
    assert list(blobs.list()) == [other]
    assert [aside for aside, seconds in blobs.quarantined() if 0 <= seconds < 600] == [name]
    if ask == "put":
        assert kept(blobs, content) == name
    elif ask == "open":
        assert blobs.open(name).read() == content
    else:
        assert getattr(blobs, ask)(name)
    assert sorted(blobs.list()) == sorted([name, other])
    assert list(blobs.quarantined()) == []


class BucketContract:
    """Subclasses have `empty`, a URL where nothing is yet, and `blobs`, a store that was made there."""

    def test_it_is_a_store_that_can_be_swept_and_probed(self, blobs: ObjectBlobs) -> None:
        """It has the methods of the further ports too."""
        assert isinstance(blobs, Sweeping)
        assert isinstance(blobs, Probing)
        assert isinstance(blobs, Distant)

    def test_a_file_is_read_from_anywhere(self, blobs: ObjectBlobs) -> None:
        """Across the borders of what is asked for at once."""
        content = random.Random(1).randbytes(20_000_000)
        with blobs.open(kept(blobs, content)) as file:
            for at, length in ((19_999_990, 100), (0, 10), (8_388_600, 20), (16_777_210, 3_000_000)):
                file.seek(at)
                assert file.read(length) == content[at : at + length]
            assert file.seek(0, io.SEEK_END) == len(content)
            assert file.read(1) == b""

    @pytest.mark.parametrize(
        ("fill", "size"), [(1, 20_000_000), (0, 20_000_001)], ids=["of the same size", "a byte longer"]
    )
    def test_an_object_replaced_while_it_is_read_is_no_mixture(self, blobs: ObjectBlobs, fill: int, size: int) -> None:
        """The second range belongs to the first, or reading ends with an error."""
        name = kept(blobs, bytes(20_000_000))
        with blobs.open(name) as file:
            assert file.read(10) == bytes(10)
            blobs.bucket.put(f"{name[:2]}/{name[2:4]}/{name}", io.BytesIO(bytes([fill]) * size), size)
            with pytest.raises(StorageUnusable, match="was replaced while it was read"):
                file.read()

    def test_what_is_purged_is_gone(self, blobs: ObjectBlobs) -> None:
        """Only what is in quarantine, and twice is no error."""
        one, other = kept(blobs, b"one"), kept(blobs, b"other")
        blobs.quarantine([one])
        assert blobs.purge([one, other, one]) == 3
        assert not blobs.has(one)
        assert blobs.has(other)
        with pytest.raises(BlobMissing):
            blobs.open(one)

    def test_a_missing_store_is_made_only_when_told(self, empty: str) -> None:
        """The error says which command makes it, and nothing is written, wherever in the bucket."""
        with pytest.raises(ConfigError, match="there is no blob store") as caught:
            open_blobs(empty)
        assert "aipstream init" in caught.value.hint
        assert list(Bucket("/".join(empty.split("/")[:3])).list()) == []
