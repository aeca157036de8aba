"""The contracts of log and blob store on servers out of images."""

from __future__ import annotations

import uuid as uuids

import pytest

from events.blobs import open_blobs
from tests.events.blobs.contract import BlobsContract
from tests.real.kafka import test_log


class TestKafkaInContainer(test_log.TestKafkaLog):
    """The contract on a broker in a container."""


class TestS3InContainer(BlobsContract):
    """The contract on an S3 server in a container."""

    seen_early = True

    @pytest.fixture
    def url(self, s3_in_container: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
        """A store that was made and is empty."""
        for name, value in s3_in_container.items():
            monkeypatch.setenv(name, value)
        url = f"s3://bucket/{uuids.uuid4().hex}"
        open_blobs(url, create=True)
        return url
