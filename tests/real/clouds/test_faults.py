"""What may befall a store in these clouds: the server goes away, the wire is cut, the door is shut."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from events.blobs import open_blobs
from events.blobs.bucket import Bucket, Patience
from events.blobs.objectstore import ObjectBlobs
from events.errors import AipstreamError, ChecksumMismatch, ConfigError, StorageUnusable
from tests.events.blobs.contract import digests_of
from tests.real.clouds.azurite import ACCOUNT, KEY, Azurite
from tests.real.clouds.conftest import Server
from tests.real.clouds.google import Google
from tests.real.s3.wire import Plan, Wire

SHORT = Patience(3.0, 2, (0.2,))
LONG = Patience(pauses=(0.5, 2.0, 5.0, 10.0, 20.0, 20.0, 20.0))
"""As long as a server may take to start on a machine that has much else to do."""
TOLD = "never-to-be-told"


@pytest.fixture
def wire(url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """What is opened now goes through it."""
    with Wire(server.port) as wire:
        for name, value in server.found_at(wire.url).items():
            monkeypatch.setenv(name, value)
        yield wire


def some(count: int, size: int, seed: int = 1) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(size) for _ in range(count)]


def test_a_server_that_goes_while_contents_are_sent_is_waited_for(url: str, server: Server) -> None:
    """It is started again, and everything that was put is there."""
    blobs = ObjectBlobs(Bucket(url, LONG))
    contents = some(60, 30_000)
    for content in contents[:20]:
        blobs.put(io.BytesIO(content))
    server.stop()
    again = threading.Thread(target=server.start)
    again.start()
    for content in contents[20:]:
        blobs.put(io.BytesIO(content))
    blobs.flush()
    again.join()
    for content in contents:
        assert blobs.verify(digests_of(content).sha256) == digests_of(content)


def test_a_server_that_goes_while_a_content_is_read_is_waited_for(url: str, server: Server) -> None:
    """The next range comes from the server that was started again, and the content is right."""
    blobs = ObjectBlobs(Bucket(url, LONG))
    (content,) = some(1, 30_000_000)
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    with blobs.open(name) as file:
        first = file.read(1000)
        server.stop()
        again = threading.Thread(target=server.start)
        again.start()
        assert first + file.read() == content
    again.join()


def test_a_server_that_stays_away_ends_the_flush(url: str, server: Server) -> None:
    """By an error that names the bucket and its own cloud's variable; one opened anew goes on."""
    blobs = ObjectBlobs(Bucket(url, SHORT))
    server.stop()
    blobs.put(io.BytesIO(b"content"))
    with pytest.raises(StorageUnusable, match=r"does not answer|connection broke") as caught:
        blobs.flush()
    assert url in str(caught.value)
    assert next(iter(server.found_at(""))) in caught.value.hint
    assert "AWS" not in caught.value.hint
    server.start()
    anew = open_blobs(url)
    anew.put(io.BytesIO(b"content"))
    anew.flush()
    assert list(anew.list()) == [digests_of(b"content").sha256]


@pytest.mark.parametrize("size", [200_000, 20_000_000])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_connection_costs_a_request(wire: Wire, url: str, size: int, direction: str) -> None:
    """Sending or reading, a small content or one of parts: it is tried again, and the content is right."""
    blobs = open_blobs(url)
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
def test_a_stalled_connection_is_given_up(wire: Wire, url: str, direction: str) -> None:
    """After the time that one request may take; then it is tried again."""
    blobs = ObjectBlobs(Bucket(url, SHORT))
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


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_was_changed_on_its_way_is_found(wire: Wire, url: str, direction: str) -> None:
    """By whoever holds it against its name. (S3's requests are signed with their content, these are not: what keeps a
    content whole on its way there is TLS.)
    """
    blobs = open_blobs(url)
    (content,) = some(1, 300_000)
    if direction == "up":
        wire.plan = Plan("corrupt", "up", 150_000)
    name = blobs.put(io.BytesIO(content)).sha256
    blobs.flush()
    if direction == "down":
        wire.plan = Plan("corrupt", "down", 150_000)
    with pytest.raises(ChecksumMismatch, match=name):
        blobs.verify(name)


def opening(monkeypatch: pytest.MonkeyPatch, url: str, **environment: str | None) -> AipstreamError:
    """What opening says, with those variables set or (None) not: never what is in them, never of another cloud."""
    for name, value in environment.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises((StorageUnusable, ConfigError)) as caught:
        ObjectBlobs(Bucket(url, SHORT)).bucket.put("store.json", io.BytesIO(b""), 0, create=True)
    said = str(caught.value) + caught.value.hint
    assert TOLD not in said
    assert KEY not in said
    assert "AWS" not in said
    return caught.value


def test_wrong_credentials_are_told(url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which variables to look at."""
    if isinstance(server, Google):
        path = server.written("other.json", rsa.generate_private_key(65537, 2048))
        error = opening(monkeypatch, url, GOOGLE_APPLICATION_CREDENTIALS=str(path))
        assert "GOOGLE_APPLICATION_CREDENTIALS" in error.hint
        assert "credentials are not accepted" in str(error)
    else:
        wrong = base64.b64encode(b"x" * 64).decode()
        error = opening(monkeypatch, url, AZURE_STORAGE_ACCOUNT_KEY=wrong)
        assert wrong not in str(error) + error.hint
        assert "AZURE_STORAGE_ACCOUNT_KEY" in error.hint
        assert "access is denied" in str(error)


@pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
def test_missing_credentials_are_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine's own identity would have to give them, and there is none."""
    error = opening(monkeypatch, url, AZURE_STORAGE_ACCOUNT_KEY=None, AZURE_MSI_ENDPOINT="http://127.0.0.1:9/msi/token")
    assert "no credentials" in str(error)
    assert "AZURE_STORAGE_ACCOUNT_KEY" in error.hint


def test_a_bucket_that_is_not_there_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever makes a store and whoever opens one; it is not taken for an empty store."""
    url = f"{server.scheme}://nosuchplace/prefix"
    said = "no such container" if server.scheme == "az" else "no such bucket"
    assert said in str(opening(monkeypatch, url))
    for create in (True, False):
        with pytest.raises(StorageUnusable, match=said) as caught:
            open_blobs(url, create=create)
        assert next(iter(server.found_at(""))) in caught.value.hint


def test_a_server_that_is_not_there_is_told(url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address."""
    error = opening(monkeypatch, url, **server.found_at("http://127.0.0.1:9"))
    assert "http://127.0.0.1:9" in str(error)
    assert "does not answer" in str(error)


@pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
def test_the_name_of_azures_emulator_is_enough(url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`AZURE_STORAGE_USE_EMULATOR` is an explicit word for it; where it is, messages tell."""
    for name in ("AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{server.port}")
    blobs = open_blobs(url)
    name = blobs.put(io.BytesIO(b"content")).sha256
    blobs.flush()
    assert blobs.verify(name).size == 7
    assert f"127.0.0.1:{server.port}" in Bucket(url).place


@pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
def test_a_shared_access_signature_lets_us_in(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the key; with too few permissions that is told, and the token never is.

    Deletions are not tried: Azurite answers a batch of them that is signed so with an error of its own (status 500).
    """
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    token = shared_access("racwdl")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", token)
    blobs = open_blobs(url)
    assert isinstance(blobs, ObjectBlobs)
    for content in (b"content", *some(1, 12_000_000)):
        name = blobs.put(io.BytesIO(content)).sha256
        blobs.flush()
        assert blobs.verify(name) == digests_of(content)
        assert blobs.bucket.copy(f"{name[:2]}/{name[2:4]}/{name}", f"copy/{name}", len(content))
    assert len(list(blobs.list())) == 2
    weak = shared_access("rl")
    error = opening(monkeypatch, url, AZURE_STORAGE_SAS_TOKEN=weak)
    assert "access is denied" in str(error)
    for secret in (weak, token, weak.rpartition("sig=")[2]):
        assert secret not in str(error) + error.hint


def shared_access(permissions: str) -> str:
    """A SAS of the account, for an hour, as Azure's "Create an account SAS" says."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    says = {"sp": permissions, "ss": "b", "srt": "sco", "se": until, "spr": "https,http", "sv": "2019-12-12"}
    signed = f"{ACCOUNT}\n{permissions}\nb\nsco\n\n{until}\n\nhttps,http\n2019-12-12\n"
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    return urlencode({**says, "sig": base64.b64encode(digest).decode()})
