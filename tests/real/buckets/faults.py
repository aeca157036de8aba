"""What may befall a store in any bucket: the server dies, the wire is cut, stalls or lies, the door is shut. A lane
subclasses it, gives the fixtures `url` and `server`, and adds what its own cloud does.
"""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator

import pytest

from events.blobs import Blobs, open_blobs
from events.blobs.bucket import Bucket, Patience
from events.blobs.objectstore import ObjectBlobs
from events.errors import AipstreamError, ChecksumMismatch, ConfigError, StorageUnusable
from tests.events.blobs.contract import digests_of
from tests.real.buckets.program import Server
from tests.real.buckets.store import kept
from tests.real.buckets.wire import Direction, Plan, Wire

SHORT = Patience(3.0, 2, (0.2,))
LONG = Patience(pauses=(0.5,) * 480)
"""As long as a server may take to start on a machine that has much else to do."""
WAKEFUL = Patience(3.0, pauses=LONG.pauses)
"""Soon tired of one request, but not of asking again."""
TOLD = "never-to-be-told"
BOTH_WAYS = pytest.mark.parametrize("direction", ["up", "down"])


def some(count: int, size: int, seed: int = 1) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(size) for _ in range(count)]


def variable(server: Server) -> str:
    """The one that names the server."""
    (name,) = server.found_at("")
    return name


def foreign(server: Server, said: str) -> list[str]:
    """The other clouds that a message speaks of."""
    return [word for word in ("AWS", "AZURE", "GOOGLE") if word in said and not variable(server).startswith(word)]


def sent_by(wire: Wire, plan: Plan, blobs: Blobs, content: bytes) -> str:
    """Put and flush: the name. The plan befalls the content on its way up, or whoever reads it afterwards."""
    if plan.direction == "up":
        wire.plan = plan
    name = kept(blobs, content)
    wire.plan = plan
    return name


class FaultsContract:
    """Subclasses have `url`, a store that was made and is empty, and `server`, whose it is.

    `away` is what is said of a server that does not run, `secrets` is what must never be said.
    """

    away = "does not answer"
    secrets: tuple[str, ...] = ()

    @pytest.fixture
    def wire(self, url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
        """What is opened now goes through it."""
        with Wire(server.port) as wire:
            for name, value in server.found_at(wire.url).items():
                monkeypatch.setenv(name, value)
            yield wire

    def tried(self, url: str) -> None:
        """Make a store."""
        open_blobs(url, create=True)

    def opening(
        self, monkeypatch: pytest.MonkeyPatch, server: Server, url: str, **environment: str | None
    ) -> AipstreamError:
        """What is said when a store is made with those variables set or (None) not: which store, and never what is in
        them, nor another cloud's.
        """
        for name, value in environment.items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        with pytest.raises((StorageUnusable, ConfigError)) as caught:
            self.tried(url)
        said = str(caught.value) + caught.value.hint
        for secret in (TOLD, *self.secrets):
            assert secret not in said
        assert foreign(server, said) == []
        assert url in said
        return caught.value

    def test_a_server_killed_while_contents_are_sent_is_waited_for(self, url: str, server: Server) -> None:
        """It is started again, and everything that was put is there."""
        blobs = ObjectBlobs(Bucket(url, LONG))
        contents = some(60, 30_000)
        for content in contents[:20]:
            blobs.put(io.BytesIO(content))
        server.kill()
        again = threading.Thread(target=server.start)
        again.start()
        for content in contents[20:]:
            blobs.put(io.BytesIO(content))
        blobs.flush()
        again.join()
        for content in contents:
            assert blobs.verify(digests_of(content).sha256) == digests_of(content)

    def test_a_server_killed_while_a_content_is_read_is_waited_for(self, url: str, server: Server) -> None:
        """The next range comes from the server that was started again, and the content is right."""
        blobs = ObjectBlobs(Bucket(url, LONG))
        (content,) = some(1, 30_000_000)
        with blobs.open(kept(blobs, content)) as file:
            first = file.read(1000)
            server.kill()
            again = threading.Thread(target=server.start)
            again.start()
            assert first + file.read() == content
        again.join()

    def test_a_server_that_stays_away_ends_the_flush(self, url: str, server: Server) -> None:
        """By an error that names bucket, server and its own cloud's variable; that store is given up, and one opened
        anew goes on.
        """
        blobs = ObjectBlobs(Bucket(url, SHORT))
        server.kill()
        blobs.put(io.BytesIO(b"content"))
        with pytest.raises(StorageUnusable, match=self.away) as caught:
            blobs.flush()
        assert url in str(caught.value)
        assert server.url in str(caught.value)
        assert variable(server) in caught.value.hint
        assert foreign(server, caught.value.hint) == []
        with pytest.raises(StorageUnusable):
            blobs.put(io.BytesIO(b"content"))
        with pytest.raises(StorageUnusable):
            blobs.flush()
        server.start()
        anew = open_blobs(url)
        assert list(anew.list()) == []
        anew.put(io.BytesIO(b"content"))
        anew.flush()
        assert list(anew.list()) == [digests_of(b"content").sha256]

    @pytest.mark.parametrize("size", [200_000, 20_000_000])
    @BOTH_WAYS
    def test_a_cut_connection_costs_a_request(self, wire: Wire, url: str, size: int, direction: Direction) -> None:
        """Sending or reading, a small content or one of parts: it is tried again, and the content is right."""
        blobs = open_blobs(url)
        (content,) = some(1, size)
        plan = Plan("cut", direction, 150_000, times=2)
        name = sent_by(wire, plan, blobs, content)
        assert blobs.verify(name) == digests_of(content)
        assert plan.done >= 1

    @BOTH_WAYS
    def test_a_stalled_connection_is_given_up(self, wire: Wire, url: str, direction: Direction) -> None:
        """After the time that one request may take; then it is tried again."""
        blobs = ObjectBlobs(Bucket(url, WAKEFUL))
        (content,) = some(1, 300_000)
        plan = Plan("stall", direction, 150_000)
        name = sent_by(wire, plan, blobs, content)
        assert blobs.verify(name) == digests_of(content)
        assert plan.done == 1

    def test_what_was_changed_on_its_way_down_is_found(self, wire: Wire, url: str) -> None:
        """By whoever holds it against its name, as `verify` and every replay do."""
        blobs = open_blobs(url)
        (content,) = some(1, 300_000)
        name = sent_by(wire, Plan("corrupt", "down", 150_000), blobs, content)
        with pytest.raises(ChecksumMismatch, match=name):
            blobs.verify(name)
        assert blobs.verify(name) == digests_of(content)

    def test_a_bucket_that_is_not_there_is_told(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """By whoever makes a store and whoever opens one; it is not taken for an empty store."""
        url = f"{server.scheme}://nosuchplace/prefix"
        assert server.no_such in str(self.opening(monkeypatch, server, url))
        for create in (True, False):
            with pytest.raises(StorageUnusable, match=server.no_such) as caught:
                open_blobs(url, create=create)
            assert variable(server) in caught.value.hint

    def test_a_server_that_is_not_there_is_told(
        self, url: str, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With its address."""
        error = self.opening(monkeypatch, server, url, **server.found_at("http://127.0.0.1:9"))
        assert "http://127.0.0.1:9" in str(error)
        assert "does not answer" in str(error)
