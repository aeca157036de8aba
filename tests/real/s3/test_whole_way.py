"""The whole tool with its contents in a bucket of a real S3 server."""

from __future__ import annotations

import pytest

from tests.daemon.cli.place import Place
from tests.real.buckets.program import Server
from tests.real.buckets.whole_way import WholeWay
from tests.real.s3.server import S3Server


class TestWholeWay(WholeWay):
    """The way, and what only S3 says."""

    def kept(self, server: Server, empty: str) -> list[str]:
        """The names of all files that the server has for the bucket, below the prefix or not."""
        assert isinstance(server, S3Server)
        return [path.name for path in server.bucket("bucket").rglob("*") if path.is_file()]

    def test_a_wrong_secret_is_told(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """By `check`, and without the secret."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-to-be-told")
        done = place("check")
        assert done.code == 2
        assert "wrong secret key" in done.out
        assert "never-to-be-told" not in done.out + done.err
