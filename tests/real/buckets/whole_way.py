"""The whole tool with its contents in a bucket: prepared, captured, replayed, exported, thinned, and killed. A lane
subclasses it and gives the fixtures `empty` and `server`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.scratch import Cluster
from events.blobs import open_blobs
from events.blobs.bucket import Bucket
from tests.daemon.cli.place import PATIENCE, Place, Templates, make_templates
from tests.real.buckets.faults import foreign
from tests.real.buckets.program import Server


class WholeWay:
    """Subclasses have `empty`, a URL where nothing is yet, and `server`, whose it is."""

    @pytest.fixture(scope="class")
    @classmethod
    def templates(cls, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Templates:
        return make_templates(cluster, tmp_path_factory.mktemp("assetstore"))

    @pytest.fixture
    def place(self, empty: str, cluster: Cluster, templates: Templates, tmp_path: Path) -> Iterator[Place]:
        """A source, a target, and no blob store yet."""
        made = Place(cluster, templates, tmp_path)
        made.configure(blobs=f'url = "{empty}"')
        yield made
        made.close()

    def kept(self, server: Server, empty: str) -> list[str]:
        """The names of the objects that are there."""
        return [each.key for each in Bucket(empty).list()]

    def test_a_bucket_is_prepared_and_checked(self, place: Place, server: Server, empty: str) -> None:
        """`init` makes the store and tries it, `check` tries it again, a dry run writes nothing; nothing is left."""
        assert f"blob store {empty}: would be made" in place.good("init", "--dry-run").out
        assert self.kept(server, empty) == []
        assert f"blob store {empty}: made" in place.good("init").out
        assert f"blob store {empty}: was there" in place.good("init").out
        said = place("check").out
        assert "can be written, read, listed and deleted" in said
        assert "not ok  log" not in said
        assert "keeps versions" not in said
        assert "conditional" not in said
        assert self.kept(server, empty) == ["store.json"]

    def test_what_is_wrong_with_a_bucket_is_told(self, place: Place, server: Server) -> None:
        """By `init`, with what to do."""
        place.configure(blobs=f'url = "{server.scheme}://elsewhere/x"')
        done = place("init")
        assert done.code == 10
        assert server.no_such in done.err
        assert foreign(server, done.err) == []

    def test_a_repository_goes_through_a_bucket(self, place: Place, tmp_path: Path, server: Server, empty: str) -> None:
        """Bootstrap with worker processes, edits, a killed server, export, retention: both ends are equal at last."""
        place.good("init")
        place.good("run", "--until-current")
        place.good("verify")
        assert place.differences() == []
        place.edit(30)
        server.kill()
        server.start()
        place.good("run", "--until-current")
        assert place.differences() == []
        place.good("export", "site", "--into", str(tmp_path / "aips"))
        packages = list((tmp_path / "aips").glob("*.zip"))
        assert packages
        for package in packages:
            assert zipfile.ZipFile(package).testzip() is None
        assert list(open_blobs(empty).list())
        place.good("prune")
        place.good("replay", "--from", "0")
        assert place.differences() == []

    def test_a_killed_capture_goes_on(self, place: Place) -> None:
        """Contents are in the bucket and no event names them: the same again, and nothing is lost or doubled."""
        place.good("init")
        for name in ("capture.blobs", "bootstrap.slice", "capture.appended"):
            process = place.process("run", "--until-current", AIPSTREAM_FAILPOINT=name)
            assert process.wait(PATIENCE) in {0, -9}
        place.good("run", "--until-current")
        assert place.differences() == []
