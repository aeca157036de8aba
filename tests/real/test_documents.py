"""The documents that the codec writes are loaded by a stock DSpace: registries, roles, and AIPs of every kind."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from daemon.dspace import snapshot
from daemon.dspace.assetstore import relative_path
from daemon.dspace.connect import connect
from daemon.dspace.facets import Options
from events.aip import write
from events.aip.files import entry_name, file_name
from events.aip.model import Aip, Kind
from events.aip.roles import combined
from tests.real.rig import ADMIN, Home, Repositories

OBJECTS = {
    Kind.REGISTRY: """SELECT md5('aipstream/schema/' || short_id)::uuid::text FROM metadataschemaregistry
        UNION ALL SELECT md5('aipstream/formats')::uuid::text UNION ALL SELECT md5('aipstream/entities')::uuid::text""",
    Kind.PERSON: "SELECT uuid::text FROM eperson",
    Kind.GROUP: "SELECT uuid::text FROM epersongroup",
    Kind.SITE: "SELECT uuid::text FROM site",
    Kind.COMMUNITY: """SELECT uuid::text FROM community
        ORDER BY EXISTS (SELECT FROM community2community WHERE child_comm_id = uuid)""",
    Kind.COLLECTION: "SELECT uuid::text FROM collection",
    Kind.ITEM: "SELECT uuid::text FROM item WHERE in_archive OR withdrawn",
}


def everything(home: Home) -> dict[Kind, list[Aip]]:
    """Every object of a repository, with parents before children."""
    connection = connect("source", home.dsn, readonly=True)
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


@pytest.mark.parametrize("version", ["7.6.6", "8.2"])
def test_a_stock_dspace_rebuilds_a_repository_from_our_documents(
    repositories: Repositories, version: str, tmp_path: Path
) -> None:
    """Registries, then roles, then packages: afterwards the same objects are there, readable by the same people."""
    source = repositories.seeded(version, 1)
    target = repositories.fresh(version)
    objects = everything(source)
    for aip in objects[Kind.REGISTRY]:
        path = tmp_path / f"{aip.uuid}.xml"
        path.write_bytes(write(aip))
        if aip.key == "formats":
            target.run("registry-loader", "-bitstream", path)
        elif aip.key == "entities":
            target.run("dsrun", "org.dspace.app.util.InitializeEntities", "-f", path)
        else:
            target.run("registry-loader", "-metadata", path)
    roles = tmp_path / "roles.xml"
    roles.write_bytes(combined(objects[Kind.PERSON] + objects[Kind.GROUP]))
    target.run("packager", "-r", "-f", "-u", "-t", "DSPACE-ROLES", "-e", ADMIN, "-i", "123456789/0", roles)
    for kind in (Kind.SITE, Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        for aip in objects[kind]:
            target.load_aips(package(aip, source.assetstore, tmp_path))
    rebuilt = everything(target)
    for kind in (Kind.COMMUNITY, Kind.COLLECTION, Kind.ITEM):
        assert {(aip.uuid, aip.handle) for aip in rebuilt[kind]} >= {(aip.uuid, aip.handle) for aip in objects[kind]}
