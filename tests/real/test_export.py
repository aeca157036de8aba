"""What aipstream exports, a real DSpace restores: in every mode, and with every kind of content."""

from __future__ import annotations

import zipfile
from pathlib import Path

import psycopg2
import pytest

from events.aip import read
from tests import schemas
from tests.real.exported import Exporter
from tests.real.rig import ADMIN, VERSIONS, Home, Repositories
from tests.real.test_documents import contents, everything, metadata

LICENCE = "LicenseServiceImpl - Can't load current request context"
"""What every restore of an item without a licence logs on the command line."""


@pytest.fixture(scope="module", params=VERSIONS)
def source(request: pytest.FixtureRequest, repositories: Repositories) -> Home:
    """A repository with one of everything, and a group that has groups of collections as members."""
    home = repositories.seeded(request.param)
    made = home.edit(
        """
newgroup Outer
newrole {theses} submit
newrole {top} admin
metadata {rich} dc.title "A title for the export"
newperson out@example.org Out Sider
password out@example.org secret
group add Outer out@example.org
"""
    )
    (submitters,) = (line.split()[1] for line in made if line.endswith("_SUBMIT"))
    home.edit(f"subgroup add Outer {submitters}\nsubgroup add {submitters} Staff\n")
    return home


@pytest.fixture(scope="module")
def exporter(source: Home, tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    return Exporter(source, tmp_path_factory.mktemp("exported"))


ROLES = """
    select h.handle, 'admin', g.name from community c join handle h on h.resource_id = c.uuid
    join epersongroup g on g.uuid = c.admin
    union all select h.handle, 'admin', g.name from collection c join handle h on h.resource_id = c.uuid
    join epersongroup g on g.uuid = c.admin
    union all select h.handle, 'submit', g.name from collection c join handle h on h.resource_id = c.uuid
    join epersongroup g on g.uuid = c.submitter
    union all select h.handle, r.role_id, g.name from cwf_collectionrole r join handle h
    on h.resource_id = r.collection_id join epersongroup g on g.uuid = r.group_id"""
MEMBERS = """
    select p.name, 'group', c.name from group2group l join epersongroup p on p.uuid = l.parent_id
    join epersongroup c on c.uuid = l.child_id
    union all select g.name, 'person', e.email from epersongroup2eperson l
    join epersongroup g on g.uuid = l.eperson_group_id join eperson e on e.uuid = l.eperson_id"""
PASSWORDS = "select email, password, salt from eperson where password is not null"


def rows(home: Home, statement: str) -> set[tuple[str, ...]]:
    connection = psycopg2.connect(home.dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return set(cursor.fetchall())
    finally:
        connection.close()


def top(folder: Path) -> Path:
    (site,) = folder.glob("SITE@*.zip")
    return site


def test_an_empty_dspace_is_restored_from_the_sites_package(
    source: Home, exporter: Exporter, repositories: Repositories
) -> None:
    """`packager -r -a -f` of one file restores the site with everything in it, and DSpace logs no error.

    Roles, memberships and passwords are there too.
    """
    target = repositories.fresh(source.rig.version)
    target.edit('field rig http://example.org/rig shelf mark\nnewformat "Rig format" application/x-rig 1 rig\n')
    folder = exporter.export("whole", "site", "--passwords")
    target.run("packager", "-r", "-a", "-f", "-u", "-t", "AIP", "-e", ADMIN, top(folder))
    assert [line for line in target.errors() if LICENCE not in line] == []
    before, after = everything(source), everything(target)
    for kind in before:
        if kind.value not in ("community", "collection", "item"):
            continue
        there = {aip.uuid: aip for aip in after[kind]}
        for aip in before[kind]:
            if kind.value == "item" and (not aip.items[0].in_archive or aip.items[0].withdrawn):
                assert aip.uuid not in there, "what is not public is not published"
                continue
            assert there[aip.uuid].handle == aip.handle
            if kind.value == "item":
                assert metadata(there[aip.uuid]) >= metadata(aip)
                assert contents(there[aip.uuid]).items() >= contents(aip).items()

    assert rows(target, ROLES) == rows(source, ROLES)
    assert rows(target, MEMBERS) == rows(source, MEMBERS)
    own = {row for row in rows(source, PASSWORDS) if row[0] != ADMIN}
    assert own
    assert own <= rows(target, PASSWORDS)


def test_our_package_comes_back_whole(exporter: Exporter, source: Home, tmp_path: Path) -> None:
    """Read from the package, each object is what it was, row by row, but for names, which are of the moment.

    And every manifest is valid against the METS schema.
    """
    folder = exporter.export("again", "site", "--passwords")
    objects = {aip.uuid: aip for aips in everything(source).values() for aip in aips}
    count = 0
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as package:
            document = package.read("mets.xml")
            aip = read(document)
        assert schemas.errors(document) == []
        own = objects[aip.uuid]
        assert aip.values == own.values or sorted(map(repr, aip.values)) == sorted(map(repr, own.values))
        assert sorted(map(repr, aip.policies)) == sorted(map(repr, own.policies))
        count += 1
    assert count > 5
