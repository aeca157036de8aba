"""`aipstream import DIR --at MOMENT`: each object of an archive as it stood then, found in the archive alone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.cli.main import outcome
from daemon.export.moment import Moment
from daemon.importing.archived import chosen
from events.aip.model import Aip, Kind, Uuid, derived_uuid
from events.aip.registry_rows import Field, Schema, Tombstone
from events.errors import ConfigError, InvalidPackage
from events.event import BEGINNING, Position
from events.log import Log
from events.log.opening import open_log
from events.ocfl.layout import identifier, place
from events.ocfl.moments import Life
from events.ocfl.reading import OcflObject, objects
from events.ocfl.shelf import Lives
from events.package.listing import packages
from events.package.reading import open_package
from tests.daemon.cli.place import Done
from tests.daemon.export.composed import SITE, uuid_of
from tests.daemon.export.ocfl.living import Living, valid
from tests.daemon.export.ocfl.test_import import FILES, take
from tests.daemon.export.ocfl.test_property import STEP
from tests.daemon.export.ocfl.test_property import take as step_of
from tests.hunting import examples


def told(living: Living, *words: str) -> Done:
    """A verb without any configuration."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = outcome(["--config", str(living.folder / "nowhere.toml"), *words])
    return Done(code, out.getvalue(), err.getvalue())


def grown(living: Living) -> dict[str, Position]:
    """A life with something of everything; the position of each moment that has a name."""
    moments: dict[str, Position] = {}
    schema = derived_uuid("schema/local")
    jo = living.person(4, "jo@example.org")
    living.state(Aip(kind=Kind.REGISTRY, uuid=schema, key="schema/local", schemas=[Schema("local", "http://x/local")]))
    living.group(7, "Staff", people=(jo,))
    living.community(2)
    living.group(5, f"COLLECTION_{uuid_of(3)}_SUBMIT")
    living.collection(3, 2, submitters=uuid_of(5))
    moments["first"] = living.log.end()
    living.item(9, 3, files=FILES, policies=(uuid_of(7),))
    living.item(10, 3)
    moments["items"] = living.log.end()
    living.group(7, "Staff")
    living.group(5, f"COLLECTION_{uuid_of(3)}_SUBMIT", people=(jo,))
    living.retitled(uuid_of(9), "Second")
    fields = [Field("local", "thing", None, None)]
    living.state(Aip(kind=Kind.REGISTRY, uuid=schema, key="schema/local", fields=fields,
                     schemas=[Schema("local", "http://x/local")]))  # fmt: skip
    moments["edited"] = living.log.end()
    living.delete(uuid_of(10))
    stone = Tombstone("handle", "1/10", 2)
    living.state(Aip(kind=Kind.TOMBSTONE, uuid=derived_uuid("handle/1/10"), key="handle/1/10", tombstone=stone))
    living.community(20)
    living.retitled(uuid_of(3), "Moved")
    moments["deleted"] = living.log.end()
    living.archive()
    return moments


def standing(log: Log, at: Position | None = None) -> dict[Uuid, Aip]:
    """Every object as the log has it at a position, without what only translates."""
    moment = Moment(log, at)
    found = {}
    for uuid in moment.heads:
        aip = moment.aip(uuid)
        assert aip is not None
        aip.names, aip.formats = [], aip.formats if aip.kind is Kind.REGISTRY else []
        found[uuid] = aip
    return found


@pytest.mark.parametrize("name", ["first", "items", "edited", "deleted"])
def test_an_archive_gives_back_every_moment(living: Living, tmp_path: Path, name: str) -> None:
    """Into an empty log: what the first log has at that position, registries, people and retired handles too; what was
    deleted or came later is counted, and named."""
    at = grown(living)[name]
    done = take(living, tmp_path / name, "--at", str(at))
    assert done["code"] == 0, done
    assert (done["position"], done["inexact"], done["notes"]) == (at, 0, [])
    back = open_log(f"sqlite:///{tmp_path}/{name}/log.sqlite")
    there = standing(living.log, at)
    assert standing(back) == there
    back.close()
    gone = {entry.event.uuid for entry in living.log.read(BEGINNING, until=at)} - there.keys()
    later = {entry.event.uuid for entry in living.log.read(at)} - there.keys() - gone
    assert done["left_out"] == {"deleted": len(gone), "not_there_yet": len(later)}
    assert len(done["no_packages"]) == len(gone | later)
    again = take(living, tmp_path / name, "--at", str(at))
    assert (again["code"], set(again["counts"])) == (0, {"unchanged", "kept"})


@pytest.mark.parametrize("words", [("2026-03-01T00:00:09",), ("0/9",), ("9",)])
def test_a_moment_has_the_words_of_the_other_verbs(living: Living, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A time, an LSN, the number of an event: the last event by then."""
    grown(living)
    done = take(living, tmp_path / "new", "--at", *words, "--dry-run")
    assert (done["code"], done["position"]) == (0, 9)
    assert not [each for each in done["objects"] if each["handle"] == "1/20"]


def test_a_moment_out_of_the_archive_is_said(living: Living, tmp_path: Path) -> None:
    """Before it nothing is known, which is refused; what is beyond its end is taken for its end."""
    moments = grown(living)
    for words in ("0", "2020-01-01", "0/0"):
        done = take(living, tmp_path / "new", "--at", words)
        assert (done["code"], done["error"]) == (2, "ConfigError")
        assert "all that it has came later" in done["message"]
    done = take(living, tmp_path / "new", "--at", "2999-01-01", "--dry-run")
    assert done["position"] == moments["deleted"]
    assert "is beyond the end of the archive" in done["notes"][0]
    assert take(living, tmp_path / "new", "--at", "99", "--dry-run")["notes"]
    assert not take(living, tmp_path / "new", "--at", str(moments["deleted"]), "--dry-run")["notes"]


def test_what_is_no_archive_has_no_moments(living: Living, tmp_path: Path) -> None:
    """A package is of the moment of its export."""
    grown(living)
    package = tmp_path / "packages"
    shutil.copytree(living.object(uuid_of(9)).folder, package)
    assert told(living, "import", str(package), "--at", "9").code == 2
    living.root = package
    done = take(living, tmp_path / "new", "--at", "9")
    assert (done["code"], f"{package} is no archive" in done["message"]) == (2, True)


@pytest.mark.parametrize(("what", "said"), [
    ("nothing", "{}: cannot be opened: No such file or directory"),
    ("dangling", "{}: cannot be opened: No such file or directory"),
    ("locked", "{}: cannot be opened: Permission denied"),
    ("file", "{} is no archive"),
    ("empty", "{} is an empty folder"),
])  # fmt: skip
def test_a_path_at_which_there_is_no_archive_is_told(living: Living, tmp_path: Path, what: str, said: str) -> None:
    """By every verb that reads one, in the words of an import without a moment."""
    living.root = tmp_path / what
    if what == "dangling":
        living.root.symlink_to("nowhere")
    elif what == "file":
        living.root.write_text("<mets")
    elif what != "nothing":
        living.root.mkdir()
    plain = take(living, tmp_path / "new")  # and has all modules loaded
    with without_rights(living.root) if what == "locked" else contextlib.nullcontext():
        messages = [told(living, *words, "--ocfl", str(living.root)) for words in (("log",), ("why", "1/9"))]
        with pytest.raises(ConfigError) as caught:
            chosen([living.root], "9")
    assert {done.code for done in messages} == {2}
    assert all(said.format(living.root) in text for text in (*(done.err for done in messages), str(caught.value)))
    if what in ("nothing", "dangling"):
        assert plain["objects"][0]["message"] == said.format(living.root)


@contextlib.contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """The folder cannot be opened, by the superuser neither: he is nobody meanwhile."""
    folder.chmod(0)
    effective = os.geteuid()
    above = [path for path in folder.parents if path.stat().st_mode & 0o011 != 0o011]
    modes = {path: path.stat().st_mode for path in above}
    try:
        if effective == 0:
            for path in above:
                path.chmod(modes[path] | 0o011)  # his group stays
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(effective)
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_storage_folder_that_cannot_be_listed_hides_no_other(living: Living, tmp_path: Path) -> None:
    """It is told like an object that is damaged."""
    grown(living)
    told(living, "log", "--ocfl", str(living.root))
    folder = living.object(uuid_of(9)).folder.parent.parent
    with without_rights(folder):
        done = told(living, "log", "--ocfl", str(living.root), "--json")
        (found,) = [path for path in packages([living.root]) if path == folder]
        assert list(packages([folder / "cd/object"])) == [folder / "cd/object"]  # opening it says the same
        with pytest.raises(InvalidPackage, match=f"{folder}: cannot be opened: Permission denied"):
            open_package(found)
    result, _ = json.JSONDecoder().raw_decode(done.out)
    assert [each["why"] for each in result["damaged"]] == [f"{folder}: cannot be opened: Permission denied"]


def test_one_version_can_be_imported_by_its_folder(living: Living) -> None:
    """With its own files, and with the groups as they were when it came."""
    grown(living)
    folder = living.object(uuid_of(9)).folder
    assert list(packages([folder / "v1"])) == [folder / "v1"]
    with open_package(folder / "v1") as package:
        assert package.aip == standing_at(living, uuid_of(9), 9)
        assert {package.open(row.uuid).read() for row in package.aip.bitstreams} == {b"%PDF-1.4 a paper", b""}
    for version, members in (("v1", 0), ("v2", 1)):
        with open_package(living.object(uuid_of(3)).folder / version) as package:
            (group,) = package.people
            assert len(group.persons_in) == members


def standing_at(living: Living, uuid: Uuid, at: Position) -> Any:
    found = Moment(living.log, at).aip(uuid)
    assert found is not None
    return found


def test_a_moment_of_which_events_were_thinned_is_said(living: Living, tmp_path: Path) -> None:
    """The object may have been otherwise then: it is counted, as `restore --at` counts it; other moments are exact."""
    from datetime import UTC, datetime, timedelta

    from daemon.retention.policy import Policy
    from daemon.retention.prune import prune

    living.community(2)
    living.retitled(uuid_of(2), "Second")
    living.retitled(uuid_of(2), "Third")
    day = timedelta(days=1)
    prune(living.log, living.blobs, Policy(day, day, day, day), day, now=datetime(2026, 6, 1, tzinfo=UTC))
    living.archive()
    assert take(living, tmp_path / "new", "--at", "3", "--dry-run")["inexact"] == 1
    assert take(living, tmp_path / "new", "--at", "4", "--dry-run")["inexact"] == 0


def test_a_position_within_a_moment_is_said(living: Living, tmp_path: Path) -> None:
    """Two objects of one transaction: the repository never stood between them. A time stands for both."""
    living.community(2)
    living.community(3)
    both = [entry.event for entry in living.log.read(1)]
    again = [msgspec.structs.replace(event, lsn=9, commit_time="2026-03-01T00:00:09.000000Z") for event in both]
    living.log.append(again)
    living.archive()
    done = take(living, tmp_path / "new", "--at", "4", "--dry-run")
    assert "position 4 lies between events of one moment (2026-03-01T00:00:09Z)" in done["notes"][0]
    for words in ("3", "5", "2026-03-01T00:00:09"):
        assert take(living, tmp_path / "new", "--at", words, "--dry-run")["notes"] == []


def test_the_versions_of_an_archive_are_listed(living: Living) -> None:
    """Without a configuration: the newest ones, those after a moment, those of an object; and what each changed."""
    moments = grown(living)
    end = moments["deleted"]
    done = told(living, "log", "--ocfl", str(living.root), "--json").json
    assert [each["position"] for each in done["versions"]] == list(range(1, end + 1))
    assert (done["objects"], done["all_versions"], done["end"]) == (valid(living.root), end, end)
    assert [each["position"] for each in told(
        living, "log", "--ocfl", str(living.root), "--after", "0/9", "--limit", "2", "--json"
    ).json["versions"]] == [10, 11]  # fmt: skip
    assert [each["position"] for each in told(
        living, "log", "--ocfl", str(living.root), "--limit", "2", "--json"
    ).json["versions"]] == [end - 1, end]  # fmt: skip
    for thing in ("1/9", uuid_of(9)):
        found = told(living, "log", thing, "--ocfl", str(living.root), "--json").json["versions"]
        assert [(each["version"], each["handle"]) for each in found] == [("v1", "1/9"), ("v2", "1/9")]
    text = told(living, "log", "--ocfl", str(living.root)).out
    assert f"{end} versions of {done['objects']} objects; the log is in it up to position {end}" in text


def test_why_tells_the_life_of_an_archived_object(living: Living) -> None:
    """In the words in which it tells that of the log."""
    grown(living)
    done = told(living, "why", "1/9", "--ocfl", str(living.root))
    assert done.code == 0
    assert "dc.title: 'Number 9' -> 'Second'" in done.out
    events = told(living, "why", "1/10", "--ocfl", str(living.root), "--json").json["events"]
    assert [(each["version"], each["type"]) for each in events] == [("v1", "put"), ("v2", "delete")]
    assert events[1]["changes"] == ["deleted"]
    assert told(living, "why", "1/99", "--ocfl", str(living.root)).code == 2
    assert "is no archive" in told(living, "why", "1/9", "--ocfl", str(living.folder / "blobs")).err


def test_a_damaged_object_hides_no_other(living: Living, tmp_path: Path) -> None:
    """In the list, and when a moment is sought; the import refuses it by name."""
    grown(living)
    path = living.object(uuid_of(20)).folder / "inventory.json"
    path.write_bytes(path.read_bytes().replace(b"sha512", b"sha521", 1))
    done = told(living, "log", "--ocfl", str(living.root), "--json")
    assert done.code == 3
    result, _ = json.JSONDecoder().raw_decode(done.out)
    assert [each["path"] for each in result["damaged"]] == [str(path.parent)]
    assert len(result["versions"]) == living.log.end() - 1
    taken = take(living, tmp_path / "new", "--at", "2026-03-01T00:00:09", "--dry-run")
    assert (taken["code"], taken["position"]) == (3, 9)
    assert [each["path"] for each in taken["objects"] if each["what"] == "refused"] == [str(path.parent)]


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=12))
def test_whatever_the_log_every_position_is_found(steps: list[tuple[Any, ...]]) -> None:
    """Of every object the version that the log has at that position; by time and LSN the position that the log says."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        living = Living(Path(folder))
        try:
            living.community(2)
            for step in steps:
                step_of(living, step)
            living.archive()
            lives = {each.found.inventory.id: each for each in map(Life, map(OcflObject, objects(living.root)))}
            every = list(living.log.read(BEGINNING))
            for position in range(living.log.end() + 2):
                for uuid in {entry.event.uuid for entry in every}:
                    life = lives[identifier(uuid)]
                    number = life.at(position)
                    said = [each.position for each in living.log.history(uuid) if each.position <= position]
                    assert number == len(said)
                    assert not number or life.envelope(number).position == said[-1]
            for entry in every:
                time, lsn = entry.event.commit_time, entry.event.lsn
                assert Lives(living.root).position(time=time) == living.log.position(time=time)
                assert Lives(living.root).position(lsn=lsn) == living.log.position(lsn=lsn)
        finally:
            living.close()


def test_a_content_that_the_archive_is_without_refuses_its_object(living: Living, tmp_path: Path) -> None:
    """Unless the import may leave it out, too."""
    living.community(2)
    living.collection(3, 2)
    living.item(9, 3, files=FILES, captured=False)
    living.archive(skip=True)
    done = take(living, tmp_path / "new", "--at", "4")
    assert done["code"] == 3
    assert [each["error"] for each in done["objects"] if each["what"] == "refused"] == ["ContentMissing"]
    done = take(living, tmp_path / "new", "--at", "4", "-o", "unauthorized=skip")
    assert (done["code"], done["counts"]["created"]) == (0, 1)


def test_the_site_of_the_archive_is_found_by_its_place(living: Living) -> None:
    """A version's folder leads to its object, and that to the archive."""
    from events.ocfl.reading import root_of

    living.archive()
    folder = living.root / place(identifier(SITE))
    assert root_of(folder) == root_of(living.root) == living.root.resolve()
    assert root_of(folder / "v1") is None
    assert root_of(living.folder) is None
