"""What may befall a store in these clouds: the server goes away, the wire is cut, the door is shut."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from events.blobs import open_blobs
from events.blobs.bucket import Bucket
from events.blobs.objectstore import ObjectBlobs
from events.errors import ChecksumMismatch
from tests.events.blobs.contract import digests_of
from tests.real.buckets.faults import SHORT, FaultsContract, sent_by, some
from tests.real.buckets.program import Server
from tests.real.buckets.wire import Plan, Wire
from tests.real.clouds.azurite import ACCOUNT, KEY, Azurite
from tests.real.clouds.google import Google


class TestFaults(FaultsContract):
    """The contract in a container of Azure and a bucket of Google, and what only these do."""

    away = r"does not answer|connection broke"
    secrets = (KEY,)

    def tried(self, url: str) -> None:
        """Write what makes a store, and give up soon."""
        ObjectBlobs(Bucket(url, SHORT)).bucket.put("store.json", io.BytesIO(b""), 0, create=True)

    def test_what_was_changed_on_its_way_up_is_found(self, wire: Wire, url: str) -> None:
        """By whoever holds it against its name. (S3's requests are signed with their content, these are not: what keeps
        a content whole on its way there is TLS.)
        """
        blobs = open_blobs(url)
        (content,) = some(1, 300_000)
        name = sent_by(wire, Plan("corrupt", "up", 150_000), blobs, content)
        with pytest.raises(ChecksumMismatch, match=name):
            blobs.verify(name)

    def test_wrong_credentials_are_told(self, url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which variables to look at."""
        if isinstance(server, Google):
            path = server.written("other.json", rsa.generate_private_key(65537, 2048))
            error = self.opening(monkeypatch, server, url, GOOGLE_APPLICATION_CREDENTIALS=str(path))
            assert "GOOGLE_APPLICATION_CREDENTIALS" in error.hint
            assert "credentials are not accepted" in str(error)
        else:
            wrong = base64.b64encode(b"x" * 64).decode()
            error = self.opening(monkeypatch, server, url, AZURE_STORAGE_ACCOUNT_KEY=wrong)
            assert wrong not in str(error) + error.hint
            assert "AZURE_STORAGE_ACCOUNT_KEY" in error.hint
            assert "access is denied" in str(error)

    @pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
    def test_missing_credentials_are_told(self, url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the machine's own identity would have to give them, and there is none."""
        error = self.opening(
            monkeypatch, server, url, AZURE_STORAGE_ACCOUNT_KEY=None, AZURE_MSI_ENDPOINT="http://127.0.0.1:9/msi/token"
        )
        assert "no credentials" in str(error)
        assert "AZURE_STORAGE_ACCOUNT_KEY" in error.hint

    @pytest.mark.parametrize("started", [Azurite], indirect=True, ids=["az"])
    def test_a_shared_access_signature_lets_us_in(
        self, url: str, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Instead of the key; with too few permissions that is told, and the token never is.

        Deletions are not tried: Azurite answers a batch of them that is signed so with an error of its own (status
        500).
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
        error = self.opening(monkeypatch, server, url, AZURE_STORAGE_SAS_TOKEN=weak)
        assert "access is denied" in str(error)
        for secret in (weak, token, weak.rpartition("sig=")[2]):
            assert secret not in str(error) + error.hint


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


def shared_access(permissions: str) -> str:
    """A SAS of the account, for an hour, as Azure's "Create an account SAS" says."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    says = {"sp": permissions, "ss": "b", "srt": "sco", "se": until, "spr": "https,http", "sv": "2019-12-12"}
    signed = f"{ACCOUNT}\n{permissions}\nb\nsco\n\n{until}\n\nhttps,http\n2019-12-12\n"
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    return urlencode({**says, "sig": base64.b64encode(digest).decode()})
