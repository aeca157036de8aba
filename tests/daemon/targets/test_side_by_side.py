"""Several targets of one log: each has its own position, lag and parked objects, and none waits for another."""

from __future__ import annotations

import signal

import pytest

from daemon.scratch import Cluster
from events.errors import NotDSpace, ObjectsParked, TargetUnreachable
from tests.daemon.cli.place import Templates, eventually
from tests.daemon.targets.several import Several

REFUSES = """
    create function refuse() returns trigger language plpgsql as
    $$ begin if new.uuid = '{uuid}' then raise exception 'not this one'; end if; return new; end $$;
    create trigger refuse before insert or update on item for each row execute function refuse()"""


def test_one_round_brings_every_target_to_the_end(place: Several) -> None:
    """`run --until-current` captures once; what is told of each target stands under its name, and is true of it."""
    told = place.good("run", "--until-current", "--json").json
    assert set(told) == {"captured", "parked", "targets"}
    assert set(told["targets"]) == {"near", "far", "stock"}
    end = place.status()["log"]["end"]
    for name, of in told["targets"].items():
        assert of["position"] == end, name
        assert of["parked"] == {"replay": 0}
    assert place.differences_of("near") == place.differences_of("far") == []
    assert (place.asked / "loaded").read_text()
    place.edit(20)
    place.good("run", "--until-current")
    assert place.differences_of("near") == place.differences_of("far") == []


def test_a_target_that_is_down_holds_up_neither_the_others_nor_capture(place: Several) -> None:
    """Its database is renamed under the running daemon, which is killed besides, started again, and brings it up when
    it is back.
    """
    daemon = place.process("run")
    eventually(lambda: all(place.lag(name) == 0 for name in ("near", "far", "stock")))
    place.away("far")
    place.edit(10)
    eventually(lambda: place.differences_of("near") == [])
    assert daemon.poll() is None
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    place.edit(10, seed=2)
    daemon = place.process("run")
    eventually(lambda: place.differences_of("near") == [])
    place.says('"event": "replay.far.failed"')
    told = place.status()["targets"]
    assert "error" in told["far"]["replay"]
    assert told["near"]["replay"]["position"] == place.status()["log"]["end"]
    place.back("far")
    eventually(lambda: place.lag("far") == 0)
    eventually(lambda: place.differences_of("far") == [])
    eventually(lambda: place.lag("stock") == 0)
    assert place.stop(daemon) == 0


def test_until_current_serves_the_others_and_ends_with_the_failure(place: Several) -> None:
    """Exit code 7 for the one that does not answer, and what became of each is told."""
    place.away("near")
    try:
        done = place("run", "--until-current", "--json")
        assert done.code == TargetUnreachable.exit_code
        assert done.json["targets"]["near"]["error"] == "TargetUnreachable"
        assert "near:" in done.err
        assert place.differences_of("far") == []
        done = place("replay", "--json")
        assert done.code == TargetUnreachable.exit_code
        assert done.json["targets"]["far"]["applied"] == {}
    finally:
        place.back("near")
    place.good("replay")
    assert place.differences_of("near") == []


def test_a_fatal_error_ends_one_target_and_is_the_exit_code_in_the_end(
    place: Several, cluster: Cluster, templates: Templates
) -> None:
    """A target that is no DSpace: the others are served on, `status` says what ended it, and SIGTERM ends with it."""
    place.good("run", "--until-current")
    cluster.drop(f"far_{place.name}")
    cluster.create(f"far_{place.name}")
    daemon = place.process("run")
    eventually(lambda: "ended" in place.status()["targets"]["far"]["replay"])
    place.edit(10)
    eventually(lambda: place.differences_of("near") == [])
    ended = place.status()["targets"]["far"]["replay"]["ended"]
    assert ended["kind"] == "NotDSpace"
    assert "ENDED" in place.good("status").out
    assert place.stop(daemon) == NotDSpace.exit_code
    cluster.drop(f"far_{place.name}")
    cluster.create(f"far_{place.name}", templates.target)
    place.good("run", "--until-current")
    assert place.differences_of("far") == []


def test_the_daemon_ends_when_no_target_is_left(place: Several, cluster: Cluster) -> None:
    """With the code of the first."""
    place.write("near", "far")
    for name in ("near", "far"):
        cluster.drop(f"{name}_{place.name}")
        cluster.create(f"{name}_{place.name}")
    assert place.process("run").wait(240) == NotDSpace.exit_code


def test_each_target_parks_by_itself(place: Several) -> None:
    """One item is refused by one native target, another by the packager; each is listed where it is, and released
    there alone.
    """
    (one, handle), (other, refused) = place.sql(
        place.source,
        "select i.uuid::text, h.handle from item i join handle h on h.resource_id = i.uuid where i.in_archive "
        "and not exists (select from relationship where i.uuid in (left_id, right_id)) order by 1 limit 2",
    )
    place.sql(place.dsn("far"), REFUSES.format(uuid=one))
    (place.asked / "bad").write_text(refused)
    done = place("run", "--until-current", "--json")
    assert done.code == ObjectsParked.exit_code, done
    listed = place.good("park", "--json").json
    assert listed["parked"] == []
    aside = {name: [each["uuid"] for each in of["parked"]] for name, of in listed["targets"].items()}
    assert aside == {"near": [], "far": [one], "stock": [other]}
    assert place.differences_of("near") == []
    told = place.good("why", handle, "--json").json["targets"]
    assert told == {"near": "up to date", "far": "parked", "stock": "up to date"}
    several = place("park", "retry", "--all")
    assert several.code == 2
    assert "there are several targets: near, far, stock" in several.err
    place.sql(place.dsn("far"), "drop trigger refuse on item")
    retried = place("park", "retry", "--all", options=("--target", "far"))
    assert retried.code == 0, retried
    assert place.differences_of("far") == []
    assert len(place.good("park", "--json").json["targets"]["stock"]["parked"]) == 1
    (place.asked / "bad").unlink()
    assert place("park", "retry", "--all", options=("--target", "stock")).code == 0


@pytest.mark.parametrize("where", ["replay.files", "replay.recorded", "replay.committed:2"])
def test_a_daemon_that_is_killed_in_the_middle_of_any_target_converges(place: Several, where: str) -> None:
    """The fail point is passed by whichever target comes there first; all of them end where they should."""
    place.good("snapshot")
    killed = place.process("run", AIPSTREAM_FAILPOINT=where)
    assert killed.wait(240) == -signal.SIGKILL
    place.good("run", "--until-current")
    assert place.differences_of("near") == place.differences_of("far") == []
    assert all(place.lag(name) == 0 for name in ("near", "far", "stock"))
