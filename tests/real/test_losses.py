"""What the loss ledger says of stock DSpace is exact: nothing more is lost, and nothing less.

A repository with every kind of content is exported by aipstream and by DSpace's own packager, restored into an empty
DSpace, and exported again. At each station every object is, row by row, what the functions of `daemon.losses.stock`
said that it would be. Only what differs from run to run is set aside, in `settled`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest
from msgspec.structs import replace

from daemon.dspace import snapshot
from daemon.dspace.connect import connect
from daemon.dspace.facets import Options
from daemon.losses.compare import losses
from daemon.losses.natural import natural
from daemon.losses.release import NOW
from daemon.losses.restored_items import ACCESSIONED, LICENCE_FORMAT, LICENCE_NAME, RESTORED
from daemon.losses.stock import Place, exported, restored
from daemon.losses.summary import Summary
from events.aip import write
from events.aip.model import Aip, Kind, Uuid
from events.aip.named import reference
from events.aip.order import LISTS
from events.package.reading import open_package
from tests.real.exported import Exporter
from tests.real.rig import ADMIN, SITE, VERSIONS, Home, Repositories
from tests.real.test_documents import OBJECTS
from tests.real.verbs import EDITS, edits_of

AT = Place(person=reference(Kind.PERSON, ADMIN))
"""Who runs the packager here; all else is as shipped."""

NOT_HERE = ("unbind {plain1}",)
"""An item without a handle stops a recursive restore."""

MORE = """
metadata {rich}#first.txt dc.source "the scanner"
metadata {rich}#first.txt dc.format "odd format"
metadata {rich}#first.txt dc.title.alternative "alias"
metadata {rich}!ORIGINAL dc.title.alternative "bundle alias"
primary {hidden} EXTRA third.bin
addbitstream {rich} TEXT again-zero.bin 0
addbitstream {hidden} LICENSE other.bin 30
addvalue {plain2} dc.identifier.uri - "https://doi.org/10.5072/rig-9"
addvalue {plain2} dc.identifier.uri - "http://hdl.handle.net/123456789/18"
addvalue {plain2} dc.identifier.uri - "http://example.org/handle/99999/18"
metadata {plain2} dc.date.accessioned
newbundle {plain2} LICENSE
discoverable {plain2} false
metadata {mapped} dc.title
allow {rich} ADMIN person:bo@example.org
allow {articles} WRITE group:Staff
allow {top} READ group:Staff 2030-01-01 - "a name"
metadata group:Staff dc.description "who work here"
"""

BESIDE = r"""
CREATE TEMP VIEW object AS SELECT handle, resource_id AS id FROM handle WHERE resource_id IS NOT NULL;
CREATE TEMP VIEW field AS SELECT metadata_field_id AS id, concat(short_id, '.', element, '.' || nullif(qualifier, ''))
  AS name FROM metadatafieldregistry JOIN metadataschemaregistry USING (metadata_schema_id);
INSERT INTO metadatavalue
  (metadata_value_id, dspace_object_id, metadata_field_id, place, text_value, text_lang, authority, confidence)
SELECT nextval('metadatavalue_seq'), o.id, f.id, v.place, v.text, v.lang, v.authority, v.confidence
FROM (VALUES
  ('{work}', 'dc.subject', 0, '  padded  ', 'en', NULL, -1),
  ('{work}', 'dc.subject', 1, E'bell\x07 and\ttab\r\nline', NULL, NULL, -1),
  ('{work}', 'dc.subject', 7, 'far', NULL, NULL, -1),
  ('{work}', 'dc.subject', 8, NULL, NULL, NULL, -1),
  ('{work}', 'dc.subject', 9, '', '', NULL, -1),
  ('{work}', 'dc.subject', 10, 'star', '*', NULL, -1),
  ('{work}', 'dc.subject', 11, E'\u00a0nbsp\u2003', NULL, NULL, -1),
  ('{work}', 'dc.subject', 12, '   ', NULL, NULL, -1),
  ('{work}', 'dc.subject', 13, E'a\u0085b\u007f', NULL, NULL, -1),
  ('{work}', 'dc.contributor.author', 0, 'Auth, A', '', 'auth-1', 600),
  ('{work}', 'dc.contributor.author', 1, 'Conf, C', NULL, NULL, 500),
  ('{work}', 'dc.contributor.author', 2, 'Zero, C', NULL, 'auth-2', 0),
  ('{work}', 'dc.date.issued', 0, '2001', NULL, NULL, -1),
  ('{work}', 'dc.date.issued', 1, '2002', 'en', NULL, -1),
  ('{theses}', 'dc.title', 1, 'Thèses', 'fr', NULL, -1),
  ('{theses}', 'dc.subject', 0, 'a subject', NULL, NULL, -1),
  ('{theses}', 'dc.description.abstract', 0, '  in short  ', NULL, NULL, -1),
  ('{theses}', 'dc.rights', 0, '', NULL, NULL, -1),
  ('{theses}', 'dc.rights.license', 0, 'You may.', NULL, NULL, -1)
) v (handle, field, place, text, lang, authority, confidence)
JOIN object o ON o.handle = v.handle JOIN field f ON f.name = v.field;
INSERT INTO resourcepolicy
  (policy_id, dspace_object, resource_type_id, action_id, epersongroup_id, eperson_id, rptype, rpname)
SELECT nextval('resourcepolicy_seq'), o.id, 2, v.action,
  CASE WHEN v.by_group THEN (SELECT uuid FROM epersongroup WHERE name = 'Staff') END,
  CASE WHEN v.by_person THEN (SELECT uuid FROM eperson WHERE email = 'bo@example.org') END, v.type, v.name
FROM (VALUES
  ('{work}', 5, true, false, 'TYPE_WORKFLOW', NULL), ('{work}', 12, true, false, NULL, 'odd'),
  ('{work}', 1, true, true, NULL, NULL), ('{work}', 2, false, true, NULL, 'a  name ')
) v (handle, action, by_group, by_person, type, name) JOIN object o ON o.handle = v.handle;
UPDATE item SET submitter_id = NULL WHERE uuid = (SELECT id FROM object WHERE handle = '{author}');
UPDATE handle SET handle = '123456789/77.2' WHERE handle = '{install}';
DELETE FROM community2community WHERE child_comm_id = (SELECT id FROM object WHERE handle = '{newcommunity}')
  AND parent_comm_id = (SELECT id FROM object WHERE handle = '{below}');
UPDATE eperson SET sub_frequency = 3 WHERE email = 'dee@example.org';
"""
"""What DSpace's services would tidy, but real databases hold; and a second parent is taken away: a package names one,
and stock restores a container only where that one is there already.
"""

KINDS = (Kind.PERSON, Kind.GROUP, Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM)
DERIVED = ("names", "formats", "stored")
"""Rows that say nothing of the object itself."""


class Stations(NamedTuple):
    """The repository, what came of it, and the packages that DSpace's own packager made of both."""

    version: str
    source: dict[Uuid, Aip]
    target: dict[Uuid, Aip]
    replaced: dict[Uuid, Aip]
    handles: dict[Uuid, str]
    of_source: Path
    of_target: Path
    errors: list[str]


def objects(home: Home) -> dict[Uuid, Aip]:
    """Every object but registries and tombstones, by UUID, with passwords."""
    found: dict[Uuid, Aip] = {}
    with closing(connect(home.dsn, "source", readonly=True)) as connection:
        for kind in KINDS:
            with connection.cursor() as cursor:
                cursor.execute(OBJECTS[kind].replace("WHERE in_archive OR withdrawn", ""))
                uuids = [uuid for (uuid,) in cursor]
            found |= snapshot.read(connection, kind, uuids, Options(passwords=True))
    return found


def load_registries(source: Home, target: Home, folder: Path) -> None:
    """By the commands that DSpace has for them."""
    with closing(connect(source.dsn, "source", readonly=True)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(OBJECTS[Kind.REGISTRY])
            uuids = [uuid for (uuid,) in cursor]
        for aip in snapshot.read(connection, Kind.REGISTRY, uuids, Options()).values():
            path = folder / f"{aip.uuid}.xml"
            path.write_bytes(write(aip))
            if aip.key == "formats":
                target.run("registry-loader", "-bitstream", path)
            elif aip.key == "schema/rig":  # the only one that the target has not
                target.run("registry-loader", "-metadata", path)


@pytest.fixture(scope="module", params=VERSIONS)
def stations(
    request: pytest.FixtureRequest, repositories: Repositories, tmp_path_factory: pytest.TempPathFactory
) -> Stations:
    version, folder = request.param, tmp_path_factory.mktemp("losses")
    source, target = repositories.seeded(version), repositories.fresh(version)
    edits = "\n".join(line for line in EDITS.splitlines() if line not in NOT_HERE)
    with source.editor() as edit:
        for _ in edits_of(edit, edits + MORE):
            pass
    with closing(psycopg2.connect(source.dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(BESIDE.format(**source.handles))
    packages = Exporter(source, folder / "ours").export("packages", "site", "--passwords")
    (top,) = packages.glob("SITE@*.zip")
    with source.editor():
        of_source = source.export_aips(SITE, folder / "of-source").parent
    with target.editor():
        load_registries(source, target, folder)
        target.load_aips(top, "-r", "-a", "-f")
        of_target = target.export_aips(SITE, folder / "of-target").parent
    after = objects(target)
    with target.editor():
        target.load_aips(top, "-r", "-a", "-f")
    before = objects(source)
    containers = (Kind.COMMUNITY, Kind.COLLECTION)
    handles = {aip.uuid: aip.handle for aip in before.values() if aip.kind in containers and aip.handle}
    return Stations(version, before, after, objects(target), handles, of_source, of_target, target.errors())


def settled(aip: Aip) -> Aip:
    """The object without what differs from run to run: UUIDs made anew, times of a restore, and the licence that DSpace
    adds, whose text the target's settings have.
    """
    found = natural(aip)
    names = {row.subject: row.text for row in found.values if row.field == "dc.title"}
    sources = {row.subject: row.text for row in found.values if row.field == "dc.source"}
    added = {
        row.uuid
        for row in found.bitstreams
        if row.format == LICENCE_FORMAT and names.get(row.uuid) == sources.get(row.uuid) == LICENCE_NAME
    }
    values = []
    for row in found.values:
        text = row.text or ""
        if text.startswith(RESTORED):
            values.append(replace(row, text=RESTORED))
        elif row.field == ACCESSIONED and row.subject == aip.uuid:
            values.append(replace(row, text=NOW))
        else:
            values.append(row)
    return replace(
        found,
        values=values,
        items=[replace(row, last_modified=NOW) for row in found.items],
        versions=[replace(row, date=NOW) for row in found.versions],
        bitstreams=[replace(row, checksum=NOW, size=0) if row.uuid in added else row for row in found.bitstreams],
    )


def rows(aip: Aip | None) -> Counter[str]:
    """What an object says, for a comparison that names what differs."""
    if aip is None:
        return Counter(["not there"])
    found: list[Any] = [aip.uuid]
    for name in ("person", "group", "site", "community", "collection", *LISTS):
        if name not in DERIVED:
            one = getattr(aip, name)
            found += one if isinstance(one, list) else [one]
    return Counter(map(str, found))


def unequal(expected: Aip | None, found: Aip | None) -> list[str]:
    one, other = rows(expected), rows(found)
    return [f"expected {row}" for row in (one - other).elements()] + [
        f"found {row}" for row in (other - one).elements()
    ]


def read(folder: Path, handles: dict[Uuid, str]) -> dict[Uuid, Aip]:
    """What a folder of packages says, natural, by UUID."""
    found: dict[Uuid, Aip] = {}
    for path in sorted(folder.glob("*.zip")):
        with open_package(path) as package:
            assert package.aip is not None
            people = package.people if package.aip.kind is Kind.SITE else ()
            for aip in (package.aip, *people):
                each = natural(aip, handles)
                found[each.uuid] = each
    return found


def of_kinds(stations: Stations) -> Iterator[Aip]:
    return (aip for aip in stations.source.values() if aip.kind in KINDS)


def test_a_restore_leaves_exactly_what_was_said(stations: Stations) -> None:
    """Every object of the target equals what `restored` makes of the source's, and there is no other object."""
    assert [line for line in stations.errors if "LicenseServiceImpl" not in line] == []
    there = {aip.uuid: aip for aip in map(settled, stations.target.values())}
    wrong = {}
    for aip in of_kinds(stations):
        expected = restored(aip, stations.version, at=AT)
        found = there.pop(natural(aip).uuid, None)
        if aip.person and aip.person.email == ADMIN:  # runs the packager, which leaves that account alone
            continue
        different = unequal(settled(expected) if expected else None, found)
        if different:
            wrong[aip.handle or aip.uuid] = different
    assert not wrong
    assert not there


def test_replacing_what_is_there_leaves_exactly_what_was_said(stations: Stations) -> None:
    """The same packages once more onto the restored objects: what they keep of before, and what they get again."""
    before = {natural(aip).uuid: aip for aip in stations.target.values()}
    there = {natural(aip).uuid: aip for aip in stations.replaced.values()}
    wrong = {}
    for aip in of_kinds(stations):
        if aip.person and aip.person.email == ADMIN:
            continue
        uuid = natural(aip).uuid
        expected = restored(aip, stations.version, at=AT, existing=before.get(uuid))
        one, other = (_without_licence(settled(each)) if each else None for each in (expected, there.get(uuid)))
        if different := unequal(one, other):
            wrong[aip.handle or aip.uuid] = different
    assert not wrong


def _without_licence(aip: Aip) -> Aip:
    """The object without policies of the licence that was added: who may read it follows from the collection."""
    added = {row.uuid for row in aip.bitstreams if row.checksum == NOW}
    return replace(aip, policies=[row for row in aip.policies if row.subject not in added])


def test_dspaces_own_packages_say_exactly_what_was_said(stations: Stations) -> None:
    """What our reader reads of every package of the source equals what `exported` makes of its object."""
    there = read(stations.of_source, stations.handles)
    wrong = {}
    for aip in of_kinds(stations):
        expected = exported(aip, stations.version, stations.handles)
        found = there.pop(natural(aip, stations.handles).uuid, None)
        different = unequal(natural(expected, stations.handles) if expected else None, found)
        if different:
            wrong[aip.handle or aip.uuid] = different
    assert not wrong
    assert not there


def test_dspaces_packages_of_the_target_say_what_the_losses_leave(stations: Stations) -> None:
    """Field by field: the export of the target equals that of the source without what the ledger names."""
    there = read(stations.of_target, stations.handles)
    wrong = {}
    for aip in of_kinds(stations):
        kept = restored(aip, stations.version, at=AT)
        expected = exported(kept, stations.version, stations.handles) if kept else None
        found = there.pop(natural(aip, stations.handles).uuid, None)
        if aip.person and aip.person.email == ADMIN:
            continue
        different = unequal(settled(expected) if expected else None, settled(found) if found else None)
        if different:
            wrong[aip.handle or aip.uuid] = different
    assert not wrong


def test_every_loss_of_the_real_target_is_named_before(stations: Stations) -> None:
    """What differs between source and target, under the codes that the ledger gives: the same, with the same counts."""
    there = {natural(aip).uuid: aip for aip in stations.target.values()}
    expected, found = Summary(), Summary()
    for aip in of_kinds(stations):
        if aip.person and aip.person.email == ADMIN:
            continue
        expected += losses(aip, restored(aip, stations.version, at=AT))
        found += losses(aip, there.get(natural(aip).uuid))
    assert "other" not in found.lines
    assert {code: (line.objects, line.rows) for code, line in found.lines.items()} == {
        code: (line.objects, line.rows) for code, line in expected.lines.items()
    }
    assert len(found.lines) > 30
