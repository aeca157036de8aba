"""The whole way with the log in Kafka: killed at every place where it matters, with a broker that dies in between."""

from __future__ import annotations

import os
import signal
import uuid as uuids
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.config import load
from daemon.failpoint import NAMES
from daemon.parts import log_of
from daemon.scratch import Cluster
from events.blobs import open_blobs
from events.log import Entry
from events.log.opening import copying_of, open_log
from tests.chaos.test_kill_back import SEVERAL
from tests.chaos.wreck import Begun, Wreck
from tests.real.kafka.broker import Broker
from tests.real.s3.server import S3Server

LARGEST = 2000
"""Small, so that many payloads go to the blob store."""

PLACES = [
    *(name for name in NAMES if name.partition(".")[0] in {"kafka", "capture", "replay"} and name not in SEVERAL),
    "kafka.committed:2",
    "replay.committed:3",
]
"""Every boundary that a round passes, on either side of the log and in it."""


class KafkaWreck(Wreck):
    """A place whose log is a topic."""

    servers = ""
    bucket: str | None = None

    def configure(self, *, more: str = "", **keys: Any) -> None:
        """As any other, with the log in Kafka, and the contents in the bucket if there is one."""
        if self.bucket:
            keys.setdefault("blobs", f'url = "{self.bucket}"')
        if not hasattr(self, "topic"):
            self.topic = f"place-{uuids.uuid4().hex[:12]}"
        super().configure(more=f"{more}\n[kafka]\nlease_seconds = 4.0\nlargest = {LARGEST}\n", **keys)
        old = f'url = "{self.log_url}"'
        text = self.path.read_text()
        assert old in text
        new = f'url = "kafka://{self.servers}/{self.topic}"\nstate = "{self.log_url}.state"'
        self.path.write_text(text.replace(old, new))

    def take_over(self, begun: Begun) -> None:
        """The other place's log is copied into the topic."""
        super().take_over(begun)
        with closing(open_log(self.log_url)) as old, closing(log_of(load(self.path), create=True)) as log:
            copying_of(log).adopt(old.identity)
            copying_of(log).extend(list(copying_of(old).records(0)))
            assert log.seal() == old.seal()
        (self.folder / "log.sqlite").unlink()

    def entries(self) -> list[Entry]:
        """The whole log, by an index that is made for it."""
        environment = {**os.environ, "AIPSTREAM_KAFKA_INDEX": str(self.folder / f"index-{uuids.uuid4().hex}")}
        with closing(log_of(load(self.path, environment))) as log:
            found = list(log.read(0))
            assert [entry.position for entry in found] == list(range(1, log.end() + 1))
        return found


@pytest.fixture(scope="module")
def filled(begun: Begun, s3_server: S3Server) -> Iterator[str]:
    """A bucket with the contents of the place that all begin with; what is added is under names of its own."""
    url = "s3://kafka/begun"
    s3_server.bucket("kafka")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        old, store = open_blobs(f"file://{begun.folder}/blobs"), open_blobs(url, create=True)
        for name in old.list():
            with old.open(name) as content:
                store.put(content)
        store.flush()
        yield url


@pytest.fixture
def wreck(cluster: Cluster, broker: Broker, begun: Begun, filled: str, tmp_path: Path) -> Iterator[KafkaWreck]:
    """All of it has been replicated once, followed by its WAL; the log is a topic, the contents are in a bucket."""
    KafkaWreck.servers = broker.servers
    made = KafkaWreck(cluster, begun.templates, tmp_path, "wal")
    made.bucket = filled
    made.configure()
    made.take_over(begun)
    yield made
    made.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_round_that_is_killed_is_made_up_for_by_the_next(wreck: KafkaWreck, place: str) -> None:
    """Killed in the middle of pending edits; the same command again ends with both equal, and says everything once."""
    wreck.configure(more="batch = 4")
    wreck.edit(12)
    killed = wreck.command("run", "--until-current", AIPSTREAM_FAILPOINT=place)
    assert killed.code == -signal.SIGKILL, killed
    wreck.fine("run", "--until-current")
    wreck.assert_converged()


def test_everything_from_the_beginning(cluster: Cluster, broker: Broker, small: Any, tmp_path: Path) -> None:
    """`init`, `check`, a first round that is killed, edits, `status`, and both ends are equal."""
    KafkaWreck.servers = broker.servers
    wreck = KafkaWreck(cluster, small, tmp_path)
    try:
        assert "would be made" in wreck.good("init", "--dry-run").out
        wreck.good("init")
        wreck.good("init")
        checked = wreck.good("check").out
        assert "cleanup.policy is delete" in checked
        killed = wreck.command("run", "--until-current", AIPSTREAM_FAILPOINT="kafka.committed")
        assert killed.code == -signal.SIGKILL, killed
        wreck.edit(10)
        wreck.fine("run", "--until-current")
        wreck.assert_converged()
        status = wreck.good("status", "--json").json
        assert status["log"]["end"] == len(wreck.entries())
        assert status["log"]["writer"]["released"]
        assert wreck("prune").code == 2
    finally:
        wreck.close()


def test_contents_and_large_payloads_in_a_bucket(
    cluster: Cluster, broker: Broker, small: Any, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log in Kafka and the blobs in S3: nothing of the repository is kept on this machine but the index."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    s3_server.bucket("kafka")
    KafkaWreck.servers = broker.servers
    wreck = KafkaWreck(cluster, small, tmp_path, "poll")
    try:
        wreck.configure(blobs=f'url = "s3://kafka/{wreck.topic}"')
        wreck.good("init")
        killed = wreck.command("run", "--until-current", AIPSTREAM_FAILPOINT="kafka.claimed")
        assert killed.code == -signal.SIGKILL, killed
        wreck.edit(8)
        wreck.fine("run", "--until-current")
        wreck.assert_converged()
    finally:
        wreck.close()


def test_a_broker_that_dies_under_a_daemon(wreck: KafkaWreck, broker: Broker) -> None:
    """The daemon waits for it and goes on; nothing is lost and nothing doubled."""
    daemon = wreck.process("run")
    wreck.says("capture.streaming", daemon)
    for seed in (1, 2):
        wreck.edit(8, seed)
        broker.kill()
        wreck.edit(4, seed + 10)
        broker.start()
    wreck.good("verify", "--wait", "100")
    assert wreck.stop(daemon) == 0, wreck.messages()
    wreck.assert_converged()
