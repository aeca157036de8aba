"""A log that is not the one that was applied is refused by every verb that replays."""

from __future__ import annotations

import msgspec
import pytest

from events.log.opening import open_log
from tests.daemon.cli.place import Place


@pytest.mark.parametrize("words", [("replay",), ("run", "--until-current")])
def test_a_log_restored_from_an_older_copy_is_refused(replicated: Place, words: tuple[str, ...]) -> None:
    """It went on otherwise: at the target's position stands another event than the one that was applied."""
    logs = list(replicated.folder.glob("log.sqlite*"))
    copy = {path: path.read_bytes() for path in logs if "state" not in path.name}
    replicated.edit(5)
    replicated.good("run", "--until-current")
    for path in replicated.folder.glob("log.sqlite*"):
        if "state" not in path.name:
            path.unlink()
    for path, content in copy.items():
        path.write_bytes(content)
    log = open_log(f"sqlite:///{replicated.folder}/log.sqlite")
    event = next(log.read(log.end() - 1)).event
    log.append([msgspec.structs.replace(event, lsn=event.lsn + number) for number in range(1, 40)])
    log.close()
    done = replicated(*words)
    assert done.code == 5
    assert "another event" in done.err


@pytest.mark.parametrize("words", [("run", "--until-current"), ("run",), ("snapshot",)])
def test_another_repository_is_not_captured_into_a_log_that_holds_one(
    replicated: Place, words: tuple[str, ...]
) -> None:
    """Not even where nothing is remembered, as on a new machine: all of the first one would be deleted."""
    before = replicated.good("status", "--json").json["log"]["end"]
    path, mine = replicated.path, replicated.path.read_text()
    (replicated.folder / "log.sqlite.state").unlink()
    other = cluster_copy(replicated)
    path.write_text(mine.replace(replicated.source, other, 1).partition("[target]")[0])
    done = replicated(*words)
    assert done.code == 9, done
    assert "another repository" in done.err
    assert replicated.good("status", "--json").json["log"]["end"] == before
    path.write_text(mine)
    replicated.good("run", "--until-current")
    assert replicated.good("status", "--json").json["log"]["end"] == before


def test_another_repository_is_taken_if_that_is_said(replicated: Place) -> None:
    """`snapshot --another`: what it does not have, the site of the first one, is deleted in the log."""
    path, mine = replicated.path, replicated.path.read_text()
    (replicated.folder / "log.sqlite.state").unlink()
    path.write_text(mine.replace(replicated.source, cluster_copy(replicated), 1).partition("[target]")[0])
    done = replicated.good("snapshot", "--another", "--json").json
    assert done["captured"]["put"] > 0
    assert done["captured"]["deleted"] > 0


def cluster_copy(place: Place) -> str:
    """Another repository: the same database with a site of its own."""
    dsn = place.cluster.create(f"other_{place.name}", f"s_{place.name}")
    place.sql(dsn, "SET session_replication_role = replica; UPDATE site SET uuid = gen_random_uuid()")
    return dsn
