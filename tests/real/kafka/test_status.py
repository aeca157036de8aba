"""What an operator is told while the brokers, or the server of the contents, are away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.chaos.wreck import Begun
from tests.real.kafka.broker import Broker
from tests.real.kafka.test_daemon import KafkaWreck, filled
from tests.real.kafka.test_stopping import away
from tests.real.s3.server import S3Server

__all__ = ["away", "filled"]


@pytest.fixture
def wreck(
    cluster: Cluster, away: Broker, begun: Begun, filled: str, s3_server: S3Server, tmp_path: Path
) -> Iterator[KafkaWreck]:
    """All of it has been replicated once; the log is a topic, and every payload of it is in the bucket."""
    KafkaWreck.servers = away.servers
    made = KafkaWreck(cluster, begun.templates, tmp_path)
    made.bucket = filled
    made.configure()
    made.path.write_text(made.path.read_text().replace("largest = 2000", "largest = 1"))
    made.take_over(begun)
    yield made
    s3_server.revive()
    made.close()


def test_status_tells_what_answers_and_names_what_does_not(
    wreck: KafkaWreck, away: Broker, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the contents are away: of the log everything but payloads is told. Then the brokers, too: positions, and
    what is parked, are told all the same, and of the log what this machine has read. Then that is gone as well.
    """
    missing, path = wreck.item_with_file()
    path.unlink()
    wreck.sql(wreck.source, "UPDATE item SET last_modified = now(), withdrawn = NOT withdrawn WHERE uuid = %s", missing)
    wreck.sql(wreck.source, "UPDATE bitstream SET internal_id = internal_id || '9' WHERE internal_id = %s", path.name)
    assert wreck("run", "--until-current").code == 3
    before = wreck.good("status", "--json").json
    assert "error" not in before["log"]
    assert before["blobs"] == {"url": wreck.bucket}
    assert before["capture"]["parked"] == 1
    assert before["replay"]["position"] == before["log"]["end"] > 20
    wreck.edit(3)
    wreck("run", "--until-current")
    now = wreck.good("status", "--json").json

    s3_server.kill()
    told = wreck.good("status", "--json").json
    assert "s3://kafka" in told["blobs"]["error"]
    assert {**told, "blobs": now["blobs"]} == now
    assert "contents DO NOT ANSWER" in wreck.good("status").out
    listed = wreck.good("log", "--json").json
    assert listed["end"] == now["log"]["end"]
    assert listed["events"][-1]["payload_bytes"] > 0
    assert wreck.good("diff", str(before["log"]["end"]), str(now["log"]["end"])).out

    away.kill()
    monkeypatch.setattr("daemon.status.SECONDS", 1.0)  # they do not answer later either
    told = wreck.good("status", "--json").json
    assert "127.0.0.1" in told["log"]["error"]
    assert (told["log"]["identity"], told["log"]["end"]) == (now["log"]["identity"], now["log"]["end"])
    assert (told["replay"], told["capture"]) == (now["replay"], now["capture"])
    assert told["lag"]["events"] is None
    text = wreck.good("status").out
    assert "log      DOES NOT ANSWER" in text
    assert "1 parked" in text
    assert missing in wreck.good("park", "list").out

    for index in wreck.folder.glob("*.index*"):
        index.unlink()
    told = wreck.good("status", "--json").json
    assert (told["log"]["identity"], told["log"]["end"]) == (now["log"]["identity"], None)
    assert told["replay"] == now["replay"]
    for state in wreck.folder.glob("*.state*"):
        state.unlink()
    told = wreck.good("status", "--json").json
    assert told["log"]["identity"] is None
    assert told["replay"] == {**now["replay"], "position": None, "lsn": None, "commit_time": None, "applied_at": None}
    assert "position not known" in wreck.good("status").out
