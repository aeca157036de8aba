"""What every blob store must do. A store is put through it by a subclass that gives the fixture `url`."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.blobs import PLAIN, Blobs, Digests, open_blobs
from events.errors import BlobMissing, InvalidAip
from tests.hunting import examples

HOSTILE = ["", "..", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "/" * 64, "g" * 64, "é" * 64]


def digests_of(content: bytes) -> Digests:
    """What the store should say of it."""
    return Digests(hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest(), len(content))


class Dribble(io.RawIOBase):
    """A source that gives a few bytes at a time, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, 70_001) if size >= 0 else 70_001)


class Broken(io.RawIOBase):
    """A source that fails after two megabytes, as a disk or a connection does."""

    def __init__(self) -> None:
        self._left = 2

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            raise OSError(5, "the source failed")
        self._left -= 1
        return bytes(size)


class BlobsContract:
    """Subclasses give `url`: the URL of a store that was made and is empty.

    `keys` are those it is opened with. `seen_early`: what was put may be seen before the flush, for whatever is seen
    is durable.
    """

    seen_early = False
    keys = PLAIN

    @pytest.fixture
    def blobs(self, url: str) -> Blobs:
        """The store, open."""
        return self.opened(url)

    def opened(self, url: str) -> Blobs:
        """The store, opened once more."""
        return open_blobs(url, keys=self.keys)

    def putter(self, url: str, *numbers: int) -> subprocess.Popen[str]:
        """Another process that puts: see `tests.events.blobs.putter`."""
        words = [sys.executable, "-m", "tests.events.blobs.putter", url, *map(str, numbers)]
        environment = {**os.environ, "PUTTER_KEYS": json.dumps(self.keys)}
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)

    def test_a_store_is_a_blob_store(self, blobs: Blobs) -> None:
        """It has every method of the port."""
        assert isinstance(blobs, Blobs)

    @settings(
        max_examples=examples(50),
        deadline=None,
        # The test is the same for each back end, and no example is kept between them.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
        database=None,
    )
    @given(content=st.binary(max_size=3000))
    def test_any_content_comes_back_as_it_was(self, blobs: Blobs, content: bytes) -> None:
        """With its size and both checksums."""
        digests = blobs.put(io.BytesIO(content))
        blobs.flush()
        assert digests == digests_of(content) == blobs.verify(digests.sha256)
        assert blobs.has(digests.sha256)
        assert blobs.size(digests.sha256) == len(content)
        with blobs.open(digests.sha256) as read:
            assert read.read() == content

    @pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 2**21, 3_000_017])
    def test_sizes_around_a_chunk(self, blobs: Blobs, size: int) -> None:
        """Empty, and a byte less and more than what is read at once; from a file and from a source that dribbles."""
        content = random.Random(size).randbytes(size)
        source: BinaryIO = Dribble(content)  # type: ignore[assignment]
        assert blobs.put(source) == digests_of(content)
        blobs.flush()
        assert blobs.put(io.BytesIO(content)) == digests_of(content)
        assert blobs.verify(digests_of(content).sha256).size == size

    def test_a_blob_is_there_after_the_flush_and_not_before(self, blobs: Blobs, url: str) -> None:
        """So a blob that is seen, by whom ever, is durable."""
        name = blobs.put(io.BytesIO(b"content")).sha256
        if not self.seen_early:
            assert not blobs.has(name)
            assert not self.opened(url).has(name)
        blobs.flush()
        assert blobs.has(name)
        assert self.opened(url).has(name)

    def test_one_flush_serves_many(self, blobs: Blobs) -> None:
        """Also contents that are equal among themselves; a second flush has nothing to do."""
        contents = [b"%d" % (number % 150) for number in range(200)]
        names = [blobs.put(io.BytesIO(content)).sha256 for content in contents]
        blobs.flush()
        blobs.flush()
        assert sorted(blobs.list()) == sorted(set(names))
        assert len(set(names)) == 150

    def test_what_is_not_there_is_missing(self, blobs: Blobs) -> None:
        """Each way to ask says so."""
        name = "ab" * 32
        assert not blobs.has(name)
        for ask in (blobs.open, blobs.size, blobs.verify):
            with pytest.raises(BlobMissing, match=name):
                ask(name)
        blobs.delete([name])

    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_hostile_name_is_refused(self, blobs: Blobs, name: str) -> None:
        """Names come out of documents; only 64 lower-case hex digits are one."""
        for ask in (blobs.open, blobs.has, blobs.size, blobs.verify, lambda bad: blobs.delete([bad])):
            with pytest.raises(InvalidAip):
                ask(name)

    def test_deleted_is_gone_and_may_come_again(self, blobs: Blobs) -> None:
        """The others stay."""
        one, two = (blobs.put(io.BytesIO(content)).sha256 for content in (b"one", b"two"))
        blobs.flush()
        blobs.delete([one, one])
        assert list(blobs.list()) == [two]
        blobs.put(io.BytesIO(b"one"))
        blobs.flush()
        assert sorted(blobs.list()) == sorted([one, two])

    def test_a_source_that_fails_leaves_nothing(self, blobs: Blobs) -> None:
        """Its own error comes through, and the store goes on."""
        with pytest.raises(OSError, match="the source failed"):
            blobs.put(Broken())  # type: ignore[arg-type]
        name = blobs.put(io.BytesIO(b"next")).sha256
        blobs.flush()
        assert list(blobs.list()) == [name]

    def test_a_large_content_is_streamed(self, blobs: Blobs, tmp_path: Path) -> None:
        """100 MB go in and are read back within 12 MB of memory."""
        large = tmp_path / "large"
        with large.open("wb") as file:
            file.truncate(100_000_000)
        tracemalloc.start()
        try:
            with large.open("rb") as content:
                digests = blobs.put(content)
            blobs.flush()
            assert blobs.verify(digests.sha256) == digests
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert digests.size == 100_000_000
        assert peak < 12_000_000

    def test_threads_share_one_store(self, blobs: Blobs) -> None:
        """Each puts, flushes, and then finds what it put, whoever's flush it was that made it durable."""
        lost: list[str] = []

        def work(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(20):
                names = [blobs.put(io.BytesIO(chance.randbytes(2000))).sha256 for _ in range(5)]
                names.append(blobs.put(io.BytesIO(b"common to all")).sha256)
                blobs.flush()
                lost.extend(name for name in names if not blobs.has(name))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lost == []
        assert len(list(blobs.list())) == 401

    def test_two_processes_put_the_same(self, url: str, blobs: Blobs) -> None:
        """Both succeed, and each blob is there once and whole."""
        with self.putter(url, 7, 30_000, 5, 20) as one, self.putter(url, 7, 30_000, 5, 20) as other:
            assert one.stdout is not None
            assert other.stdout is not None
            names = one.stdout.read().split()
            assert names == other.stdout.read().split()
            assert (one.wait(), other.wait()) == (0, 0)
        assert sorted(blobs.list()) == sorted(names)
        for name in names:
            blobs.verify(name)

    @pytest.mark.parametrize("size", [3000, 5_000_000])
    def test_what_was_acknowledged_outlives_a_kill(self, url: str, size: int) -> None:
        """A process is killed at random moments: what it acknowledged is there, and whatever is there is whole."""
        for seed in range(4):
            putter = self.putter(url, seed, size, 4)
            assert putter.stdout is not None
            acknowledged = [putter.stdout.readline() for _ in range(random.randint(1, 4))]
            putter.kill()
            acknowledged += [line for line in putter.stdout.read().splitlines() if len(line) == 4 * 65 - 1]
            putter.wait()
            blobs = self.opened(url)
            assert {name for line in acknowledged for name in line.split()} <= set(blobs.list())
            for name in blobs.list():
                blobs.verify(name)
