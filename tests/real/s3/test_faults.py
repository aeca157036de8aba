"""What may befall a store in a bucket: the server dies, the wire is cut, stalls or lies, the door is shut."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.blobs import open_blobs
from events.blobs.bucket import Bucket, Patience
from events.blobs.objectstore import ObjectBlobs
from events.errors import AipstreamError, ChecksumMismatch, ConfigError, StorageUnusable
from tests.events.blobs.contract import digests_of
from tests.real.s3.server import SECRET, USER, S3Server
from tests.real.s3.wire import Plan, Wire

URL = "s3://bucket/prefix"
SHORT = Patience(3.0, 2, (0.2,))
LONG = Patience(pauses=(0.5, 2.0, 5.0, 10.0, 20.0, 20.0, 20.0))
"""As long as a server may take to start on a machine that has much else to do."""


@pytest.fixture
def url(s3: S3Server) -> str:
    """A store that was made and is empty."""
    open_blobs(URL, create=True)
    return URL


@pytest.fixture
def wire(url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """What is opened now goes through it."""
    with Wire(s3.port) as wire:
        monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
        yield wire


def some(count: int, size: int, seed: int = 1) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(size) for _ in range(count)]


def test_a_server_killed_while_contents_are_sent_is_waited_for(url: str, s3: S3Server) -> None:
    """It is started again, and everything that was put is there."""
    blobs = ObjectBlobs(Bucket(url, LONG))
    contents = some(60, 30_000)
    for content in contents[:20]:
        blobs.put(io.BytesIO(content))
    s3.kill()
    again = threading.Thread(target=s3.start)
    again.start()
    for content in contents[20:]:
        blobs.put(io.BytesIO(content))
    blobs.flush()
    again.join()
    for content in contents:
        assert blobs.verify(digests_of(content).sha256) == digests_of(content)


def test_a_server_killed_while_a_content_is_read_is_waited_for(url: str, s3: S3Server) -> None:
    """The next range comes from the server that was started again, and the content is right."""
    blobs = ObjectBlobs(Bucket(url, LONG))
    (content,) = some(1, 30_000_000)
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    with blobs.open(name) as file:
        first = file.read(1000)
        s3.kill()
        again = threading.Thread(target=s3.start)
        again.start()
        assert first + file.read() == content
    again.join()


@pytest.mark.parametrize("after", [100_000, 350_000], ids=["first page", "second page"])
def test_a_list_that_is_cut_goes_on(wire: Wire, s3: S3Server, after: int) -> None:
    """Each blob is told once, those of the pages before and those of the pages behind."""
    names = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(2500)]
    for name in names:
        place = s3.bucket("bucket") / "prefix" / name[:2] / name[2:4]
        place.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    wire.plan = Plan("cut", "down", after)
    assert list(open_blobs(URL).list()) == sorted(names)
    assert wire.plan.done == 1


def test_a_server_that_stays_away_ends_the_flush(url: str, s3: S3Server) -> None:
    """By an error that names bucket and server; that store is given up, and one opened anew goes on."""
    blobs = ObjectBlobs(Bucket(url, SHORT))
    s3.kill()
    blobs.put(io.BytesIO(b"content"))
    with pytest.raises(StorageUnusable, match="does not answer") as caught:
        blobs.flush()
    assert URL in str(caught.value)
    assert s3.url in str(caught.value)
    assert "AWS_ENDPOINT_URL" in caught.value.hint
    with pytest.raises(StorageUnusable):
        blobs.put(io.BytesIO(b"content"))
    with pytest.raises(StorageUnusable):
        blobs.flush()
    s3.start()
    anew = open_blobs(url)
    assert list(anew.list()) == []
    anew.put(io.BytesIO(b"content"))
    anew.flush()
    assert list(anew.list()) == [digests_of(b"content").sha256]


@pytest.mark.parametrize("size", [200_000, 20_000_000])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_connection_costs_a_request(wire: Wire, size: int, direction: str) -> None:
    """Sending or reading, a small content or one of parts: it is tried again, and the content is right."""
    blobs = open_blobs(URL)
    (content,) = some(1, size)
    if direction == "up":
        wire.plan = Plan("cut", "up", 150_000, times=2)
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    if direction == "down":
        wire.plan = Plan("cut", "down", 150_000, times=2)
    assert blobs.verify(name) == digests_of(content)
    assert wire.plan is not None
    assert wire.plan.done >= 1


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_stalled_connection_is_given_up(wire: Wire, direction: str) -> None:
    """After the time that one request may take; then it is tried again."""
    blobs = ObjectBlobs(Bucket(URL, SHORT))
    (content,) = some(1, 300_000)
    if direction == "up":
        wire.plan = Plan("stall", "up", 150_000)
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    if direction == "down":
        wire.plan = Plan("stall", "down", 150_000)
    assert blobs.verify(name) == digests_of(content)
    assert wire.plan is not None
    assert wire.plan.done == 1


def test_what_was_changed_on_its_way_up_is_not_kept(wire: Wire) -> None:
    """The server holds it against the digest in the request; it is sent again, or the flush says so."""
    blobs = open_blobs(URL)
    (content,) = some(1, 300_000)
    wire.plan = Plan("corrupt", "up", 150_000)
    name = blobs.put(io.BytesIO(content)).sha256
    try:
        blobs.flush()
    except StorageUnusable:
        assert list(open_blobs(URL).list()) == []
        blobs = open_blobs(URL)
        blobs.put(io.BytesIO(content))
        blobs.flush()
    assert wire.plan.done == 1
    assert blobs.verify(name) == digests_of(content)


def test_what_was_changed_on_its_way_down_is_found(wire: Wire) -> None:
    """By whoever holds it against its name, as `verify` and every replay do."""
    blobs = open_blobs(URL)
    (content,) = some(1, 300_000)
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    wire.plan = Plan("corrupt", "down", 150_000)
    with pytest.raises(ChecksumMismatch, match=name):
        blobs.verify(name)
    assert blobs.verify(name) == digests_of(content)


def test_a_process_killed_while_it_sends_parts_leaves_nothing_to_be_seen(url: str, s3: S3Server) -> None:
    """Neither listed nor read; the same content may be put again."""
    for size in (12_000_000, 40_000_000):
        process = subprocess.Popen([sys.executable, "-m", "tests.events.blobs.putter", url, "1", str(size), "1", "1"])
        while process.poll() is None and not _sent(s3.buckets):
            time.sleep(0.002)
        process.kill()
        process.wait()
        blobs = open_blobs(url)
        for name in blobs.list():
            blobs.verify(name)


def _sent(folder: Path) -> bool:
    """Whether the server has a part, whole or not, wherever it keeps them."""
    try:
        return any(path.is_file() and path.stat().st_size > 1_000_000 for path in folder.rglob("*"))
    except OSError:
        return False


def opening(monkeypatch: pytest.MonkeyPatch, url: str = URL, **environment: str | None) -> AipstreamError:
    """What opening says, with those variables set or (None) not."""
    for name, value in environment.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises((StorageUnusable, ConfigError)) as caught:
        open_blobs(url, create=True)
    said = str(caught.value) + caught.value.hint
    assert SECRET not in said
    assert "never-to-be-told" not in said
    assert url in said
    return caught.value


def test_a_wrong_secret_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which variables to look at, and never what is in them."""
    error = opening(monkeypatch, AWS_SECRET_ACCESS_KEY="never-to-be-told")
    assert "wrong secret key" in str(error)
    assert "AWS_SECRET_ACCESS_KEY" in error.hint


def test_a_wrong_key_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above."""
    error = opening(monkeypatch, AWS_ACCESS_KEY_ID="never-to-be-told")
    assert "access key is not known" in str(error)


def test_missing_credentials_are_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own role is asked for them; what comes of that is not the message."""
    error = opening(
        monkeypatch,
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_METADATA_ENDPOINT="http://127.0.0.1:9",
    )
    assert "no credentials" in str(error)
    assert "AWS_ACCESS_KEY_ID" in error.hint


def test_a_bucket_that_is_not_there_is_told(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not made, and not taken for an empty store."""
    error = opening(monkeypatch, "s3://nobucket/prefix")
    assert "no such bucket" in str(error)
    assert not (s3.buckets / "nobucket").exists()


def test_a_server_that_is_not_there_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address."""
    error = opening(monkeypatch, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in str(error)
    assert "does not answer" in str(error)


MEASURE = r"""
import re, sys
from events.blobs import open_blobs
blobs = open_blobs(sys.argv[1])
with open(sys.argv[2], "rb") as content:
    name = blobs.put(content).sha256
blobs.flush()
with blobs.open(name) as content:
    while content.read(1 << 20):
        pass
print(int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "https://", "ftp://host", "http://a b"])
def test_an_endpoint_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Before anything is asked, with the variable to correct."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL") as caught:
        open_blobs("s3://bucket/prefix")
    assert "https://" in caught.value.hint


def test_memory_does_not_grow_with_the_content(url: str, tmp_path: Path) -> None:
    """The whole process, library included, stays below 128 MB for a content of 250 MB."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(250_000_000)
    said = subprocess.run([sys.executable, "-c", MEASURE, url, large], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 128


def test_the_key_of_tests_is_what_the_server_knows(s3: S3Server) -> None:
    """So that a refusal above is one of the server."""
    assert s3.environment["AWS_ACCESS_KEY_ID"] == USER
