"""The blob stores side by side: a folder, a bucket of a real S3 server, both encrypted, and obstore alone.

The server (s3proxy) runs on this machine and has its share of the cores; `late` is the same one with each answer held
back for 20 ms, as a network does.
"""

from __future__ import annotations

import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from events.blobs import PLAIN, Blobs, Keys, open_blobs
from events.blobs.bucket import Bucket
from events.blobs.sealed.keys import make
from events.blobs.together import together
from ops.bench.table import Table

SMALL, LARGE = 20_000, 100_000_000
LATE = "s3proxy.latency-blobstore.*.latency=20"


def measure(table: Table, count: int) -> None:
    """Put and read back `count` small contents and a large one, in each kind of store."""
    from tests.real.s3.server import S3Server

    chance = random.Random(1)
    contents = [chance.randbytes(SMALL) for _ in range(count)]
    large = chance.randbytes(LARGE // 10) * 10
    with tempfile.TemporaryDirectory(prefix="aipstream-bench-") as name:
        folder = Path(name)
        keys = Keys((make(folder / "key"),), str(folder / "key"))
        for what, opened in (("folder", PLAIN), ("folder, encrypted", keys)):
            _store(table, what, open_blobs(f"file://{folder}/{what}", create=True, keys=opened), contents, large)
        for server, settings in (("s3", ""), ("late s3", LATE)):
            with S3Server(folder / server.replace(" ", "-"), settings) as running, _environment(running.environment):
                running.bucket("bucket")
                one = b"" if settings else large
                _alone(table, f"{server}, obstore alone", contents, one)
                for what, opened in ((server, PLAIN), (f"{server}, encrypted", keys)):
                    store = open_blobs(f"s3://bucket/{len(opened.encrypt_to)}", create=True, keys=opened)
                    _store(table, what, store, contents, one)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _store(table: Table, what: str, blobs: Blobs, contents: list[bytes], large: bytes) -> None:
    names: list[str] = []

    def put(some: list[bytes]) -> None:
        names[:] = [blobs.put(io.BytesIO(content)).sha256 for content in some]
        blobs.flush()

    def read(name: str) -> None:
        with blobs.open(name) as content:
            while content.read(1 << 20):
                pass

    _timed(table, f"{what}: put small", len(contents), SMALL, lambda: put(contents))
    _timed(table, f"{what}: read small", len(contents), SMALL, lambda: list(together(blobs, read, names)))
    if large:
        _timed(table, f"{what}: put large", 1, LARGE, lambda: put([large]))
        _timed(table, f"{what}: read large", 1, LARGE, lambda: read(names[0]))


def _alone(table: Table, what: str, contents: list[bytes], large: bytes) -> None:
    """The library by itself, without names, digests, looking first, or durability of anything but the object; with as
    many threads as the store has.
    """
    import obstore

    bucket: Any = Bucket("s3://bucket/alone")._store
    keys = [f"{number:06}" for number in range(len(contents))]
    for content in contents[:50]:
        obstore.put(bucket, "warm", content)  # the server compiles itself while it runs
    _timed(table, f"{what}: put small, one by one", 50, SMALL,
           lambda: [obstore.put(bucket, f"one/{number}", content) for number, content in enumerate(contents[:50])])
    with ThreadPoolExecutor(16) as threads:
        _timed(table, f"{what}: put small", len(contents), SMALL,
               lambda: list(threads.map(lambda key, content: obstore.put(bucket, key, content), keys, contents)))
        _timed(table, f"{what}: read small", len(contents), SMALL,
               lambda: list(threads.map(lambda key: bytes(obstore.get(bucket, key).bytes()), keys)))
    if large:
        _timed(table, f"{what}: put large", 1, LARGE, lambda: obstore.put(bucket, "large", large))
        _timed(table, f"{what}: read large", 1, LARGE, lambda: bytes(obstore.get(bucket, "large").bytes()))


def _timed(table: Table, what: str, count: int, size: int, work: Callable[[], object]) -> None:
    began = time.monotonic()
    work()
    seconds = time.monotonic() - began
    table.add(what, seconds, units=count, unit="contents", note=f"{count * size / seconds / 1e6:,.0f} MB/s")
