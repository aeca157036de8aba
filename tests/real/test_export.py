"""What aipstream exports, a real DSpace restores: in every mode, and with every kind of content."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from events.aip import read
from tests.real.exported import Exporter
from tests.real.rig import VERSIONS, Home, Repositories
from tests.real.test_documents import contents, everything, metadata

LICENCE = "LicenseServiceImpl - Can't load current request context"
"""What every restore of an item without a licence logs on the command line."""


@pytest.fixture(scope="module", params=VERSIONS)
def source(request: pytest.FixtureRequest, repositories: Repositories) -> Home:
    """A repository with one of everything, and a group that has a collection's group as a member."""
    home = repositories.seeded(request.param)
    home.edit(
        """
newgroup Outer
newrole {theses} submit
metadata {rich} dc.title "A title for the export"
newperson out@example.org Out Sider
group add Outer out@example.org
"""
    )
    return home


@pytest.fixture(scope="module")
def exporter(source: Home, tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    return Exporter(source, tmp_path_factory.mktemp("exported"))


def top(folder: Path) -> Path:
    (site,) = folder.glob("SITE@*.zip")
    return site


def test_an_empty_dspace_is_restored_from_the_sites_package(
    source: Home, exporter: Exporter, repositories: Repositories
) -> None:
    """`packager -r -a -f` of one file restores the site with everything in it, and DSpace logs no error."""
    target = repositories.fresh(source.rig.version)
    target.edit('field rig http://example.org/rig shelf mark\nnewformat "Rig format" application/x-rig 1 rig\n')
    folder = exporter.export("whole", "site", "--passwords")
    target.run("packager", "-r", "-a", "-f", "-u", "-t", "AIP", "-e", "admin@example.org", top(folder))
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


def test_our_package_comes_back_whole(exporter: Exporter, source: Home, tmp_path: Path) -> None:
    """Read from the package, each object is what it was, row by row, but for names, which are of the moment."""
    folder = exporter.export("again", "site", "--passwords")
    objects = {aip.uuid: aip for aips in everything(source).values() for aip in aips}
    count = 0
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as package:
            aip = read(package.read("mets.xml"))
        own = objects[aip.uuid]
        assert aip.values == own.values or sorted(map(repr, aip.values)) == sorted(map(repr, own.values))
        assert sorted(map(repr, aip.policies)) == sorted(map(repr, own.policies))
        count += 1
    assert count > 5
