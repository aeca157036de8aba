"""The servers of the real lanes, out of images: for the same tests as on those that run without an engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from tests.containers.engine import FILES, answers
from tests.real.kafka.fixtures import kafka_place

__all__ = ["kafka_place"]

collect_ignore = [] if answers() else ["test_contracts.py"]
"""One test that says that it was left out is enough."""


class Served(NamedTuple):
    """A broker, as far as a test of a topic asks for it."""

    servers: str


@pytest.fixture(scope="session")
def broker() -> Iterator[Served]:
    """A broker in a container."""
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer().with_kraft()
    for name in ("REPLICATION_FACTOR", "MIN_ISR"):
        container.with_env(f"KAFKA_TRANSACTION_STATE_LOG_{name}", "1")
    container.with_env("KAFKA_MESSAGE_MAX_BYTES", "20971520")
    with container:
        yield Served(container.get_bootstrap_server())


@pytest.fixture(scope="session")
def s3_in_container() -> Iterator[dict[str, str]]:
    """An S3 server in a container, as compose.yaml has it: the variables by which a client finds it."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    service = yaml.safe_load((FILES / "compose.yaml").read_text())["services"]["s3"]
    container = DockerContainer(service["image"]).with_exposed_ports(80)
    for name, value in service["environment"].items():
        container.with_env(name, "secret" if name == "S3PROXY_CREDENTIAL" else value)
    with container.waiting_for(LogMessageWaitStrategy("Started")):
        container.exec(["mkdir", "-p", "/buckets/bucket"])
        yield {
            "AWS_ENDPOINT_URL": f"http://{container.get_container_host_ip()}:{container.get_exposed_port(80)}",
            "AWS_ACCESS_KEY_ID": service["environment"]["S3PROXY_IDENTITY"],
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
