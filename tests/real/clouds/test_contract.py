"""The blob stores' contract in a container of Azure and a bucket of Google."""

from __future__ import annotations

import pytest

from events.blobs import open_blobs
from tests.events.blobs.contract import BlobsContract
from tests.events.blobs.sealed.keyed import BOTH


class TestBlobs(BlobsContract):
    """As they are."""

    seen_early = True


class TestSealedBlobs(BlobsContract):
    """Encrypted."""

    keys = BOTH
    seen_early = True

    @pytest.fixture
    def url(self, empty: str) -> str:
        """A store of encrypted blobs that was made and is empty."""
        open_blobs(empty, create=True, keys=BOTH)
        return empty
