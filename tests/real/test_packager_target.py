"""A repository kept by the target's own packager: aipstream captures, stock DSpace loads, nobody touches its database.

The whole story is told once a version (a JVM costs seconds); each test asks one thing about it.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.dspace.connect import connect
from daemon.losses.compare import losses
from events.aip.model import Aip, Kind
from tests.real.replication import PROGRAM
from tests.real.rig import ADMIN, SCRIPTS, VERSIONS, Home, Repositories
from tests.real.test_documents import contents, everything, metadata

EDITS = """
metadata {rich} dc.title "Another title"
addvalue {rich} dc.subject en "Łódź — 図書館"
addbitstream {hidden} ORIGINAL more.bin 5000
field odd http://example.org/odd strange
metadata {plain1} odd.strange "a new field"
withdraw {plain2}
reinstate {withdrawn}
delete {plain0}
newperson dee@example.org "Dée" "Dupont"
newgroup Readers
group add Readers dee@example.org
allow {hidden} READ group:Readers
delperson zoe@example.org
email bo@example.org bo@example.net
newcollection {below} "Fresh"
newrole {newcollection} admin
group add COLLECTION_{fresh}_ADMIN dee@example.org
newitem {newcollection} 2
unbind {foreign}
handle {foreign} 99999/7
"""


@dataclass
class Story:
    """Both homes, the configuration, and what was seen on the way."""

    source: Home
    target: Home
    folder: Path
    work: Path
    config: Path
    first: dict[Kind, list[Aip]] = field(default_factory=dict)
    copied: dict[Kind, list[Aip]] = field(default_factory=dict)
    last: dict[Kind, list[Aip]] = field(default_factory=dict)
    after: dict[Kind, list[Aip]] = field(default_factory=dict)
    said: dict[str, tuple[int, str]] = field(default_factory=dict)
    lost: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, name: str, *words: str, **environment: str) -> tuple[int, str]:
        """One verb of aipstream: its exit code and what it printed, kept under that name."""
        done = subprocess.run(
            [str(PROGRAM), "--config", str(self.config), *words],
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        self.said[name] = (done.returncode, done.stdout)
        return self.said[name]

    def books(self, query: str) -> list[tuple[object, ...]]:
        """A look into the books."""
        connection = sqlite3.connect(f"file:{self.work / 'applied.sqlite'}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def uuid(self, name: str) -> str:
        """The object of the source that has the handle of that name."""
        return next(
            aip.uuid
            for aips in (*self.first.values(), *self.last.values())
            for aip in aips
            if aip.handle == self.source.handles[name]
        )


def made(version: str, repositories: Repositories, folder: Path) -> Story:
    source, target = repositories.seeded(version), repositories.fresh(version)
    work = folder / "work"
    story = Story(source, target, folder, work, folder / "aipstream.toml")
    story.config.write_text(f"""
[source]
dsn = {json.dumps(source.dsn)}
assetstore = {json.dumps(str(source.assetstore))}
[log]
url = {json.dumps(f"sqlite:///{folder}/log.sqlite")}
[blobs]
url = {json.dumps(f"file://{folder}/blobs")}
[target]
driver = "packager"
dspace = {json.dumps(f"{SCRIPTS / 'dspace'} {target.path}")}
eperson = "{ADMIN}"
work = {json.dumps(str(work))}
[people]
passwords = true
""")
    return story


def uuid_of(home: Home, handle: str) -> str:
    connection = connect(home.dsn, "source", readonly=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT resource_id::text FROM handle WHERE handle = %s", [handle])
            return str((cursor.fetchone() or ("",))[0])
    finally:
        connection.close()


@pytest.fixture(scope="module", params=VERSIONS)
def story(
    request: pytest.FixtureRequest, repositories: Repositories, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    """A repository restored, edited, and brought up to date in spite of a kill and a package that is refused."""
    story = made(request.param, repositories, tmp_path_factory.mktemp("packager"))
    assert story("init", "init")[0] == 0, story.said["init"]
    story.first = everything(story.source)
    assert story("snapshot", "snapshot")[0] == 0, story.said["snapshot"]
    story("stranger", "check", AIPSTREAM_TARGET_EPERSON="nobody@example.org")
    story("replay", "replay")
    story.copied = everything(story.target)
    story.lost = [(str(uuid), str(code)) for uuid, code in story.books("select uuid, code from loss")]

    with story.source.editor() as edit:
        handles = story.source.handles
        for line in EDITS.strip().splitlines():
            edit(line)
            for uuid, verb in (("fresh", "newcollection"), ("foreign", "newitem")):
                if line.startswith(verb):
                    handles[uuid] = uuid_of(story.source, handles[verb])
    story.last = everything(story.source)
    assert story("captured", "run", "--until-current", AIPSTREAM_FAILPOINT="replay.written:2")[0] == -signal.SIGKILL
    story("again", "run", "--until-current")
    story.after = everything(story.target)
    story("status", "status", "--json")
    return story


@pytest.fixture
def objects(story: Story) -> dict[str, tuple[Aip, Aip]]:
    """Of the last state: what both ends have of communities, collections and items, by handle."""
    there = {aip.uuid: aip for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM) for aip in story.after[kind]}
    return {
        aip.handle or "": (aip, there[aip.uuid])
        for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)
        for aip in story.last[kind]
        if aip.uuid in there
    }


def groups(aips: dict[Kind, list[Aip]]) -> dict[str, set[str]]:
    """The members of every group, by name."""
    people = {aip.uuid: aip.person.email for aip in aips[Kind.PERSON] if aip.person}
    named = {aip.uuid: aip.group.name for aip in aips[Kind.GROUP] if aip.group}
    return {
        named[aip.uuid] or "": {str(people[row.other]) for row in aip.persons_in}
        | {str(named[row.other]) for row in aip.groups_in}
        for aip in aips[Kind.GROUP]
    }


def test_the_first_replay_restores_everything_with_handles_and_uuids(story: Story) -> None:
    """Every community, collection and archived item, with its metadata and files."""
    assert story.said["replay"][0] == 0, story.said["replay"]
    for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        there = {aip.uuid: aip for aip in story.copied[kind]}
        for aip in story.first[kind]:
            assert there[aip.uuid].handle == aip.handle
            if kind is Kind.ITEM:
                assert metadata(there[aip.uuid]) >= metadata(aip)
                if not aip.items[0].withdrawn:
                    assert contents(there[aip.uuid]).items() >= contents(aip).items()


def test_people_and_groups_are_the_same(story: Story) -> None:
    """General groups, and the groups of roles, which hold their roles in the containers as on the source."""
    assert groups(story.copied).items() >= groups(story.first).items()
    roles = {aip.uuid: aip for aip in story.copied[Kind.COLLECTION]}
    named = {aip.uuid: aip.group.name for aip in [*story.first[Kind.GROUP], *story.copied[Kind.GROUP]] if aip.group}
    for aip in story.first[Kind.COLLECTION]:
        one, other = aip.collection, roles[aip.uuid].collection
        assert one
        assert other
        assert [named.get(uuid or "") for uuid in (one.admin, one.submitters)] == [
            named.get(uuid or "") for uuid in (other.admin, other.submitters)
        ]
        assert {(row.role, named[row.group]) for row in roles[aip.uuid].roles} == {
            (row.role, named[row.group]) for row in aip.roles
        }


def test_a_withdrawn_item_is_withdrawn_and_nobody_may_read_its_files(story: Story) -> None:
    """It was never published: it came in one transaction, withdrawn, with DSpace's own right for such items."""
    uuid = story.uuid("withdrawn")
    item = next(aip for aip in story.copied[Kind.ITEM] if aip.uuid == uuid)
    assert item.items[0].withdrawn
    assert not item.items[0].in_archive
    assert {row.action for row in item.policies if row.subject == uuid} == {12}
    names = {row.subject: row.text for row in item.values if row.field == "dc.title"}
    assert {names[row.subject] for row in item.policies if row.subject != uuid} <= {"LICENSE", "license.txt"}


def test_a_superseded_version_is_not_published(story: Story) -> None:
    """Only an item of the archive, or a withdrawn one, is on the target."""
    archived = {aip.uuid for aip in story.first[Kind.ITEM]}
    assert {aip.uuid for aip in story.copied[Kind.ITEM]} == archived
    assert "not-archived" in {code for _, code in story.lost}


def test_what_is_lost_is_named_exactly(story: Story) -> None:
    """The codes in the books of the first replay are those of what differs between both ends, object by object."""
    said: dict[str, set[str]] = {}
    for uuid, code in story.lost:
        said.setdefault(uuid, set()).add(code)
    wrong = []
    there = {aip.uuid: aip for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM) for aip in story.copied[kind]}
    for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        for aip in story.first[kind]:
            found = {loss.code for loss in losses(aip, there[aip.uuid])}
            if found != said.get(aip.uuid, set()):
                wrong.append((kind.value, aip.handle, found - said.get(aip.uuid, set()), said[aip.uuid] - found))
    assert not wrong


def test_edits_arrive(story: Story, objects: dict[str, tuple[Aip, Aip]]) -> None:
    """Metadata, files, a new field, a new right, new containers and items, after a kill in the middle."""
    handles = story.source.handles
    for name in ("rich", "hidden", "plain1", "plain2", "newcollection"):
        source, target = objects[handles[name]]
        if source.kind is Kind.ITEM:
            assert metadata(target) >= metadata(source), name
        if source.kind is Kind.ITEM and not source.items[0].withdrawn:
            assert contents(target).items() >= contents(source).items(), name
    assert groups(story.after)["Readers"] == {"dee@example.org"}
    _, fresh = objects[handles["newcollection"]]
    assert fresh.collection
    assert fresh.collection.admin
    assert objects[handles["plain2"]][1].items[0].withdrawn


def test_items_and_people_that_are_gone_are_deleted(story: Story) -> None:
    """By the commands that stock DSpace has for them."""
    assert story.source.handles["plain0"] not in {aip.handle for aip in story.after[Kind.ITEM]}
    assert "zoe@example.org" in {aip.person.email for aip in story.copied[Kind.PERSON] if aip.person}
    assert "zoe@example.org" not in {aip.person.email for aip in story.after[Kind.PERSON] if aip.person}


def test_an_account_keeps_its_identity_with_a_new_address(story: Story) -> None:
    """It is the account that was there, not a second one."""
    before = {aip.person.email: aip.uuid for aip in story.copied[Kind.PERSON] if aip.person}
    after = {aip.person.email: aip.uuid for aip in story.after[Kind.PERSON] if aip.person}
    assert after["bo@example.net"] == before["bo@example.org"]
    assert "bo@example.org" not in after


def test_what_stock_cannot_do_is_named(story: Story) -> None:
    """The item that was reinstated stays withdrawn, and the books say so."""
    uuid = story.uuid("withdrawn")
    assert next(aip for aip in story.after[Kind.ITEM] if aip.uuid == uuid).items[0].withdrawn
    assert story.books(f"select uuid from loss where code = 'reinstated' and uuid = '{uuid}'")


def test_a_package_that_is_refused_is_parked_and_the_rest_goes_on(story: Story) -> None:
    """A handle of another prefix: DSpace's own words, exit code 3, and every other event applied."""
    code, said = story.said["again"]
    assert code == 3, said
    (parked,) = story.books("select kind, reason from parked")
    assert parked[0] == "item"
    assert "Identifier" in str(parked[1])
    status = json.loads(story.said["status"][1])
    assert status["replay"]["position"] == status["log"]["end"]
    assert status["replay"]["parked"] == 1


def test_check_looks_at_the_command_the_account_and_the_prefix(story: Story) -> None:
    """An account that is not there is told before anything is loaded."""
    code, said = story.said["stranger"]
    assert code != 0
    assert "account nobody@example.org is not there" in said
    assert "handle prefix 123456789 in the log, 123456789 on the target" in said
    assert f"{SCRIPTS / 'dspace'} runs" in said
