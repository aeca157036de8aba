"""An export that is killed, or out of disk: each object is as it was or as it is to be; the next run goes on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from daemon.history.versions import versions as versions_of
from daemon.importing.importer import Importer
from daemon.importing.into_log import LogDestination
from daemon.importing.options import Options
from events.blobs import open_blobs
from events.log.opening import open_log
from events.ocfl.layout import STAGING
from events.ocfl.reading import objects, root_of
from tests.daemon.export.ocfl.living import Living, object_files, says_the_log, valid, versions

CONFIG = """
[source]
dsn = "postgresql:///nowhere"
assetstore = "{folder}"
[log]
url = "sqlite:///{folder}/log.sqlite"
[blobs]
url = "file://{folder}/blobs"
[target]
dsn = "postgresql:///nowhere"
assetstore = "{folder}"
"""
FILES = {"ORIGINAL": {"paper.pdf": b"%PDF-1.4 a paper", "data.csv": b"a,b\n1,2\n"}}
PLACES = ["ocfl.version:2", "ocfl.staged", "ocfl.placed", "ocfl.placed:3", "ocfl.dropped:2", "ocfl.indexed"]

NEITHER = """
import errno, os
from events.ocfl import writing
def refuse(*_words, **_names):
    raise OSError(errno.EPERM, "no links here")
writing._renameat2, os.link = None, refuse
from daemon.cli.main import main
main()
"""
"""The command on a file system that knows neither exchanging nor links, as some network and FUSE file systems."""


def export(living: Living, *words: str, program: str = "from daemon.cli.main import main; main()",
           limit: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """The command, in a process of its own."""
    config = living.folder / "aipstream.toml"
    config.write_text(CONFIG.format(folder=living.folder))
    return subprocess.run(
        [sys.executable, "-c", program, "--config", str(config), "export", "--ocfl", str(living.root), *words],
        env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=300,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
    )  # fmt: skip


def grown(living: Living) -> None:
    """Six objects, three of which have two versions."""
    living.person(4, "jo@example.org")
    living.community(2)
    living.collection(3, 2)
    for number in (9, 10, 11):
        living.item(number, 3, files=FILES)


def edited(living: Living) -> None:
    """News of three of them, and a new one."""
    living.retitled(living.item(9, 3, files={"ORIGINAL": {"new.txt": b"new"}}), "Third")
    living.delete(living.item(10, 3))
    living.item(12, 3, files=FILES)


@pytest.mark.parametrize("place", PLACES)
def test_a_first_export_that_is_killed_goes_on(living: Living, tmp_path: Path, place: str) -> None:
    """Objects that are there are whole; the next run makes the archive that an undisturbed one makes."""
    grown(living)
    done = export(living, AIPSTREAM_FAILPOINT=place)
    assert done.returncode == -signal.SIGKILL, done.stderr
    valid(living.root, leftovers=True)
    assert export(living).returncode == 0
    assert valid(living.root) == 7
    assert says_the_log(living) == 7
    living.archive(root=tmp_path / "undisturbed")
    assert object_files(living.root) == object_files(tmp_path / "undisturbed")


@pytest.mark.parametrize(("place", "program"), [
    *((place, None) for place in PLACES),
    *(pytest.param(place, NEITHER, id=f"{place}-aside") for place in ("ocfl.placed", "ocfl.dropped:2", "ocfl.aside")),
])  # fmt: skip
def test_a_later_export_that_is_killed_leaves_old_or_new(
    living: Living, tmp_path: Path, place: str, program: str | None
) -> None:
    """Each object has all its old versions, or its new ones too, and is valid; the next run brings the rest."""
    more = {"program": program} if program else {}
    grown(living)
    assert export(living, **more).returncode == 0
    old = dict(versions(living.root))
    edited(living)
    killed = export(living, AIPSTREAM_FAILPOINT=place, **more)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    now = dict(versions(living.root))
    if place != "ocfl.aside":  # only there is one object not in its place until the next run
        valid(living.root, leftovers=True)
    assert export(living, **more).returncode == 0
    assert valid(living.root) == 8
    new = dict(versions(living.root))
    assert says_the_log(living) == sum(new.values()) == 12
    assert all(now.get(uuid) in (old.get(uuid), number) for uuid, number in new.items())
    assert old.keys() <= now.keys()
    living.archive(root=tmp_path / "undisturbed")
    assert object_files(living.root) == object_files(tmp_path / "undisturbed")


def test_an_object_that_was_set_aside_is_still_read(living: Living, tmp_path: Path) -> None:
    """An export that is killed just there, never to be repeated: the archive is listed and imported whole all the same,
    and the object that is not in its place as it was before."""
    grown(living)
    assert export(living, program=NEITHER).returncode == 0
    at = living.log.end()
    edited(living)
    assert export(living, program=NEITHER, AIPSTREAM_FAILPOINT="ocfl.aside").returncode == -signal.SIGKILL
    (aside,) = (living.root / STAGING).glob("*/old")
    root = living.root
    assert aside in list(objects(root))
    assert root_of(aside) == root.resolve()
    (version,) = versions_of(root, aside.parent.name).versions
    assert (version.folder, version.position <= at) == (str(aside), True)
    with closing(open_log(f"sqlite:///{tmp_path}/new.sqlite", create=True)) as log:
        place = LogDestination(log, open_blobs(f"file://{tmp_path}/new", create=True), "test")
        assert not Importer(place, Options(at=at))([root]).refused
        assert {uuid for uuid, *_ in log.heads()} == {uuid for uuid, *_ in living.log.heads(at)}


def test_a_full_disk_leaves_whole_objects_and_nothing_else(living: Living) -> None:
    """A limit of the process on the size of a file stands for the disk: exit code 10, and nothing half-written."""
    grown(living)
    assert export(living).returncode == 0
    before = object_files(living.root)
    living.item(13, 3, files={"ORIGINAL": {"large": os.urandom(3_000_000)}})
    living.retitled(living.item(9, 3, files=FILES), "Second")
    done = export(living, limit=1_000_000)
    assert done.returncode == 10, done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert object_files(living.root) == before
    assert valid(living.root) == 7
    assert export(living).returncode == 0
    assert valid(living.root) == 8


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
def test_a_disk_that_fills_up_in_the_middle_goes_on_when_there_is_room(living: Living) -> None:
    """A real file system of one megabyte: what is there is whole, and with more room the rest comes."""
    living.root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(living.root)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not possible here")
    try:
        grown(living)
        assert export(living).returncode == 0
        for number in range(20, 40):
            living.item(number, 3, files={"ORIGINAL": {"each": os.urandom(100_000)}})
        done = export(living)
        assert done.returncode == 10, done.stderr
        assert valid(living.root) >= 7
        assert not (living.root / STAGING).exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(living.root)], check=True)
        assert export(living).returncode == 0
        assert valid(living.root) == 27
        assert says_the_log(living) == 27
    finally:
        subprocess.run(["umount", str(living.root)], check=True)
