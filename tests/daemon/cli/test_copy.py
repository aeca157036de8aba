"""`aipstream copy`: the same log in another place."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from events.blobs import open_blobs
from events.blobs.local import LocalBlobs
from events.log.opening import copying_of, open_log
from tests.daemon.cli.place import Place, eventually


class Other:
    """The place that is copied into."""

    def __init__(self, folder: Path) -> None:
        self.log, self.blobs = f"sqlite:///{folder}/other.sqlite", f"file://{folder}/other-blobs"

    @property
    def words(self) -> tuple[str, ...]:
        return ("copy", "--log", self.log, "--blobs", self.blobs)

    @property
    def store(self) -> LocalBlobs:
        return LocalBlobs.from_url(self.blobs)


@pytest.fixture
def other(tmp_path: Path) -> Other:
    return Other(tmp_path)


def assert_same(place: Place, other: Other) -> None:
    """Record by record, and every content that whole events need."""
    with closing(open_log(f"sqlite:///{place.folder}/log.sqlite")) as log, closing(open_log(other.log)) as copy:
        assert copy.identity == log.identity
        assert copy.seal() == log.seal()
        records = list(copying_of(copy).records(0))
        assert records == list(copying_of(log).records(0))
    blobs = open_blobs(other.blobs)
    for name in {name for record in records for name in record.event.blobs if not record.thinned}:
        assert blobs.verify(name).sha256 == name


def switch(place: Place, other: Other) -> None:
    """Let the configuration be of the copy."""
    text = place.path.read_text()
    text = text.replace(f"sqlite:///{place.folder}/log.sqlite", other.log)
    place.path.write_text(text.replace(f"file://{place.folder}/blobs", other.blobs))


def test_a_copy_is_the_same_log(replicated: Place, other: Other) -> None:
    """Everything the first time; then what came since; a third time nothing."""
    first = replicated.good(*other.words, "--read-back", "--json").json
    assert first["records"] == first["end"] > 0
    assert first["blobs"] > 0
    assert_same(replicated, other)
    replicated.edit(10)
    replicated.good("snapshot")
    again = replicated.good(*other.words, "--json").json
    assert again["begin"] == first["end"]
    assert again["records"] == again["end"] - again["begin"] > 0
    assert_same(replicated, other)
    idle = replicated.good(*other.words, "--json").json
    assert (idle["records"], idle["blobs"]) == (0, 0)


def test_a_dry_run_counts_and_makes_nothing(replicated: Place, other: Other) -> None:
    """Also where there is a copy already."""
    planned = replicated.good(*other.words, "--dry-run", "--json").json
    assert planned["records"] > 0
    assert not Path(other.log.removeprefix("sqlite:///")).exists()
    assert not Path(other.blobs.removeprefix("file://")).exists()
    done = replicated.good(*other.words, "--json").json
    counted = ("records", "thinned", "blobs", "blob_bytes", "begin", "end", "missing")
    assert planned["blobs"] > 0
    assert {key: planned[key] for key in counted} == {key: done[key] for key in counted}
    new_log = ("copy", "--log", f"{other.log}-none", "--blobs", other.blobs)
    planned = replicated.good(*new_log, "--dry-run", "--json").json
    assert (planned["records"], planned["blobs"]) == (done["records"], 0), "the contents are there"
    replicated.edit(10)
    replicated.good("snapshot")
    planned = replicated.good(*other.words, "--dry-run", "--json").json
    done = replicated.good(*other.words, "--json").json
    assert planned["dry_run"] is True
    assert {key: planned[key] for key in counted} == {key: done[key] for key in counted}


def test_a_target_goes_on_with_the_copy(replicated: Place, other: Other) -> None:
    """Captured and replayed on through the copy, as if nothing had changed; and copied back, the old one has it too."""
    replicated.good(*other.words)
    before = replicated.path.read_text()
    switch(replicated, other)
    replicated.edit(10)
    replicated.good("run", "--until-current")
    assert replicated.differences() == []
    assert replicated.good("verify", "--json").json["equal"]
    old = ("copy", "--log", f"sqlite:///{replicated.folder}/log.sqlite", "--blobs", f"file://{replicated.folder}/blobs")
    assert replicated.good(*old, "--json").json["records"] > 0
    replicated.path.write_text(before)
    assert_same(replicated, other)
    replicated.edit(5, seed=2)
    replicated.good("run", "--until-current")
    assert replicated.differences() == []


def test_another_configuration_names_the_copy(replicated: Place, other: Other, tmp_path: Path) -> None:
    """Its [log] and [blobs], with whatever they need besides."""
    file = tmp_path / "other.toml"
    file.write_text(f'[log]\nurl = "{other.log}"\n[blobs]\nurl = "{other.blobs}"\n')
    replicated.good("copy", "--into", str(file))
    assert_same(replicated, other)


def test_the_secrets_of_the_other_configuration_are_hidden(replicated: Place, tmp_path: Path) -> None:
    """By whoever reads it, the daemon's clock too."""
    from daemon.config import load
    from daemon.copying import destination
    from daemon.redaction import hide

    file = tmp_path / "secret.toml"
    file.write_text(
        '[log]\nurl = "kafka://127.0.0.1:9/x"\n[blobs]\nurl = "file:///x"\n'
        '[kafka]\nuser = "u"\npassword = "never-to-be-told"\n'
    )
    destination(load(replicated.path), file=file)
    assert hide("it was never-to-be-told") == "it was ***"


def test_thinned_events_and_kept_moments_are_copied(
    replicated: Place, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers of those, names of these."""
    for key in ("ALL", "HOURLY", "DAILY", "MONTHLY"):
        monkeypatch.setenv(f"AIPSTREAM_RETENTION_{key}", "0h")
    replicated.edit(10)
    replicated.good("snapshot")
    replicated.good("keep", "before")
    replicated.edit(10, seed=2)
    replicated.good("snapshot")
    assert replicated.good("prune", "--json").json["thinned"] > 0
    done = replicated.good(*other.words, "--json").json
    assert done["thinned"] > 0
    assert done["marks"] == 1
    assert_same(replicated, other)


@pytest.mark.parametrize("place_name", ["copy.blobs", "copy.blobs:3", "copy.extended", "copy.extended:2"])
def test_a_copy_that_is_killed_goes_on(
    replicated: Place, other: Other, place_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its boundaries: what is there is a whole log, and the same command does the rest."""
    killed = subprocess.run(
        [sys.executable, "-m", "tests.daemon.cli.small_batches", "--config", str(replicated.path), *other.words],
        env={**os.environ, "AIPSTREAM_FAILPOINT": place_name}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed
    with closing(open_log(other.log)) as copy:
        for entry in copy.read(0):
            assert all(open_blobs(other.blobs).has(name) for name in entry.event.blobs)
    replicated.good(*other.words)
    assert_same(replicated, other)


def test_two_logs_that_parted_ways_are_no_copies(replicated: Place, other: Other) -> None:
    """Events that the copy has and the log has not; the copy is left as it is."""
    replicated.good(*other.words)
    shutil.copy(other.log.removeprefix("sqlite:///"), replicated.folder / "kept.sqlite")
    replicated.edit(5)
    replicated.good("snapshot")
    replicated.good(*other.words)
    old = replicated.folder / "log.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{old}{suffix}").unlink(missing_ok=True)
    shutil.copy(replicated.folder / "kept.sqlite", old)
    done = replicated(*other.words)
    assert done.code == 5
    assert "the other way round" in done.err
    replicated.edit(5, seed=9)
    replicated.good("snapshot")
    replicated.edit(5, seed=10)
    replicated.good("snapshot")
    done = replicated(*other.words)
    assert done.code == 5, done
    with closing(open_log(other.log)) as copy:
        assert len(list(copy.read(0))) == copy.end()


def test_a_log_of_its_own_is_never_written_to(replicated: Place, other: Other, tmp_path: Path) -> None:
    """One that was made by its own capture, or the very log that is copied."""
    with closing(open_log(f"sqlite:///{replicated.folder}/log.sqlite")) as log, closing(
        open_log(other.log, create=True)
    ) as foreign:
        foreign.append([entry.event for entry in log.read(0, limit=3)])
    done = replicated(*other.words)
    assert done.code == 2
    assert "no copy of" in done.err
    done = replicated("copy")
    assert done.code == 2
    assert "is what is copied" in done.err


def test_one_of_the_two_may_stay_where_it_is(replicated: Place, other: Other) -> None:
    """A log in another place over the same contents; contents in another place under the same log."""
    done = replicated.good("copy", "--log", other.log, "--json").json
    assert done["records"] > 0
    assert done["blobs"] == 0
    done = replicated.good("copy", "--blobs", other.blobs, "--json").json
    assert done["records"] == 0
    assert done["blobs"] == done["healed"] > 0
    assert_same(replicated, other)
    planned = replicated.good("copy", "--blobs", other.blobs, "--dry-run", "--json").json
    assert (planned["records"], planned["blobs"]) == (0, 0)


def test_a_content_that_is_damaged_is_named_and_put_back_later(replicated: Place, other: Other) -> None:
    """The rest is copied; what is wrong is never stored under the name that it has not; `--heal` does it later."""
    store = LocalBlobs.from_url(f"file://{replicated.folder}/blobs")
    names = sorted(store.list())
    flipped, gone = (replicated.folder / "blobs" / name[:2] / name[2:4] / name for name in names[:2])
    whole = flipped.read_bytes()
    flipped.chmod(0o640)
    flipped.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    saved = gone.read_bytes()
    gone.unlink()
    done = replicated(*other.words, "--json")
    assert done.code == 1
    assert sorted(done.json["missing"]) == names[:2]
    assert not any(other.store.has(name) for name in names[:2])
    flipped.write_bytes(whole)
    gone.write_bytes(saved)
    assert replicated.good(*other.words, "--json").json["blobs"] == 0
    assert replicated.good(*other.words, "--heal", "--json").json["healed"] == 2
    assert_same(replicated, other)


def test_two_copies_at_once_do_not_mix(replicated: Place, other: Other) -> None:
    """The second one says who is at work."""
    from daemon.hold import hold

    with hold(Path(f"{other.log.removeprefix('sqlite:///')}.state.lock")):
        done = replicated(*other.words)
    assert done.code == 8
    assert "copies into that log" in done.err
    assert not Path(other.log.removeprefix("sqlite:///")).exists()


def test_damage_in_the_log_stops_the_copy_before_it(replicated: Place, other: Other) -> None:
    """What is before it is copied, and nothing false is."""
    replicated.good("status")
    with closing(sqlite3.connect(replicated.folder / "log.sqlite")) as connection:
        (middle,) = connection.execute("SELECT max(position) / 2 FROM event").fetchone()
        connection.execute("UPDATE payload SET payload = x'00' WHERE position = ?", [middle])
        connection.commit()
    done = replicated(*other.words)
    assert done.code == 5
    assert f"position {middle}" in done.err
    with closing(open_log(other.log)) as copy:
        assert copy.end() == middle - 1


def test_the_daemon_keeps_the_copy(replicated: Place, other: Other, tmp_path: Path) -> None:
    """Where [copy] names another configuration: at its start and from time to time; `status` says up to where."""
    file = tmp_path / "other.toml"
    file.write_text('[log]\nurl = "sqlite:////nowhere/log.sqlite"\n[blobs]\nurl = "file:///nowhere/blobs"\n')
    replicated.configure(more=f'[copy]\ninto = "{file}"\nevery_hours = 0.0003')
    assert replicated.good("status", "--json").json["copied"] is None
    process = replicated.process("run", AIPSTREAM_INTO_LOG_URL=other.log, AIPSTREAM_INTO_BLOBS_URL=other.blobs)
    replicated.edit(5)
    replicated.says('"event": "copied"', process)
    eventually(lambda: reached(replicated))
    replicated.stop(process)
    replicated.good("copy", "--log", other.log, "--blobs", other.blobs)
    assert_same(replicated, other)


def reached(place: Place) -> bool:
    """Whether the daemon's copy has come to an end beyond the beginning."""
    told = place.good("status", "--json").json
    return bool(told["copied"] and told["copied"]["position"] == told["log"]["end"])


def test_a_copy_into_nowhere_is_said_and_stops_nothing(replicated: Place, tmp_path: Path) -> None:
    """The daemon goes on without it."""
    replicated.configure(more=f'[copy]\ninto = "{tmp_path}/none.toml"\nevery_hours = 1')
    process = replicated.process("run")
    replicated.says("copy.failed", process)
    replicated.edit(5)
    eventually(lambda: replicated.good("status", "--json").json["lag"]["events"] == 0)
    assert replicated.stop(process) == 0
