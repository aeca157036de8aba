"""A replication is moved from a file and a folder to Kafka and a bucket, and back; the target notices nothing."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from tests.daemon.cli.place import Place, Templates, make_templates
from tests.events.log import damage
from tests.real.kafka.broker import Broker
from tests.real.s3.server import S3Server


@pytest.fixture(scope="module")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Two repositories, one of them full."""
    return make_templates(cluster, tmp_path_factory.mktemp("moved_assetstore"), items=15)


@pytest.fixture
def place(cluster: Cluster, templates: Templates, tmp_path: Path) -> Iterator[Place]:
    """Everything replicated once, through a file and a folder."""
    made = Place(cluster, templates, tmp_path)
    made.good("init")
    made.good("run", "--until-current")
    yield made
    made.close()


def rounds(place: Place, seed: int) -> None:
    """Edit, capture and replay, and compare the ends."""
    place.edit(12, seed=seed)
    place.good("run", "--until-current")
    assert place.differences() == []
    assert place.good("verify", "--json").json["equal"]
    assert place.good("park", "list", "--json").json["parked"] == []


def test_a_replication_is_moved_to_kafka_and_a_bucket_and_back(
    place: Place, broker: Broker, s3: S3Server, tmp_path: Path
) -> None:
    """Positions, chain and identity stay, so the target goes on where it was, each way; and a copy of a copy grows."""
    before = place.path.read_text()
    first = place.good("status", "--json").json["log"]
    there = (
        before.replace(
            f"sqlite:///{place.folder}/log.sqlite", f"kafka://{broker.servers}/moved-{uuids.uuid4().hex[:8]}"
        )
        .replace("[blobs]", f'state = "sqlite:///{tmp_path}/moved.state"\n[blobs]')
        .replace(f"file://{place.folder}/blobs", "s3://bucket/moved")
    )
    other = tmp_path / "moved.toml"
    other.write_text(there)
    planned = place.good("copy", "--into", str(other), "--dry-run", "--json").json
    done = place.good("copy", "--into", str(other), "--read-back", "--json").json
    assert done["records"] == planned["records"] == first["end"]
    assert done["blobs"] > 0
    place.path.write_text(there)
    moved = place.good("status", "--json").json["log"]
    assert (moved["identity"], moved["end"]) == (first["identity"], first["end"])
    rounds(place, 2)
    assert place.good("status", "--json").json["log"]["end"] > first["end"]
    assert place("prune").code == 2

    back = tmp_path / "back.toml"
    back.write_text(before)
    returned = place.good("copy", "--into", str(back), "--json").json
    assert returned["begin"] == first["end"]
    assert returned["records"] > 0
    place.path.write_text(before)
    rounds(place, 3)
    again = place.good("copy", "--into", str(other), "--json").json
    assert again["begin"] == returned["end"]
    assert place.good("verify", "--log", "--read-blobs", "100%", "--json").json["findings"] == []


def test_a_damaged_log_is_mended_from_its_copy_in_kafka(place: Place, broker: Broker) -> None:
    """What no file has any more comes out of the topic, row by row as it was; another log's topic is refused."""
    log, topic = place.folder / "log.sqlite", f"kafka://{broker.servers}/mends-{uuids.uuid4().hex[:8]}"
    place.good("copy", "--log", topic)
    whole = damage.rows_of(log)
    damage.sql(log, "DELETE FROM event WHERE position BETWEEN 3 AND 5")
    damage.sql(log, "DELETE FROM payload WHERE position BETWEEN 2 AND 5")
    assert place("log", "repair", "--dry-run").code == 5
    assert place.good("log", "repair", "--from", topic, "--json").json["mended"] >= 3
    assert damage.rows_of(log) == whole
    place.good("verify", "--log")


def test_two_logs_that_parted_ways_are_told_apart(place: Place, broker: Broker, tmp_path: Path) -> None:
    """A topic that went on by itself is no longer the copy that it was."""
    topic = f"kafka://{broker.servers}/parted-{uuids.uuid4().hex[:8]}"
    place.good("copy", "--log", topic)
    before = place.path.read_text()
    place.path.write_text(
        before.replace(f"sqlite:///{place.folder}/log.sqlite", topic)
        .replace("[blobs]", f'state = "sqlite:///{tmp_path}/parted.state"\n[blobs]')
    )  # fmt: skip
    place.edit(12, seed=4)
    place.good("snapshot")
    place.path.write_text(before)
    place.edit(12, seed=5)
    place.good("snapshot")
    place.edit(12, seed=6)
    place.good("snapshot")
    done = place("copy", "--log", topic)
    assert done.code == 5, done
    assert "differ" in done.err or "the other way round" in done.err
