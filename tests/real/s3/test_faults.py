"""What may befall a store in a bucket: the server dies, the wire is cut, stalls or lies, the door is shut."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from events.blobs import open_blobs
from events.errors import ConfigError, StorageUnusable
from tests.events.blobs.contract import digests_of
from tests.real.buckets.faults import TOLD, FaultsContract, some
from tests.real.buckets.wire import Plan, Wire
from tests.real.s3.server import SECRET, USER, S3Server

URL = "s3://bucket/prefix"


@pytest.fixture
def empty(s3: S3Server) -> str:
    """A prefix in the bucket, where there is nothing yet."""
    return URL


class TestFaults(FaultsContract):
    """The contract on a real S3 server, and what only S3 does."""

    secrets = (SECRET,)

    @pytest.mark.parametrize("after", [100_000, 350_000], ids=["first page", "second page"])
    def test_a_list_that_is_cut_goes_on(self, wire: Wire, s3: S3Server, after: int) -> None:
        """Each blob is told once, those of the pages before and those of the pages behind."""
        names = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(2500)]
        for name in names:
            place = s3.bucket("bucket") / "prefix" / name[:2] / name[2:4]
            place.mkdir(parents=True, exist_ok=True)
            (place / name).touch()
        wire.plan = Plan("cut", "down", after)
        assert list(open_blobs(URL).list()) == sorted(names)
        assert wire.plan.done == 1

    def test_what_was_changed_on_its_way_up_is_not_kept(self, wire: Wire) -> None:
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

    def test_a_wrong_secret_is_told(self, url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which variables to look at, and never what is in them."""
        error = self.opening(monkeypatch, s3, url, AWS_SECRET_ACCESS_KEY=TOLD)
        assert "wrong secret key" in str(error)
        assert "AWS_SECRET_ACCESS_KEY" in error.hint

    def test_a_wrong_key_is_told(self, url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """As above."""
        error = self.opening(monkeypatch, s3, url, AWS_ACCESS_KEY_ID=TOLD)
        assert "access key is not known" in str(error)

    def test_missing_credentials_are_told(self, url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """The machine's own role is asked for them; what comes of that is not the message."""
        error = self.opening(
            monkeypatch,
            s3,
            url,
            AWS_ACCESS_KEY_ID=None,
            AWS_SECRET_ACCESS_KEY=None,
            AWS_METADATA_ENDPOINT="http://127.0.0.1:9",
        )
        assert "no credentials" in str(error)
        assert "AWS_ACCESS_KEY_ID" in error.hint

    def test_a_bucket_that_is_not_there_is_not_made(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor is anything written."""
        self.opening(monkeypatch, s3, "s3://nobucket/prefix")
        assert not (s3.buckets / "nobucket").exists()


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
