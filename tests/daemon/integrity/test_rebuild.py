"""A torn log file is exchanged for another, whatever happens meanwhile: with a copy nothing of it is lost."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from daemon.cli.main import outcome
from events.log.opening import open_log
from tests.daemon.integrity.archive import Archive, make
from tests.events.log import damage
from tests.events.samples import event


class Torn(NamedTuple):
    """An archive with a copy of its log, in one file each, and a configuration of nothing else."""

    archive: Archive
    config: Path
    copy: str

    @property
    def words(self) -> list[str]:
        return ["--config", str(self.config), "log", "repair", "--rebuild"]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Its exit code, and what it says."""
        code, *said = self.both(*arguments)
        return code, "".join(said)

    def done(self, *arguments: str) -> dict[str, Any]:
        """What it did."""
        code, out, said = self.both(*arguments, "--json")
        assert code == 0, said
        found: dict[str, Any] = json.loads(out)
        return found

    def both(self, *arguments: str) -> tuple[int, str, str]:
        """Its exit code, what it prints and what it says beside."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = outcome([*self.words, *arguments])
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return code, texts[0], texts[1]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        return damage.rows_of(self.archive.log)

    def beside(self) -> list[str]:
        """What a rebuild has left beside the log: but for the torn file, nothing may be left."""
        names = {path.name for path in self.archive.folder.iterdir()}
        return sorted(name for name in names if ".rebuilding" in name or ".torn-" in name)


@pytest.fixture
def torn(tmp_path: Path) -> Torn:
    archive = make(tmp_path, events=300)
    config = tmp_path / "aipstream.toml"
    config.write_text(f'[log]\nurl = "{archive.url}"\n[blobs]\nurl = "{archive.blobs}"\n')
    with closing(sqlite3.connect(archive.log)) as log, closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy:
        log.backup(copy)
    return Torn(archive, config, f"sqlite:///{tmp_path}/copy.sqlite")


def test_what_is_lost_of_records_comes_from_a_copy_and_the_torn_file_is_kept(torn: Torn) -> None:
    """Every row is as it was. The dry run says so before and changes nothing; once more, there is nothing to do."""
    whole = torn.rows()
    gone = damage.tear(torn.archive.log)
    before = torn.archive.log.read_bytes()
    planned = torn.done("--from", torn.copy, "--dry-run")
    assert {step["position"] for step in planned["steps"]} == set(gone)
    assert (planned["mended"], planned["left"]) == (len(planned["steps"]), 0)
    assert (planned["rebuilt"]["missing"], planned["kept"], planned["left_over"]) == (len(gone), None, [])
    assert (torn.archive.log.read_bytes()[100:], torn.beside()) == (before[100:], [])
    done = torn.done("--from", torn.copy)
    assert [step["position"] for step in done["steps"]] == [step["position"] for step in planned["steps"]]
    assert (done["rebuilt"], done["mended"]) == (planned["rebuilt"], planned["mended"])
    assert torn.rows() == whole
    assert torn.beside() == [Path(done["kept"]).name]
    assert Path(done["kept"]).read_bytes()[100:] == before[100:]
    assert torn.both()[:2] == (0, "the file of the log is sound: there is nothing to rebuild\nnothing is damaged\n")
    assert len(torn.beside()) == 1


def test_without_a_copy_what_is_missing_is_named_with_its_objects_and_moments(torn: Torn) -> None:
    """As in any log that lacks records; its file is sound, and a copy that comes later fills it."""
    whole = torn.rows()
    gone = damage.tear(torn.archive.log)
    code, said = torn("--dry-run")
    assert (code, "torn file is kept" in said, "only from a copy" in said) == (5, False, True)
    code, said = torn()
    assert code == 5
    assert f"{300 - len(gone)} of 300 records" in said
    for position in gone:
        assert f"(position {position})" in said
    assert torn("--from", torn.copy)[0] == 0
    assert {name: found for name, found in torn.rows().items() if name != "meta"} == {
        name: found for name, found in whole.items() if name != "meta"
    }


@pytest.mark.parametrize(
    ("place", "openable"),
    [
        ("check.noted", True),
        ("rebuild.built", True),
        ("rebuild.kept", True),
        ("rebuild.kept", False),
        ("rebuild.exchanged", True),
    ],
)
def test_a_rebuild_that_is_killed_is_begun_again(torn: Torn, place: str, openable: bool) -> None:
    """By SIGKILL, wherever it is: the torn log or the new one is in its place, and the same command ends it."""
    whole = torn.rows()
    damage.tear(torn.archive.log)
    if not openable:
        damage.zero(torn.archive.log, 0)
    command = [sys.executable, "-m", "daemon.cli", *torn.words, "--from", torn.copy]
    killed = subprocess.run(command, env={**os.environ, "AIPSTREAM_FAILPOINT": place}, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed
    torn.done("--from", torn.copy)
    assert torn.rows() == whole
    assert len(torn.beside()) == 1


def test_where_there_is_no_room_for_both_the_torn_one_stays(torn: Torn) -> None:
    """Exit code 10, and what was begun is gone."""
    damage.tear(torn.archive.log)
    before = torn.archive.log.read_bytes()
    room = len(before) // 2
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", *torn.words, "--from", torn.copy],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 10, done
    assert torn.archive.log.read_bytes()[100:] == before[100:]
    assert torn.beside() == []


def test_a_file_that_says_nothing_is_rebuilt_with_the_copy_of_the_configuration(torn: Torn) -> None:
    """Neither where its tables begin, nor which log it is. Without the copy nobody knows; of another log it is none."""
    whole = torn.rows()
    damage.tear(torn.archive.log)
    damage.zero(torn.archive.log, damage.root_of(torn.archive.log, "meta"))
    damage.zero(torn.archive.log, 0)
    other = torn.config.with_name("copy.toml")
    torn.config.write_text(f'{torn.config.read_text()}[copy]\ninto = "{other}"\nevery_hours = 0\n')
    code, said = torn()
    assert (code, "it cannot be rebuilt" in said) == (5, True)
    other.write_text(f'[log]\nurl = "{torn.copy}"\n[blobs]\nurl = "{torn.archive.blobs}"\n')
    assert torn.done()["left"] == 0
    assert torn.rows() == whole
    other.unlink()
    damage.tear(torn.archive.log)
    code, said = torn()
    assert (code, "that of [copy] cannot be used" in said) == (5, True)
    damage.sql(torn.archive.folder / "copy.sqlite", "UPDATE meta SET value = 'another' WHERE key = 'identity'")
    damage.tear(torn.archive.log)
    before = torn.archive.log.read_bytes()
    code, said = torn("--from", torn.copy)
    assert (code, "the other log is another" in said) == (2, True)
    assert torn.archive.log.read_bytes()[100:] == before[100:]


def test_a_log_that_is_not_known_as_one_is_told_by_its_records(torn: Torn) -> None:
    """A bit of the names under which it notes things; but no other database is taken for one, nor a newer log."""
    whole = torn.rows()
    damage.sql(torn.archive.log, "UPDATE meta SET key = 'eod' WHERE key = 'end'")
    done = torn.done()
    assert (done["rebuilt"]["end"], done["left"]) == (300, 0)
    assert torn.rows() == whole
    damage.sql(torn.archive.log, "UPDATE meta SET value = '9' WHERE key = 'format'")
    code, said = torn()
    assert (code, "format '9'" in said) == (2, True)
    torn.archive.log.unlink()
    damage.sql(torn.archive.log, "CREATE TABLE one (name TEXT, value TEXT)", "INSERT INTO one VALUES ('a', 'b')")
    before = torn.archive.log.read_bytes()
    code, said = torn("--from", torn.copy)
    assert (code, "no record of a log" in said) == (5, True)
    assert torn.archive.log.read_bytes() == before
    assert len(torn.beside()) == 1
    torn.archive.log.unlink()
    assert torn()[0] == 2


def test_nobody_reads_what_is_exchanged_and_who_had_it_open_does_no_harm(torn: Torn) -> None:
    """While somebody reads, what was appended last is in the WAL alone: exit code 8. One that only has the file open
    lets go of the old one later, and of nothing of the new one.
    """
    with closing(sqlite3.connect(torn.archive.log)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        damage.tear(torn.archive.log)
        with closing(open_log(torn.archive.url)) as log:
            log.append([event(lsn, 3, blobs=()) for lsn in (301, 302)])
        code, said = torn("--from", torn.copy)
        assert (code, "still reads" in said, torn.beside()) == (8, True, [])
        reader.rollback()
        done = torn.done("--from", torn.copy)
        assert (done["rebuilt"]["end"], done["left"]) == (302, 0)
        assert torn.beside() == [Path(done["kept"]).name]
        with closing(open_log(torn.archive.url)) as log:
            log.append([event(303, 3, blobs=())])
            reader.close()
            log.append([event(304, 3, blobs=())])
    with closing(open_log(torn.archive.url)) as log:
        assert [entry.position for entry in log.read(0)] == list(range(1, 305))


def test_a_log_in_kafka_has_no_file_to_rebuild(torn: Torn) -> None:
    """It is said before anything is asked of a broker."""
    torn.config.write_text(
        f'[log]\nurl = "kafka://localhost:1/t"\nstate = "sqlite:///{torn.archive.folder}/state"\n'
        f'[blobs]\nurl = "{torn.archive.blobs}"\n'
    )
    code, said = torn()
    assert (code, "only a log in a SQLite file" in said) == (2, True)


def test_of_a_log_behind_a_link_the_file_is_exchanged_and_the_link_stays(torn: Torn, tmp_path: Path) -> None:
    """What is in its WAL, which SQLite keeps beside the file, is taken too."""
    disk = tmp_path / "disk"
    disk.mkdir()
    log, real = torn.archive.log, disk / "real.sqlite"
    gone = damage.tear(log)
    script = "import os, sys, tests.events.samples as s; from events.log.opening import open_log; "
    script += "open_log(sys.argv[1]).append([s.event(301, blobs=())]); os._exit(0)"
    subprocess.run([sys.executable, "-c", script, torn.archive.url], check=True)
    for beside in ("", "-wal"):
        Path(f"{log}{beside}").rename(f"{real}{beside}")
    log.symlink_to(real)
    done = torn.done("--from", torn.copy)
    assert (done["rebuilt"]["records"], done["rebuilt"]["end"]) == (301 - len(gone), 301)
    assert log.readlink() == real
    assert Path(done["kept"]).parent == disk
    with closing(open_log(torn.archive.url)) as opened:
        assert opened.end() == 301
