"""The documents that the codec writes are loaded by a stock DSpace: registries, roles, and AIPs of every kind."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemon.dspace import snapshot
from daemon.dspace.assetstore import relative_path
from daemon.dspace.connect import connect
from daemon.dspace.facets import Options
from events.aip import read, write
from events.aip.files import entry_name, file_name
from events.aip.mets import TYPES
from events.aip.model import Aip, Kind
from events.aip.named import reference
from events.aip.roles import combined
from events.aip.stock_roles import WORKFLOW, translate
from events.package.listing import packages
from events.package.reading import open_package
from tests.real.rig import ADMIN, SITE, VERSIONS, Home, Repositories

OBJECTS = {
    Kind.REGISTRY: """SELECT md5('aipstream/schema/' || short_id)::uuid::text FROM metadataschemaregistry
        UNION ALL SELECT md5('aipstream/formats')::uuid::text UNION ALL SELECT md5('aipstream/entities')::uuid::text""",
    Kind.PERSON: "SELECT uuid::text FROM eperson",
    Kind.GROUP: "SELECT uuid::text FROM epersongroup",
    Kind.SITE: "SELECT uuid::text FROM site",
    Kind.COMMUNITY: """SELECT uuid::text FROM community
        ORDER BY (SELECT min(handle_id) FROM handle WHERE resource_id = uuid)""",
    Kind.COLLECTION: "SELECT uuid::text FROM collection",
    Kind.ITEM: "SELECT uuid::text FROM item WHERE in_archive OR withdrawn",
}


def everything(home: Home) -> dict[Kind, list[Aip]]:
    """Every object of a repository, with parents before children."""
    connection = connect(home.dsn, "source", readonly=True)
    try:
        found = {}
        for kind, sql in OBJECTS.items():
            with connection.cursor() as cursor:
                cursor.execute(sql)
                uuids = [uuid for (uuid,) in cursor]
            read = snapshot.read(connection, kind, uuids, Options())
            found[kind] = [read[uuid] for uuid in uuids if uuid in read]
        return found
    finally:
        connection.close()


def package(aip: Aip, assetstore: Path, into: Path) -> Path:
    """The zip that the stock packager takes: the document, and the content of every bitstream."""
    path = into / f"{aip.kind}-{aip.uuid}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mets.xml", write(aip))
        for row in aip.stored:
            name = file_name([value for value in aip.values if value.subject == row.uuid])
            assert row.internal_id is not None
            archive.write(assetstore / relative_path(row.internal_id), entry_name(row.uuid, name))
    return path


def metadata(aip: Aip) -> set[tuple[str, str | None, str | None]]:
    """The metadata of the object itself as stock DSpace carries it: provenance is what a restore itself adds to."""
    return {
        (row.field, (row.text or "").strip(), row.lang)
        for row in aip.values
        if row.subject == aip.uuid and row.field != "dc.description.provenance"
    }


def contents(aip: Aip) -> dict[tuple[str | None, int], tuple[str | None, ...]]:
    """By bundle name and place: name, format and checksum of each file, and who may read it from when."""
    titles = {row.subject: row.text for row in aip.values if row.field == "dc.title"}
    names = {row.uuid: row.name for row in aip.names}
    bitstreams = {row.uuid: row for row in aip.bitstreams}
    readers: dict[str, list[str]] = {}
    for row in aip.policies:
        if row.action == 0:
            readers.setdefault(row.subject, []).append(f"{names[row.group or row.person or '']} {row.start}")
    return {
        (titles[row.bundle], row.order): (
            titles[row.bitstream],
            bitstreams[row.bitstream].format,
            bitstreams[row.bitstream].checksum,
            *sorted(readers.get(row.bitstream, ())),
        )
        for row in aip.placed
        if bitstreams[row.bitstream].size > 0  # stock drops empty files
    }


@pytest.fixture(scope="module", params=VERSIONS)
def source(request: pytest.FixtureRequest, repositories: Repositories) -> Home:
    """A repository with one of everything."""
    return repositories.seeded(request.param)


def load_roles_and_registries(target: Home, objects: dict[Kind, list[Aip]], folder: Path) -> None:
    """By the commands that DSpace has for them."""
    for aip in objects[Kind.REGISTRY]:
        path = folder / f"{aip.uuid}.xml"
        path.write_bytes(write(aip))
        if aip.key == "formats":
            target.run("registry-loader", "-bitstream", path)
        elif aip.key == "entities":
            target.run("dsrun", "org.dspace.app.util.InitializeEntities", "-f", path)
        elif aip.key == "schema/rig":  # the only one that the target has not
            target.run("registry-loader", "-metadata", path)
    roles = folder / "roles.xml"
    roles.write_bytes(combined(objects[Kind.PERSON] + objects[Kind.GROUP]))
    target.run("packager", "-r", "-f", "-u", "-t", "DSPACE-ROLES", "-e", ADMIN, "-i", SITE, roles)


def test_a_stock_dspace_rebuilds_a_repository_from_our_documents(
    source: Home, repositories: Repositories, tmp_path: Path
) -> None:
    """Registries, then roles, then packages: afterwards the same objects are there, readable by the same people."""
    target = repositories.fresh(source.rig.version)
    objects = everything(source)
    with target.editor():
        load_roles_and_registries(target, objects, tmp_path)
        for kind in (Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
            for aip in objects[kind]:
                target.load_aips(package(aip, source.assetstore, tmp_path))

    rebuilt = everything(target)
    for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        after = {aip.uuid: aip for aip in rebuilt[kind]}
        for aip in objects[kind]:
            assert after[aip.uuid].handle == aip.handle
            if kind is Kind.ITEM:
                assert metadata(after[aip.uuid]) >= metadata(aip)
                if not aip.items[0].withdrawn:
                    assert contents(after[aip.uuid]).items() >= contents(aip).items()
    types = {aip.key: aip for aip in rebuilt[Kind.REGISTRY]}
    for aip in objects[Kind.REGISTRY]:
        assert set(types[aip.key].relationship_types) >= {
            replace(row, tilted=row.tilted or 0)  # the loader knows no NULL
            for row in aip.relationship_types
        }
        assert {row.short_description for row in types[aip.key].formats} >= {
            row.short_description for row in aip.formats
        }


def test_every_package_that_a_stock_dspace_exports_is_read(source: Home, tmp_path: Path) -> None:
    """The rows have the UUIDs, handles and file contents of the repository that was exported."""
    source.export_aips(SITE, tmp_path)
    found: dict[Kind, dict[str, Aip]] = {}
    people: dict[str, Aip] = {}
    below: dict[str, set[str]] = {}
    unexpected: list[str] = []
    for path in packages([tmp_path]):
        with open_package(path) as package:
            aip = package.aip
            assert aip is not None
            assert read(write(aip)) == aip
            found.setdefault(aip.kind, {})[aip.uuid] = aip
            for row in aip.bitstreams:
                assert hashlib.md5(package.open(row.uuid).read()).hexdigest() == row.checksum
            for child in package.children:
                assert child.package is not None
                assert (tmp_path / child.package).exists()
                below.setdefault(aip.uuid, set()).add(child.handle or "")
            if aip.kind is Kind.SITE:
                people = {row.uuid: row for row in package.people}
            unexpected += [f"{path.name}: {doubt}" for doubt in package.doubts]
    assert unexpected == []

    objects = everything(source)
    handles = {aip.handle: aip.uuid for aips in objects.values() for aip in aips if aip.handle}
    for kind, aips in objects.items():
        for aip in aips:
            if kind in {Kind.PERSON, Kind.GROUP}:
                assert_same_account(people[aip.uuid], aip, handles)
            if kind not in TYPES or (kind is Kind.ITEM and not aip.items[0].in_archive):
                continue
            stock = found[kind][aip.uuid]
            assert stock.handle == aip.handle
            assert {(row.uuid, row.checksum, row.size, row.sequence_id) for row in stock.bitstreams} >= {
                (row.uuid, row.checksum, row.size, row.sequence_id) for row in aip.bitstreams if kind is Kind.ITEM
            }
            assert {row.other for row in stock.parents} == {
                reference(row.kind, row.name or "") for row in aip.names if row.uuid in {up.other for up in aip.parents}
            }
            assert kind is Kind.SITE or allowed(stock, handles) == allowed(aip, handles)
            if kind is Kind.ITEM:
                assert metadata(stock) == metadata(aip)
                known = {
                    row.short_description: row
                    for row in next(row.formats for row in objects[Kind.REGISTRY] if row.key == "formats")
                }
                for row in stock.formats:
                    assert replace(row, extensions=()) == replace(known[row.short_description], extensions=())
            if kind is Kind.COMMUNITY:
                assert stock.community is not None
                assert aip.community is not None
                assert stock.community.admin == aip.community.admin
            if kind is Kind.COLLECTION:
                assert stock.collection is not None
                assert aip.collection is not None
                assert stock.collection.admin == aip.collection.admin
                assert stock.collection.submitters == aip.collection.submitters
                assert set(stock.roles) == {row for row in aip.roles if row.role in WORKFLOW.values()}
            for up in aip.parents:
                if up.other in found[Kind.COMMUNITY] or up.other in found[Kind.COLLECTION]:
                    assert aip.handle in below[up.other]


def allowed(aip: Aip, handles: dict[str, str]) -> set[tuple[str | int | None, ...]]:
    """Who may do what with the object and its files, from when to when. Bundles have other UUIDs in packages."""
    names = {row.uuid: translate(row.name or "", handles.get) for row in aip.names}
    subjects = {aip.uuid, *(row.uuid for row in aip.bitstreams)} if aip.kind is Kind.ITEM else {aip.uuid}
    return {
        (row.subject, row.action, names[row.group or row.person or ""], row.start, row.end, row.name)
        for row in aip.policies
        if row.subject in subjects
    }


def assert_same_account(stock: Aip, aip: Aip, handles: dict[str, str]) -> None:
    """A person or group of the site's package is that of the database, but for what DSPACE-ROLES has no words for."""
    if aip.person is not None:
        assert stock.person is not None
        assert (stock.person.email, stock.person.netid) == (aip.person.email, aip.person.netid)
        assert stock.person.can_log_in == bool(aip.person.can_log_in)
        assert set(stock.values) <= set(aip.values)
        return
    assert stock.group is not None
    assert aip.group is not None
    assert translate(stock.group.name or "", handles.get) == aip.group.name
    assert {row.other for row in stock.persons_in} == {row.other for row in aip.persons_in}
    assert {row.other for row in stock.groups_in} == {row.other for row in aip.groups_in}
