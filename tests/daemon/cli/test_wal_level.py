"""A source whose server does not write what logical decoding needs."""

from __future__ import annotations

from pathlib import Path

from daemon.scratch import Cluster
from tests.daemon.cli.place import Place, make_templates


def test_a_wal_level_that_is_too_low_is_named_with_its_remedy(tmp_path: Path) -> None:
    """`check` and `run` say so with the command; mode `poll` works on the same server."""
    with Cluster(settings={"wal_level": "replica"}) as cluster:
        templates = make_templates(cluster, tmp_path / "assetstore", items=3)
        place = Place(cluster, templates, tmp_path / "place", "wal")
        place.good("init")
        checked = place("check")
        assert checked.code == 2
        assert "not ok  source  wal_level = replica" in checked.out
        assert "ALTER SYSTEM SET wal_level = 'logical'" in checked.out
        done = place("run", "--until-current")
        assert done.code == 2
        assert "ALTER SYSTEM SET wal_level = 'logical'" in done.err
        place.mode = "poll"
        place.configure()
        place.good("run", "--until-current")
        assert place.differences() == []
        place.close()
