"""The index and the command line: `run`, `replay`, `index`, `status`, `check`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.config_sections import Index
from daemon.index.port import Standing
from daemon.indexing import ripe
from tests.daemon.cli.place import Place, eventually
from tests.daemon.index.launcher import Launcher
from tests.daemon.index.server import ADMIN, PASSWORD, Server, status


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path / "dspace")


@pytest.fixture
def indexed(place: Place, launcher: Launcher) -> Place:
    """A place whose target has an index that is told by command; everything is replicated and told."""
    configure(place, launcher)
    place.good("run", "--until-current")
    assert due(place) == 0
    launcher.forget()
    return place


def configure(place: Place, launcher: Launcher, **index: float) -> None:
    keys = "\n".join(f"{key} = {value}" for key, value in index.items())
    place.configure(more=f'dspace = "{launcher.command}"\n[index]\nmode = "cli"\n{keys}\n[run]\nbackoff_seconds = 0.5')


def due(place: Place) -> int:
    ((count,),) = place.sql(place.target, "select count(*) from aipstream.reindex")
    return int(count)


TITLE = """update metadatavalue set text_value = text_value || '!' where metadata_value_id = (
    select metadata_value_id from metadatavalue m join item i on i.uuid = m.dspace_object_id and i.in_archive
    join metadatafieldregistry f using (metadata_field_id) where f.element = 'title' and f.qualifier is null
    order by 1 limit 1)"""


def titled(place: Place) -> str:
    """The item whose title `TITLE` changes, after that was done."""
    place.sql(place.source, TITLE)
    return str(place.sql(place.source, TITLE.partition("(")[2].rpartition(")")[0].replace(
        "select metadata_value_id", "select m.dspace_object_id::text", 1).replace(
        "order by 1", "order by metadata_value_id"))[0][0])


def test_a_replay_tells_the_index_at_its_end(indexed: Place, launcher: Launcher) -> None:
    """One run for one object, and none when nothing changed."""
    item = titled(indexed)
    done = indexed.good("run", "--until-current")
    assert launcher.calls == [f"-i {item}"]
    assert "index: told of 1 object in 1 run" in done.out
    assert due(indexed) == 0
    told = indexed.good("replay", "--json").json
    assert told["indexed"] == {"calls": 0, "objects": 0, "error": None, "due": 0}
    assert launcher.calls == [f"-i {item}"]


def test_deletions_are_cleaned_away(indexed: Place, launcher: Launcher) -> None:
    """By the one option that finds them."""
    import psycopg2

    from daemon.sample.edits import Editor

    connection = psycopg2.connect(indexed.source)
    Editor(connection, indexed.source_store, 3).do("remove_item")
    connection.close()
    indexed.good("run", "--until-current")
    assert launcher.calls[-1] == "-c"
    assert launcher.calls.count("-c") == 1


def test_without_an_index_nothing_is_noted(place: Place) -> None:
    """And the verb says what to configure."""
    place.good("run", "--until-current")
    assert due(place) == 0
    assert place.good("status", "--json").json["index"] is None
    refused = place("index")
    assert refused.code == 2
    assert '[index] mode is "none"' in refused.err


def test_a_failure_is_a_warning_of_the_replay_and_the_rows_stay(indexed: Place, launcher: Launcher) -> None:
    """The repository is right, so the exit code is 0; `index` is what fails, until it does not."""
    launcher.does("echo 'java.net.ConnectException: Connection refused'; exit 1")
    titled(indexed)
    done = indexed.good("run", "--until-current")
    assert "aipstream: warning: [index] index-discovery -i" in done.err
    assert "Connection refused" in done.err
    assert "index: not told yet, 1 object is due" in done.out
    index = indexed.good("status", "--json").json["index"]
    assert index["due"] == 1
    assert index["oldest"].endswith("Z")
    assert index["failures"] == 1
    assert "Connection refused" in index["error"]
    assert index["told_at"]
    assert "1 due since" in (said := indexed.good("status").out)
    assert "FAILED 1 times" in said
    failed = indexed("index", "--json")
    assert failed.code == 1
    assert failed.json["error"] == "IndexFailed"
    launcher.is_well()
    assert indexed.good("index", "--json").json == {"dry_run": False, "calls": 1, "objects": 1}
    index = indexed.good("status", "--json").json["index"]
    assert (index["due"], index["error"], index["failures"]) == (0, None, 0)


@pytest.mark.parametrize("place_of_death", ["replay.recorded", "replay.committed", "index.told"])
def test_being_killed_forgets_nothing(indexed: Place, launcher: Launcher, place_of_death: str) -> None:
    """Between the objects and the index, or between the index and the list of what is due."""
    item = titled(indexed)
    killed = indexed.process("run", "--until-current", AIPSTREAM_FAILPOINT=place_of_death)
    assert killed.wait(240) == -signal.SIGKILL
    assert due(indexed) == (0 if place_of_death == "replay.recorded" else 1)
    indexed.good("run", "--until-current")
    assert due(indexed) == 0
    assert launcher.calls[-1] == f"-i {item}"
    assert indexed.differences() == []


def test_what_would_be_run_is_told_before(indexed: Place, launcher: Launcher) -> None:
    """And nothing is, nor struck off."""
    launcher.does("exit 1")
    item = titled(indexed)
    indexed.good("run", "--until-current")
    launcher.forget()
    would = indexed.good("index", "--dry-run", "--json").json
    assert would["due"] == 1
    assert [call["arguments"] for call in would["calls"]] == [["-i", item]]
    assert would["calls"][0]["objects"][0]["uuid"] == item
    assert f"index-discovery -i {item}" in indexed.good("index", "--dry-run").out
    assert "index-discovery -f" in indexed.good("index", "--all", "--dry-run").out
    assert launcher.calls == []
    assert due(indexed) == 1


def test_the_whole_index_can_be_told(indexed: Place, launcher: Launcher) -> None:
    """For the first time, or after doubts: by force, then what is gone is cleaned away."""
    indexed.good("index", "--all")
    assert launcher.calls == ["-f", "-c"]


def test_another_one_that_tells_is_not_disturbed(indexed: Place, launcher: Launcher) -> None:
    """The verb waits for nobody; a replay leaves what is due to the other."""
    from daemon.index.due import NativeDue

    other = NativeDue(indexed.target)
    try:
        assert indexed("index").code == 8
        titled(indexed)
        assert "another aipstream is telling" in indexed.good("run", "--until-current").err
        assert due(indexed) == 1
    finally:
        other.close()
    indexed.good("index")
    assert due(indexed) == 0


def test_the_daemon_tells_the_index_beside_the_replay(indexed: Place, launcher: Launcher) -> None:
    """After a moment of quiet; stopped, killed or started again, nothing stays behind."""
    configure(indexed, launcher, quiet_seconds=0.1)
    daemon = indexed.process("run")
    indexed.says('"event": "index.begins"')
    item = titled(indexed)
    eventually(lambda: f"-i {item}" in launcher.calls and due(indexed) == 0)
    assert indexed.stop(daemon) == 0
    assert indexed.good("status", "--json").json["index"]["objects"] == 1


def test_an_index_that_cannot_be_told_stops_nothing(indexed: Place, launcher: Launcher) -> None:
    """The replay goes on; it is tried again after longer and longer pauses, and works as soon as it can."""
    configure(indexed, launcher, quiet_seconds=0.0)
    launcher.does("echo 'Solr is away'; exit 7")
    daemon = indexed.process("run")
    titled(indexed)
    eventually(lambda: indexed.messages().count('"event": "index.failed"') >= 2)
    assert "Solr is away" in indexed.messages()
    titled(indexed)
    eventually(lambda: indexed("verify").code == 0)
    assert daemon.poll() is None
    assert indexed.good("status", "--json").json["index"]["failures"] >= 2
    launcher.is_well()
    eventually(lambda: due(indexed) == 0)
    indexed.says('"event": "index.told"')
    assert indexed.stop(daemon) == 0


def test_a_daemon_that_is_killed_leaves_the_rest_to_the_next(indexed: Place, launcher: Launcher) -> None:
    """The rows are kept."""
    configure(indexed, launcher, quiet_seconds=3600, most_seconds=3600)
    daemon = indexed.process("run")
    titled(indexed)
    eventually(lambda: due(indexed) == 1)
    assert indexed.stop(daemon, signal.SIGKILL) == -signal.SIGKILL
    assert launcher.calls == []
    configure(indexed, launcher, quiet_seconds=0.0)
    again = indexed.process("run")
    eventually(lambda: due(indexed) == 0)
    assert len(launcher.calls) == 1
    assert indexed.stop(again) == 0


def test_a_run_that_takes_long_is_ended_with_the_daemon(indexed: Place, launcher: Launcher) -> None:
    """SIGTERM does not wait for hours of indexing."""
    configure(indexed, launcher, quiet_seconds=0.0)
    launcher.does("sleep 600")
    daemon = indexed.process("run")
    titled(indexed)
    eventually(lambda: len(launcher.calls) == 1)
    assert indexed.stop(daemon) == 0
    assert due(indexed) == 1


def test_it_is_time_when_all_is_quiet_or_something_has_waited_long_enough() -> None:
    """Whichever comes first; never while nothing is due."""
    index = Index(mode="cli", quiet_seconds=5.0, most_seconds=60.0)
    assert not ripe(Standing(0, None, 99.0, 99.0), index)
    assert not ripe(Standing(3, None, 30.0, 1.0), index)
    assert ripe(Standing(3, None, 30.0, 5.0), index)
    assert ripe(Standing(3, None, 60.0, 0.1), index)


# --- over the server --------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIPSTREAM_INDEX_PASSWORD", PASSWORD)
    with Server(states=["COMPLETED"]) as running:
        yield running


def test_the_server_is_told_as_well(place: Place, server: Server) -> None:
    """The same runs as processes of its own; the password stands nowhere."""
    place.configure(more=f'[index]\nmode = "rest"\nurl = "{server.url}"\nuser = "{ADMIN}"\n')
    place.good("run", "--until-current")
    assert due(place) == 0
    server.calls.clear()
    item = titled(place)
    done = place.good("run", "--until-current")
    assert server.calls == [["-i", item]]
    server.once("POST", "processes", status(500, f"no login for {PASSWORD}"))
    titled(place)
    done = place.good("run", "--until-current")
    assert "no login for ***" in done.err
    for said in (done, place.good("config", "show"), place("check"), place.good("status")):
        assert PASSWORD not in said.out + said.err
    assert due(place) == 1


def test_check_tells_whether_the_server_lets_us_in(place: Place, server: Server) -> None:
    """With what mends it where it does not."""
    place.configure(more=f'[index]\nmode = "rest"\nurl = "{server.url}"\nuser = "{ADMIN}"\n')
    assert "lets admin@example.org run it" in place.good("check").out
    assert server.calls == []
    place.configure(more=f'[index]\nmode = "rest"\nurl = "{server.url}"\nuser = "nobody@example.org"\n')
    refused = place("check")
    assert refused.code == 2
    assert "does not let nobody@example.org in" in refused.out
    place.configure(more=f'[index]\nmode = "rest"\nurl = "{server.url}"\n')
    assert "[index] user missing" in place("check").out


def test_check_tells_whether_the_command_is_there(indexed: Place, launcher: Launcher) -> None:
    """It is started once, for its help."""
    assert "knows index-discovery" in indexed.good("check").out
    assert launcher.calls == ["-h"]
    launcher.command.unlink()
    refused = indexed("check")
    assert refused.code == 2
    assert "is not there or may not be run" in refused.out
    indexed.configure(more='[index]\nmode = "cli"\n')
    assert "[target] dspace is missing" in indexed("check").out
