"""The one bucket of this lane, emptied for each test."""

from __future__ import annotations

import pytest

from events.blobs import open_blobs
from tests.real.s3.server import S3Server


@pytest.fixture
def server(s3: S3Server) -> S3Server:
    """By the name that every lane of buckets has for it."""
    return s3


@pytest.fixture
def empty(s3: S3Server) -> str:
    """A prefix in the bucket, where there is nothing yet."""
    return "s3://bucket/a/prefix"


@pytest.fixture
def url(empty: str) -> str:
    """A store that was made and is empty."""
    open_blobs(empty, create=True)
    return empty
