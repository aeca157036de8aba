"""The whole tool with its contents in a bucket: prepared, captured, replayed, exported, thinned, and killed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from events.blobs import open_blobs
from tests.daemon.cli.place import Place, Templates, make_templates
from tests.real.s3.server import S3Server

BLOBS = 'url = "s3://bucket/a/prefix"'


@pytest.fixture(scope="module")
def templates(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return make_templates(cluster, tmp_path_factory.mktemp("s3_assetstore"))


@pytest.fixture
def place(s3: S3Server, cluster: Cluster, templates: Templates, tmp_path: Path) -> Iterator[Place]:
    """A source, a target, and no blob store yet."""
    made = Place(cluster, templates, tmp_path)
    made.configure(blobs=BLOBS)
    yield made
    made.close()


def test_a_bucket_is_prepared_and_checked(place: Place, s3: S3Server) -> None:
    """`init` makes the store and tries it, `check` tries it again, a dry run writes nothing, and nothing is left."""
    folder = s3.bucket("bucket")
    assert "blob store s3://bucket/a/prefix: would be made" in place.good("init", "--dry-run").out
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert "blob store s3://bucket/a/prefix: made" in place.good("init").out
    assert "blob store s3://bucket/a/prefix: was there" in place.good("init").out
    said = place("check").out
    assert "can be written, read, listed and deleted" in said
    assert "not ok  log" not in said
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["store.json"]


def test_what_is_wrong_with_a_bucket_is_told(place: Place, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `init` and by `check`, with what to do, and without the secret."""
    place.configure(blobs='url = "s3://elsewhere/x"')
    done = place("init")
    assert done.code == 10
    assert "no such bucket" in done.err
    place.configure(blobs=BLOBS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-to-be-told")
    done = place("check")
    assert done.code == 2
    assert "wrong secret key" in done.out
    assert "never-to-be-told" not in done.out + done.err


def test_a_repository_goes_through_a_bucket(place: Place, tmp_path: Path, s3: S3Server) -> None:
    """Bootstrap with worker processes, edits, a killed server, export, retention: both ends are equal in the end."""
    place.good("init")
    place.good("run", "--until-current")
    place.good("verify")
    assert place.differences() == []
    place.edit(30)
    s3.kill()
    s3.start()
    place.good("run", "--until-current")
    assert place.differences() == []
    place.good("export", "site", "--into", str(tmp_path / "aips"))
    packages = list((tmp_path / "aips").glob("*.zip"))
    assert packages
    for package in packages:
        assert zipfile.ZipFile(package).testzip() is None
    blobs = open_blobs("s3://bucket/a/prefix")
    before = set(blobs.list())
    assert before
    place.good("prune")
    place.good("replay", "--from", "0")
    assert place.differences() == []


def test_a_killed_capture_goes_on(place: Place) -> None:
    """Contents are in the bucket and no event names them: the same again, and nothing is lost or doubled."""
    place.good("init")
    for name in ("capture.blobs", "bootstrap.slice", "capture.appended"):
        process = place.process("run", "--until-current", AIPSTREAM_FAILPOINT=name)
        assert process.wait(120) in {0, -9}
    place.good("run", "--until-current")
    assert place.differences() == []
